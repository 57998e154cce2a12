import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUp, metricsPage } from '../../src/fronts/admin/exposition.ts';
import { codecMetrics } from '../../src/service/codec-metrics.ts';

test('the figures of codec pools add up over processes', async () => {
  const stats = (unit: number) => ({
    examineTasks: unit,
    encodeTasks: 2 * unit,
    decodeTasks: 3 * unit,
    items: 4 * unit,
    queuedBytes: 5 * unit,
    threads: 6 * unit,
    lostThreads: 7 * unit,
  });
  const { text } = await metricsPage(
    await addUp([codecMetrics(stats(1)), codecMetrics(stats(10)), codecMetrics(undefined)]),
  );
  for (const line of [
    'penstock_codec_tasks_total{kind="examine"} 11',
    'penstock_codec_tasks_total{kind="encode"} 22',
    'penstock_codec_tasks_total{kind="decode"} 33',
    'penstock_codec_items_total 44',
    'penstock_codec_queued_bytes 55',
    'penstock_codec_threads 66',
    'penstock_codec_lost_threads_total 77',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line}\n---\n${text}`);
  }
});
