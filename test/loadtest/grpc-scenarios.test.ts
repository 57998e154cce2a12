import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { countErrors, type RunReport } from '../../loadtest/suite/run-report.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'penstock-loadtest-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param interruptAt what it must have written before it is sent SIGINT */
async function scenario(name: string, args: readonly string[], interruptAt?: RegExp): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', `loadtest/${name}.ts`, ...args], { cwd: ROOT });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const before = stderr;
    stderr += text;
    if (interruptAt?.test(stderr) && !interruptAt.test(before)) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

function reportOf(path: string): RunReport {
  return JSON.parse(readFileSync(path, 'utf8')) as RunReport;
}

test('grpc-batch reads every object right, by both clients and by single GETs, and prints their ratio', async () => {
  const json = join(folder, 'batch.json');
  const args = ['--sizes', '2k,100k', '--batches', '8', '--streams', '2', '--objects', '20', '--by', 'both'];
  const more = [
    '--with-singles',
    '--connections',
    '4',
    '--rounds',
    '1',
    '--seconds',
    '0.3',
    '--warm-seconds',
    '0',
    '--json',
    json,
  ];
  const { code, stdout, stderr } = await scenario('grpc-batch', [...args, ...more]);
  assert.equal(code, 0, stdout + stderr);
  const { points, ratios } = reportOf(json);
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
  const json = join(folder, 'rate.json');
  const args = ['--batches', '4', '--streams', '2', '--objects', '20', '--rate', '40', '--order', 'strict'];
  const { code, stdout, stderr } = await scenario('grpc-batch', [
    ...args,
    '--rounds',
    '1',
    '--seconds',
    '1',
    '--warm-seconds',
    '0',
    '--json',
    json,
  ]);
  assert.equal(code, 0, stdout + stderr);
  const [point] = reportOf(json).points;
  assert.equal(point?.requests, 40);
  assert.equal(point?.objects, 160);
  assert.equal(point?.latencyMs?.isCorrected, true);
  assert.ok((point?.more['first frame p50, ms'] as number) <= (point?.latencyMs?.max as number));
});

test('grpc-ingest stores objects that come back as they were put', async () => {
  const json = join(folder, 'ingest.json');
  const args = [
    '--sizes',
    '3k',
    '--streams',
    '1',
    '--rounds',
    '1',
    '--seconds',
    '0.3',
    '--without-fio',
    '--json',
    json,
  ];
  const { code, stdout, stderr } = await scenario('grpc-ingest', args);
  assert.equal(code, 0, stdout + stderr);
  const { points } = reportOf(json);
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
  const json = join(folder, 'scale.json');
  const args = [
    '--worker-counts',
    '1',
    '--store-counts',
    '1,2',
    '--sizes',
    '2k,40k',
    '--objects',
    '60',
    '--batch',
    '8',
  ];
  const more = ['--tolerance', '10', '--rounds', '1', '--seconds', '0.2', '--warm-seconds', '0', '--json', json];
  const { code, stdout, stderr } = await scenario('scale', [...args, ...more]);
  assert.equal(code, 0, stdout + stderr);
  const { points, tables, verdict, plots } = reportOf(json);
  const at = new Set(points.map((point) => JSON.stringify({ ...point.at, round: undefined })));
  assert.deepEqual([...at], ['{"workers":1}', '{"stores":1}', '{"stores":2}']);
  for (const point of points) assert.ok(countErrors(point.errors) === 0 && point.objects > 0, point.load);
  assert.equal(verdict?.isPassed, true);
  assert.equal(plots.length, 1);
  assert.equal(tables.length, 4);
  const again = await scenario('scale', ['--model', '--inputs', json, '--json', join(folder, 'model.json')]);
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(reportOf(join(folder, 'model.json')).tables, tables.slice(2));
});

test('Ctrl-C ends a run cleanly, with a report of what was whole by then', async () => {
  const json = join(folder, 'cut.json');
  const args = [
    '--batches',
    '4',
    '--streams',
    '1',
    '--objects',
    '20',
    '--rounds',
    '90',
    '--seconds',
    '0.5',
    '--warm-seconds',
    '0',
    '--json',
    json,
  ];
  const { code, stdout } = await scenario('grpc-batch', args, /round 1 /);
  assert.equal(code, 130);
  const { isCutShort, points, tables } = reportOf(json);
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
    const { code, stderr } = await scenario(name, args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});
