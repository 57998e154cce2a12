/** grpc-batch, grpc-ingest and scale from end to end, tiny, as a user runs them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countErrors } from '../../loadtest/suite/run-report.ts';
import { scenarioRuns } from './scenario-runs.ts';

const { start, assertNothingLeft } = scenarioRuns();
/** As short as a load can be. */
const TINY = ['--rounds', '1', '--seconds', '0.3', '--warm-seconds', '0'];

test('grpc-batch reads every object right, by both clients and by single GETs, and prints their ratio', async () => {
  const args = ['--sizes', '2k,100k', '--batches', '8', '--streams', '2', '--objects', '20', '--by', 'both'];
  const { ended, report } = start('grpc-batch', [...args, '--with-singles', '--connections', '4', ...TINY]);
  const { code, stdout, text } = await ended;
  assert.equal(code, 0, text);
  const { points, ratios } = report();
  assert.deepEqual(points.map(({ load }) => load).slice(0, 3), [
    'GetBatch 8 x 2 KiB, client',
    'GetBatch 8 x 2 KiB, http2',
    'S3 GET 2 KiB',
  ]);
  for (const point of points) {
    assert.equal(countErrors(point.errors), 0);
    assert.ok(point.objects > 0 && (point.serverCpuSeconds ?? 0) > 0 && point.latencyMs?.isCorrected === false);
  }
  assert.equal(points[3]?.bytes, (points[3]?.objects ?? 0) * 100 * 1024);
  assert.ok(
    ratios.some(
      ({ contender, peer, measure }) =>
        /http2/.test(contender) && /S3 GET/.test(peer) && measure === 'objects a second',
    ),
  );
  assert.match(stdout, /errors: 0 broken, 0 refused, 0 short, 0 wrong bytes/);
});

test('grpc-batch at a rate sends so many, and counts latency from when each was due', async () => {
  const args = ['--batches', '4', '--streams', '2', '--objects', '20', '--rate', '100', '--order', 'strict'];
  const { ended, report } = start('grpc-batch', [...args, ...TINY]);
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  const [point] = report().points;
  assert.equal(point?.requests, 30);
  assert.equal(point?.objects, 120);
  assert.equal(point?.latencyMs?.isCorrected, true);
  assert.ok((point?.more['first frame p50, ms'] as number) <= (point?.latencyMs?.max as number));
});

test('grpc-ingest stores objects that come back as they were put', async () => {
  const args = ['--sizes', '3k', '--streams', '1', '--rounds', '1', '--seconds', '0.2', '--without-fio'];
  const { ended, report } = start('grpc-ingest', args);
  const { code, stdout, text } = await ended;
  assert.equal(code, 0, text);
  const { points } = report();
  assert.deepEqual(
    points.map(({ load }) => load),
    ['PutBatch 3 KiB'],
  );
  assert.ok((points[0]?.objects ?? 0) > 0);
  assert.match(
    stdout,
    /Every object was flushed to the disk before it was acknowledged, and was read back and compared/,
  );
});

test('scale measures workers and stores, and gives the model from what it measured', async () => {
  const counts = ['--worker-counts', '1', '--store-counts', '1,2', '--tolerance', '10'];
  const data = ['--sizes', '2k,40k', '--objects', '60', '--batch', '8'];
  const { ended, report, json } = start('scale', [...counts, ...data, ...TINY, '--seconds', '0.2']);
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  const { points, tables, verdict, plots } = report();
  const at = new Set(points.map((point) => JSON.stringify({ ...point.at, round: undefined })));
  assert.deepEqual([...at], ['{"workers":1}', '{"stores":1}', '{"stores":2}']);
  for (const point of points) assert.ok(countErrors(point.errors) === 0 && point.objects > 0, point.load);
  assert.equal(verdict?.isPassed, true);
  assert.equal(plots.length, 1);
  assert.equal(tables.length, 4);
  assertNothingLeft();
  const model = start('scale', ['--model', '--inputs', json]);
  const again = await model.ended;
  assert.equal(again.code, 0, again.text);
  assert.deepEqual(model.report().tables, tables.slice(2));
});

test('Ctrl-C ends a run cleanly, with a report of what was whole by then', async () => {
  const args = ['--batches', '4', '--streams', '1', '--objects', '20', ...TINY, '--rounds', '90'];
  const { child, ended, told, report } = start('grpc-batch', args);
  await told(/round 1 /);
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  assert.equal(code, 130);
  const { isCutShort, points, tables } = report();
  assert.equal(isCutShort, true);
  assert.ok(points.length >= 1 && points.length < 90);
  assert.equal(tables.length, 1);
  assert.match(stdout, /Interrupted/);
});

test('what cannot be is refused with the option, its value and what to do', async () => {
  const cases: [string, string[], RegExp][] = [
    ['grpc-batch', ['--by', 'curl'], /--by is "curl"; expected client or http2 or both\./],
    ['grpc-batch', ['--streams', '0'], /--streams is "0"; expected a whole number from 1 to 1000\./],
    ['grpc-batch', ['--endpoint', 'http://127.0.0.1:1', '--access-key', 'a', '--secret-key', 'b'], /--grpc is missing/],
    ['grpc-ingest', ['--sizes', '1T'], /--sizes is "1T"; expected a size/],
    ['scale', ['--endpoint', 'http://127.0.0.1:1'], /leave out --endpoint/],
    ['scale', ['--inputs', 'x.json'], /are for --model; add it/],
    ['scale', ['--model', '--inputs', 'no-such.json'], /--inputs no-such.json does not exist/],
  ];
  for (const [name, args, message] of cases) {
    const { code, stderr } = await start(name, args).ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});
