/** The client against a server that misbehaves on purpose: what it repeats, what it takes up again, what it refuses. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { CliError, S3ReplyError } from '../../src/cli/exit.ts';
import { S3Client } from '../../src/cli/s3-client.ts';
import { completeRequestBody, deleteRequestBody, readErrorReply, readListReply } from '../../src/cli/s3-replies.ts';
import { S3Transport, targetOf } from '../../src/cli/s3-transport.ts';
import { crc32Base64, crc32Of } from '../../src/format/crc32.ts';

let server: Server | undefined;
let client: S3Client | undefined;
const pauses: number[] = [];

afterEach(() => {
  client?.close();
  server?.closeAllConnections();
  server?.close();
  pauses.length = 0;
});

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void | Promise<void>;

async function clientOf(handler: Handler): Promise<S3Client> {
  let count = 0;
  server = createServer((request, response) => void handler(request, response, ++count)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const connection = { endpoint, accessKeyId: 'a', secretKey: 'b', region: 'us-east-1' };
  const pause = async (ms: number): Promise<void> => void pauses.push(ms);
  client = new S3Client(new S3Transport(connection, { connections: 2, signal: new AbortController().signal, pause }));
  return client;
}

const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`;
const BODY = Buffer.alloc(3 * 1024 * 1024, 'bytes of an image ');

test('a busy gateway is asked again, no sooner than it said', async () => {
  const bodies: string[] = [];
  const s3 = await clientOf(async (request, response, count) => {
    bodies.push((await buffer(request)).toString());
    if (count < 3) response.writeHead(503, { 'retry-after': '2' }).end('<Error><Code>SlowDown</Code></Error>');
    else response.writeHead(200, { etag: '"e"' }).end();
  });
  assert.equal(await s3.put('b', 'k', Buffer.from('body'), { contentType: 'text/plain' }), 'e');
  assert.deepEqual(bodies, ['body', 'body', 'body']);
  assert.equal(pauses.length, 2);
  assert.ok(
    pauses.every((ms) => ms >= 2000),
    String(pauses),
  );
});

test('a gateway that stays busy is given up with its own words', async () => {
  const s3 = await clientOf(
    (_request, response) =>
      void response.writeHead(503).end('<Error><Code>SlowDown</Code><Message>Slower.</Message></Error>'),
  );
  await assert.rejects(
    s3.getBytes('b', 'k'),
    (error) => error instanceof S3ReplyError && error.code === 'SlowDown' && error.message === 'Slower. (b/k)',
  );
  assert.equal(pauses.length, 6);
});

test('a refusal is not repeated', async () => {
  const s3 = await clientOf(
    (_request, response) =>
      void response.writeHead(507).end('<Error><Code>StorageFull</Code><Message>Full.</Message></Error>'),
  );
  await assert.rejects(
    s3.put('b', 'k', Buffer.from('x'), { contentType: 'x/y' }),
    (error) => error instanceof S3ReplyError && error.code === 'StorageFull',
  );
  assert.equal(pauses.length, 0);
});

test('a connection that is reset is made again', async () => {
  const s3 = await clientOf((request, response, count) => {
    if (count === 1) request.socket.destroy();
    else response.writeHead(200, { etag: etagOf(BODY), 'content-length': BODY.length }).end(BODY);
  });
  assert.ok((await s3.getBytes('b', 'k')).equals(BODY));
});

test('a body that breaks off is taken up where it stopped, and only of the same object', async () => {
  const asked: (string | undefined)[][] = [];
  const cut = 1024 * 1024;
  const s3 = await clientOf((request, response, count) => {
    asked.push([request.headers.range, request.headers['if-match']]);
    const first = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = BODY.subarray(first);
    response.writeHead(first === 0 ? 200 : 206, { etag: etagOf(BODY), 'content-length': rest.length });
    if (count < 3) response.write(rest.subarray(0, cut), () => request.socket.destroy());
    else response.end(rest);
  });
  assert.ok((await s3.getBytes('b', 'k')).equals(BODY));
  assert.equal(asked.length, 3);
  assert.deepEqual(asked[0], [undefined, undefined]);
  for (const [range, ifMatch] of asked.slice(1)) {
    assert.match(range ?? '', new RegExp(`^bytes=\\d+-${BODY.length - 1}$`));
    assert.equal(ifMatch, etagOf(BODY));
  }
});

test('a gateway that closes after its answer, as it does when it drains, is read to the end', async () => {
  const s3 = await clientOf((_request, response) => {
    response.writeHead(200, { etag: etagOf(BODY), 'content-length': BODY.length, connection: 'close' }).end(BODY);
  });
  const { chunks } = await s3.get('b', 'k');
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    for (let i = 0; i < 20; i += 1) await turn(); // a slow reader, so that the end comes while bytes wait
  }
  assert.equal(bytes, BODY.length);
});

test('bytes that are not those of the checksum are an error, by CRC-32 where there is one', async () => {
  const wrong = Buffer.from(BODY);
  wrong[12345] = 0;
  const s3 = await clientOf((request, response) => {
    const headers: Record<string, string> = {
      etag: etagOf(request.url === '/b/crc' ? wrong : BODY),
      'content-length': String(BODY.length),
    };
    if (request.url !== '/b/md5') headers['x-amz-checksum-crc32'] = crc32Base64(crc32Of(BODY, 0));
    response.writeHead(200, headers).end(wrong);
  });
  const damaged = (what: RegExp) => (error: unknown) => error instanceof CliError && what.test(error.message);
  await assert.rejects(s3.getBytes('b', 'crc'), damaged(/b\/crc arrived damaged: its CRC-32 is .*penstock doctor/));
  await assert.rejects(s3.getBytes('b', 'md5'), damaged(/b\/md5 arrived damaged: its MD5 is/));
});

test('what is no S3 gateway is named as that', async () => {
  const s3 = await clientOf(
    (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
  );
  await assert.rejects(
    s3.buckets(),
    (error) =>
      error instanceof CliError &&
      error.exitCode === 3 &&
      /not the ListAllMyBucketsResult of S3\. Check that --endpoint/.test(error.message),
  );
});

test('a 200 with an error in it does not complete an upload', async () => {
  const { uploadStream } = await import('../../src/cli/upload.ts');
  const { ByteBudget } = await import('../../src/cli/work-queue.ts');
  const seen: string[] = [];
  const s3 = await clientOf(async (request, response) => {
    await buffer(request);
    seen.push(`${request.method} ${request.url?.replace(/partNumber=\d+/, 'partNumber=N')}`);
    if (request.url === '/b/k?uploads=')
      response.end('<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>');
    else if (request.method === 'POST') response.end('<?xml version="1.0"?><Error><Code>InternalError</Code></Error>');
    else response.writeHead(request.method === 'DELETE' ? 204 : 200, { etag: '"p"' }).end();
  });
  async function* input(): AsyncGenerator<Buffer> {
    for (let i = 0; i < 65; i += 1) yield Buffer.alloc(1024 * 1024);
  }
  const target = { client: s3, bucket: 'b', key: 'k', contentType: 'x/y' };
  await assert.rejects(
    uploadStream(target, input(), new ByteBudget(2 ** 28), () => {}),
    /completing the upload failed/,
  );
  assert.equal(seen.at(-1), 'DELETE /b/k?uploadId=u1', 'the parts are given back');
});

test('targets keep their keys as they are', () => {
  assert.equal(targetOf({ bucket: 'b', key: '/a/../b//c d+ü%2F?#' }), '/b//a/../b//c%20d%2B%C3%BC%252F%3F%23');
  assert.equal(targetOf({}), '/');
  assert.equal(
    targetOf({
      bucket: 'b',
      query: [
        ['prefix', 'a&b/'],
        ['list-type', '2'],
      ],
    }),
    '/b?prefix=a%26b%2F&list-type=2',
  );
});

test('listings are read with every kind of key', () => {
  const page = readListReply(
    Buffer.from(`<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
    <NextContinuationToken>t&amp;1</NextContinuationToken><Contents><Key>a%20b%2Bc+d%01</Key><Size>5</Size><ETag>&quot;e-2&quot;</ETag>
    <LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents><CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes></ListBucketResult>`),
  );
  assert.deepEqual(page, {
    objects: [{ key: 'a b+c d\u0001', size: 5, etag: 'e-2', modifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }],
    prefixes: ['p/'],
    next: 't&1',
  });
});

test('bodies that are sent escape what XML would change', () => {
  assert.match(deleteRequestBody(['a<b>&"\r\n']), /<Key>a&#60;b&#62;&#38;&#34;&#13;&#10;<\/Key>/);
  assert.match(
    completeRequestBody([{ number: 1, etag: 'e', crc32: 'AAAAAA==' }]),
    /<PartNumber>1<\/PartNumber><ETag>"e"<\/ETag>/,
  );
  assert.equal(readErrorReply(Buffer.from('')), undefined);
});
