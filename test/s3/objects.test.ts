/** Objects through the official SDK: put, get, conditions, ranges, checksums, copies, deletes. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { GatewayError } from '../../src/base/errors.ts';
import { parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { codeOf, startFront } from './front-fixture.ts';
import { ALT, MAIN } from './users.ts';

const f = await startFront();
const s3 = f.client(MAIN);
const Bucket = 'objects';
await s3.send(new CreateBucketCommand({ Bucket }));

async function put(
  Key: string,
  Body: NonNullable<PutObjectCommandInput['Body']>,
  more: Partial<PutObjectCommandInput> = {},
) {
  const input: PutObjectCommandInput = { Bucket, Key, Body, ...more };
  return s3.send(new PutObjectCommand(input));
}

async function read(Key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** Bytes that no compression or repetition hides a mistake in. */
function noise(length: number): Buffer {
  const out = Buffer.alloc(length);
  let state = 0x9e3779b9 ^ length;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

function md5(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

test('bytes come back as they were put, at every size around the limits', async () => {
  for (const size of [0, 1, 1023, 65_536, 1024 * 1024, 1024 * 1024 + 1, 5_000_000]) {
    const bytes = noise(size);
    const { ETag } = await put('sized', bytes);
    assert.equal(ETag, md5(bytes));
    assert.ok((await read('sized')).equals(bytes), String(size));
  }
});

test('a stream of known length comes in aws-chunked, signed', async () => {
  const bytes = noise(3_000_000);
  const pieces = Array.from({ length: 30 }, (_, i) => bytes.subarray(i * 100_000, (i + 1) * 100_000));
  await put('streamed', Readable.from(pieces), { ContentLength: bytes.length, ContentEncoding: 'gzip' });
  assert.ok((await read('streamed')).equals(bytes));
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'streamed' }));
  assert.equal(head.ContentEncoding, 'gzip');
});

test('what was said about an object is said again', async () => {
  const said = {
    CacheControl: 'max-age=60',
    ContentDisposition: 'attachment; filename="a b.jpg"',
    ContentLanguage: 'de',
    ContentType: 'image/jpeg',
    Metadata: { camera: 'x100', empty: '' },
  };
  await put('said', 'x', said);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'said' }));
  for (const name of ['CacheControl', 'ContentDisposition', 'ContentLanguage', 'ContentType'] as const)
    assert.equal(got[name], said[name]);
  assert.deepEqual(got.Metadata, said.Metadata);
});

test('user metadata keeps bytes beyond ASCII', async () => {
  const value = Buffer.from('müde').toString('latin1');
  await f.send({
    method: 'PUT',
    target: `/${Bucket}/latin`,
    user: MAIN,
    body: 'x',
    headers: { 'x-amz-meta-word': value },
  });
  const got = await f.send({ method: 'GET', target: `/${Bucket}/latin`, user: MAIN });
  assert.equal(got.headers['x-amz-meta-word'], value);
});

test('user metadata above 2 KB is refused', async () => {
  await assert.rejects(put('fat', 'x', { Metadata: { a: 'x'.repeat(2049) } }), { name: 'MetadataTooLarge' });
});

test('the five checksums are verified, kept and told on request', async () => {
  const bytes = noise(100_000);
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    const stored = await put('summed', bytes, { ChecksumAlgorithm });
    const name = `Checksum${ChecksumAlgorithm}` as const;
    assert.ok(stored[name], ChecksumAlgorithm);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'summed', ChecksumMode: 'ENABLED' }));
    assert.equal(head[name], stored[name]);
    assert.equal(head.ChecksumType, 'FULL_OBJECT');
    const silent = await f.send({ method: 'HEAD', target: `/${Bucket}/summed`, user: MAIN });
    assert.equal(silent.headers[`x-amz-checksum-${ChecksumAlgorithm.toLowerCase()}`], undefined);
    await assert.rejects(put('summed', `${bytes}x`, { [name]: stored[name] }), { name: 'BadDigest' });
  }
  assert.ok((await read('summed')).equals(bytes));
});

