/** Multipart uploads: parts arrive in any order and again, and become an object whole or not at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import { type BucketName, parseUploadId, type UploadId } from '../../src/base/names.ts';
import type {
  NewUpload,
  ObjectInfo,
  PartInfo,
  PutSource,
  StoredAttributes,
  WriteConditions,
} from '../../src/base/object-store.ts';
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

const K = key('folder/made of parts');
const NEW: NewUpload = { contentType: undefined, attributes: {}, checksum: undefined };
const SEALED: StoredAttributes = {
  etag: `${'c'.repeat(32)}-3`,
  contentType: 'image/x',
  attributes: { tags: { a: 'b' } },
};
const seal = () => SEALED;
const UNKNOWN_ID = parseUploadId('0'.repeat(32));

export function uploadContract(scene: Scene): void {
  test('an upload is known by what it was created with, and shows no object', () => creation(scene));
  test('the parts named become the object, the others are dropped', () => completion(scene));
  test('parts of a completed object are numbered by position', () => partReads(scene));
  test('large parts are streamed, and ranges cross from part to part', () => largeParts(scene));
  test('a part sent again replaces the first', () => resentParts(scene));
  test('a part whose stream or seal fails leaves the part before it', () => failingParts(scene));
  test('parts are copied from objects, whole and in ranges', () => partCopies(scene));
  test('the seal sees the parts in order, undefined for one that is unknown', () => sealSeesParts(scene));
  test('a seal that refuses leaves the upload as it was', () => sealRefuses(scene));
  test('complete decides write conditions', () => completeConditions(scene));
  test('a repeated complete answers the object that it made while that is the current one', () =>
    repeatedComplete(scene));
  test('racing completes of one upload make one object', () => racingCompletes(scene));
  test('two uploads racing under If-None-Match have one winner', () => racingUploads(scene));
  test('after complete and after abort there is NoSuchUpload', () => goneUploads(scene));
  test('an upload belongs to its key and bucket', () => wrongPlace(scene));
  test('a part that is under way when its upload ends is NoSuchUpload', () => endedUnderPart(scene));
  test('without a bucket there is NoSuchBucket', () => noBucket(scene));
  test('a copy of a completed object keeps its parts', () => copyKeepsParts(scene));
  test('a put over a completed object makes it ordinary again', () => putOverCompleted(scene));
}

async function started(
  { storage, freshBucket }: Scene,
  parts: Record<number, PutSource> = {},
): Promise<[BucketName, UploadId]> {
  const bucket = await freshBucket();
  const id = await storage.uploads.create(bucket, K, NEW);
  for (const [number, source] of Object.entries(parts))
    await storage.uploads.putPart(bucket, K, id, Number(number), source);
  return [bucket, id];
}

/** A bucket with an object completed from three small parts. */
async function completed(scene: Scene): Promise<[BucketName, UploadId, ObjectInfo]> {
  const [bucket, id] = await started(scene, {
    1: bytesSource(noise(10, 1)),
    2: bytesSource(noise(20, 2)),
    3: bytesSource(noise(5, 3)),
  });
  return [bucket, id, await scene.storage.uploads.complete(bucket, K, id, [1, 2, 3], seal, {})];
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

async function sealSeesParts(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene, { 1: bytesSource(noise(10, 1)), 3: bytesSource(noise(30, 3)) });
  const page = await storage.uploads.listParts(bucket, K, id, 0, 10);
  const seen: unknown[] = [];
  const refusal = new GatewayError('InvalidPart');
  const attempt = storage.uploads.complete(
    bucket,
    K,
    id,
    [1, 2, 3],
    (upload, parts) => {
      seen.push(upload, [...parts]);
      throw refusal;
    },
    {},
  );
  await failsWith(attempt, refusal);
  assert.deepEqual(seen, [page.upload, [page.parts[0], undefined, page.parts[1]]]);
  // A seal that overlooks the missing part does not make an object with a hole.
  await refused(storage.uploads.complete(bucket, K, id, [1, 2, 3], seal, {}), 'InvalidPart');
  assert.equal(await storage.objects.head(bucket, K), undefined);
}

async function sealRefuses(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene, { 1: bytesSource(noise(10, 1)), 2: bytesSource(noise(20, 2)) });
  const old = await storage.objects.put(bucket, K, bytesSource(noise(5)), {});
  const before = await storage.uploads.listParts(bucket, K, id, 0, 10);
  const refusal = new GatewayError('EntityTooSmall');
  const refuse = () => {
    throw refusal;
  };
  await failsWith(storage.uploads.complete(bucket, K, id, [1], refuse, {}), refusal);
  assert.deepEqual(await storage.objects.head(bucket, K), old);
  assert.deepEqual(await storage.uploads.listParts(bucket, K, id, 0, 10), before);
  assert.equal((await storage.uploads.complete(bucket, K, id, [1, 2], seal, {})).size, 30);
}

async function completeConditions(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await started(scene, { 1: bytesSource(noise(10, 1)) });
  const complete = (conditions: WriteConditions) => storage.uploads.complete(bucket, K, id, [1], seal, conditions);
  await refused(complete({ ifMatch: '*' }), 'NoSuchKey');
  const old = await storage.objects.put(bucket, K, bytesSource(noise(5)), {});
  await refused(complete({ ifNoneMatch: '*' }), 'PreconditionFailed');
  await refused(complete({ ifMatch: 'f'.repeat(32) }), 'PreconditionFailed');
  assert.deepEqual(await storage.objects.head(bucket, K), old);
  assert.equal((await complete({ ifMatch: old.etag })).size, 10);
}

