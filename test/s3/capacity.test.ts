/** Bounds and failures: too many requests, stalled senders, readers that leave, stores that fail, and draining. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { mock, test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import type { ObjectRead, Storage } from '../../src/base/object-store.ts';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { codeOf, type Fixture, REGION, startFront } from './front-fixture.ts';
import { MAIN } from './users.ts';

function head(method: string, target: string, more: Record<string, string> = {}): string {
  const request = { method, target, headers: { host: 'a' }, payload: 'UNSIGNED-PAYLOAD', nowMs: Date.now() };
  const headers = {
    ...signHeaders(request, { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION }),
    ...more,
  };
  return `${method} ${target} HTTP/1.1\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}

function openSocket(f: Fixture): { readonly socket: Socket; readonly closed: Promise<string> } {
  const socket = connect(f.port, '127.0.0.1');
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  return { socket, closed: once(socket, 'close').then(() => text) };
}

async function eventOf(f: Fixture, from: number): Promise<Fixture['events'][number]> {
  while (f.events.length <= from) await new Promise((resolve) => setImmediate(resolve));
  return f.events[from] as Fixture['events'][number];
}

/** A store whose reads go through `change`. */
function reading(change: (read: ObjectRead) => ObjectRead): Storage {
  const storage = createMemoryStorage();
  const objects = new Proxy(storage.objects, {
    get(target, name) {
      if (name === 'getNow') return undefined; // every read goes through `get`
      if (name !== 'get') return Reflect.get(target, name).bind(target);
      return async (...args: Parameters<typeof target.get>) => {
        const read = await target.get(...args);
        return read === undefined || 'kind' in read ? read : change(read);
      };
    },
  });
  return { ...storage, objects };
}

test('more requests than the limit are told to slow down', async () => {
  const f = await startFront({ limits: { requestsMax: 2 } });
  await f.send({ method: 'PUT', target: '/busy', user: MAIN });
  const waiting = [openSocket(f), openSocket(f)];
  for (const [i, { socket }] of waiting.entries())
    socket.write(`${head('PUT', `/busy/${i}`, { 'content-length': '1', expect: '100-continue' })}`);
  for (const { socket } of waiting) await once(socket, 'data');
  const refused = await f.send({ method: 'GET', target: '/busy', user: MAIN });
  assert.deepEqual([refused.status, codeOf(refused), refused.headers['retry-after']], [503, 'SlowDown', '1']);
  const before = f.events.length;
  for (const { socket } of waiting) socket.write('x');
  await eventOf(f, before + 1);
  assert.equal((await f.send({ method: 'GET', target: '/busy', user: MAIN })).status, 200);
  for (const { socket } of waiting) socket.destroy();
});

test('a sender that stalls is told so, one that keeps its pace is not', async () => {
  const f = await startFront();
  await f.send({ method: 'PUT', target: '/slow', user: MAIN });
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const { socket, closed } = openSocket(f);
    const size = 2 * 1024 * 1024;
    socket.write(head('PUT', '/slow/k', { 'content-length': String(size), expect: '100-continue' }));
    await once(socket, 'data');
    const from = f.events.length;
    for (let i = 0; i < 3; i += 1) {
      await new Promise<void>((resolve) => socket.write(Buffer.alloc(LIMITS.bodyWindowBytesMin), () => resolve()));
      // The server is in this process: two turns of its loop take what was written.
      await new Promise((resolve) => setTimeout(resolve, 50));
      mock.timers.tick(LIMITS.bodyWindowMs);
      assert.equal(f.events.length, from, 'a steady sender goes on');
    }
    mock.timers.tick(LIMITS.bodyWindowMs);
    assert.equal((await eventOf(f, from)).errorCode, 'RequestTimeout');
    socket.end();
    assert.equal(codeOf(await closed), 'RequestTimeout');
  } finally {
    mock.timers.reset();
  }
});

test('a body that fails half-way never looks whole', async () => {
  const f = await startFront({
    storage: reading((read) => ({
      ...read,
      body: (async function* () {
        yield Buffer.alloc(1000);
        throw new Error('the disk is gone');
      })(),
    })),
  });
  await f.send({ method: 'PUT', target: '/broken', user: MAIN });
  await f.send({ method: 'PUT', target: '/broken/k', user: MAIN, body: 'x'.repeat(5000) });
  await assert.rejects(f.send({ method: 'GET', target: '/broken/k', user: MAIN }), /aborted|hang up|ECONNRESET/);
  assert.equal((await eventOf(f, 2)).errorCode, 'InternalError');
  assert.equal(f.errors.length, 1);
});

