/** The fast lane as a connection sees it: who is served there, how it comes back, and how it ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { BUCKET, countingStorage, get, put } from './fast-lane-fixture.ts';
import { type Fixture, startFront } from './front-fixture.ts';
import { ALT, MAIN, ROOT } from './users.ts';

interface Scene {
  readonly f: Fixture;
  readonly slowGets: () => number;
}

async function scene(isAtHand?: (key: string) => boolean): Promise<Scene> {
  const { storage, slowGets } = countingStorage(createMemoryStorage(), isAtHand);
  const f = await startFront({ storage });
  await f.send({ method: 'PUT', target: `/${BUCKET}`, user: MAIN });
  await f.send({ method: 'PUT', target: `/${BUCKET}/k`, user: MAIN, body: 'hello' });
  return { f, slowGets };
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** Both ends of one connection. */
class Client {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #bytes = Buffer.alloc(0);
  #more: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#more();
    });
    this.closed = once(this.socket, 'close').finally(() => this.#more());
  }

  /** The next whole answer. */
  async answer(): Promise<{ status: number; head: string; body: Buffer }> {
    for (;;) {
      const end = this.#bytes.indexOf(HEAD_END);
      const head = this.#bytes.toString('latin1', 0, Math.max(end, 0));
      const start = end + HEAD_END.length;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (end >= 0 && this.#bytes.length >= start + length) {
        const body = this.#bytes.subarray(start, start + length);
        this.#bytes = this.#bytes.subarray(start + length);
        return { status: Number(head.slice(9, 12)), head, body };
      }
      assert.ok(!this.socket.destroyed, `closed before an answer: ${this.#bytes.toString('latin1')}`);
      await new Promise<void>((resolve) => {
        this.#more = resolve;
      });
    }
  }

  async ask(request: string): Promise<{ status: number; head: string; body: Buffer }> {
    this.socket.write(request, 'latin1');
    return this.answer();
  }
}

async function open(f: Fixture): Promise<{ client: Client; served: Socket }> {
  const accepted = once(f.front.server, 'connection');
  const client = new Client(f.port);
  const [served] = (await accepted) as [Socket];
  return { client, served };
}

test('plain GETs by the owner and by root never ask the store the slow way', async () => {
  const { f, slowGets } = await scene();
  const { client } = await open(f);
  for (const user of [MAIN, ROOT, MAIN]) {
    const { status, body } = await client.ask(get('k', { user }));
    assert.deepEqual([status, body.toString()], [200, 'hello']);
  }
  assert.equal(slowGets(), 0);
  client.socket.destroy();
});

