/** clients, fairness and soak from end to end, tiny, as a user runs them; and against a store that lies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { countErrors } from '../../loadtest/suite/run-report.ts';
import { scenarioRuns } from './scenario-runs.ts';

const { start, assertNothingLeft } = scenarioRuns();

test('clients: connections step by step over both protocols, with memory and latencies', async () => {
  const args = ['--connections', '20,60', '--grpc-clients', '10', '--seconds', '1', '--settle', '0.1', '--rate', '60'];
  const { ended, report } = start('clients', args);
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  const { points, plots, verdict } = report();
  const paced = points.filter(({ latencyMs }) => latencyMs?.isCorrected);
  assert.deepEqual(
    paced.map(({ at, requests }) => [at.connections, requests]),
    [
      [20, 60],
      [60, 60],
      [10, 60],
    ],
  );
  const opening = points.filter(({ latencyMs }) => latencyMs?.isCorrected === false);
  assert.deepEqual(
    opening.map(({ requests }) => requests),
    [20, 40, 10],
  );
  assert.ok(paced.every(({ more }) => (more['memory, bytes'] ?? 0) > 1e7));
  assert.equal(
    points.map(({ errors }) => countErrors(errors)).reduce((a, b) => a + b),
    0,
  );
  assert.equal(verdict?.isPassed, true);
  assert.equal(plots.length, 3);
  assertNothingLeft();
});

test('fairness: every polite client is served, alone and beside either greedy one', async () => {
  const polite = [
    '--clients',
    '5',
    '--rate',
    '10',
    '--rounds',
    '1',
    '--seconds',
    '1',
    '--objects',
    '16',
    '--batch',
    '4',
  ];
  const greedy = ['--greedy-connections', '4', '--greedy-streams', '2', '--greedy-batch', '32', '--greedy-bytes', '4k'];
  // A busy machine is slow, but not unfair: what is judged by time has no bound here.
  const { ended, report } = start('fairness', [...polite, ...greedy, '--wait-max', '60000', '--jain-min', '0']);
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  const { points, ratios } = report();
  const paced = points.filter(({ latencyMs }) => latencyMs?.isCorrected);
  assert.equal(paced.length, 6);
  for (const { requests, more } of paced) {
    assert.equal(requests, 50);
    assert.equal(more['least served client, share of its requests'], 1);
  }
  const beside = paced.filter(({ load }) => load.includes('greedy'));
  assert.equal(beside.length, 4);
  assert.ok(beside.every(({ more }) => (more['greedy client, MB a second'] ?? 0) > 0));
  const jains = points.flatMap(({ more }) => more["Jain's index"] ?? []);
  assert.ok(jains.length === 2 && jains.every((index) => index > 0.2 && index <= 1));
  assert.equal(ratios.length, 4);
  assertNothingLeft();
});

test('soak: all four operations, each answer checked, and every object at the end', async () => {
  const { ended, report } = start('soak', ['--minutes', '0.05', '--objects', '40', '--bytes', '2k', '--batch', '4']);
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  const { points, plots } = report();
  const requestsOf = (load: string): number => points.find((point) => point.load === load)?.requests ?? 0;
  for (const load of ['GET', 'GetBatch', 'PUT', 'DELETE']) assert.ok(requestsOf(load) > 0, load);
  assert.equal(requestsOf('every object at the end'), 40);
  assert.equal(plots.length, 4);
  assertNothingLeft();
});

test('soak: Ctrl-C ends it, and the report of what was whole is written', async () => {
  const { child, ended, told, report } = start('soak', ['--minutes', '10', '--objects', '40', '--bytes', '2k']);
  await told(/writing every object once/);
  child.kill('SIGINT');
  const { code, text } = await ended;
  assert.equal(code, 130, text);
  assert.equal(report().isCutShort, true);
  assertNothingLeft();
});

test('clients: a store that answers GETs with other bytes fails the run', async () => {
  const server = createServer((request, response) => {
    request.resume();
    const isList = request.url?.includes('list-type') === true;
    const answer = isList
      ? '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
      : Buffer.alloc(1024);
    request.on('end', () => response.end(request.method === 'GET' ? answer : ''));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoint = [
    '--endpoint',
    `http://127.0.0.1:${port}`,
    '--access-key',
    'AKIDEXAMPLE',
    '--secret-key',
    'not-a-secret',
  ];
  const load = [
    '--connections',
    '4',
    '--seconds',
    '1',
    '--settle',
    '0',
    '--rate',
    '5',
    '--bytes',
    '1k',
    '--objects',
    '2',
  ];
  const { ended, report } = start('clients', [...endpoint, ...load]);
  const { code, text } = await ended;
  server.close();
  assert.equal(code, 1, text);
  assert.ok(report().points.some(({ errors }) => errors.wrong > 0));
  assert.match(text, /other bytes/);
});

test('options that cannot be are refused in words', async () => {
  for (const [scenario, args, message] of [
    ['clients', ['--connections', '0'], /--connections is "0"; expected a whole number from 1 to 20000/],
    ['fairness', ['--jain-min', '2'], /--jain-min is "2"; expected a number from 0 to 1/],
    ['soak', ['--bytes', '1x'], /--bytes is "1x"; expected a size/],
  ] as const) {
    const { code, text } = await start(scenario, args).ended;
    assert.equal(code, 2, text);
    assert.match(text, message);
  }
});
