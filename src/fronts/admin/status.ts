/** What `GET /status` answers as JSON and `penstock status` shows: the same figures as the metrics, arranged for people. */
import type { Metric, MetricValue } from '../../service/metrics.ts';
import { type StoredStatus, storedOf } from './stored-status.ts';

export interface ProcessStatus {
  readonly name: string;
  readonly pid: number | undefined;
  readonly state: 'ready' | 'starting' | 'down';
  /** How often it died and was started again. */
  readonly restarts: number;
}

export interface OperationStatus {
  readonly operation: string;
  readonly requests: number;
  /** Requests that ended with a status of 400 and above, 304 and 412 not counted as such. */
  readonly errors: number;
  readonly meanMs: number;
  /** Upper bound of the bucket that holds 99 of 100 requests; `null` when it is beyond the last bound, or there were none. */
  readonly p99Ms: number | null;
}

export interface GatewayStatus {
  readonly version: string;
  readonly pid: number;
  readonly ready: boolean;
  readonly startedMs: number;
  readonly uptimeMs: number;
  readonly data: string;
  /** HOST:PORT as bound. */
  readonly addresses: { readonly s3: string; readonly grpc: string; readonly admin: string };
  readonly tls: boolean;
  readonly keeper: ProcessStatus;
  readonly workers: readonly ProcessStatus[];
  /** Totals since the start, over all workers that ever ran. */
  readonly operations: readonly OperationStatus[];
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** What the store holds, by class of content; absent where the storage knows of no classes, or its keeper is not there. */
  readonly stored?: StoredStatus | undefined;
  /** Every other figure without labels, by its metric name without `penstock_`: `store_live_bytes`, `cache_hits_total` ... */
  readonly figures: Readonly<Record<string, number>>;
}

function valuesOf(metrics: readonly Metric[], name: string): readonly MetricValue[] {
  return metrics.find((metric) => metric.name === name)?.values ?? [];
}

function total(metrics: readonly Metric[], name: string): number {
  return valuesOf(metrics, name).reduce((sum, { value }) => sum + value, 0);
}

function p99Ms(durations: readonly MetricValue[], operation: string, count: number): number | null {
  for (const { metricName, labels, value } of durations) {
    if (!metricName?.endsWith('_bucket') || labels.operation !== operation || value < 0.99 * count) continue;
    return labels.le === '+Inf' ? null : Number(labels.le) * 1000;
  }
  return null;
}

export function operationsOf(metrics: readonly Metric[]): OperationStatus[] {
  const durations = valuesOf(metrics, 'penstock_s3_request_duration_seconds');
  const byOperation = new Map<string, { requests: number; errors: number }>();
  for (const { labels, value } of valuesOf(metrics, 'penstock_s3_requests_total')) {
    const name = String(labels.operation);
    const sums = byOperation.get(name) ?? { requests: 0, errors: 0 };
    const status = Number(labels.status);
    sums.requests += value;
    if (status >= 400 && status !== 412) sums.errors += value;
    byOperation.set(name, sums);
  }
  return [...byOperation].map(([operation, { requests, errors }]) => {
    const sum = durations.find((d) => d.metricName?.endsWith('_sum') && d.labels.operation === operation)?.value ?? 0;
    return {
      operation,
      requests,
      errors,
      meanMs: (sum * 1000) / Math.max(1, requests),
      p99Ms: p99Ms(durations, operation, requests),
    };
  });
}

/** The part of the status that comes from the metrics. */
export function figuresOf(
  metrics: readonly Metric[],
): Pick<GatewayStatus, 'operations' | 'receivedBytes' | 'sentBytes' | 'stored' | 'figures'> {
  const figures: Record<string, number> = {};
  for (const { name, type, values } of metrics) {
    const [only] = values;
    if (type === 'histogram' || values.length !== 1 || only === undefined || Object.keys(only.labels).length > 0)
      continue;
    figures[name.replace(/^penstock_/, '')] = only.value;
  }
  return {
    operations: operationsOf(metrics).sort((a, b) => b.requests - a.requests),
    receivedBytes: total(metrics, 'penstock_s3_received_bytes_total'),
    sentBytes: total(metrics, 'penstock_s3_sent_bytes_total'),
    stored: storedOf(metrics),
    figures,
  };
}
