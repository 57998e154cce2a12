/** How one process fares: its memory, its CPU, and how long its event loop keeps others waiting. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Metric, metric } from './metrics.ts';

export interface ProcessMetrics {
  collect(): Metric[];
  stop(): void;
}

/** @param name label of every figure: `worker-1` */
export function startProcessMetrics(
  name: string,
  process: Pick<NodeJS.Process, 'memoryUsage' | 'cpuUsage'>,
): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const labels = { process: name };
  const one = (value: number, more: Readonly<Record<string, string>> = {}) => [
    { value, labels: { ...labels, ...more } },
  ];
  return {
    collect() {
      const cpu = process.cpuUsage();
      // The histogram holds the sampling interval too, and NaN while it is empty.
      const seconds = (nanoseconds: number) => Math.max(0, (nanoseconds || 0) - 10e6) / 1e9;
      const delays = [
        ...one(seconds(delay.percentile(50)), { quantile: '0.5' }),
        ...one(seconds(delay.percentile(99)), { quantile: '0.99' }),
      ];
      const worst = one(seconds(delay.max));
      delay.reset();
      return [
        metric(
          'gauge',
          'penstock_event_loop_delay_seconds',
          'Delay of the event loop since the last scrape.',
          delays,
          'max',
        ),
        metric(
          'gauge',
          'penstock_event_loop_delay_max_seconds',
          'Worst delay of the event loop since the last scrape.',
          worst,
          'max',
        ),
        metric('gauge', 'penstock_process_resident_bytes', 'Resident memory.', one(process.memoryUsage.rss()), 'max'),
        metric(
          'counter',
          'penstock_process_cpu_seconds_total',
          'CPU time, user and system.',
          one((cpu.user + cpu.system) / 1e6),
        ),
      ];
    },
    stop: () => delay.disable(),
  };
}
