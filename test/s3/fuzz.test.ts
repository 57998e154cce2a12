/**
 * Whatever is sent, the server answers or closes, keeps no request, and answers the next good one. Bounded: about two hundred
 * connections of seeded nonsense; `PENSTOCK_FUZZ_RUNS` makes it longer.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fixture, startFront } from './front-fixture.ts';
import { MAIN } from './users.ts';

const RUNS = Number(process.env.PENSTOCK_FUZZ_RUNS ?? 60);
const f: Fixture = await startFront();
await f.send({ method: 'PUT', target: '/fuzz', user: MAIN });
await f.send({ method: 'PUT', target: '/fuzz/k', user: MAIN, body: 'still here' });

async function stillServes(): Promise<void> {
  const reply = await f.send({ method: 'GET', target: '/fuzz/k', user: MAIN });
  assert.deepEqual([reply.status, reply.body], [200, 'still here']);
  assert.deepEqual(f.errors, []);
}

/** Sends pieces one by one and half-closes; resolves when the server has closed. */
function speak(pieces: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(f.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    const next = (i: number): void => {
      const piece = pieces[i];
      if (piece === undefined) socket.end();
      else socket.write(piece, () => next(i + 1));
    };
    next(0);
  });
}

const method = fc.constantFrom(
  'GET',
  'PUT',
  'POST',
  'HEAD',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'get',
  'CONNECT',
  'QUERY',
  'TRACE',
  '',
);
const target = fc.oneof(
  fc.constantFrom(
    '/',
    '/fuzz',
    '/fuzz/k',
    '//',
    '/fuzz/%00',
    '/fuzz/%',
    '*',
    'http://x/fuzz',
    '/fuzz?uploads',
    '/fuzz?delete',
    '/fuzz/k?uploadId=x&partNumber=1',
    '/?X-Amz-Signature=1&X-Amz-Algorithm=2',
  ),
  fc.webPath().map((path) => `/fuzz${path}`),
  fc.webQueryParameters().map((query) => `/fuzz/k?${query}`),
);
const header = fc.oneof(
  fc.constantFrom(
    'Content-Length: 5',
    'Content-Length: 99999999999999999999',
    'Content-Length: 0x5',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip',
    'Expect: 100-continue',
    'Expect: nonsense',
    'Connection: close',
    'Connection: upgrade\r\nUpgrade: websocket',
    'Content-Type: multipart/form-data; boundary=b',
    'Content-Type: ;;;',
    'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: 5\r\nx-amz-trailer: x-amz-checksum-crc32',
    'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-decoded-content-length: -1',
    'Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0',
    'Authorization: Basic eDp5',
    'Range: bytes=-',
    'Range: bytes=0-,5-',
    'If-None-Match: ,,,',
    'x-amz-copy-source: /',
    'x-amz-copy-source: %',
    'x-amz-tagging: =&=&=',
    'x-amz-meta-__proto__: x',
    'Content-MD5: x',
    'Origin: null',
  ),
  fc
    .tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 40, unit: 'binary' }))
    .map(([name, value]) => `${name}: ${value}`),
);
const body = fc.oneof(
  fc.constantFrom(
    'hello',
    '5\r\nhello\r\n0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
    '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
  ),
  fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const request = fc
  .tuple(method, target, fc.boolean(), fc.array(header, { maxLength: 5 }), body)
  .map(
    ([m, t, host, headers, content]) =>
      `${m} ${t} HTTP/1.1\r\n${host ? 'Host: a\r\n' : ''}${headers.map((line) => `${line}\r\n`).join('')}\r\n${content}`,
  );

/** The bytes of some requests, cut anywhere. */
const conversation = fc
  .tuple(fc.array(request, { minLength: 1, maxLength: 3 }), fc.array(fc.nat(3000), { maxLength: 4 }))
  .map(([requests, cuts]) => {
    const bytes = Buffer.from(requests.join(''), 'latin1');
    const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
    return places.slice(1).map((place, i) => bytes.subarray(places[i], place));
  });

test('nonsense on the wire is answered or closed', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(conversation, async (pieces) => {
      const text = await speak(pieces);
      assert.ok(text === '' || /^HTTP\/1\.1 [1-5]\d\d /.test(text), text.slice(0, 80));
      await stillServes();
    }),
    { numRuns: RUNS },
  );
});

test('signed requests with nonsense inside are answered', { timeout: 120_000 }, async () => {
  const sub = fc.constantFrom(
    '',
    '?delete',
    '?cors',
    '?tagging',
    '?acl',
    '?uploads',
    '?list-type=2',
    '?versions',
    '?uploadId=0123456789abcdef0123456789abcdef',
    '?partNumber=1',
  );
  const signedBody = fc.oneof(
    body,
    fc.constantFrom(
      '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>',
      '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tagging>&x;</Tagging>',
      `<Delete>${'<a>'.repeat(10_000)}`,
      `<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`,
      '<Delete><Object><Key></Key></Object></Delete>',
      '<CompleteMultipartUpload><Part><PartNumber>99999</PartNumber></Part></CompleteMultipartUpload>',
      '<CORSConfiguration/>',
      '\u0000',
      '<',
    ),
  );
  const property = fc.asyncProperty(
    fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD'),
    fc.constantFrom('/fuzz', '/fuzz/other', '/', '/none/x'),
    sub,
    signedBody,
    fc.constantFrom(
      'UNSIGNED-PAYLOAD',
      'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      '0'.repeat(64),
    ),
    async (verb, path, query, content, payload) => {
      // The bucket and its settings are needed for the next run.
      fc.pre(!(verb === 'DELETE' && path === '/fuzz'));
      const streaming = payload.startsWith('STREAMING') ? { 'x-amz-decoded-content-length': '5' } : {};
      const reply = await f.send({
        method: verb,
        target: path + query,
        user: MAIN,
        body: content,
        payload,
        headers: streaming,
      });
      assert.ok(
        reply.status >= 200 && reply.status < 600 && reply.status !== 500,
        `${verb} ${path}${query}: ${reply.status}`,
      );
      await stillServes();
    },
  );
  await fc.assert(property, { numRuns: RUNS * 2 });
});

test('an entity bomb is refused at once', async () => {
  const levels = Array.from({ length: 30 }, (_, i) => `<!ENTITY e${i + 1} "&e${i};&e${i};&e${i};&e${i};">`).join('');
  const bomb = `<!DOCTYPE d [<!ENTITY e0 "x">${levels}]><Delete><Object><Key>&e30;</Key></Object></Delete>`;
  const reply = await f.send({ method: 'POST', target: '/fuzz?delete', user: MAIN, body: bomb });
  assert.match(reply.body, /<Code>MalformedXML<\/Code>/);
  await stillServes();
});

test('no request is left under way', async () => {
  await stillServes();
  const connections = await new Promise<number>((resolve, reject) =>
    f.front.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
  assert.ok(connections <= 1, `${connections} connections are open`);
});
