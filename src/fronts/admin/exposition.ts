/**
 * Many processes, one page of figures. What a dead process counted stays counted, since a total that shrinks reads as a restart and
 * makes rates jump.
 */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue as PromValue } from 'prom-client';
import type { Metric } from '../../service/metrics.ts';

type PromMetrics = MetricObjectWithValues<PromValue<string>>[];

/** The sum of several processes. Equal labels are put together as each metric says. */
export async function addUp(processes: readonly (readonly Metric[])[]): Promise<Metric[]> {
  const filled = processes.filter((metrics) => metrics.length > 0);
  const registry = AggregatorRegistry.aggregate(filled as unknown as PromMetrics[]);
  return (await registry.getMetricsAsJSON()) as unknown as Metric[];
}

/** What remains of a process that is gone: what it counted, not what it measured. */
export function countersOf(metrics: readonly Metric[]): Metric[] {
  return metrics.filter(({ type }) => type !== 'gauge');
}

export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export async function metricsPage(metrics: readonly Metric[]): Promise<MetricsPage> {
  const registry = AggregatorRegistry.aggregate([metrics as unknown as PromMetrics]);
  return { contentType: registry.contentType, text: await registry.metrics() };
}
