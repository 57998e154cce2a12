/** Batches that cannot be finished, stores that lie, clients that leave, stall or overdo it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import type { BatchEntry, BatchRead } from '../../src/base/batch-read.ts';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { bytesSource, key, noise } from '../contract/scene.ts';
import { codeOf, type Fixture, REGION, startFront } from './front-fixture.ts';
import { archiveOf, batchRequest } from './tar-reading.ts';
import { MAIN } from './users.ts';

const LARGE = LIMITS.batchFillBytes * 3;
const MADE = noise(LARGE);

/** What a store with objects of these sizes, named by their place, makes of its batches. */
async function faulty(sizes: readonly number[], change: (batch: BatchRead) => BatchRead): Promise<Fixture> {
  const storage = createMemoryStorage();
  const objects = new Proxy(storage.objects, {
    get(target, name) {
      if (name !== 'getBatch') return Reflect.get(target, name).bind(target);
      return (...args: Parameters<typeof target.getBatch>) => change(target.getBatch(...args));
    },
  });
  const f = await startFront({ storage: { ...storage, objects } satisfies Storage });
  await f.send({ method: 'PUT', target: '/faulty', user: MAIN });
  for (const [i, size] of sizes.entries())
    await storage.objects.put('faulty' as BucketName, key(String(i)), bytesSource(MADE.subarray(0, size)), {});
  return f;
}

/** A batch whose fills are changed. */
function filling(
  batch: BatchRead,
  fill: (entries: readonly BatchEntry[], into: Buffer) => readonly BatchEntry[],
): BatchRead {
  return {
    fill: async (into, entriesMax, signal) => fill(await batch.fill(into, entriesMax, signal), into),
    unserved: () => batch.unserved(),
    cacheHits: 0,
    close: () => batch.close(),
  };
}

function keysOf(sizes: readonly unknown[]): string[] {
  return sizes.map((_, i) => String(i));
}

function lossOf(entry: BatchEntry): BatchEntry {
  const error = new GatewayError('DataLoss', undefined, { resource: '/faulty/k' });
  return { slot: entry.slot, length: 0, offset: 0, isLast: true, crc32: 0, error };
}

/** The bytes of an answer that must break off. */
function cutAnswer(f: Fixture, body: unknown, seen: (chunk: Buffer) => void = () => {}): Promise<Buffer> {
  const bytes = Buffer.from(JSON.stringify(body));
  const target = '/faulty?batch';
  const plain = { host: `127.0.0.1:${f.port}`, 'content-length': String(bytes.length) };
  const headers = signHeaders(
    { method: 'POST', target, headers: plain, payload: 'UNSIGNED-PAYLOAD', nowMs: Date.now() },
    { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION },
  );
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port: f.port, method: 'POST', path: target, headers, agent: false });
    req.on('error', () => resolve(Buffer.alloc(0))); // before its head
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        seen(chunk);
      });
      res.on('end', () => reject(new Error('the answer ended as if it were whole')));
      res.on('error', () => resolve(Buffer.concat(chunks)));
    });
    req.end(bytes);
  });
}