test('a reader that leaves ends the read behind its answer', async () => {
  let released = () => {};
  const done = new Promise<void>((resolve) => {
    released = resolve;
  });
  const f = await startFront({
    storage: reading((read) => ({
      ...read,
      end: read.start + 1e9,
      body: (async function* () {
        try {
          for (;;) yield Buffer.alloc(64 * 1024);
        } finally {
          released();
        }
      })(),
    })),
  });
  await f.send({ method: 'PUT', target: '/left', user: MAIN });
  await f.send({ method: 'PUT', target: '/left/k', user: MAIN, body: 'x' });
  const { socket } = openSocket(f);
  socket.write(head('GET', '/left/k'));
  await once(socket, 'data');
  socket.destroy();
  await done;
});

test('answers that wait behind another on a connection end with it', async () => {
  const f = await startFront();
  await f.send({ method: 'PUT', target: '/queue', user: MAIN });
  await f.send({ method: 'PUT', target: '/queue/k', user: MAIN, body: Buffer.alloc(20 * 1024 * 1024) });
  const { socket } = openSocket(f);
  const from = f.events.length;
  socket.write(head('GET', '/queue/k').repeat(3));
  await once(socket, 'data');
  socket.destroy();
  for (let i = 0; i < 3; i += 1) assert.equal((await eventOf(f, from + i)).operation, 'GetObject');
});

test('a bug in the store is a 500 with a request id, and is logged', async () => {
  const f = await startFront({
    storage: reading(() => {
      throw new TypeError('nobody foresaw this');
    }),
  });
  await f.send({ method: 'PUT', target: '/bug', user: MAIN });
  await f.send({ method: 'PUT', target: '/bug/k', user: MAIN, body: 'x' });
  const reply = await f.send({ method: 'GET', target: '/bug/k', user: MAIN });
  assert.deepEqual([reply.status, codeOf(reply)], [500, 'InternalError']);
  assert.ok(!reply.body.includes('foresaw'), 'the cause stays inside');
  assert.equal(f.errors[0]?.facts.requestId, reply.headers['x-amz-request-id']);
});

test('every request is reported once, with what it was', async () => {
  const f = await startFront();
  await f.send({ method: 'PUT', target: '/told', user: MAIN });
  await f.send({ method: 'PUT', target: '/told/k', user: MAIN, body: 'hello' });
  await f.send({ method: 'GET', target: '/told/k', user: MAIN });
  await f.send({ method: 'GET', target: '/told/k' });
  const told = f.events.map(({ operation, bucket, key, status, errorCode, bytesIn, bytesOut, accessKeyId }) => [
    operation,
    bucket,
    key,
    status,
    errorCode,
    bytesIn,
    bytesOut > 0,
    accessKeyId,
  ]);
  assert.deepEqual(told, [
    ['CreateBucket', 'told', '', 200, undefined, 0, false, MAIN.accessKeyId],
    ['PutObject', 'told', 'k', 200, undefined, 5, false, MAIN.accessKeyId],
    ['GetObject', 'told', 'k', 200, undefined, 0, true, MAIN.accessKeyId],
    ['GetObject', 'told', 'k', 403, 'AccessDenied', 0, true, undefined],
  ]);
});

test('an observer that throws harms no request', async () => {
  const f = await startFront({
    observe: () => {
      throw new Error('observer');
    },
  });
  assert.equal((await f.send({ method: 'PUT', target: '/observed', user: MAIN })).status, 200);
});

test('draining answers what is under way, closes what is idle, refuses what is new', async () => {
  const f = await startFront();
  await f.send({ method: 'PUT', target: '/drained', user: MAIN });
  const agent = new http.Agent({ keepAlive: true });
  const idle = http.get({ port: f.port, host: '127.0.0.1', agent });
  const [response] = (await once(idle, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  const idleClosed = once(idle.socket as Socket, 'close');

  const { socket, closed } = openSocket(f);
  socket.write(head('PUT', '/drained/k', { 'content-length': '5', expect: '100-continue' }));
  await once(socket, 'data');
  const drained = f.front.drain(60_000);
  assert.equal(f.front.drain(1), drained, 'a second call is the first');
  await idleClosed;
  await assert.rejects(f.send({ method: 'GET', target: '/', user: MAIN }), /ECONNREFUSED/);
  socket.write('hello');
  const text = await closed;
  assert.match(text, /HTTP\/1\.1 200/);
  assert.match(text, /Connection: close/i);
  await drained;
  agent.destroy();
});

test('draining ends what does not end by itself', async () => {
  const f = await startFront();
  await f.send({ method: 'PUT', target: '/stuck', user: MAIN });
  const { socket, closed } = openSocket(f);
  socket.write(head('PUT', '/stuck/k', { 'content-length': '5', expect: '100-continue' }));
  await once(socket, 'data');
  await f.front.drain(10);
  await closed;
});
