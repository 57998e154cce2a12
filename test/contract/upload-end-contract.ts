/** How uploads end: whole, refused, repeated, raced or aborted, and what is left of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName, UploadId } from '../../src/base/names.ts';
import type { PutSource, WriteConditions } from '../../src/base/object-store.ts';
import {
  ABSENT_BUCKET,
  bytesSource,
  failsWith,
  key,
  noise,
  refused,
  type Scene,
  storedFor,
  streamSource,
} from './scene.ts';
import { completed, K, NEW, seal, started, UNKNOWN_ID } from './upload-scene.ts';

export function uploadEndContract(scene: Scene): void {
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
