/** Buckets: one owner a name, settings that merge, and nothing left behind by one that was removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BucketSettings } from '../../src/base/bucket-store.ts';
import { parseBucketName } from '../../src/base/names.ts';
import { ABSENT_BUCKET, allKeys, bytesSource, key, noise, OWNER, refused, type Scene } from './scene.ts';

const K = key('k');
const PRIVATE: BucketSettings = { acl: 'private' };
const FULL: BucketSettings = {
  acl: 'public-read',
  cors: [
    {
      id: 'é',
      origins: ['*'],
      methods: ['GET', 'PUT'],
      allowedHeaders: ['*'],
      exposeHeaders: ['ETag'],
      maxAgeSeconds: 60,
    },
    { origins: [], methods: [], allowedHeaders: [], exposeHeaders: [] },
  ],
  tags: { 大小: 'ä', empty: '' },
};

export function bucketContract(scene: Scene): void {
  test('a bucket is known at once by what it was created with', () => creation(scene));
  test('a name is taken: by you or by another', () => takenNames(scene));
  test('racing creations have one winner', () => racingCreations(scene));
  test('buckets are listed in order of name', () => order(scene));
  test('an update replaces what it names and keeps the rest', () => updates(scene));
  test('a bucket that holds objects is not removed', () => notEmpty(scene));
  test('a removed bucket is gone, its unfinished uploads with it', () => removal(scene));
  test('what does not exist is not updated or removed', () => absent(scene));
}

async function creation({ storage: { buckets } }: Scene): Promise<void> {
  for (const [i, settings] of [PRIVATE, FULL].entries()) {
    const name = parseBucketName(`created-${i}`);
    assert.equal(buckets.get(name), undefined);
    const info = await buckets.create(name, OWNER, settings);
    const { createdMs, ...rest } = info;
    assert.deepEqual(rest, { name, ownerId: OWNER, settings });
    assert(Math.abs(createdMs - Date.now()) < 60_000);
    assert.deepEqual(buckets.get(name), info);
    assert.deepEqual(
      buckets.list().find((bucket) => bucket.name === name),
      info,
    );
  }
}

async function takenNames({ storage: { buckets } }: Scene): Promise<void> {
  const name = parseBucketName('taken');
  const info = await buckets.create(name, OWNER, PRIVATE);
  await refused(buckets.create(name, OWNER, FULL), 'BucketAlreadyOwnedByYou');
  await refused(buckets.create(name, 'owner-2', FULL), 'BucketAlreadyExists');
  assert.deepEqual(buckets.get(name), info);
}

async function racingCreations({ storage: { buckets } }: Scene): Promise<void> {
  const owners = ['owner-1', 'owner-2', 'owner-3'];
  for (let round = 0; round < 10; round++) {
    const name = parseBucketName(`raced-${round}`);
    const outcomes = await Promise.allSettled(owners.map((owner) => buckets.create(name, owner, PRIVATE)));
    const winners = owners.filter((_, i) => outcomes[i]?.status === 'fulfilled');
    assert.deepEqual(winners, [buckets.get(name)?.ownerId]);
  }
}

async function order({ storage: { buckets } }: Scene): Promise<void> {
  const names = ['order-10', 'order-1', 'order.2', 'order-2', 'order0', 'order-a', 'ordera'];
  for (const name of names) await buckets.create(parseBucketName(name), OWNER, PRIVATE);
  const listed = buckets.list().map((bucket) => bucket.name as string);
  assert.deepEqual(listed, [...listed].sort());
  assert.deepEqual(
    listed.filter((name) => names.includes(name)),
    [...names].sort(),
  );
}

async function updates({ storage: { buckets } }: Scene): Promise<void> {
  const name = parseBucketName('updated');
  const { createdMs, ownerId } = await buckets.create(name, OWNER, PRIVATE);
  const steps: [Parameters<typeof buckets.update>[1], BucketSettings][] = [
    [{ cors: FULL.cors }, { acl: 'private', cors: FULL.cors as NonNullable<BucketSettings['cors']> }],
    [
      { tags: { a: 'b' } },
      { acl: 'private', cors: FULL.cors as NonNullable<BucketSettings['cors']>, tags: { a: 'b' } },
    ],
    [
      { cors: undefined, acl: 'public-read-write' },
      { acl: 'public-read-write', tags: { a: 'b' } },
    ],
    [{ tags: { c: 'd' } }, { acl: 'public-read-write', tags: { c: 'd' } }],
    [{}, { acl: 'public-read-write', tags: { c: 'd' } }],
    [{ tags: undefined, cors: undefined }, { acl: 'public-read-write' }],
    [{ acl: undefined }, { acl: 'private' }],
  ];
  for (const [change, settings] of steps) {
    const info = await buckets.update(name, change);
    assert.deepEqual(info, { name, createdMs, ownerId, settings });
    assert.deepEqual(buckets.get(name), info);
  }
}

async function notEmpty({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  await storage.objects.put(bucket, K, bytesSource(noise(0)), {});
  await refused(storage.buckets.remove(bucket), 'BucketNotEmpty');
  assert.deepEqual(await allKeys(storage, bucket), ['k']);
  await storage.objects.remove(bucket, K);
  await storage.buckets.remove(bucket);
  assert.equal(storage.buckets.get(bucket), undefined);
}

async function removal({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const neighbour = await freshBucket();
  await storage.objects.put(neighbour, K, bytesSource(noise(5)), {});
  const upload = { contentType: undefined, attributes: {}, checksum: undefined };
  const id = await storage.uploads.create(bucket, K, upload);
  await storage.uploads.putPart(bucket, K, id, 1, bytesSource(noise(10)));
  await storage.buckets.remove(bucket);
  assert.equal(storage.buckets.get(bucket), undefined);
  assert(!storage.buckets.list().some((info) => info.name === bucket));
  await refused(storage.objects.head(bucket, K), 'NoSuchBucket');
  await refused(storage.uploads.listParts(bucket, K, id, 0, 10), 'NoSuchBucket');
  const again = await storage.buckets.create(bucket, 'owner-2', PRIVATE);
  assert.equal(again.ownerId, 'owner-2');
  assert.deepEqual(await allKeys(storage, bucket), []);
  await refused(storage.uploads.listParts(bucket, K, id, 0, 10), 'NoSuchUpload');
  const whole = { prefix: '', delimiter: '', afterKey: '', afterUploadId: '', limit: 10 };
  assert.deepEqual((await storage.uploads.listUploads(bucket, whole)).uploads, []);
  assert.deepEqual(await allKeys(storage, neighbour), ['k']);
}

async function absent({ storage: { buckets } }: Scene): Promise<void> {
  await refused(buckets.update(ABSENT_BUCKET, { acl: 'private' }), 'NoSuchBucket');
  await refused(buckets.remove(ABSENT_BUCKET), 'NoSuchBucket');
  assert.equal(buckets.get(ABSENT_BUCKET), undefined);
}
