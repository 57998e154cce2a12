/**
 * The keeper dies inside a transaction that moves objects: everything that belongs to the move is in the files, and the index knows nothing
 * of it. The next keeper must find all of the move or none of it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import { bytesOf, bytesSource, key, MiB, noise, sameBytes, storedFor } from '../contract/scene.ts';
import { lines, nothingIsWrong, realCoder, slice } from './coding-scene.ts';
import {
  dropIndex,
  handClock,
  type KeeperScene,
  newBucket,
  openScene,
  sealAll,
  snapshot,
  withScene,
  withTags,
} from './keeper-scene.ts';

const BUCKET = 'bucket' as BucketName;
const NEW_UPLOAD = { contentType: undefined, attributes: {}, checksum: undefined };
const coder = await realCoder();

type Copy = ReturnType<typeof snapshot>;

interface Content {
  readonly objects: ReadonlyMap<string, Buffer>;
  readonly upload: string;
  readonly part: Buffer;
}

/** Whatever a manifest names: an object and a part in several extents, and an object whose tags were changed. */
async function putNamed({ store }: KeeperScene): Promise<Content> {
  const objects = new Map([
    ['large', lines(5 * MiB, 7)],
    ['tagged', slice(2)],
    ['beside', noise(5000)],
  ]);
  for (const [name, bytes] of objects) await store.objects.put(BUCKET, key(name), bytesSource(bytes), {});
  await store.objects.put(BUCKET, key('tagged'), withTags(BUCKET, 'tagged', { a: 'b' }), {});
  const upload = await store.uploads.create(BUCKET, key('parts'), NEW_UPLOAD);
  const part = lines(5 * MiB + 9, 11);
  await store.uploads.putPart(BUCKET, key('parts'), upload, 1, bytesSource(part));
  return { objects, upload, part };
}

/** Copies of the store's folder as a crash just before the commit of each transaction of `work` would leave it. */
async function crashesIn({ keeper, root }: KeeperScene, work: () => Promise<void>): Promise<Copy[]> {
  const copies: Copy[] = [];
  const { index } = keeper;
  const transaction = index.transaction.bind(index);
  let depth = 0;
  index.transaction = (inside) =>
    transaction(() => {
      depth++;
      const result = inside();
      if (--depth === 0) copies.push(snapshot(root));
      return result;
    });
  await work();
  index.transaction = transaction;
  return copies;
}

async function isWhole(root: string, { objects, upload, part }: Content): Promise<void> {
  const scene = await openScene(root, handClock(), coder);
  const { store, keeper } = scene;
  const same = async (): Promise<void> => {
    for (const [name, bytes] of objects)
      sameBytes(await bytesOf(await store.objects.get(BUCKET, key(name), {})), bytes);
    await nothingIsWrong(root, keeper);
  };
  await same();
  await store.uploads.complete(BUCKET, key('parts'), upload as never, [1], () => storedFor(part), {});
  sameBytes(await bytesOf(await store.objects.get(BUCKET, key('parts'), {})), part);
  await sealAll(keeper);
  await keeper.tidy();
  await same();
  await scene.close();
}

describe('a crash before the commit of a move', () => {
  for (const [what, isIndexLost] of [
    ['leaves every object whole', false],
    ['leaves every object whole, also where the index is lost with it', true],
  ] as const)
    it(`by the coding pass or by compaction ${what}`, () =>
      withScene(
        async (scene) => {
          const { store, keeper } = scene;
          await newBucket(store, BUCKET);
          const content = await putNamed(scene);
          const copies = await crashesIn(scene, async () => {
            await keeper.tidy();
            assert(keeper.coding !== undefined && keeper.coding.stats.coded > 2);
            await store.objects.put(BUCKET, key('ballast'), bytesSource(noise(8 * MiB)), {});
            await store.objects.remove(BUCKET, key('ballast'));
            await sealAll(keeper);
            await keeper.tidy();
            assert(keeper.compactor.stats.bytesCopied > 0);
          });
          for (const { path, remove } of copies) {
            if (isIndexLost) dropIndex(path);
            await isWhole(path, content);
            remove();
          }
        },
        handClock(),
        coder,
      ));
});
