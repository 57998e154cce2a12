/** What HTTP lets a client say that S3 must not take, and what must never end a worker. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import { codeOf, REGION, startFront } from './front-fixture.ts';
import { MAIN } from './users.ts';

const f = await startFront();
await f.send({ method: 'PUT', target: '/edges', user: MAIN });

function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

test('every answer carries a request id, also one to a request that is no HTTP', async () => {
  const reply = await f.send({ method: 'GET', target: '/', user: MAIN });
  assert.match(reply.headers['x-amz-request-id'] as string, /^[0-9A-F]{16}$/);
  assert.ok(reply.headers['x-amz-id-2']);
  const rejected = await f.raw('GET / HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n');
  assert.equal(statusOf(rejected), 400);
  assert.match(rejected, /x-amz-request-id: [0-9A-F]{16}/);
});

for (const [name, head] of [
  ['two Host headers', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n'],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n'],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n'],
  ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['HTTP/2.0 in the request line', 'GET / HTTP/2.0\r\nHost: a\r\nConnection: close\r\n\r\n'],
  [
    'a length and chunks',
    'PUT /edges/k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
  ],
  [
    'two lengths',
    'PUT /edges/k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabc',
  ],
  ['a negative length', 'PUT /edges/k HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\nConnection: close\r\n\r\n'],
  ['an absolute target', 'GET http://a/edges HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['the target *', 'GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['a broken escape', 'GET /edges/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['an escape that is not UTF-8', 'GET /edges/%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
] as const) {
  test(`${name} is refused with 400`, async () => {
    assert.equal(statusOf(await f.raw(head)), 400);
  });
}

test('HTTP/0.9 gets no object', async () => {
  const text = await f.raw('GET /\r\n\r\n');
  assert.ok(text === '' || statusOf(text) === 400 || codeOf(text) === 'InvalidRequest', text);
});

test('gzip as transfer encoding is not implemented', async () => {
  const text = await f.raw(
    'PUT /edges/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
  );
  assert.equal(statusOf(text), 501);
});

test('methods that S3 does not have are 405, with an error document', async () => {
  for (const method of ['PATCH', 'TRACE', 'PROPFIND']) {
    const reply = await f.send({ method, target: '/edges/k' });
    assert.equal(reply.status, 405, method);
    assert.equal(codeOf(reply), 'MethodNotAllowed');
  }
});

test('a head that is too large is 431', async () => {
  const text = await f.raw(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(LIMITS.headBytesMax)}\r\n\r\n`);
  assert.equal(statusOf(text), 431);
});

test('keys keep slashes, dots and escapes as they are', async () => {
  for (const key of [
    'a//b',
    './a',
    '../a',
    'a/../b',
    'a/',
    '/a',
    'a%2Fb',
    'a+b c',
    'ü/日本',
    '%',
    '?',
    '#',
    'x'.repeat(1024),
  ]) {
    const target = `/edges/${encodeURIComponent(key)}`;
    assert.equal((await f.send({ method: 'PUT', target, user: MAIN, body: key })).status, 200, key);
    const got = await f.send({ method: 'GET', target, user: MAIN });
    assert.equal(got.body, Buffer.from(key).toString('latin1'), key);
    assert.equal((await f.storage.objects.head('edges' as never, key as never))?.size, Buffer.byteLength(key), key);
  }
  const long = await f.send({ method: 'PUT', target: `/edges/${'x'.repeat(1025)}`, user: MAIN, body: '' });
  assert.equal(codeOf(long), 'KeyTooLongError');
});

test('a content type of any form is kept, and none is none', async () => {
  for (const type of ['image/jpeg', ';;;', 'a', 'text/plain; charset=utf-8; x="']) {
    await f.send({ method: 'PUT', target: '/edges/type', user: MAIN, body: 'x', headers: { 'content-type': type } });
    assert.equal((await f.send({ method: 'HEAD', target: '/edges/type', user: MAIN })).headers['content-type'], type);
  }
  await f.send({ method: 'PUT', target: '/edges/type', user: MAIN, body: 'x' });
  assert.equal(
    (await f.send({ method: 'HEAD', target: '/edges/type', user: MAIN })).headers['content-type'],
    'binary/octet-stream',
  );
});

test('errors to HEAD have no body, and the connection lives on', async () => {
  const signed = (method: string) => {
    const headers = signHeaders(
      { method, target: '/edges/absent', headers: { host: 'a' }, payload: 'UNSIGNED-PAYLOAD', nowMs: Date.now() },
      { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION },
    );
    return Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
  };
  const text = await f.raw(
    `HEAD /edges/absent HTTP/1.1\r\n${signed('HEAD')}\r\nGET /edges/absent HTTP/1.1\r\n${signed('GET')}Connection: close\r\n\r\n`,
  );
  const answers = text.split('HTTP/1.1 ').slice(1);
  assert.equal(answers.length, 2);
  assert.ok(answers[0]?.startsWith('404') && answers[0].endsWith('\r\n\r\n'));
  assert.equal(codeOf(answers[1] ?? ''), 'NoSuchKey');
});

test('an early refusal of a large body reaches a client that only writes, and then reads', async () => {
  const size = 8 * 1024 * 1024;
  const socket = connect(f.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`PUT /edges/denied HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  const piece = Buffer.alloc(64 * 1024);
  for (let sent = 0; sent < size; sent += piece.length) if (!socket.write(piece)) await once(socket, 'drain');
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  assert.equal(statusOf(text), 403);
  assert.match(text, /Connection: close/i);
});

test('an early refusal of a small body keeps the connection', async () => {
  const put = 'PUT /edges/denied HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n';
  const text = await f.raw(`${put}\r\nabc${put}Connection: close\r\n\r\nabc`);
  assert.equal(text.match(/HTTP\/1\.1 403/g)?.length, 2);
});

test('100 Continue is said only after the request was accepted', async () => {
  const denied = await f.raw('PUT /edges/k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
  assert.equal(statusOf(denied), 403);
  assert.ok(!denied.includes('100 Continue'));
  const headers = signHeaders(
    { method: 'PUT', target: '/edges/k', headers: { host: 'a' }, payload: 'UNSIGNED-PAYLOAD', nowMs: Date.now() },
    { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION },
  );
  const head = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const accepted = await f.raw(
    `PUT /edges/k HTTP/1.1\r\n${head}Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nabc`,
  );
  assert.match(accepted, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/);
});

test('expectations that nobody knows are ignored, as S3 does', async () => {
  const text = await f.raw('GET /edges HTTP/1.1\r\nHost: a\r\nExpect: 200\r\nConnection: close\r\n\r\n');
  assert.equal(statusOf(text), 403);
});

test('a body on GET and DELETE is read away', async () => {
  for (const method of ['GET', 'DELETE']) {
    const head = `${method} /edges/none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n`;
    const text = await f.raw(`${head}\r\nhello${head}Connection: close\r\n\r\nhello`);
    assert.equal(text.match(/HTTP\/1\.1 403/g)?.length, 2, method);
  }
});

test('an upload that is cut leaves nothing', async () => {
  const headers = signHeaders(
    { method: 'PUT', target: '/edges/cut', headers: { host: 'a' }, payload: 'UNSIGNED-PAYLOAD', nowMs: Date.now() },
    { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION },
  );
  const head = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  for (const length of [1000, 4 * 1024 * 1024]) {
    const before = f.events.length;
    const socket = connect(f.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PUT /edges/cut HTTP/1.1\r\n${head}Content-Length: ${length}\r\n\r\n`);
    socket.write(Buffer.alloc(500), () => socket.destroy());
    while (f.events.length === before) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(f.events.at(-1)?.errorCode, 'IncompleteBody');
    assert.equal(await f.storage.objects.head('edges' as never, 'cut' as never), undefined);
  }
});

test('nothing of this was an internal error', () => {
  assert.deepEqual(f.errors, []);
});
