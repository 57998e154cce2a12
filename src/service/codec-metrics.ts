/** The figures of a codec pool, for whoever composes one: they add up over the pools of all processes. */
import type { CodecPoolStats } from '../codec/codec-pool.ts';
import { type Metric, metric } from './metrics.ts';

/** @param stats `undefined` where coding is done without threads */
export function codecMetrics(stats: CodecPoolStats | undefined): Metric[] {
  if (stats === undefined) return [];
  const { examineTasks, encodeTasks, decodeTasks, items, queuedBytes, threads, lostThreads } = stats;
  return [
    metric('counter', 'penstock_codec_tasks_total', 'Tasks that codec threads finished, by kind.', [
      { value: examineTasks, labels: { kind: 'examine' } },
      { value: encodeTasks, labels: { kind: 'encode' } },
      { value: decodeTasks, labels: { kind: 'decode' } },
    ]),
    metric('counter', 'penstock_codec_items_total', 'Objects and extents in those tasks.', items),
    metric('gauge', 'penstock_codec_queued_bytes', 'Bytes of work that codec threads have before them.', queuedBytes),
    metric('gauge', 'penstock_codec_threads', 'Codec threads that run.', threads),
    metric('counter', 'penstock_codec_lost_threads_total', 'Codec threads that died or hung.', lostThreads),
  ];
}