test('a wrong digest of any kind refuses the body, small or streamed', async () => {
  const sha = createHash('sha256').update('other').digest('hex');
  for (const size of [10, 2_000_000]) {
    const body = noise(size);
    const cases = [
      ['BadDigest', { 'content-md5': createHash('md5').update('other').digest('base64') }, undefined],
      ['InvalidDigest', { 'content-md5': 'bad' }, undefined],
      ['BadDigest', { 'x-amz-checksum-crc32': 'AAAAAA==' }, undefined],
      ['InvalidRequest', { 'x-amz-checksum-crc32': 'AAAA' }, undefined],
      ['NotImplemented', { 'x-amz-checksum-crc17': 'AAAA' }, undefined],
      ['XAmzContentSHA256Mismatch', {}, sha],
    ] as const;
    for (const [code, headers, payload] of cases) {
      const reply = await f.send({
        method: 'PUT',
        target: `/${Bucket}/refused`,
        user: MAIN,
        body,
        headers,
        ...(payload !== undefined && { payload }),
      });
      assert.equal(codeOf(reply), code);
    }
  }
  await assert.rejects(read('refused'), { name: 'NoSuchKey' });
});

test('trailers are verified', async () => {
  const crc = 'DUoRhQ=='; // CRC-32 of "hello world"
  const body = (value: string) => `b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:${value}\r\n\r\n`;
  const headers = {
    'x-amz-decoded-content-length': '11',
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-encoding': 'aws-chunked',
  };
  const request = {
    method: 'PUT',
    target: `/${Bucket}/trailed`,
    user: MAIN,
    headers,
    payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  };
  assert.equal((await f.send({ ...request, body: body(crc) })).status, 200);
  assert.equal((await read('trailed')).toString(), 'hello world');
  assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key: 'trailed' }))).ContentEncoding, undefined);
  assert.equal(codeOf(await f.send({ ...request, body: body('AAAAAA==') })), 'BadDigest');
  assert.equal(codeOf(await f.send({ ...request, body: 'b\r\nhello world\r\n0\r\n\r\n' })), 'InvalidRequest');
  assert.equal(codeOf(await f.send({ ...request, body: 'b\r\nhello' })), 'IncompleteBody');
});

test('ranges: first, middle, suffix, beyond the end, ignored and unsatisfiable', async () => {
  const bytes = noise(1000);
  await put('ranged', bytes);
  const get = (range: string, extra: Record<string, string> = {}) =>
    f.send({ method: 'GET', target: `/${Bucket}/ranged`, user: MAIN, headers: { range, ...extra } });
  const cases: [string, number, string | undefined, number, number][] = [
    ['bytes=0-0', 206, 'bytes 0-0/1000', 0, 1],
    ['bytes=10-19', 206, 'bytes 10-19/1000', 10, 20],
    ['bytes=990-', 206, 'bytes 990-999/1000', 990, 1000],
    ['bytes=-5', 206, 'bytes 995-999/1000', 995, 1000],
    ['bytes=-5000', 206, 'bytes 0-999/1000', 0, 1000],
    ['bytes=0-8388607', 206, 'bytes 0-999/1000', 0, 1000],
    ['bytes=5-1', 200, undefined, 0, 1000],
    ['bytes=0-1,5-6', 200, undefined, 0, 1000],
    ['lines=1-2', 200, undefined, 0, 1000],
  ];
  for (const [range, status, contentRange, start, end] of cases) {
    const got = await get(range);
    assert.equal(got.status, status, range);
    assert.equal(got.headers['content-range'], contentRange, range);
    assert.equal(got.body, bytes.toString('latin1', start, end), range);
  }
  const unsatisfiable = await get('bytes=1000-');
  assert.equal(unsatisfiable.status, 416);
  assert.equal(unsatisfiable.headers['content-range'], 'bytes */1000');
  assert.equal(codeOf(unsatisfiable), 'InvalidRange');
  assert.equal((await get('bytes=0-9', { 'if-range': '"other"' })).status, 200);
  assert.equal((await get('bytes=0-9', { 'if-range': md5(bytes) })).status, 206);
  const head = await f.send({
    method: 'HEAD',
    target: `/${Bucket}/ranged`,
    user: MAIN,
    headers: { range: 'bytes=10-19' },
  });
  assert.deepEqual([head.status, head.headers['content-length']], [206, '10']);
});

