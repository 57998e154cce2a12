/** An index made anew from the volumes says what the old one said. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CorsRule } from '../../src/base/bucket-store.ts';
import type { BucketName, UploadId } from '../../src/base/names.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { allKeys, bytesOf, bytesSource, KiB, key, MiB, noise, sameBytes, storedFor } from '../contract/scene.ts';
import { dumpIndex, sameIndex } from './index-dump.ts';
import { type KeeperScene, newBucket, openScene, sealAll, withTags } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const NEW_UPLOAD = { contentType: undefined, attributes: {}, checksum: undefined };

/** Runs `work`, closes the store, makes the index anew, compares, and gives the reopened store to `after`. */
async function rebuiltAfter(
  work: (scene: KeeperScene) => Promise<void>,
  after: (scene: KeeperScene) => Promise<void> = async () => {},
): Promise<void> {
  const folder = temporaryFolder();
  try {
    const scene = await openScene(folder.path);
    await work(scene);
    await scene.close();
    const old = await dumpIndex(folder.path);
    const report = await rebuildIndex(folder.path, silentLog);
    assert.deepEqual(report.unreadable, []);
    assert.equal(report.damagedBytes, 0);
    sameIndex(await dumpIndex(folder.path), old);
    const again = await openScene(folder.path);
    await after(again);
    await again.close();
  } finally {
    folder.remove();
  }
}

/** Empties the volumes of everything dead. */
async function compact({ keeper }: KeeperScene): Promise<void> {
  await sealAll(keeper);
  const before = keeper.compactor.stats.volumes;
  await keeper.compactor.run();
  assert(keeper.compactor.stats.volumes > before, 'nothing was compacted');
}

async function uploadOf(storage: Storage, bucket: BucketName, name: string, sizes: number[]): Promise<UploadId> {
  const id = await storage.uploads.create(bucket, key(name), NEW_UPLOAD);
  for (const [i, size] of sizes.entries())
    await storage.uploads.putPart(bucket, key(name), id, i + 1, bytesSource(noise(size, i + 1)));
  return id;
}

async function uploadsIn(storage: Storage, bucket: BucketName): Promise<string[]> {
  const query = { prefix: '', delimiter: '', afterKey: '', afterUploadId: '', limit: 100 };
  return (await storage.uploads.listUploads(bucket, query)).uploads.map((upload) => upload.key);
}

describe('a rebuilt index', () => {
  it('has objects, deletes, overwrites, uploads and buckets', () =>
    rebuiltAfter(
      async ({ store }) => {
        const bucket = await newBucket(store, 'bucket');
        for (let i = 0; i < 20; i++) await store.objects.put(bucket, key(`k${i}`), bytesSource(noise(i * 300, i)), {});
        for (let i = 0; i < 20; i += 3) await store.objects.remove(bucket, key(`k${i}`));
        for (let i = 0; i < 20; i += 2)
          await store.objects.put(bucket, key(`k${i}`), bytesSource(noise(i * 100, 99), { tags: { n: `${i}` } }), {});
        await store.objects.put(bucket, key('big'), bytesSource(noise(9 * MiB)), {});
        await store.objects.put(bucket, key('once'), bytesSource(noise(10)), { ifNoneMatch: '*' });
        await store.objects.put(bucket, key('big'), withTags(bucket, 'big', { a: 'b' }), {});
        await uploadOf(store, bucket, 'unfinished', [10, 5 * MiB, 20]);
        const aborted = await uploadOf(store, bucket, 'aborted', [10]);
        await store.uploads.abort(bucket, key('aborted'), aborted);
        const done = await uploadOf(store, bucket, 'done', [5 * MiB, 20, 30]);
        await store.uploads.complete(bucket, key('done'), done, [1, 3], () => storedFor(noise(1)), {});
        await newBucket(store, 'other');
        await store.buckets.update('other' as BucketName, { tags: { a: 'b' } });
        await newBucket(store, 'gone');
        await store.buckets.remove('gone' as BucketName);
      },
      async ({ store }) => {
        const bucket = 'bucket' as BucketName;
        sameBytes(await bytesOf(await store.objects.get(bucket, key('big'), {})), noise(9 * MiB));
        assert.deepEqual(await uploadsIn(store, bucket), ['unfinished']);
        await store.objects.put(bucket, key('new'), bytesSource(noise(10)), {});
        sameBytes(await bytesOf(await store.objects.get(bucket, key('new'), {})), noise(10));
      },
    ));

  it('keeps the objects of buckets with the largest settings', () =>
    rebuiltAfter(
      async ({ store }) => {
        const bucket = await newBucket(store, 'bucket');
        await store.objects.put(bucket, key('a'), bytesSource(noise(10)), {});
        // 64 KB of XML, the most that the front takes, mostly of quotes, which JSON makes longer.
        const rule = { origins: ['"'.repeat(600)], methods: ['GET'], allowedHeaders: [], exposeHeaders: [] };
        const cors: CorsRule[] = Array.from({ length: 100 }, () => rule);
        await store.buckets.update(bucket, { cors });
      },
      async ({ store }) => {
        assert.deepEqual(await allKeys(store, 'bucket' as BucketName), ['a']);
        assert.equal(store.buckets.get('bucket' as BucketName)?.settings.cors?.length, 100);
      },
    ));

  it('has no upload back whose manifest was replaced and compacted away', () =>
    rebuiltAfter(
      async (scene) => {
        const { store, keeper } = scene;
        const bucket = await newBucket(store, 'bucket');
        const id = await uploadOf(store, bucket, 'a', [100 * KiB, 10]);
        // Others take the volumes of the upload and its parts, so that the manifest comes to lie apart from them.
        await sealAll(keeper);
        for (const name of ['x', 'y'])
          await scene.session(name).objects.put(bucket, key(name), bytesSource(noise(9)), {});
        await store.uploads.complete(bucket, key('a'), id, [1, 2], () => storedFor(noise(1)), {});
        await store.objects.put(bucket, key('a'), withTags(bucket, 'a', { t: '1' }), {});
        for (let i = 0; i < 8; i++) {
          const etag = (await store.objects.head(bucket, key('p')))?.etag;
          const conditions = etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: etag };
          await store.objects.put(bucket, key('p'), bytesSource(Buffer.alloc(0)), conditions);
        }
        await compact(scene);
      },
      async ({ store }) => assert.deepEqual(await uploadsIn(store, 'bucket' as BucketName), []),
    ));

  it('counts live bytes alike when a delete was read after the write that followed it', () =>
    rebuiltAfter(async ({ store, session }) => {
      const bucket = await newBucket(store, 'bucket');
      const other = session('other');
      // The first volume of 'other' comes before that of the first session, and holds the newest record.
      await other.objects.put(bucket, key('b'), bytesSource(noise(10)), {});
      await store.objects.put(bucket, key('a'), bytesSource(noise(10)), {});
      await store.objects.remove(bucket, key('a'));
      await other.objects.put(bucket, key('a'), bytesSource(noise(20)), {});
    }));
});