async function repeatedComplete(scene: Scene): Promise<void> {
  const { storage } = scene;
  const changes = [
    (bucket: BucketName) => storage.objects.put(bucket, K, bytesSource(noise(5)), {}),
    (bucket: BucketName) => storage.objects.remove(bucket, K),
  ];
  for (const change of changes) {
    const [bucket, id] = await started(scene, { 1: bytesSource(noise(10, 1)) });
    const complete = () => storage.uploads.complete(bucket, K, id, [1], seal, { ifNoneMatch: '*' });
    const info = await complete();
    assert.deepEqual(await complete(), info);
    assert.deepEqual(await complete(), info);
    assert.deepEqual(await storage.objects.head(bucket, K), info);
    await change(bucket);
    await refused(complete(), 'NoSuchUpload');
  }
}

async function racingCompletes(scene: Scene): Promise<void> {
  const { storage } = scene;
  for (let round = 0; round < 10; round++) {
    const [bucket, id] = await started(scene, { 1: bytesSource(noise(10, 1)) });
    const complete = () => storage.uploads.complete(bucket, K, id, [1], seal, {});
    const [first, second] = await Promise.all([complete(), complete()]);
    assert.deepEqual(first, second);
    assert.deepEqual(await storage.objects.head(bucket, K), first);
  }
}

async function racingUploads({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (let round = 0; round < 20; round++) {
    const at = key(`race-${round}`);
    const ids = [await storage.uploads.create(bucket, at, NEW), await storage.uploads.create(bucket, at, NEW)];
    for (const [i, id] of ids.entries()) await storage.uploads.putPart(bucket, at, id, 1, bytesSource(noise(10 + i)));
    const outcomes = await Promise.allSettled(
      ids.map((id) => storage.uploads.complete(bucket, at, id, [1], seal, { ifNoneMatch: '*' })),
    );
    const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
    assert.equal(winners.length, 1);
    assert.equal((await storage.objects.head(bucket, at))?.size, 10 + (winners[0] as number));
  }
}

/** Everything that names the upload is NoSuchUpload; `complete` only where the object is not its own. */
async function isGone(
  { storage: { uploads } }: Scene,
  bucket: BucketName,
  at: typeof K,
  id: UploadId,
  complete = true,
): Promise<void> {
  await refused(uploads.putPart(bucket, at, id, 1, bytesSource(noise(5))), 'NoSuchUpload');
  await refused(uploads.putPart(bucket, at, id, 1, streamSource(noise(5))), 'NoSuchUpload');
  await refused(uploads.listParts(bucket, at, id, 0, 10), 'NoSuchUpload');
  await refused(uploads.abort(bucket, at, id), 'NoSuchUpload');
  if (complete) await refused(uploads.complete(bucket, at, id, [1], seal, {}), 'NoSuchUpload');
}

async function goneUploads(scene: Scene): Promise<void> {
  const { storage } = scene;
  const [bucket, id] = await completed(scene);
  await isGone(scene, bucket, K, id, false);
  const second = await storage.uploads.create(bucket, K, NEW);
  await storage.uploads.putPart(bucket, K, second, 1, bytesSource(noise(5)));
  await storage.uploads.abort(bucket, K, second);
  await isGone(scene, bucket, K, second);
  await isGone(scene, bucket, K, UNKNOWN_ID);
  const page = await storage.uploads.listUploads(bucket, {
    prefix: '',
    delimiter: '',
    afterKey: '',
    afterUploadId: '',
    limit: 10,
  });
  assert.deepEqual(page.uploads, []);
}

async function wrongPlace(scene: Scene): Promise<void> {
  const [bucket, id] = await started(scene, { 1: bytesSource(noise(10)) });
  await isGone(scene, bucket, key('another key'), id);
  await isGone(scene, await scene.freshBucket(), K, id);
  assert.equal((await scene.storage.uploads.listParts(bucket, K, id, 0, 10)).parts.length, 1);
}

async function endedUnderPart(scene: Scene): Promise<void> {
  const { storage } = scene;
  const ends = [
    (bucket: BucketName, id: UploadId) => storage.uploads.abort(bucket, K, id),
    (bucket: BucketName, id: UploadId) => storage.uploads.complete(bucket, K, id, [1], seal, {}),
  ];
  for (const end of ends) {
    const [bucket, id] = await started(scene, { 1: bytesSource(noise(10)) });
    const chunks = (async function* () {
      yield noise(10);
      await end(bucket, id);
      yield noise(10);
    })();
    const source: PutSource = { kind: 'stream', chunks, seal: () => storedFor(noise(20)) };
    await refused(storage.uploads.putPart(bucket, K, id, 2, source), 'NoSuchUpload');
  }
}

async function noBucket({ storage: { uploads } }: Scene): Promise<void> {
  await refused(uploads.create(ABSENT_BUCKET, K, NEW), 'NoSuchBucket');
  await refused(uploads.putPart(ABSENT_BUCKET, K, UNKNOWN_ID, 1, bytesSource(noise(5))), 'NoSuchBucket');
  await refused(uploads.complete(ABSENT_BUCKET, K, UNKNOWN_ID, [1], seal, {}), 'NoSuchBucket');
  await refused(uploads.abort(ABSENT_BUCKET, K, UNKNOWN_ID), 'NoSuchBucket');
  await refused(uploads.listParts(ABSENT_BUCKET, K, UNKNOWN_ID, 0, 10), 'NoSuchBucket');
  const whole = { prefix: '', delimiter: '', afterKey: '', afterUploadId: '', limit: 10 };
  await refused(uploads.listUploads(ABSENT_BUCKET, whole), 'NoSuchBucket');
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