test('a range of an object has no checksum, since it would be another one', async () => {
  await put('ranged', 'hello world', { ChecksumAlgorithm: 'CRC32' });
  const got = await f.send({
    method: 'GET',
    target: `/${Bucket}/ranged`,
    user: MAIN,
    headers: { range: 'bytes=0-4', 'x-amz-checksum-mode': 'ENABLED' },
  });
  assert.equal(got.headers['x-amz-checksum-crc32'], undefined);
});

test('an object of a gRPC write, whose ETag is no MD5, can be checked by its CRC-32', async () => {
  const bytes = Buffer.from('written over gRPC');
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(bytes));
  const stored = { etag: `${md5(bytes)}-1`, contentType: undefined, attributes: {} };
  const source = { kind: 'bytes', bytes, stored } as const;
  await f.storage.objects.put(parseBucketName(Bucket), parseObjectKey('of-grpc'), source, {});
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'of-grpc', ChecksumMode: 'ENABLED' }));
  assert.equal(got.ChecksumCRC32, crc.toString('base64'));
  assert.equal(got.ChecksumType, 'FULL_OBJECT');
  assert.equal(await got.Body?.transformToString(), bytes.toString());
  const told = await s3.send(
    new GetObjectAttributesCommand({ Bucket, Key: 'of-grpc', ObjectAttributes: ['Checksum', 'ETag'] }),
  );
  assert.equal(told.Checksum?.ChecksumCRC32, crc.toString('base64'));
  await put('of-s3', bytes);
  const other = await f.send({
    method: 'GET',
    target: `/${Bucket}/of-s3`,
    user: MAIN,
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
  });
  assert.ok(other.headers['x-amz-checksum-crc32'] !== undefined, 'the SDK sends one by itself');
});

test('conditions of reads', async () => {
  await put('conditional', 'x');
  const etag = md5(Buffer.from('x'));
  const past = new Date(Date.now() - 86_400_000).toUTCString();
  const future = new Date(Date.now() + 86_400_000).toUTCString();
  for (const method of ['GET', 'HEAD']) {
    const status = async (headers: Record<string, string>) =>
      (await f.send({ method, target: `/${Bucket}/conditional`, user: MAIN, headers })).status;
    assert.equal(await status({ 'if-match': etag }), 200);
    assert.equal(await status({ 'if-match': '"a", "b"' }), 412);
    assert.equal(await status({ 'if-none-match': etag }), 304);
    assert.equal(await status({ 'if-none-match': `W/${etag}` }), 304);
    assert.equal(await status({ 'if-none-match': '*' }), 304);
    assert.equal(await status({ 'if-modified-since': future }), 304);
    assert.equal(await status({ 'if-modified-since': past }), 200);
    assert.equal(await status({ 'if-unmodified-since': past }), 412);
    assert.equal(await status({ 'if-unmodified-since': past, 'if-match': etag }), 200);
    assert.equal(await status({ 'if-modified-since': 'no date' }), 200);
  }
  const notModified = await f.send({
    method: 'GET',
    target: `/${Bucket}/conditional`,
    user: MAIN,
    headers: { 'if-none-match': etag },
  });
  assert.equal(notModified.body, '');
  assert.equal(notModified.headers.etag, etag);
});