async function eventOf(f: Fixture, operation: string, count = 1): Promise<Fixture['events'][number]> {
  for (;;) {
    const events = f.events.filter((event) => event.operation === operation);
    if (events.length >= count) return events[count - 1] as Fixture['events'][number];
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Slots whose bytes are damaged: the others move up in the buffer. */
function damaging(batch: BatchRead, lost: ReadonlySet<number>): BatchRead {
  return {
    ...filling(batch, (entries) => entries),
    fill: async (into, entriesMax, signal) => {
      for (;;) {
        const found = await batch.fill(into, entriesMax, signal);
        const left: BatchEntry[] = [];
        let from = 0;
        let to = 0;
        for (const entry of found) {
          if (lost.has(entry.slot)) {
            if (entry.isLast) left.push(lossOf(entry));
          } else {
            into.copyWithin(to, from, from + entry.length);
            to += entry.length;
            left.push(entry);
          }
          from += entry.length;
        }
        if (left.length > 0 || found.length === 0) return left;
      }
    },
  };
}

test('a damaged object is a failed member, the others are right, and each is logged', async () => {
  const sizes = [1000, 2000, LARGE, 3000, LARGE];
  const f = await faulty(sizes, (batch) => damaging(batch, new Set([1, 2])));
  const reply = await f.send(batchRequest('faulty', keysOf(sizes), { user: MAIN }));
  const { slots } = await archiveOf(Buffer.from(reply.body, 'latin1'));
  assert.deepEqual(
    slots.map(({ records }) => records.status),
    ['OK', 'DataLoss', 'DataLoss', 'OK', 'OK'],
  );
  for (const i of [0, 3, 4]) assert.ok(slots[i]?.body.equals(MADE.subarray(0, sizes[i])));
  assert.deepEqual(
    f.errors.map(({ facts }) => facts.resource),
    ['/faulty/1', '/faulty/2'],
  );
});

test('damage behind a head that has left breaks the answer off', async () => {
  const f = await faulty([1000, LARGE], (batch) =>
    filling(batch, (entries) => entries.map((e) => (e.slot === 1 && e.offset > 0 ? lossOf(e) : e))),
  );
  const bytes = await cutAnswer(f, ['0', '1']);
  assert.ok(bytes.length > 1000 && bytes.length < LARGE);
  assert.ok(!bytes.includes('__penstock__'));
  assert.equal((await eventOf(f, 'GetBatch')).errorCode, 'DataLoss');
});

test('a store that lies is found out', async () => {
  const lies: Record<string, (entries: readonly BatchEntry[]) => readonly BatchEntry[]> = {
    'ends early': (entries) => (entries.some(({ slot }) => slot === 1) ? [] : entries),
    'one slot too many': (entries) => [
      ...entries,
      ...entries.filter(({ isLast }) => isLast).map((e) => ({ ...e, length: 0 })),
    ],
    'ends a large object early': (entries) =>
      entries.filter((e) => e.offset < LIMITS.batchFillBytes).map((e) => (e.offset > 0 ? { ...e, isLast: true } : e)),
    'a gap in a large object': (entries) => entries.filter((e) => e.offset === 0 || e.isLast),
    'another slot between slices': (entries) => entries.map((e) => (e.offset > 0 ? { ...e, slot: 0 } : e)),
    'other bytes than were stored': (entries) => entries.map((e) => (e.offset > 0 ? { ...e, crc32: e.crc32 ^ 1 } : e)),
  };
  for (const [what, lie] of Object.entries(lies)) {
    const f = await faulty([1000, 1000, LARGE], (batch) => filling(batch, lie));
    // A range has no CRC of its own that could tell.
    const objects = ['0', '1', '2'].map((key) => ({
      key,
      ...(what.includes('early') && { start: 0, end: LARGE - 1 }),
    }));
    const bytes = await cutAnswer(f, { objects });
    assert.ok(!bytes.includes('__penstock__'), what);
    const { errorCode } = await eventOf(f, 'GetBatch');
    assert.ok(errorCode === 'InternalError' || errorCode === 'DataLoss', what);
    assert.equal(f.errors.length, 1, what);
  }
});

test('what a batch held is free again, however it ended', async () => {
  let closed = 0;
  let fail = true;
  const f = await faulty([100], (batch) => ({
    ...filling(batch, (entries) => {
      if (fail) throw new TypeError('nobody foresaw this');
      return entries;
    }),
    close: () => {
      closed++;
      batch.close();
    },
  }));
  const times = Math.ceil(LIMITS.batchesBytesMax / (LIMITS.batchFillBytes + LIMITS.batchOutBytes)) + 1;
  for (let i = 0; i < times; i++) await cutAnswer(f, ['0']);
  fail = false;
  for (let i = 0; i < times; i++)
    assert.equal((await f.send(batchRequest('faulty', ['0'], { user: MAIN }))).status, 200);
  assert.equal(closed, times * 2);
});

test('buffers are used again after a batch that left whole, and only then', async () => {
  const used: Buffer[] = [];
  let fail = false;
  const f = await faulty([100], (batch) => ({
    ...filling(batch, (entries) => entries),
    fill: (into, entriesMax, signal) => {
      used.push(into);
      if (fail) throw new TypeError('nobody foresaw this');
      return batch.fill(into, entriesMax, signal);
    },
  }));
  const good = async (): Promise<Buffer> => {
    await f.send(batchRequest('faulty', ['0'], { user: MAIN }));
    return used.at(-1) as Buffer;
  };
  const first = await good();
  assert.equal(await good(), first);
  fail = true;
  await cutAnswer(f, ['0']);
  assert.equal(used.at(-1), first);
  fail = false;
  assert.notEqual(await good(), first);
});

// --- over a raw socket ---

function request(port: number, body: unknown, chunked = false): string {
  const json = JSON.stringify(body);
  const text = chunked ? `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n` : json;
  const target = '/faulty?batch';
  const framing = chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(text.length) };
  const headers = { host: `127.0.0.1:${port}`, ...framing };
  const signed = signHeaders(
    { method: 'POST', target, headers, payload: 'UNSIGNED-PAYLOAD', nowMs: Date.now() },
    { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION },
  );
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${target} HTTP/1.1\r\n${lines.join('')}\r\n${text}`;
}

/** Sends and reads nothing. */
async function stalled(f: Fixture, body: unknown, chunked = false): Promise<Socket> {
  const socket = connect(f.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  socket.write(request(f.port, body, chunked));
  return socket;
}

/** Resolves when `count` has not changed for many turns of the event loop. */
async function settled(count: () => number): Promise<number> {
  let before = count();
  for (let quiet = 0; quiet < 500; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (count() === before) continue;
    before = count();
    quiet = 0;
  }
  return before;
}

test('a reader that stalls holds the store, is cut off by the stall timer, and the batch is closed', async () => {
  let fills = 0;
  let closed = () => {};
  const end = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const f = await faulty([LARGE], (batch) => ({
    ...filling(batch, (entries) => {
      fills++;
      return entries;
    }),
    close: () => {
      batch.close();
      closed();
    },
  }));
  const serverSide = once(f.front.server, 'connection') as Promise<[Socket]>;
  const socket = await stalled(f, new Array(1000).fill('0'));
  const [peer] = await serverSide;
  while (fills === 0) await new Promise((resolve) => setImmediate(resolve));
  const taken = await settled(() => fills);
  assert.ok(taken * LIMITS.batchFillBytes < 32 * 1024 * 1024, `${taken} fills for a reader that reads nothing`);
  peer.emit('timeout');
  await end;
  assert.equal((await eventOf(f, 'GetBatch')).bytesOut < 32 * 1024 * 1024, true);
  socket.destroy();
});

test('a client that leaves while the store works stops the work', async () => {
  let reason: unknown;
  let begun = () => {};
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const f = await faulty([100], (batch) => ({
    ...filling(batch, (entries) => entries),
    fill: (_into, _max, signal) =>
      new Promise((_resolve, reject) => {
        begun();
        signal?.addEventListener('abort', () => {
          reason = signal.reason;
          reject(signal.reason);
        });
      }),
  }));
  const socket = await stalled(f, ['0']);
  await started;
  socket.destroy();
  const { errorCode } = await eventOf(f, 'GetBatch');
  assert.ok(reason instanceof Error);
  assert.equal(errorCode, undefined);
  assert.deepEqual(f.errors, []);
});

test('batches that wait behind another on a connection end with it', async () => {
  const f = await faulty([LARGE], (batch) => batch);
  const socket = connect(f.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(request(f.port, new Array(100).fill('0')).repeat(3));
  await once(socket, 'data');
  socket.destroy();
  await eventOf(f, 'GetBatch', 3);
});

test('batches on one connection come one after the other, whole', async () => {
  const f = await faulty([100, LARGE], (batch) => batch);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const bodies = await Promise.all(
      [['0'], ['1', '0'], ['absent']].map(async (keys) => {
        const text = request(f.port, keys);
        const headers = Object.fromEntries(
          text
            .slice(text.indexOf('\r\n') + 2, text.indexOf('\r\n\r\n'))
            .split('\r\n')
            .map((line) => line.split(': ')),
        );
        const req = http.request({
          port: f.port,
          host: '127.0.0.1',
          method: 'POST',
          path: '/faulty?batch',
          headers,
          agent,
        });
        req.end(JSON.stringify(keys));
        const [res] = (await once(req, 'response')) as [http.IncomingMessage];
        const chunks: Buffer[] = [];
        for await (const chunk of res) chunks.push(chunk as Buffer);
        return archiveOf(Buffer.concat(chunks));
      }),
    );
    assert.deepEqual(
      bodies.map(({ end }) => [end.ok, end.failed, end.bytes]),
      [
        [1, 0, 100],
        [2, 0, LARGE + 100],
        [0, 1, 0],
      ],
    );
  } finally {
    agent.destroy();
  }
});

test('a body is forgotten when its answer begins', async () => {
  const f = await faulty([LARGE], (batch) => batch);
  const sockets: Socket[] = [];
  // Room for a body of unknown length is claimed as if it were the largest.
  for (let i = 0; i <= LIMITS.bodiesCollectBytesMax / LIMITS.batchBodyBytesMax; i++) {
    const socket = await stalled(f, new Array(100).fill('0'), true);
    sockets.push(socket);
    const [chunk] = await once(socket.resume(), 'data');
    assert.match(String(chunk), /^HTTP\/1.1 200 /);
    socket.pause();
  }
  for (const socket of sockets) socket.destroy();
});

test('more than the worker holds is told to slow down', async () => {
  const f = await faulty([LARGE], (batch) => batch);
  const body = new Array(LIMITS.batchRefsMax).fill('0');
  const most = Math.floor(
    LIMITS.batchesBytesMax /
      (LIMITS.batchFillBytes + LIMITS.batchOutBytes + LIMITS.batchRefsMax * LIMITS.batchRefBytes),
  );
  const sockets: Socket[] = [];
  for (let i = 0; i < most; i++) {
    const socket = await stalled(f, body);
    sockets.push(socket);
    await once(socket.resume(), 'data');
    socket.pause();
  }
  const refused = await f.send(batchRequest('faulty', body, { user: MAIN }));
  assert.deepEqual([refused.status, codeOf(refused), refused.headers['retry-after']], [503, 'SlowDown', '1']);
  for (const socket of sockets) socket.destroy();
  await eventOf(f, 'GetBatch', most + 1);
  assert.equal((await f.send(batchRequest('faulty', ['0'], { user: MAIN }))).status, 200);
});

test('an answer that is cut off anywhere is an error', async () => {
  const sizes = [10, 700, 5000, LARGE, 0, 20_000];
  const f = await faulty(sizes, (batch) => batch);
  const body = Array.from({ length: 200 }, (_, i) => String(i % 7));
  const dice = noise(100);
  for (let i = 0; i < 50; i++) {
    let left = dice.readUInt16LE(i * 2) * 200; // of more than 20 MB
    const bytes = await cutAnswer(f, body, (chunk) => {
      left -= chunk.length;
      if (left <= 0) f.front.server.closeAllConnections();
    });
    assert.ok(!bytes.includes('__penstock__/end.json'));
  }
  await eventOf(f, 'GetBatch', 50);
  assert.deepEqual(f.errors, []);
});
