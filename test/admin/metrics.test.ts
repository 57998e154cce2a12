import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addUp, countersOf, metricsPage } from '../../src/fronts/admin/exposition.ts';
import { figuresOf } from '../../src/fronts/admin/status.ts';
import { metric, RequestMetrics, type RequestOutcome, S3_NAMES } from '../../src/service/metrics.ts';

function get(durationMs: number, status = 200, errorCode?: string): RequestOutcome {
  return { operation: 'GetObject', status, errorCode, bytesIn: 1, bytesOut: 10, durationMs };
}

function worker(...outcomes: RequestOutcome[]): RequestMetrics {
  const requests = new RequestMetrics(S3_NAMES);
  for (const outcome of outcomes) requests.record(outcome);
  return requests;
}

describe('the figures of requests', () => {
  test('of several workers are added up by operation and status, with latency histograms', async () => {
    const one = worker(get(0.25), get(0.3), get(7));
    const two = worker(get(20_000), get(1, 404, 'NoSuchKey'));
    const { text, contentType } = await metricsPage(await addUp([one.collect(), two.collect()]));
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    for (const line of [
      'penstock_s3_requests_total{operation="GetObject",status="200"} 4',
      'penstock_s3_requests_total{operation="GetObject",status="404"} 1',
      'penstock_s3_request_duration_seconds_bucket{le="0.00025",operation="GetObject"} 1',
      'penstock_s3_request_duration_seconds_bucket{le="0.0005",operation="GetObject"} 2',
      'penstock_s3_request_duration_seconds_bucket{le="0.01",operation="GetObject"} 4',
      'penstock_s3_request_duration_seconds_bucket{le="10",operation="GetObject"} 4',
      'penstock_s3_request_duration_seconds_bucket{le="+Inf",operation="GetObject"} 5',
      'penstock_s3_request_duration_seconds_count{operation="GetObject"} 5',
      'penstock_s3_errors_total{code="NoSuchKey"} 1',
      'penstock_s3_received_bytes_total 5',
      'penstock_s3_sent_bytes_total 50',
      '# TYPE penstock_s3_request_duration_seconds histogram',
    ]) {
      assert.ok(text.split('\n').includes(line), `${line}\n---\n${text}`);
    }
  });

  test('of a process that is gone stay counted, and its measurements do not', async () => {
    const gone = [...worker(get(1)).collect(), metric('gauge', 'penstock_cache_bytes', 'Bytes.', 7)];
    const retired = await addUp([[], countersOf(gone)]);
    const retiredTwice = await addUp([retired, countersOf(gone)]);
    const { text } = await metricsPage(await addUp([retiredTwice, worker(get(1)).collect()]));
    assert.match(text, /penstock_s3_requests_total\{operation="GetObject",status="200"\} 3\n/);
    assert.doesNotMatch(text, /penstock_cache_bytes/);
  });

  test('that several processes tell of one thing are not added up', async () => {
    const size = metric('gauge', 'penstock_store_live_bytes', 'Bytes.', 7, 'max');
    assert.match((await metricsPage(await addUp([[size], [size]]))).text, /penstock_store_live_bytes 7\n/);
  });

  test('are arranged for people by the status', async () => {
    const outcomes = [
      ...Array.from({ length: 98 }, () => get(2)),
      get(30),
      get(30),
      get(1, 404, 'NoSuchKey'),
      get(1, 412, 'PreconditionFailed'),
    ];
    const metrics = await addUp([
      worker(...outcomes).collect(),
      [metric('gauge', 'penstock_store_objects', 'Objects.', 5, 'max')],
    ]);
    const { operations, receivedBytes, sentBytes, figures } = figuresOf(metrics);
    const [only] = operations;
    assert.deepEqual([only?.operation, only?.requests, only?.errors, only?.p99Ms], ['GetObject', 102, 1, 50]);
    assert.ok(Math.abs((only?.meanMs ?? 0) - 258 / 102) < 1e-9);
    assert.deepEqual([receivedBytes, sentBytes, figures.store_objects], [102, 1020, 5]);
  });
});