test('conditions of writes', async () => {
  const first = await put('written', '1', { IfNoneMatch: '*' });
  await assert.rejects(put('written', '2', { IfNoneMatch: '*' }), { name: 'PreconditionFailed' });
  await assert.rejects(put('written', '2', { IfMatch: '"other"' }), { name: 'PreconditionFailed' });
  await assert.rejects(put('absent', '2', { IfMatch: '"other"' }), { name: 'NoSuchKey' });
  await assert.rejects(put('written', '2', { IfNoneMatch: first.ETag }), { name: 'PreconditionFailed' });
  await put('written', '2', { IfMatch: first.ETag });
  await put('written', '3', { IfNoneMatch: first.ETag });
  assert.equal((await read('written')).toString(), '3');
});

test('of many writers with If-None-Match one wins', async () => {
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => put('raced', String(i), { IfNoneMatch: '*' })),
  );
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
});

test('copies: with and without metadata, onto itself, under conditions', async () => {
  const Key = 'a b+c/ü?.jpg';
  const source = await put(Key, 'copied', {
    Metadata: { kind: 'source' },
    ContentType: 'image/png',
    Tagging: 'a=1',
    ChecksumAlgorithm: 'SHA256',
  });
  const CopySource = `/${Bucket}/${encodeURIComponent(Key)}`;
  const copied = await s3.send(
    new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${CopySource}?versionId=null` }),
  );
  assert.equal(copied.CopyObjectResult?.ETag, source.ETag);
  assert.equal(copied.CopyObjectResult?.ChecksumSHA256, source.ChecksumSHA256);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }));
  assert.deepEqual([head.Metadata, head.ContentType, head.TagCount], [{ kind: 'source' }, 'image/png', 1]);

  await s3.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'copy',
      CopySource,
      MetadataDirective: 'REPLACE',
      Metadata: { kind: 'new' },
      TaggingDirective: 'REPLACE',
    }),
  );
  const replaced = await s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }));
  assert.deepEqual(
    [replaced.Metadata, replaced.ContentType, replaced.TagCount],
    [{ kind: 'new' }, 'binary/octet-stream', undefined],
  );

  await assert.rejects(s3.send(new CopyObjectCommand({ Bucket, Key, CopySource })), { name: 'InvalidRequest' });
  await s3.send(
    new CopyObjectCommand({ Bucket, Key, CopySource, MetadataDirective: 'REPLACE', Metadata: { kind: 'self' } }),
  );
  assert.deepEqual((await s3.send(new HeadObjectCommand({ Bucket, Key }))).Metadata, { kind: 'self' });

  await assert.rejects(
    s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, CopySourceIfMatch: '"other"' })),
    { name: 'PreconditionFailed' },
  );
  await assert.rejects(
    s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, CopySourceIfNoneMatch: source.ETag })),
    { name: 'PreconditionFailed' },
  );
  await assert.rejects(s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/absent` })), {
    name: 'NoSuchKey',
  });
  await assert.rejects(s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/x?versionId=1` })), {
    name: 'NotImplemented',
  });
  await assert.rejects(f.client(ALT).send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource })), {
    name: 'AccessDenied',
  });
});

test('a copy with another checksum is read and summed', async () => {
  await put('plain', 'hello world');
  const { CopyObjectResult } = await s3.send(
    new CopyObjectCommand({ Bucket, Key: 'resummed', CopySource: `${Bucket}/plain`, ChecksumAlgorithm: 'SHA1' }),
  );
  assert.equal(CopyObjectResult?.ChecksumSHA1, createHash('sha1').update('hello world').digest('base64'));
});

test('deletes: one, none, many, quiet and with a wrong ETag', async () => {
  await put('d1', '1');
  await put('d2', '2');
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'd1' }));
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'never-there' }));
  await put('d1', '1');
  const Objects = [
    { Key: 'd1' },
    { Key: 'never-there' },
    { Key: 'd2', ETag: '"other"' },
    { Key: 'd3', VersionId: 'v1' },
    { Key: 'x'.repeat(1025) },
  ];
  const result = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  assert.deepEqual(
    result.Deleted?.map(({ Key }) => Key),
    ['d1', 'never-there'],
  );
  assert.deepEqual(
    result.Errors?.map(({ Code }) => Code),
    ['PreconditionFailed', 'NotImplemented', 'KeyTooLongError'],
  );
  const quiet = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'd2' }], Quiet: true } }));
  assert.equal(quiet.Deleted, undefined);
  await assert.rejects(read('d2'), { name: 'NoSuchKey' });
});

test('attributes of an object', async () => {
  await put('attributed', 'hello', { ChecksumAlgorithm: 'CRC32' });
  const got = await s3.send(
    new GetObjectAttributesCommand({
      Bucket,
      Key: 'attributed',
      ObjectAttributes: ['ETag', 'ObjectSize', 'Checksum', 'StorageClass', 'ObjectParts'],
    }),
  );
  assert.deepEqual(
    [got.ETag, got.ObjectSize, got.StorageClass, got.ObjectParts],
    [md5(Buffer.from('hello')).slice(1, -1), 5, 'STANDARD', undefined],
  );
  assert.ok(got.Checksum?.ChecksumCRC32);
});

test('presigned URLs read, write and override headers, until they expire', async () => {
  // By default the SDK signs the checksum of an empty body into the URL.
  const presigner = f.client(MAIN, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  const putUrl = await getSignedUrl(presigner, new PutObjectCommand({ Bucket, Key: 'signed away' }), { expiresIn: 60 });
  assert.equal((await fetch(putUrl, { method: 'PUT', body: 'presigned' })).status, 200);
  const getUrl = await getSignedUrl(
    s3,
    new GetObjectCommand({
      Bucket,
      Key: 'signed away',
      ResponseContentType: 'text/x',
      ResponseContentDisposition: 'inline; filename="ü"',
    }),
  );
  const got = await fetch(getUrl);
  assert.equal(await got.text(), 'presigned');
  assert.equal(got.headers.get('content-type'), 'text/x');
  assert.equal((await fetch(`${getUrl}0`)).status, 403);
  const expired = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'signed away' }), {
    expiresIn: 60,
    signingDate: new Date(Date.now() - 120_000),
  });
  assert.equal((await fetch(expired)).status, 403);
});

test('overrides are for signed requests only, and cannot split an answer', async () => {
  await put('open', 'x', { ACL: 'public-read' });
  const anonymous = await f.send({ method: 'GET', target: `/${Bucket}/open?response-content-type=text/html` });
  assert.equal(codeOf(anonymous), 'InvalidRequest');
  const split = await f.send({
    method: 'GET',
    target: `/${Bucket}/open?response-content-type=a%0D%0AEvil:1`,
    user: MAIN,
  });
  assert.equal(codeOf(split), 'InvalidArgument');
});

test('nothing of this was an internal error', () => {
  assert.deepEqual(f.errors, []);
});

test('tags and ACL change without touching Last-Modified', async () => {
  await put('dated', 'x');
  const bucket = parseBucketName(Bucket);
  const before = await f.storage.objects.head(bucket, parseObjectKey('dated'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'dated', Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }));
  await s3.send(new PutObjectAclCommand({ Bucket, Key: 'dated', ACL: 'public-read' }));
  const after = await f.storage.objects.head(bucket, parseObjectKey('dated'));
  assert.deepEqual([after?.attributes.tags, after?.attributes.acl], [{ a: 'b' }, 'public-read']);
  assert.equal(after?.modifiedMs, before?.modifiedMs);
});

test('damaged bytes are an error of 500, and the log names the object', async () => {
  const storage = createMemoryStorage();
  const get = () => Promise.reject(new GatewayError('DataLoss', 'The record is damaged.'));
  const damaged = await startFront({
    storage: { ...storage, objects: Object.assign(Object.create(storage.objects), { get }) },
  });
  const client = damaged.client(MAIN);
  await client.send(new CreateBucketCommand({ Bucket: 'hurt' }));
  const reply = await damaged.send({ method: 'GET', target: '/hurt/scan', user: MAIN });
  assert.equal(reply.status, 500);
  assert.match(reply.body, /<Code>DataLoss<\/Code>/);
  assert.deepEqual(
    damaged.errors.map(({ facts }) => facts.resource),
    ['/hurt/scan'],
  );
});
