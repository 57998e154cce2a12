/** That the S3 load sees what a server does wrong, and counts each fault as what it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { test } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import { isLoadLimited, pointsOf } from '../../loadtest/s3/load-points.ts';
import type { Operation, OperationSource } from '../../loadtest/s3/operation.ts';
import { type LoadResult, type LoadSettings, runLoad } from '../../loadtest/s3/run-load.ts';
import { recordFigures } from '../../loadtest/s3/s3-figures.ts';
import { RunRecorder } from '../../loadtest/suite/run-recorder.ts';
import { countErrors, type LoadErrors, NO_ERRORS } from '../../loadtest/suite/run-report.ts';

/** Bytes that are no text, so that they would not survive being one. */
const BODY = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 31) % 256));

const GET: Operation = {
  name: 'GET',
  request: Buffer.from('GET /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n'),
  expected: { bytes: BODY.length, crc: crc32(BODY) },
};
const HEAD: Operation = { ...GET, name: 'HEAD', request: Buffer.from('HEAD /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n') };
const DELETE: Operation = { name: 'DELETE', request: Buffer.from('DELETE /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n') };

function inTurns(...operations: Operation[]): OperationSource {
  let at = 0;
  return { next: () => operations[at++ % operations.length] as Operation };
}

async function originOf(server: Server | TcpServer): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function load(
  listener: RequestListener,
  source: OperationSource = inTurns(GET),
  settings: Partial<LoadSettings> = {},
): Promise<LoadResult> {
  const server = createServer(listener);
  const origin = await originOf(server);
  try {
    const all = { origin, connections: 3, seconds: 0.3, rate: 0, ...settings };
    return await runLoad(all, source, new AbortController().signal);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function errorsIn({ loads }: LoadResult): LoadErrors {
  return loads[0]?.errors ?? NO_ERRORS;
}

/** Answers every tenth request in a wrong way, the others rightly. */
function sometimes(wrong: RequestListener): RequestListener {
  let count = 0;
  return (request, response) => {
    count += 1;
    if (count % 10 === 0) wrong(request, response);
    else response.end(BODY);
  };
}

test('whole and right bodies count as objects, in pieces and with a length', async () => {
  const result = await load((_, response) => {
    response.write(BODY.subarray(0, 1000));
    response.end(BODY.subarray(1000));
  });
  const [all, get] = result.loads;
  assert.ok(all !== undefined && get !== undefined && all.objects > 10);
  assert.equal(all.bytes, all.objects * BODY.length);
  assert.equal(all.requests, all.objects);
  assert.equal(get.operation, 'GET');
  assert.equal(all.latencyMs?.count, all.objects);
  assert.equal(all.latencyMs?.isCorrected, false);
  assert.equal(countErrors(errorsIn(result)), 0);
});

test('wrong bytes, short bodies and refusals are told apart', async () => {
  const flipped = Buffer.from(BODY);
  flipped[4999] = (flipped[4999] as number) ^ 1;
  const cases: [keyof LoadErrors, RequestListener][] = [
    ['wrong', (_, response) => response.end(flipped)],
    ['wrong', (_, response) => response.end(Buffer.concat([BODY, BODY]))],
    ['short', (_, response) => response.end(BODY.subarray(1))],
    ['refused', (_, response) => response.writeHead(503).end(BODY)],
    [
      'short',
      (_, response) => {
        response.writeHead(200, { 'content-length': BODY.length });
        response.write(BODY.subarray(0, 100), () => response.destroy());
      },
    ],
    ['broken', (request) => request.socket.destroy()],
  ];
  for (const [kind, wrong] of cases) {
    const result = await load(sometimes(wrong));
    const errors = errorsIn(result);
    assert.ok(errors[kind] > 0, `${kind}: ${JSON.stringify(errors)}`);
    assert.equal(errors[kind], countErrors(errors), `${kind}: ${JSON.stringify(errors)}`);
    assert.ok((result.loads[0]?.objects ?? 0) > 5 * errors[kind], 'what comes after a fault is not read rightly');
    assert.ok(result.troubles[0]?.startsWith('GET: '), String(result.troubles));
  }
});

test('answers without a body do not hang, whatever length they name', async () => {
  const answer: RequestListener = (request, response) => {
    if (request.method === 'DELETE') response.writeHead(204).end();
    else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': BODY.length }).end();
    else response.end(BODY);
  };
  const result = await load(answer, inTurns(GET, HEAD, DELETE));
  assert.equal(countErrors(errorsIn(result)), 0);
  assert.deepEqual(new Set(result.loads.map(({ operation }) => operation)), new Set(['all', 'GET', 'HEAD', 'DELETE']));
  assert.ok((result.loads[0]?.objects ?? 0) > 30);
});

test('a server that ends the connection after each answer is no error', async () => {
  const result = await load((_, response) => {
    response.setHeader('connection', 'close');
    response.end(BODY);
  });
  assert.equal(countErrors(errorsIn(result)), 0, JSON.stringify(result.troubles));
  assert.ok((result.loads[0]?.objects ?? 0) > 5);
});

test('an endpoint that does not answer ends the load with words', async () => {
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    socket.resume().end();
  });
  const origin = await originOf(server);
  const settings = { origin, connections: 2, seconds: 20, rate: 0 };
  const never = new AbortController().signal;
  await assert
    .rejects(runLoad(settings, inTurns(GET), never), {
      name: 'BenchError',
      message: `${origin} answered no request as it should (GET: the connection ended before the answer).`,
    })
    .finally(() => server.close());
  assert.ok(connections < 300, `${connections} connections were made`);
  await once(server, 'close');
  await assert.rejects(runLoad(settings, inTurns(GET), never), /answered no request as it should/);
});

