/** Reading ahead: what was advised or follows in sequence is in memory when it is asked for, and wrong guesses end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BatchRef } from '../../src/base/batch-read.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import { AheadWindow } from '../../src/cache/ahead-window.ts';
import type { CachedReader } from '../../src/cache/cached-reader.ts';
import { bytesSource, KiB, key, MiB, noise } from '../contract/scene.ts';
import { newBucket } from './keeper-scene.ts';
import { openEmbedded, temporaryFolder } from './local-scene.ts';

const BUCKET = 'bucket' as BucketName;
const SIZE = 8 * KiB;
const BATCH = 10;

interface Scene {
  readonly objects: ObjectStore;
  readonly cache: CachedReader;
}

/** A hundred objects whose order of keys is not the order in which they were written. */
async function withObjects(slowDisk: boolean, work: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const { store, cache, close } = await openEmbedded(folder.path, { slowDisk, cacheBytes: 64 * MiB });
  try {
    await newBucket(store, BUCKET);
    for (let i = 0; i < 100; i++) await store.objects.put(BUCKET, key(written(i)), bytesSource(noise(SIZE)), {});
    await work({ objects: store.objects, cache: cache as CachedReader });
  } finally {
    await close();
    folder.remove();
  }
}

/** The key that was written as number `i`. */
function written(i: number): string {
  return `k${String((i * 37) % 100).padStart(2, '0')}`;
}

function sorted(i: number): string {
  return `k${String(i).padStart(2, '0')}`;
}

function refsOf(nameOf: (i: number) => string, from: number): BatchRef[] {
  return Array.from({ length: BATCH }, (_, i) => ({ bucket: BUCKET, key: key(nameOf(from + i)) }));
}

/** Reads a batch to its end; how many of its objects were in memory. */
async function hitsOf({ objects }: Scene, refs: readonly BatchRef[]): Promise<number> {
  const batch = objects.getBatch(refs, { order: 'completion' });
  const into = Buffer.alloc(MiB);
  let served = 0;
  for (;;) {
    const entries = await batch.fill(into, 1000);
    if (entries.length === 0) break;
    for (const { error } of entries) assert.equal(error, undefined);
    served += entries.length;
  }
  batch.close();
  assert.equal(served, refs.length);
  return batch.cacheHits;
}

async function untilEntries({ cache }: Scene, entries: number): Promise<void> {
  for (let turn = 0; cache.stats.entries < entries; turn++) {
    assert.ok(turn < 100_000, `${cache.stats.entries} of ${entries} entries came`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('reading ahead', () => {
  it('brings what was advised', () =>
    withObjects(true, async (scene) => {
      const next = refsOf(written, 20);
      scene.objects.readAhead?.(next);
      await untilEntries(scene, BATCH);
      assert.equal(await hitsOf(scene, next), BATCH);
      assert.equal(scene.cache.stats.aheadUsedBytes, BATCH * SIZE);
      assert.equal(scene.cache.stats.aheadWastedBytes, 0);
    }));

  it('takes wrong advice without harm', () =>
    withObjects(true, async (scene) => {
      scene.objects.readAhead?.([
        { bucket: BUCKET, key: key('absent') },
        { bucket: 'nowhere' as BucketName, key: key('k00') },
        { bucket: BUCKET, key: key('k01') },
      ]);
      await untilEntries(scene, 1);
      assert.equal(await hitsOf(scene, refsOf(sorted, 0)), 1);
    }));

  it('follows batches in the order of keys from the second on', () =>
    withObjects(true, async (scene) => {
      assert.equal(await hitsOf(scene, refsOf(sorted, 0)), 0);
      assert.equal(await hitsOf(scene, refsOf(sorted, 10)), 0);
      await untilEntries(scene, 80); // all that follow: they fit into the window
      for (let from = 20; from < 100; from += BATCH) assert.equal(await hitsOf(scene, refsOf(sorted, from)), BATCH);
      assert.equal(scene.cache.stats.aheadUsedBytes, 80 * SIZE);
    }));

  it('follows batches in the order of writing from the second on', () =>
    withObjects(true, async (scene) => {
      await hitsOf(scene, refsOf(written, 0));
      await hitsOf(scene, refsOf(written, 10));
      await untilEntries(scene, 80);
      assert.equal(await hitsOf(scene, refsOf(written, 20)), BATCH);
    }));

  it('does nothing for batches in random order', () =>
    withObjects(true, async (scene) => {
      for (let from = 0; from < 100; from += BATCH)
        await hitsOf(
          scene,
          refsOf((i) => sorted((i * 61) % 100), from),
        );
      assert.equal(scene.cache.stats.entries, 0);
    }));

  it('does nothing while the disk is fast', () =>
    withObjects(false, async (scene) => {
      await hitsOf(scene, refsOf(sorted, 0));
      await hitsOf(scene, refsOf(sorted, 10));
      scene.objects.readAhead?.(refsOf(sorted, 50));
      await hitsOf(scene, refsOf(sorted, 20));
      assert.equal(scene.cache.stats.entries, 3 * BATCH, 'what was asked for, and nothing else');
      assert.equal(await hitsOf(scene, refsOf(sorted, 50)), 0);
    }));
});

describe('the window of reading ahead', () => {
  it('grows by what was used, shrinks by what was wasted, and keeps its bounds', () => {
    const window = new AheadWindow(100, 1000);
    assert.equal(window.bytes, 100);
    window.used(300);
    assert.equal(window.bytes, 400);
    window.used(3000);
    assert.equal(window.bytes, 1000);
    window.wasted(250);
    assert.equal(window.bytes, 750);
    window.wasted(5000);
    assert.equal(window.bytes, 100);
  });

  it('is the bound of bytes that nobody has asked for', () =>
    withObjects(true, async (scene) => {
      const { cache } = scene;
      const places = Array.from({ length: 400 }, (_, i) => ({
        volume: 9,
        offset: i * 16384,
        headLength: 100,
        length: SIZE,
        crc: 0,
        codec: 0,
        size: SIZE,
      }));
      let taken = 0;
      for (const place of places) {
        if (cache.aheadRoom <= 0) break;
        cache.addAhead(place, noise(SIZE));
        taken += SIZE;
      }
      assert.equal(taken, LIMITS.aheadBytesMin);
      cache.cached(places[0] as (typeof places)[number]);
      assert.equal(cache.aheadRoom, 2 * SIZE, 'one was used: its room, and the window grew by as much');
    }));
});
