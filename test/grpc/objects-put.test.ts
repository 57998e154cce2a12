import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import { LIMITS } from '../../src/base/limits.ts';
import { parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import type { Input } from '../../src/format/message-type.ts';
import { ObjectInfo, PutChunk, type PutHeader } from '../../src/format/messages.ts';
import { objectsMethods } from '../../src/fronts/grpc/objects.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { bytesOf, bytesSource, MiB, noise, sameBytes } from '../contract/scene.ts';
import { ALT, MAIN } from '../s3/users.ts';
import { openEmbedded, temporaryFolder } from '../store/local-scene.ts';
import type { HandMadeCall } from './hand-made-call.ts';
import { callAs, methodOf, openPlane, type Plane, refusedWith } from './services-scene.ts';

const BUCKET = parseBucketName('images');
const KEY = parseObjectKey('k');

async function scene(): Promise<Plane> {
  const plane = await openPlane();
  await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
  return plane;
}

function headerOf(header: Partial<Input<PutHeader>>): Input<PutHeader> {
  return { bucket: BUCKET, key: 'k', size: 0, contentType: '', metadata: {}, ifAbsent: false, ifMatch: '', ...header };
}

function chunk(data: Buffer, rest: { header?: Input<PutHeader>; crc32?: number } = {}): Buffer {
  return PutChunk.encode({ header: rest.header, crc32: rest.crc32, data });
}

/** The messages of a write of `bytes` in chunks of this size, with its CRC in the last one. */
function messagesOf(bytes: Buffer, header: Partial<Input<PutHeader>>, chunkBytes: number): Buffer[] {
  const messages = [chunk(bytes.subarray(0, chunkBytes), { header: headerOf({ size: bytes.length, ...header }) })];
  for (let at = chunkBytes; at < bytes.length; at += chunkBytes)
    messages.push(chunk(bytes.subarray(at, at + chunkBytes)));
  return [...messages, chunk(Buffer.alloc(0), { crc32: crc32(bytes) })];
}

function begin(plane: Plane, user: Credential | undefined): { call: HandMadeCall; done: Promise<ObjectInfo> } {
  const method = methodOf(objectsMethods(plane), 'Put');
  const call = callAs(user, method);
  const done = method.handle(call).then(() => ObjectInfo.decode(call.sent[0] as Buffer));
  return { call, done };
}

function put(plane: Plane, user: Credential | undefined, messages: Buffer[]): Promise<ObjectInfo> {
  const { call, done } = begin(plane, user);
  call.send(...messages).end();
  return done;
}

async function stored(plane: Plane): Promise<Buffer | undefined> {
  const read = await plane.storage.objects.get(BUCKET, KEY, {});
  return read === undefined ? undefined : bytesOf(read);
}

for (const [name, size, chunkBytes] of [
  ['nothing', 0, 10],
  ['one message', 5000, 10_000],
  ['several small messages', 100_000, 777],
  ['as much as is gathered', MiB, 300_000],
  ['a byte more than is gathered', MiB + 1, MiB],
  ['several extents', 9 * MiB + 3, MiB - 5],
] as const) {
  test(`a body of ${name} is stored as it came, with its ETag`, async () => {
    const plane = await scene();
    const bytes = noise(size);
    const info = await put(plane, MAIN, messagesOf(bytes, {}, chunkBytes));
    assert.equal(info.etag, plane.hashes.etagOf(bytes));
    assert.equal(info.size, size);
    assert.equal(info.crc32, size <= LIMITS.extentBytes ? crc32(bytes) : undefined);
    sameBytes((await stored(plane)) as Buffer, bytes);
  });
}

test('an object is on disk when its write is answered', async () => {
  const folder = temporaryFolder();
  const open = await openEmbedded(folder.path);
  const plane = await openPlane(open.store);
  await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
  const bytes = noise(6 * MiB);
  const info = await put(plane, MAIN, messagesOf(bytes, { contentType: 'image/png', metadata: { a: 'b' } }, MiB));
  await open.close();
  const again = await openEmbedded(folder.path);
  const read = await again.store.objects.get(BUCKET, KEY, {});
  sameBytes(await bytesOf(read), bytes);
  assert(read !== undefined);
  assert.equal(read.info.etag, info.etag);
  assert.equal(read.info.partCount, 0);
  assert.equal(read.info.contentType, 'image/png');
  assert.deepEqual({ ...read.info.attributes.metadata }, { a: 'b' });
  await again.close();
  folder.remove();
});

test('a wrong CRC-32, whole or large, stores nothing and says both', async () => {
  const plane = await scene();
  for (const size of [1000, 2 * MiB]) {
    const bytes = noise(size);
    const header = headerOf({ size });
    const messages = [chunk(bytes, { header }), chunk(Buffer.alloc(0), { crc32: crc32(bytes) ^ 1 })];
    const error = await refusedWith(put(plane, MAIN, messages), 'BadDigest');
    assert.match(error.message, /0x[0-9a-f]{8}.*0x[0-9a-f]{8}/);
    assert.equal(await stored(plane), undefined);
  }
});

test('the CRC-32 may come with the header; two that differ are refused', async () => {
  const plane = await scene();
  const bytes = noise(100);
  const first = chunk(bytes, { header: headerOf({ size: 100 }), crc32: crc32(bytes) });
  assert.equal((await put(plane, MAIN, [first])).size, 100);
  await refusedWith(put(plane, MAIN, [first, chunk(Buffer.alloc(0), { crc32: 1 })]), 'InvalidArgument');
});

test('fewer and more bytes than announced store nothing', async () => {
  const plane = await scene();
  for (const size of [1000, 3 * MiB]) {
    const bytes = noise(size);
    const few = [chunk(bytes.subarray(1), { header: headerOf({ size }) })];
    await refusedWith(put(plane, MAIN, few), 'IncompleteBody');
    const many = [chunk(bytes, { header: headerOf({ size }) }), chunk(Buffer.from('x'))];
    await refusedWith(put(plane, MAIN, many), 'InvalidRequest');
    assert.equal(await stored(plane), undefined);
  }
  await refusedWith(
    put(plane, MAIN, [chunk(Buffer.alloc(0), { header: headerOf({ size: LIMITS.putBytesMax + 1 }) })]),
    'EntityTooLarge',
  );
});

test('a client that breaks off stores nothing, however much had come', async () => {
  const plane = await scene();
  for (const size of [1000, 3 * MiB]) {
    const bytes = noise(size);
    const { call, done } = begin(plane, MAIN);
    call.send(chunk(bytes, { header: headerOf({ size }) }));
    await call.hungry();
    call.break();
    await assert.rejects(done);
    assert.equal(await stored(plane), undefined);
  }
});

test('the header comes first, and once', async () => {
  const plane = await scene();
  await refusedWith(put(plane, MAIN, []), 'InvalidArgument');
  await refusedWith(put(plane, MAIN, [chunk(noise(1))]), 'InvalidArgument');
  const header = headerOf({ size: 2 });
  await refusedWith(put(plane, MAIN, [chunk(noise(1), { header }), chunk(noise(1), { header })]), 'InvalidArgument');
  assert.equal(await stored(plane), undefined);
});

test('conditions are decided with the write', async () => {
  const plane = await scene();
  const bytes = noise(10);
  const info = await put(plane, MAIN, messagesOf(bytes, { ifAbsent: true }, 100));
  await refusedWith(put(plane, MAIN, messagesOf(noise(5), { ifAbsent: true }, 100)), 'PreconditionFailed');
  await refusedWith(put(plane, MAIN, messagesOf(noise(5), { ifMatch: 'f'.repeat(32) }, 100)), 'PreconditionFailed');
  await refusedWith(
    put(plane, MAIN, messagesOf(noise(5), { key: 'absent', ifMatch: 'f'.repeat(32) }, 100)),
    'NoSuchKey',
  );
  await refusedWith(
    put(plane, MAIN, messagesOf(noise(5), { ifAbsent: true, ifMatch: info.etag }, 100)),
    'InvalidArgument',
  );
  sameBytes((await stored(plane)) as Buffer, bytes);
  await put(plane, MAIN, messagesOf(noise(5), { ifMatch: `"${info.etag}"` }, 100));
  sameBytes((await stored(plane)) as Buffer, noise(5));
});

test('who may not write is refused', async () => {
  const plane = await scene();
  await refusedWith(put(plane, ALT, messagesOf(noise(5), {}, 100)), 'AccessDenied');
  await refusedWith(put(plane, undefined, messagesOf(noise(5), {}, 100)), 'AccessDenied');
  await refusedWith(put(plane, MAIN, messagesOf(noise(5), { bucket: 'not-there' }, 100)), 'NoSuchBucket');
  await refusedWith(put(plane, MAIN, messagesOf(noise(5), { bucket: 'X' }, 100)), 'InvalidBucketName');
});

test('metadata is kept as S3 could serve it, or refused', async () => {
  const plane = await scene();
  const info = await put(
    plane,
    MAIN,
    messagesOf(noise(5), { contentType: 'image/png', metadata: { patient: 'José', empty: '' } }, 100),
  );
  assert.deepEqual({ ...info.metadata }, { patient: 'José', empty: '' });
  assert.equal(info.contentType, 'image/png');
  const head = await plane.storage.objects.head(BUCKET, KEY);
  // As bytes of a header: UTF-8.
  assert.equal(head?.attributes.metadata?.patient, 'JosÃ©');
  const bad: Record<string, string>[] = [
    { Upper: 'x' },
    { 'with space': 'x' },
    { '': 'x' },
    { a: 'two\nlines' },
    { a: ' padded' },
  ];
  for (const metadata of bad)
    await refusedWith(put(plane, MAIN, messagesOf(noise(5), { metadata }, 100)), 'InvalidArgument');
  await refusedWith(
    put(plane, MAIN, messagesOf(noise(5), { metadata: { a: 'é'.repeat(1024) } }, 100)),
    'MetadataTooLarge',
  );
  await put(plane, MAIN, messagesOf(noise(5), { metadata: { a: 'x'.repeat(2047) } }, 100));
});

test('a large body is taken no faster than the store takes it', async () => {
  const plane = await scene();
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { storage } = plane;
  const slow = Object.create(storage.objects) as typeof storage.objects;
  slow.put = async (bucket, key, source, conditions, signal) => {
    await gate;
    return storage.objects.put(bucket, key, source, conditions, signal);
  };
  const { call, done } = begin({ ...plane, storage: { ...storage, objects: slow } }, MAIN);
  const bytes = noise(20 * MiB);
  call.send(...messagesOf(bytes, {}, MiB)).end();
  await new Promise(setImmediate);
  assert.equal(call.unread, 20, 'only the first message was taken');
  release();
  assert.equal((await done).size, bytes.length);
});

test('a sender who stops in the middle of a body is given up, and one who goes on is not', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const plane = await scene();
  const bytes = noise(3 * MiB);
  const { call, done } = begin(plane, MAIN);
  call.send(chunk(bytes.subarray(0, MiB), { header: headerOf({ size: bytes.length }) }));
  await call.hungry();
  t.mock.timers.tick(LIMITS.stalledConnectionMs - 1);
  call.send(chunk(bytes.subarray(MiB, 2 * MiB)));
  await call.hungry();
  t.mock.timers.tick(LIMITS.stalledConnectionMs - 1);
  assert.equal(call.isOver, false);
  t.mock.timers.tick(1);
  await refusedWith(done, 'RequestTimeout');
  assert.equal(await stored(plane), undefined);
});

test('the bytes of a body of one message are not copied', async () => {
  const plane = await scene();
  const { storage } = plane;
  let given: Buffer | undefined;
  const spy = Object.create(storage.objects) as typeof storage.objects;
  spy.put = async (bucket, key, source, conditions) => {
    if (source.kind === 'bytes') given = source.bytes;
    return storage.objects.put(bucket, key, bytesSource(Buffer.alloc(1)), conditions);
  };
  const message = chunk(noise(5000), { header: headerOf({ size: 5000 }) });
  await put({ ...plane, storage: { ...storage, objects: spy } }, MAIN, [message]);
  assert.equal(given?.buffer, message.buffer);
});
