/** Decisions that name places, and compaction that moves what lies there before they are decided. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import type { Decision, IndexCommitter } from '../../src/store/committer.ts';
import type { LocalStore } from '../../src/store/local-store.ts';
import { bytesOf, bytesSource, KiB, key, MiB, noise, sameBytes, storedFor } from '../contract/scene.ts';
import { type KeeperScene, newBucket, sealAll, withScene, withTags } from './keeper-scene.ts';

/** Does `before` once, when a decision of that kind is on its way to the keeper. */
function meanwhile(kind: Decision['kind'], before: () => Promise<void>): (committer: IndexCommitter) => IndexCommitter {
  let done = false;
  return (committer) => ({
    openVolume: () => committer.openVolume(),
    sealVolume: (...volume) => committer.sealVolume(...volume),
    subscribe: (events) => committer.subscribe(events),
    submit: async (submission) => {
      if (!done && submission.decisions.some((decision) => decision.kind === kind)) {
        done = true;
        await before();
      }
      return committer.submit(submission);
    },
  });
}

/** Makes every volume mostly dead but for what the work under test needs, and compacts. */
async function compactAll({ keeper, store }: KeeperScene, bucket: BucketName): Promise<void> {
  const before = keeper.compactor.stats.volumes;
  await store.objects.remove(bucket, key('ballast'));
  await sealAll(keeper);
  await keeper.compactor.run();
  assert(keeper.compactor.stats.volumes > before, 'nothing was compacted');
}

function racing(
  kind: Decision['kind'],
  prepare: (store: LocalStore, bucket: BucketName) => Promise<void>,
  act: (store: LocalStore, bucket: BucketName) => Promise<void>,
): Promise<void> {
  return withScene(async (scene) => {
    const bucket = await newBucket(scene.store, 'bucket');
    await prepare(scene.store, bucket);
    await scene.store.objects.put(bucket, key('ballast'), bytesSource(noise(16 * MiB)), {});
    const other = scene.session(
      'other',
      undefined,
      meanwhile(kind, () => compactAll(scene, bucket)),
    );
    await act(other, bucket);
  });
}

describe('compaction between a look-up and the decision that follows from it', () => {
  for (const [what, size] of [
    ['a small object', 10 * KiB],
    ['an object of several extents', 4 * MiB + 100],
  ] as const) {
    it(`leaves ${what} readable whose attributes are changed`, () =>
      racing(
        'put',
        async (store, bucket) => void (await store.objects.put(bucket, key('a'), bytesSource(noise(size)), {})),
        async (store, bucket) => {
          await store.objects.put(bucket, key('a'), withTags(bucket, 'a', { t: '1' }), {});
          const read = await store.objects.get(bucket, key('a'), {});
          sameBytes(await bytesOf(read), noise(size));
          assert.deepEqual((await store.objects.head(bucket, key('a')))?.attributes.tags, { t: '1' });
        },
      ));
  }

  it('leaves a completed object readable whose parts were moved', () =>
    racing(
      'completeUpload',
      async (store, bucket) => {
        const id = await store.uploads.create(bucket, key('a'), {
          contentType: undefined,
          attributes: {},
          checksum: undefined,
        });
        await store.uploads.putPart(bucket, key('a'), id, 1, bytesSource(noise(100 * KiB, 1)));
        await store.uploads.putPart(bucket, key('a'), id, 2, bytesSource(noise(4 * MiB + 5, 2)));
      },
      async (store, bucket) => {
        const { uploads } = await store.uploads.listUploads(bucket, {
          prefix: '',
          delimiter: '',
          afterKey: '',
          afterUploadId: '',
          limit: 10,
        });
        const id = uploads[0]?.uploadId as NonNullable<(typeof uploads)[0]>['uploadId'];
        const whole = Buffer.concat([noise(100 * KiB, 1), noise(4 * MiB + 5, 2)]);
        await store.uploads.complete(bucket, key('a'), id, [1, 2], () => storedFor(whole), {});
        sameBytes(await bytesOf(await store.objects.get(bucket, key('a'), {})), whole);
      },
    ));
});
