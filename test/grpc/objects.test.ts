import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import type { CannedAcl } from '../../src/base/bucket-store.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { type BucketName, parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import type { Storage } from '../../src/base/object-store.ts';
import type { Input } from '../../src/format/message-type.ts';
import {
  DeleteRequest,
  DeleteResponse,
  GetChunk,
  GetRequest,
  HeadRequest,
  ObjectInfo,
} from '../../src/format/messages.ts';
import { objectsMethods } from '../../src/fronts/grpc/objects.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { bytesSource, MiB, noise, sameBytes } from '../contract/scene.ts';
import { ALT, MAIN, ROOT } from '../s3/users.ts';
import { callAs, methodOf, openPlane, type Plane, reasonOf, refusedWith } from './services-scene.ts';

const BUCKET = parseBucketName('images');
const k = parseObjectKey;

async function scene(acl: CannedAcl = 'private'): Promise<Plane> {
  const plane = await openPlane();
  await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl });
  return plane;
}

async function put(storage: Storage, key: string, bytes: Buffer, acl?: CannedAcl, bucket: BucketName = BUCKET) {
  return storage.objects.put(bucket, k(key), bytesSource(bytes, acl === undefined ? {} : { acl }), {});
}

async function head(plane: Plane, user: Credential | undefined, request: Input<HeadRequest>): Promise<ObjectInfo> {
  const method = methodOf(objectsMethods(plane), 'Head');
  const call = callAs(user, method).send(HeadRequest.encode(request)).end();
  await method.handle(call);
  assert.equal(call.sent.length, 1);
  return ObjectInfo.decode(call.sent[0] as Buffer);
}

async function get(
  plane: Plane,
  user: Credential | undefined,
  request: Partial<Input<GetRequest>>,
): Promise<GetChunk[]> {
  const method = methodOf(objectsMethods(plane), 'Get');
  const call = callAs(user, method)
    .send(GetRequest.encode(getRequest(request)))
    .end();
  await method.handle(call);
  return call.sent.map((message) => GetChunk.decode(message));
}

function getRequest(request: Partial<Input<GetRequest>>): Input<GetRequest> {
  return { bucket: BUCKET, key: 'k', range: undefined, ifMatch: '', ifNoneMatch: '', ...request };
}

async function remove(plane: Plane, user: Credential | undefined, keys: string[]): Promise<DeleteResponse> {
  const method = methodOf(objectsMethods(plane), 'Delete');
  const call = callAs(user, method)
    .send(DeleteRequest.encode({ bucket: BUCKET, keys }))
    .end();
  await method.handle(call);
  return DeleteResponse.decode(call.sent[0] as Buffer);
}

const dataOf = (chunks: readonly GetChunk[]) => Buffer.concat(chunks.map(({ data }) => data));

test('Head says everything that is known of an object', async () => {
  const plane = await scene();
  const bytes = noise(1000);
  const stored = {
    etag: 'a'.repeat(32),
    contentType: 'image/png',
    attributes: { metadata: { modality: 'CT', name: 'JosÃ©' } },
  };
  const info = await plane.storage.objects.put(BUCKET, k('a/b'), { kind: 'bytes', bytes, stored }, {});
  const answer = await head(plane, MAIN, { bucket: BUCKET, key: 'a/b' });
  assert.deepEqual(
    { ...answer, metadata: { ...answer.metadata } },
    {
      bucket: BUCKET,
      key: 'a/b',
      size: 1000,
      etag: 'a'.repeat(32),
      crc32: crc32(bytes),
      contentType: 'image/png',
      metadata: { modality: 'CT', name: 'José' },
      modified: { seconds: Math.floor(info.modifiedMs / 1000), nanos: (info.modifiedMs % 1000) * 1e6 },
    },
  );
});

test('metadata that is not UTF-8 is shown as latin1', async () => {
  const plane = await scene();
  const stored = { etag: 'a'.repeat(32), contentType: undefined, attributes: { metadata: { name: 'Jos\xe9' } } };
  await plane.storage.objects.put(BUCKET, k('k'), { kind: 'bytes', bytes: noise(1), stored }, {});
  assert.equal((await head(plane, MAIN, { bucket: BUCKET, key: 'k' })).metadata.name, 'José');
});

test('Get sends the description first, and the bytes behind it in chunks that are not copied', async () => {
  const plane = await scene();
  const bytes = noise(2 * MiB + 77);
  const info = await put(plane.storage, 'k', bytes);
  const chunks = await get(plane, MAIN, {});
  sameBytes(dataOf(chunks), bytes);
  assert.deepEqual(
    chunks.map(({ info: one }) => one?.etag),
    [info.etag, undefined, undefined],
  );
  assert.deepEqual(
    chunks.map(({ offset }) => offset),
    [0, MiB, 2 * MiB],
  );
  assert(chunks.every(({ data }) => data.length <= LIMITS.getChunkBytes));
});