test('so do those of others who may read the object, and nobody else gets it', async () => {
  const { f, slowGets } = await scene();
  for (const acl of ['public-read', 'authenticated-read'])
    await f.send({ method: 'PUT', target: `/${BUCKET}/${acl}`, user: MAIN, body: acl, headers: { 'x-amz-acl': acl } });
  const { client } = await open(f);
  const anonymous = (key: string) => `GET /${BUCKET}/${key} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  for (const request of [
    anonymous('public-read'),
    get('public-read', { user: ALT }),
    get('authenticated-read', { user: ALT }),
  ])
    assert.equal((await client.ask(request)).status, 200);
  assert.equal(slowGets(), 0);
  for (const request of [anonymous('authenticated-read'), anonymous('k'), get('k', { user: ALT })])
    assert.equal((await client.ask(request)).status, 403);
  client.socket.destroy();
});

test('what is not plain is served by node:http, and the next plain GET by the lane again', async () => {
  const { f, slowGets } = await scene((key) => key !== 'cold');
  await f.send({ method: 'PUT', target: `/${BUCKET}/cold`, user: MAIN, body: 'cold' });
  const { client } = await open(f);
  const between: readonly [string, number, number][] = [
    [get('k', { headers: { range: 'bytes=0-1' } }), 206, 1],
    [get('missing'), 404, 1],
    [get('cold'), 200, 1],
    [get('k', { user: ALT }), 403, 0],
    [put('k', 'hello'), 200, 0],
    [put('k', 'hel\r\n\r\nGET /'), 200, 0],
    [put('k', get('k')), 200, 0],
    [put('empty', ''), 200, 0],
    [put('big', 'x'.repeat(1_000_000)), 200, 0],
  ];
  for (const [request, status, slow] of between) {
    const before = slowGets();
    assert.equal((await client.ask(request)).status, status, request.slice(0, 200));
    assert.equal(slowGets(), before + slow);
    assert.equal((await client.ask(get('k'))).status, 200);
    assert.equal(slowGets(), before + slow, `after ${request.slice(0, 200)}`);
  }
  client.socket.destroy();
});

test('a connection that begins with a large upload stays with node:http, one with a small one does not', async () => {
  const { f, slowGets } = await scene();
  for (const [size, slow] of [
    [LIMITS.bodyCollectBytesMax, 1],
    [1000, 0],
  ] as const) {
    const before = slowGets();
    const { client } = await open(f);
    assert.equal((await client.ask(put('up', 'x'.repeat(size)))).status, 200);
    assert.equal((await client.ask(get('k'))).status, 200);
    assert.equal(slowGets() - before, slow, `after ${size} bytes`);
    client.socket.destroy();
  }
});

test('it is reported as node:http would, each with an id of its own', async () => {
  const { f } = await scene();
  const { client } = await open(f);
  const from = f.events.length;
  const answers = [await client.ask(get('k')), await client.ask(get('k'))];
  const events = f.events.slice(from);
  assert.equal(events.length, 2);
  for (const [i, { durationMs, requestId, ...facts }] of events.entries()) {
    assert.deepEqual(facts, {
      operation: 'GetObject',
      method: 'GET',
      bucket: BUCKET,
      key: 'k',
      status: 200,
      errorCode: undefined,
      bytesIn: 0,
      bytesOut: 5,
      accessKeyId: MAIN.accessKeyId,
      remoteAddress: '127.0.0.1',
    });
    assert.ok(durationMs >= 0);
    assert.ok(answers[i]?.head.includes(`\r\nx-amz-request-id: ${requestId}\r\n`));
  }
  assert.notEqual(events[0]?.requestId, events[1]?.requestId);
  client.socket.destroy();
});

test('an observer that throws ends nothing', async () => {
  const { storage } = countingStorage(createMemoryStorage());
  const f = await startFront({
    storage,
    observe: () => {
      throw new Error('observer');
    },
  });
  await f.send({ method: 'PUT', target: `/${BUCKET}`, user: MAIN });
  await f.send({ method: 'PUT', target: `/${BUCKET}/k`, user: MAIN, body: 'hello' });
  const { client } = await open(f);
  assert.equal((await client.ask(get('k'))).status, 200);
  assert.equal((await client.ask(get('k'))).status, 200);
  assert.equal(f.errors.length, 4);
  client.socket.destroy();
});

test('a stored value that could split an answer is never sent', async () => {
  const { f } = await scene();
  const stored = { etag: '0'.repeat(32), contentType: undefined };
  const put = (key: string, attributes: object) =>
    f.storage.objects.put(
      BUCKET as BucketName,
      key as ObjectKey,
      { kind: 'bytes', bytes: Buffer.from('x'), stored: { ...stored, attributes } },
      {},
    );
  await put('split', { metadata: { a: 'b\r\nSet-Cookie: c' } });
  await put('name', { metadata: { 'a: b\r\nc': 'd' } });
  for (const key of ['split', 'name']) {
    const { client } = await open(f);
    client.socket.write(get(key));
    await client.closed;
    assert.equal(f.errors.pop()?.message, 'An answer could not be sent; its connection was closed.');
  }
});

test('requests at the limit of those under way are left to node:http, which says so', async () => {
  const { storage } = countingStorage(createMemoryStorage());
  const f = await startFront({ storage, limits: { requestsMax: 1 } });
  await f.send({ method: 'PUT', target: `/${BUCKET}`, user: MAIN });
  await f.send({ method: 'PUT', target: `/${BUCKET}/k`, user: MAIN, body: 'hello' });
  const { client: busy } = await open(f);
  busy.socket.write(put('other', 'hello').slice(0, -1));
  const { client } = await open(f);
  for (;;) if ((await client.ask(get('k'))).status === 503) break; // as soon as the upload has begun
  busy.socket.write('o');
  assert.equal((await busy.answer()).status, 200);
  assert.equal((await client.ask(get('k'))).status, 200);
  busy.socket.destroy();
  client.socket.destroy();
});

test('a client that reads slowly gets everything in order, out of a bounded queue', async () => {
  const { f, slowGets } = await scene();
  const count = 140; // requests that arrive in one piece
  const sizes = [50_000, 100, 16 * 1024, 60_000, 64_000];
  for (const [i, size] of sizes.entries())
    await f.send({ method: 'PUT', target: `/${BUCKET}/size-${i}`, user: MAIN, body: Buffer.alloc(size, `<${i}>`) });
  await f.send({ method: 'PUT', target: `/${BUCKET}/other`, user: MAIN, body: Buffer.alloc(65_000, 'z') });
  const { client, served } = await open(f);
  client.socket.pause();
  const requests = sizes.map((_, i) => get(`size-${i}`));
  let longest = 0;
  const watch = setInterval(() => {
    longest = Math.max(longest, served.writableLength);
  }, 1);
  client.socket.write(Array.from({ length: count }, (_, i) => requests[i % sizes.length]).join(''));
  // The server answers until the sockets between are full.
  while (served.writableLength <= LIMITS.responseQueueBytes) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(served.timeout, LIMITS.stalledConnectionMs);
  const { client: other } = await open(f); // whose answers must not get into what waits
  for (let i = 0; i < 5; i += 1) assert.equal((await other.ask(get('other'))).status, 200);
  other.socket.destroy();
  client.socket.resume();
  for (let i = 0; i < count; i += 1) {
    const { status, body } = await client.answer();
    assert.equal(status, 200);
    assert.ok(body.equals(Buffer.alloc(sizes[i % sizes.length] as number, `<${i % sizes.length}>`)), `answer ${i}`);
  }
  clearInterval(watch);
  assert.ok(longest < LIMITS.responseQueueBytes + 65_000, `${longest} bytes waited`);
  assert.equal(slowGets(), 0);
  assert.equal(served.timeout, LIMITS.idleConnectionMs);
  client.socket.destroy();
});

test('a client that leaves in the middle of its answers harms nothing', async () => {
  const { f } = await scene();
  await f.send({ method: 'PUT', target: `/${BUCKET}/big`, user: MAIN, body: Buffer.alloc(1_000_000) });
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const { client, served } = await open(f);
    client.socket.pause();
    client.socket.write(get('big').repeat(20));
    while (served.writableLength <= LIMITS.responseQueueBytes) await new Promise((resolve) => setTimeout(resolve, 1));
    const gone = new Promise((resolve) => served.once('close', resolve)); // a reset is an error before
    client.socket[end]();
    await gone;
  }
  const { client } = await open(f);
  assert.equal((await client.ask(get('k'))).status, 200);
  client.socket.destroy();
});

test('a half-closed connection gets its answers and ends', async () => {
  const { f } = await scene();
  const { client } = await open(f);
  client.socket.end(get('k').repeat(3));
  for (let i = 0; i < 3; i += 1) assert.equal((await client.answer()).status, 200);
  await client.closed;
});

test('a connection that never says anything is told after the time for a head', async () => {
  const { f } = await scene();
  const { client, served } = await open(f);
  assert.equal(served.timeout, LIMITS.headMs);
  served.emit('timeout');
  const { status, head } = await client.answer();
  assert.equal(status, 408);
  assert.match(head, /\r\nConnection: close\r\n/);
  await client.closed;
});

test('an idle connection is closed after the time for idle ones, without a word', async () => {
  const { f } = await scene();
  const { client, served } = await open(f);
  await client.ask(get('k'));
  assert.equal(served.timeout, LIMITS.idleConnectionMs);
  served.emit('timeout');
  await client.closed;
});

test('an idle connection that came back from node:http is closed as well', async () => {
  const { f } = await scene();
  const { client, served } = await open(f);
  await client.ask(get('missing'));
  await client.ask(get('k'));
  assert.ok(Math.abs((served.timeout as number) - LIMITS.idleConnectionMs) <= 1000, String(served.timeout));
  served.emit('timeout');
  await client.closed;
});

test('half a head is for the clock of node:http', async () => {
  const { f } = await scene();
  const { client, served } = await open(f);
  await client.ask(get('k'));
  client.socket.write(get('k').slice(0, 50));
  await once(served, 'data');
  assert.ok((served as Socket & { parser?: unknown }).parser, 'its parser has the bytes, and counts the time');
  client.socket.write(get('k').slice(50));
  assert.equal((await client.answer()).status, 200);
  client.socket.destroy();
});

test('draining closes idle connections in every state and answers what is under way', async () => {
  const { f } = await scene();
  await f.send({ method: 'PUT', target: `/${BUCKET}/big`, user: MAIN, body: Buffer.alloc(1_000_000) });
  const fresh = await open(f);
  const served = await open(f);
  await served.client.ask(get('k'));
  const withHttp = await open(f);
  await withHttp.client.ask(get('missing'));
  const cameBack = await open(f);
  await cameBack.client.ask(get('missing'));
  await cameBack.client.ask(get('k'));
  const reading: Client[] = [];
  for (const first of [get('k'), get('missing')]) {
    const slow = await open(f);
    await slow.client.ask(first);
    slow.client.socket.pause();
    slow.client.socket.write(get('big').repeat(10)); // more than the sockets hold
    while (slow.served.writableLength <= LIMITS.responseQueueBytes)
      await new Promise((resolve) => setTimeout(resolve, 1));
    reading.push(slow.client);
  }
  const drained = f.front.drain(60_000);
  await Promise.all([fresh.client.closed, served.client.closed]);
  for (const client of reading) {
    client.socket.resume();
    let last = '';
    for (let i = 0; i < 10; i += 1) {
      const { status, head, body } = await client.answer();
      assert.deepEqual([status, body.length], [200, 1_000_000]);
      last = head;
      if (/\r\nConnection: close/.test(head)) break;
    }
    assert.match(last, /\r\nConnection: close/);
    await client.closed;
  }
  await Promise.all([withHttp.client.closed, cameBack.client.closed]);
  await drained;
});

test('draining ends readers that never read', async () => {
  const { f } = await scene();
  await f.send({ method: 'PUT', target: `/${BUCKET}/big`, user: MAIN, body: Buffer.alloc(1_000_000) });
  const { client, served } = await open(f);
  client.socket.pause();
  client.socket.write(get('big').repeat(20));
  while (served.writableLength <= LIMITS.responseQueueBytes) await new Promise((resolve) => setTimeout(resolve, 1));
  await f.front.drain(10);
  assert.ok(served.destroyed);
});

test('the answer after a drain has begun says that it is the last', async () => {
  const { f } = await scene();
  const { client } = await open(f);
  await client.ask(get('k'));
  f.front.closeAfterAnswers();
  assert.match((await client.ask(get('k'))).head, /\r\nConnection: close/);
  await client.closed;
});