test('at a set rate every request that was due has a latency, those that a stall kept back too', async () => {
  let isFirst = true;
  const stall: RequestListener = (_, response) => {
    const answer = (): void => void response.end(BODY);
    if (isFirst) setTimeout(answer, 400);
    else answer();
    isFirst = false;
  };
  const result = await load(stall, inTurns(GET), { connections: 1, seconds: 0.8, rate: 200 });
  const latency = result.loads[0]?.latencyMs;
  assert.equal(latency?.count, 160);
  assert.equal(latency?.isCorrected, true);
  // 80 requests were due while one was answered: half of all waited, on average 200 ms.
  assert.ok((latency?.p75 ?? 0) > 100, JSON.stringify(latency));
  assert.ok((latency?.max ?? 0) >= 399, JSON.stringify(latency));
  assert.ok(result.behindP99Ms !== undefined);
});

test('a load that is told to stop does', async () => {
  const stop = new AbortController();
  const server = createServer((_, response) => {
    stop.abort();
    response.end(BODY);
  });
  const origin = await originOf(server);
  await runLoad({ origin, connections: 2, seconds: 60, rate: 0 }, inTurns(GET), stop.signal);
  await runLoad({ origin, connections: 2, seconds: 60, rate: 100 }, inTurns(GET), stop.signal);
  server.closeAllConnections();
  server.close();
});

test('a mixture is one point for all of it and one for each operation, and no error counts twice', () => {
  const load = { requests: 10, objects: 9, bytes: 90, errors: { ...NO_ERRORS, wrong: 1 } };
  const result: LoadResult = {
    seconds: 2,
    loads: [
      { operation: 'all', ...load, requests: 20, errors: { ...NO_ERRORS, wrong: 2 } },
      { operation: 'GET', ...load },
      { operation: 'PUT', ...load },
    ],
    cpuSeconds: 1,
    troubles: [],
  };
  const about = { target: 't', what: '16 KiB', round: 1, connections: 4, serverCpuSeconds: 1 };
  const points = pointsOf({ ...about, result, readBack: { ...NO_ERRORS, refused: 1 } });
  assert.deepEqual(
    points.map((point) => point.load),
    ['mixed 16 KiB', 'GET 16 KiB', 'PUT 16 KiB'],
  );
  assert.equal(
    points.reduce((sum, { errors }) => sum + countErrors(errors), 0),
    3,
  );
  assert.deepEqual(
    points.map(({ serverCpuSeconds }) => serverCpuSeconds),
    [1, undefined, undefined],
  );
  const [all, get] = result.loads;
  const alone = pointsOf({ ...about, result: { ...result, loads: [all, get] as never }, readBack: NO_ERRORS });
  assert.deepEqual(
    alone.map((point) => [point.load, countErrors(point.errors)]),
    [['GET 16 KiB', 1]],
  );
});