test('the bytes of a small object go to the wire as the store gave them', async () => {
  const plane = await scene();
  await put(plane.storage, 'k', noise(5000));
  const method = methodOf(objectsMethods(plane), 'Get');
  const call = callAs(MAIN, method)
    .send(GetRequest.encode(getRequest({})))
    .end();
  await method.handle(call);
  const read = await plane.storage.objects.get(BUCKET, k('k'), {});
  assert(read !== undefined && 'body' in read && Buffer.isBuffer(read.body));
  assert.equal(call.lastBuffers[1]?.buffer, read.body.buffer);
});

test('a large object arrives whole and in order', async () => {
  const plane = await scene();
  const bytes = noise(11 * MiB + 5);
  await plane.storage.objects.put(
    BUCKET,
    k('k'),
    {
      kind: 'stream',
      chunks: pieces(bytes),
      seal: () => ({ etag: 'b'.repeat(32), contentType: undefined, attributes: {} }),
    },
    {},
  );
  const chunks = await get(plane, MAIN, {});
  sameBytes(dataOf(chunks), bytes);
  let at = 0;
  for (const { offset, data } of chunks) {
    assert.equal(offset, at);
    at += data.length;
  }
});

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += 700_001) yield bytes.subarray(at, at + 700_001);
}

test('an empty object is one chunk without bytes', async () => {
  const plane = await scene();
  await put(plane.storage, 'k', Buffer.alloc(0));
  for (const range of [undefined, { start: 0, end: undefined }]) {
    const chunks = await get(plane, MAIN, { range });
    assert.equal(chunks.length, 1);
    assert.equal(chunks[0]?.info?.size, 0);
    assert.equal(chunks[0]?.data.length, 0);
  }
});

test('ranges are half-open, and described with the whole object', async () => {
  const plane = await scene();
  const bytes = noise(1000);
  await put(plane.storage, 'k', bytes);
  const ranges = [
    [0, 1000],
    [10, 20],
    [990, 5000],
    [500, undefined],
    [999, 1000],
  ] as const;
  for (const [start, end] of ranges) {
    const chunks = await get(plane, MAIN, { range: { start, end } });
    sameBytes(dataOf(chunks), bytes.subarray(start, end));
    assert.equal(chunks[0]?.offset, start);
    assert.equal(chunks[0]?.info?.size, 1000);
    assert.equal(chunks[0]?.info?.crc32, crc32(bytes));
  }
  await refusedWith(get(plane, MAIN, { range: { start: 1000, end: 1001 } }), 'InvalidRange');
  await refusedWith(get(plane, MAIN, { range: { start: 1000, end: undefined } }), 'InvalidRange');
  await refusedWith(get(plane, MAIN, { range: { start: 10, end: 10 } }), 'InvalidArgument');
});

test('a read under conditions is refused when they fail, and says which one', async () => {
  const plane = await scene();
  const { etag } = await put(plane.storage, 'k', noise(10));
  const other = 'f'.repeat(32);
  assert.equal((await get(plane, MAIN, { ifMatch: etag })).length, 1);
  assert.equal((await get(plane, MAIN, { ifMatch: `"${etag}"`, ifNoneMatch: other })).length, 1);
  const stale = await refusedWith(get(plane, MAIN, { ifMatch: other }), 'PreconditionFailed');
  assert.equal(stale.details?.Condition, 'If-Match');
  const same = await refusedWith(get(plane, MAIN, { ifNoneMatch: etag }), 'PreconditionFailed');
  assert.deepEqual(same.details, { Condition: 'If-None-Match', ETag: etag });
});

test('whoever may not list a bucket does not learn which keys are free', async () => {
  const plane = await scene();
  await put(plane.storage, 'closed', noise(10));
  await put(plane.storage, 'open', noise(10), 'public-read');
  for (const user of [ALT, undefined]) {
    await refusedWith(head(plane, user, { bucket: BUCKET, key: 'absent' }), 'AccessDenied');
    await refusedWith(head(plane, user, { bucket: BUCKET, key: 'closed' }), 'AccessDenied');
    await refusedWith(get(plane, user, { key: 'absent' }), 'AccessDenied');
    // Also not whether a condition holds.
    await refusedWith(get(plane, user, { key: 'closed', ifMatch: 'f'.repeat(32) }), 'AccessDenied');
    assert.equal((await head(plane, user, { bucket: BUCKET, key: 'open' })).size, 10);
    assert.equal((await get(plane, user, { key: 'open' })).length, 1);
  }
  for (const user of [MAIN, ROOT]) {
    await refusedWith(head(plane, user, { bucket: BUCKET, key: 'absent' }), 'NoSuchKey');
    await refusedWith(get(plane, user, { key: 'absent' }), 'NoSuchKey');
    assert.equal((await get(plane, user, { key: 'closed' })).length, 1);
  }
});

