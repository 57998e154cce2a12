/** Multipart uploads: parts arrive in any order and again, and become an object with parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import { parseUploadId } from '../../src/base/names.ts';
import type { ObjectInfo, PartInfo } from '../../src/base/object-info.ts';
import type { NewUpload, PutSource } from '../../src/base/object-store.ts';
import {
  ABSENT_BUCKET,
  allKeys,
  brokenStream,
  bytesOf,
  bytesSource,
  copyOf,
  failsWith,
  found,
  key,
  MiB,
  noise,
  refused,
  type Scene,
  sameBytes,
  storedFor,
  streamSource,
} from './scene.ts';
import { completed, K, NEW, SEALED, seal, started } from './upload-scene.ts';

export function uploadContract(scene: Scene): void {
  test('an upload is known by what it was created with, and shows no object', () => creation(scene));
  test('the parts named become the object, the others are dropped', () => completion(scene));
  test('parts of a completed object are numbered by position', () => partReads(scene));
  test('large parts are streamed, and ranges cross from part to part', () => largeParts(scene));
  test('a part sent again replaces the first', () => resentParts(scene));
  test('a part whose stream or seal fails leaves the part before it', () => failingParts(scene));
  test('parts are copied from objects, whole and in ranges', () => partCopies(scene));
  test('a copy of a completed object keeps its parts', () => copyKeepsParts(scene));
  test('a put over a completed object makes it ordinary again', () => putOverCompleted(scene));
}

async function creation({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const given: NewUpload = {
    contentType: 'text/plain',
    attributes: { metadata: { é: 'ü' }, tags: { 大: '小' }, acl: 'public-read', headers: { expires: 'x' } },
    checksum: { algorithm: 'SHA256', type: 'COMPOSITE' },
  };
  for (const upload of [given, NEW]) {
    const id = await storage.uploads.create(bucket, K, upload);
    assert.equal(parseUploadId(id), id);
    const page = await storage.uploads.listParts(bucket, K, id, 0, 1000);
    const { startedMs, ...rest } = page.upload;
    assert(Math.abs(startedMs - Date.now()) < 60_000);
    assert.deepEqual(rest, { ...upload, key: K, uploadId: id });
    assert.deepEqual([page.parts, page.nextAfter], [[], undefined]);
    await storage.uploads.putPart(bucket, K, id, 1, bytesSource(noise(10)));
  }
  assert.equal(await storage.objects.head(bucket, K), undefined);
  assert.deepEqual(await allKeys(storage, bucket), []);
}

async function completion(scene: Scene): Promise<void> {
  const { storage } = scene;
  const bodies = new Map([9, 2, 5, 7, 10_000].map((number) => [number, noise(number * 11, number)]));
  const [bucket, id] = await started(scene);
  for (const [number, bytes] of bodies) {
    const part = await storage.uploads.putPart(
      bucket,
      K,
      id,
      number,
      number % 2 === 0 ? bytesSource(bytes) : streamSource(bytes),
    );
    assert.deepEqual([part.number, part.size, part.etag], [number, bytes.length, storedFor(bytes).etag]);
    assert.equal(part.checksum, undefined);
  }
  const chosen = [2, 5, 10_000];
  const info = await storage.uploads.complete(bucket, K, id, chosen, seal, {});
  const expected = Buffer.concat(chosen.map((number) => bodies.get(number) as Buffer));
  const { etag, contentType, attributes, size, partCount } = info;
  assert.deepEqual({ etag, contentType, attributes }, SEALED);
  assert.deepEqual([size, partCount], [expected.length, 3]);
  assert(Math.abs(info.modifiedMs - Date.now()) < 60_000);
  const read = found(await storage.objects.get(bucket, K, {}));
  assert.deepEqual(read.info, info);
  sameBytes(await bytesOf(read), expected);
  assert.deepEqual(await storage.objects.head(bucket, K), info, 'parts come only when they are asked for');
  assert.deepEqual(await allKeys(storage, bucket), [K]);
}

async function partReads(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene);
  const checksum = { algorithm: 'CRC32', value: 'AAAAAA==', type: 'FULL_OBJECT' } as const;
  const bodies = [noise(100, 2), noise(0), noise(33, 9)];
  const sent: PartInfo[] = [];
  for (const [i, number] of [2, 5, 9].entries()) {
    const source = streamSource(bodies[i] as Buffer, i === 0 ? { checksum } : {});
    sent.push(await storage.uploads.putPart(bucket, K, id, number, source));
  }
  assert.deepEqual(sent[0]?.checksum, checksum);
  await storage.uploads.complete(bucket, K, id, [2, 5, 9], seal, {});
  const info = await storage.objects.head(bucket, K, { parts: true });
  assert.deepEqual(
    info?.parts,
    sent.map((part, i) => ({ ...part, number: i + 1 })),
  );
  let start = 0;
  for (const [i, bytes] of bodies.entries()) {
    const read = found(await storage.objects.get(bucket, K, { partNumber: i + 1 }));
    assert.deepEqual([read.start, read.end], [start, start + bytes.length]);
    assert.deepEqual([read.info.size, read.info.partCount], [133, 3]);
    sameBytes(await bytesOf(read), bytes);
    start += bytes.length;
  }
  for (const partNumber of [4, 9, 10_000]) {
    await refused(storage.objects.get(bucket, K, { partNumber }), 'InvalidPartNumber');
  }
}

async function largeParts(scene: Scene): Promise<void> {
  const { storage } = scene;
  const bodies = [noise(5 * MiB + 3, 1), noise(9 * MiB, 2), noise(1, 3)] as const;
  const [bucket, id] = await started(scene, {
    1: streamSource(bodies[0]),
    2: bytesSource(bodies[1]),
    3: streamSource(bodies[2]),
  });
  await storage.uploads.complete(bucket, K, id, [1, 2, 3], seal, {});
  const whole = Buffer.concat(bodies);
  sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), whole);
  const border = bodies[0].length;
  const ranges = [
    [0, 1],
    [border - 1, border + 1],
    [border, border + 1],
    [border - 3 * MiB, border + 7 * MiB],
    [whole.length - 2, whole.length],
  ];
  for (const [start, end] of ranges as [number, number][]) {
    const read = found(await storage.objects.get(bucket, K, { range: { first: start, last: end - 1 } }));
    assert.deepEqual([read.start, read.end], [start, end]);
    sameBytes(await bytesOf(read), whole.subarray(start, end));
  }
  for (const [i, bytes] of bodies.entries()) {
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, { partNumber: i + 1 })), bytes);
  }
}

async function resentParts(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene, { 1: bytesSource(noise(5 * MiB, 1)), 2: bytesSource(noise(10, 2)) });
  const second = noise(77, 3);
  const part = await storage.uploads.putPart(bucket, K, id, 1, streamSource(second));
  const { parts } = await storage.uploads.listParts(bucket, K, id, 0, 10);
  assert.deepEqual(parts[0], part);
  assert.deepEqual(
    parts.map(({ number, size }) => [number, size]),
    [
      [1, 77],
      [2, 10],
    ],
  );
  await storage.uploads.complete(bucket, K, id, [1, 2], seal, {});
  sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), Buffer.concat([second, noise(10, 2)]));
}

async function failingParts(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene, { 1: bytesSource(noise(10, 1)) });
  const failure = new GatewayError('BadDigest');
  const refusing = () => {
    throw failure;
  };
  const sources: PutSource[] = [
    { kind: 'stream', chunks: brokenStream(noise(5 * MiB), failure), seal: () => storedFor(noise(1)) },
    { kind: 'stream', chunks: streamOf(noise(20)), seal: refusing },
  ];
  for (const source of sources) await failsWith(storage.uploads.putPart(bucket, K, id, 1, source), failure);
  await failsWith(
    storage.uploads.putPart(bucket, K, id, 2, { kind: 'stream', chunks: streamOf(noise(20)), seal: refusing }),
    failure,
  );
  const { parts } = await storage.uploads.listParts(bucket, K, id, 0, 10);
  assert.deepEqual(
    parts.map(({ number, size }) => [number, size]),
    [[1, 10]],
  );
  await storage.uploads.complete(bucket, K, id, [1], seal, {});
  sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), noise(10, 1));
}

async function* streamOf(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes;
}

async function partCopies(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene);
  const other = await scene.freshBucket();
  const from = key('source');
  const bytes = noise(9 * MiB, 7);
  const source = await storage.objects.put(other, from, streamSource(bytes), {});
  const seen: ObjectInfo[] = [];
  const sealCopy = (info: ObjectInfo) => {
    seen.push(info);
    return storedFor(noise(1));
  };
  const copy = { ...copyOf(other, from), seal: sealCopy };
  const put = (number: number, part: PutSource) => storage.uploads.putPart(bucket, K, id, number, part);
  const range = { first: 3 * MiB, last: 8 * MiB - 1 };
  assert.equal((await put(1, { ...copy, range })).size, 5 * MiB);
  assert.equal((await put(2, copy)).size, bytes.length);
  const tail = await put(3, { ...copy, range: { suffix: 5 } });
  assert.deepEqual([tail.size, tail.etag], [5, storedFor(noise(1)).etag]);
  assert.deepEqual(seen, [source, source, source]);
  await refused(put(4, { ...copy, range: { first: bytes.length } }), 'InvalidRange');
  await refused(put(4, { ...copy, conditions: { ifMatch: ['f'.repeat(32)] } }), 'PreconditionFailed');
  await refused(put(4, { ...copy, conditions: { ifNoneMatch: [source.etag] } }), 'PreconditionFailed');
  await refused(put(4, copyOf(other, key('absent'))), 'NoSuchKey');
  await refused(put(4, copyOf(ABSENT_BUCKET, from)), 'NoSuchBucket');
  await storage.objects.remove(other, from);
  await storage.uploads.complete(bucket, K, id, [1, 2, 3], seal, {});
  const expected = Buffer.concat([bytes.subarray(3 * MiB, 8 * MiB), bytes, bytes.subarray(-5)]);
  sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), expected);
}

async function copyKeepsParts(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket] = await completed(scene);
  const source = await storage.objects.head(bucket, K, { parts: true });
  const attributes = { tags: { retagged: 'yes' } };
  const retag = (info: ObjectInfo) => ({ etag: info.etag, contentType: info.contentType, attributes });
  for (const target of [key('copy'), K]) {
    await storage.objects.put(bucket, target, copyOf(bucket, K, { seal: retag }), {});
    const copy = await storage.objects.head(bucket, target, { parts: true });
    assert.deepEqual([copy?.attributes, copy?.partCount, copy?.parts], [attributes, 3, source?.parts]);
    sameBytes(await bytesOf(await storage.objects.get(bucket, target, { partNumber: 2 })), noise(20, 2));
  }
}

async function putOverCompleted(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket] = await completed(scene);
  const info = await storage.objects.put(bucket, K, bytesSource(noise(40)), {});
  assert.equal(info.partCount, 0);
  assert.equal((await storage.objects.head(bucket, K, { parts: true }))?.parts, undefined);
  await refused(storage.objects.get(bucket, K, { partNumber: 2 }), 'InvalidPartNumber');
}