test('a load generator without time, or behind its time, is the limit', () => {
  const result: LoadResult = { seconds: 10, loads: [], cpuSeconds: 5, troubles: [] };
  assert.equal(isLoadLimited(result), false);
  assert.equal(isLoadLimited({ ...result, cpuSeconds: 9 }), true);
  assert.equal(isLoadLimited({ ...result, busyShare: 0.96 }), true);
  const latencyMs = { count: 1, isCorrected: true, mean: 1, p50: 1, p75: 1, p90: 1, p95: 1, p99: 4, p999: 4, max: 4 };
  const loads = [{ operation: 'all', requests: 1, objects: 1, bytes: 1, errors: NO_ERRORS, latencyMs }] as const;
  assert.equal(isLoadLimited({ ...result, loads, behindP99Ms: 1.9 }), false);
  assert.equal(isLoadLimited({ ...result, loads, behindP99Ms: 2 }), true);
});

test('figures: medians of the rounds, lines over connections, and ratios of what both were loaded with', () => {
  const report = new RunRecorder('s3-get', [], {});
  const latencyMs = { count: 1, isCorrected: false, mean: 1, p50: 1, p75: 1, p90: 1, p95: 1, p99: 4, p999: 4, max: 4 };
  for (const round of [1, 2, 3])
    for (const connections of [1, 16])
      for (const target of ['ours', 'theirs']) {
        const requests = 1000 * round * (target === 'ours' ? 2 : 1);
        if (round === 3 && target === 'theirs') continue; // cut short
        report.point({
          ...{
            target,
            load: 'GET 16 KiB',
            at: { round, connections },
            seconds: 1,
            requests,
            objects: requests,
            bytes: requests,
          },
          ...{
            latencyMs,
            serverCpuSeconds: 0.5,
            loadCpuSeconds: 1,
            isLoadLimited: target === 'theirs',
            errors: NO_ERRORS,
            more: {},
          },
        });
      }
  recordFigures(report, ['ours', 'theirs']);
  const { tables, plots, ratios, remarks } = report.report(true);
  assert.equal(tables.length, 1);
  assert.deepEqual(
    tables[0]?.rows.slice(1).map((row) => row.slice(0, 4)),
    [
      ['GET 16 KiB', 'ours', '1', '4,000'],
      ['GET 16 KiB', 'theirs', '1', '1,500'],
      ['GET 16 KiB', 'ours', '16', '4,000'],
      ['GET 16 KiB', 'theirs', '16', '1,500'],
    ],
  );
  assert.deepEqual(
    plots.map(({ title }) => title),
    ['Throughput against connections', 'Server CPU a request'],
  );
  assert.deepEqual(plots[0]?.lines[0]?.points, [
    { x: 1, y: 4000 },
    { x: 16, y: 4000 },
  ]);
  assert.deepEqual(
    ratios.map(({ measure, median }) => [measure, median]),
    [
      ['GET 16 KiB, 1 connection: requests a second', 2],
      ['GET 16 KiB, 1 connection: server CPU a request, µs', 0.5],
      ['GET 16 KiB, 16 connections: requests a second', 2],
      ['GET 16 KiB, 16 connections: server CPU a request, µs', 0.5],
    ],
  );
  assert.match(remarks.join(' '), /The load generator was at its limit \(theirs at 1, theirs at 16 connections\)/);
});