test('who may list a bucket may learn that a key is free', async () => {
  const plane = await scene('public-read');
  await refusedWith(get(plane, undefined, { key: 'absent' }), 'NoSuchKey');
});

test('buckets: absent, malformed, and unknown to the anonymous', async () => {
  const plane = await scene();
  await refusedWith(head(plane, MAIN, { bucket: 'not-there', key: 'k' }), 'NoSuchBucket');
  await refusedWith(head(plane, MAIN, { bucket: '', key: 'k' }), 'InvalidBucketName');
  await refusedWith(head(plane, MAIN, { bucket: 'No_Bucket', key: 'k' }), 'InvalidBucketName');
  await refusedWith(head(plane, undefined, { bucket: 'not-there', key: 'k' }), 'AccessDenied');
});

test('a token that is no good is refused, never taken for anonymous', async () => {
  const plane = await scene('public-read');
  await put(plane.storage, 'k', noise(10), 'public-read');
  await refusedWith(get(plane, { ...MAIN, secretKey: 'another-secret-of-some-length' }, {}), 'SignatureDoesNotMatch');
});

test('names and bytes that are none are refused', async () => {
  const plane = await scene();
  await refusedWith(head(plane, MAIN, { bucket: BUCKET, key: '' }), 'InvalidURI');
  await refusedWith(head(plane, MAIN, { bucket: BUCKET, key: 'x'.repeat(1025) }), 'KeyTooLongError');
  const method = methodOf(objectsMethods(plane), 'Head');
  await refusedWith(
    method.handle(
      callAs(MAIN, method)
        .send(Buffer.from([0xff, 0xff]))
        .end(),
    ),
    'InvalidRequest',
  );
});

test('Delete has an outcome for every key, in order', async () => {
  const plane = await scene();
  await put(plane.storage, 'a', noise(1));
  await put(plane.storage, 'c', noise(1));
  const { statuses } = await remove(plane, MAIN, ['a', '', 'absent', 'x'.repeat(1025), 'a']);
  assert.deepEqual(
    statuses.map(({ code }) => code),
    [0, 3, 0, 3, 0],
  );
  assert.deepEqual(statuses.map(reasonOf), [undefined, 'InvalidURI', undefined, 'KeyTooLongError', undefined]);
  assert.equal(await plane.storage.objects.head(BUCKET, k('a')), undefined);
  assert.equal((await plane.storage.objects.head(BUCKET, k('c')))?.size, 1);
});

test('Delete takes 1 to 1,000 keys of a bucket that the caller may write to', async () => {
  const plane = await scene();
  await refusedWith(remove(plane, MAIN, []), 'InvalidArgument');
  const keys = Array.from({ length: 1001 }, (_, i) => `k${i}`);
  await refusedWith(remove(plane, MAIN, keys), 'InvalidArgument');
  await Promise.all(keys.map((key) => put(plane.storage, key, noise(1))));
  assert.equal((await remove(plane, MAIN, keys.slice(1))).statuses.length, 1000);
  assert.equal(
    (await plane.storage.objects.list(BUCKET, { prefix: '', delimiter: '', limit: 10, after: '', afterPrefix: false }))
      .entries.length,
    1,
  );
  await refusedWith(remove(plane, ALT, ['k0']), 'AccessDenied');
  assert.equal((await plane.storage.objects.head(BUCKET, k('k0')))?.size, 1);
});

test('a store that fails one removal in an unforeseen way fails that key alone, and the log hears of it', async () => {
  const plane = await scene();
  const { storage } = plane;
  const remover: Storage['objects']['remove'] = async (bucket, key) => {
    if (key === 'bad') throw new Error('boom');
    return storage.objects.remove(bucket, key);
  };
  const objects = new Proxy(storage.objects, {
    get: (target, name) => (name === 'remove' ? remover : Reflect.get(target, name)),
  });
  const broken = { ...plane, storage: { ...storage, objects } };
  const { statuses } = await remove(broken, MAIN, ['a', 'bad', 'c']);
  assert.deepEqual(
    statuses.map(({ code }) => code),
    [0, 13, 0],
  );
  assert.equal(plane.errors.length, 1);
});

test('a worker that has its fill of calls asks callers to come back', async () => {
  const plane = await scene();
  const method = methodOf(objectsMethods(plane), 'Put');
  const calls = Array.from({ length: LIMITS.putCallsMax }, () => callAs(MAIN, method));
  const running = calls.map((call) => method.handle(call));
  const error = await refusedWith(method.handle(callAs(MAIN, method)), 'SlowDown');
  assert.equal(error.facts.retry, true);
  for (const call of calls) call.break();
  await Promise.allSettled(running);
  await refusedWith(method.handle(callAs(MAIN, method).end()), 'InvalidArgument');
});
