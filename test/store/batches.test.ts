/** Batches of the local store in trouble: damaged records, missing files, and compaction in the middle. */
import assert from 'node:assert/strict';
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { BatchEntry, BatchOptions, BatchRef } from '../../src/base/batch-read.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import { Entry } from '../../src/format/index-entry.ts';
import { objectIndexKey } from '../../src/format/index-key.ts';
import type { Location } from '../../src/format/manifest.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import { bytesSource, KiB, key, MiB, noise } from '../contract/scene.ts';
import { newBucket, sealAll } from './keeper-scene.ts';
import { type OpenStore, openEmbedded, temporaryFolder } from './local-scene.ts';

const BUCKET = 'bucket' as BucketName;

interface Scene extends OpenStore {
  readonly root: string;
  /** Bytes by key. */
  readonly things: Map<string, Buffer>;
}

/** Twenty small objects in one volume, on a fast disk and on a slow one. */
function onBothDisks(title: string, work: (scene: Scene) => Promise<void>): void {
  for (const slowDisk of [false, true]) {
    it(`${title}, on a ${slowDisk ? 'slow' : 'fast'} disk`, async () => {
      const folder = temporaryFolder();
      const opened = await openEmbedded(folder.path, { slowDisk });
      try {
        await newBucket(opened.store, BUCKET);
        const things = new Map<string, Buffer>();
        for (let i = 0; i < 20; i++) {
          const bytes = noise(5 * KiB + i);
          things.set(`k${i}`, bytes);
          await opened.store.objects.put(BUCKET, key(`k${i}`), bytesSource(bytes), {});
        }
        await work({ ...opened, root: folder.path, things });
      } finally {
        await opened.close();
        folder.remove();
      }
    });
  }
}

function refsOf(names: Iterable<string>): BatchRef[] {
  return [...names].map((name) => ({ bucket: BUCKET, key: key(name) }));
}

async function readAll(
  objects: ObjectStore,
  refs: readonly BatchRef[],
  options: Partial<BatchOptions> = {},
  onLoan: (entry: BatchEntry) => void = () => assert.fail('a loan that nobody asked for'),
): Promise<(Buffer | BatchEntry)[]> {
  const batch = objects.getBatch(refs, { order: 'completion', ...options });
  const into = Buffer.alloc(64 * KiB);
  const found: (Buffer | BatchEntry)[] = [];
  for (;;) {
    const entries = await batch.fill(into, 100);
    if (entries.length === 0) break;
    assert.ok(entries.reduce((sum, { length }) => sum + length, 0) <= into.length, 'more than the buffer has');
    let at = 0;
    for (const entry of entries) {
      assert.equal(found[entry.slot], undefined, `slot ${entry.slot} twice`);
      const bytes = entry.bytes ?? into.subarray(at, at + entry.length);
      assert.equal(bytes.length, entry.length);
      found[entry.slot] = entry.error === undefined ? Buffer.from(bytes) : entry;
      if (entry.bytes === undefined) at += entry.length;
      else onLoan(entry);
    }
    into.fill(0xee);
  }
  batch.close();
  return found;
}

function locationOf({ keeper }: Scene, name: string): Location {
  const state = keeper.index.bucket(BUCKET);
  const bytes = keeper.index.objects.getBinary(objectIndexKey(state?.id ?? 0, Buffer.from(name)));
  return new Entry(bytes as Buffer).payload as Location;
}

describe('a batch', () => {
  onBothDisks('says DataLoss of a damaged record, and brings its neighbours', async (scene) => {
    const { root, store, things } = scene;
    for (const name of ['k0', 'k7', 'k8', 'k19']) {
      const { volume, offset, headLength } = locationOf(scene, name);
      const fd = openSync(volumePath(root, volume), 'r+');
      writeSync(fd, Buffer.from('damage'), 0, 6, offset + headLength + 100);
      closeSync(fd);
    }
    const found = await readAll(store.objects, refsOf(things.keys()));
    for (const [i, [name, bytes]] of [...things].entries()) {
      const each = found[i];
      if (Buffer.isBuffer(each)) assert.ok(each.equals(bytes), name);
      else {
        assert.ok(['k0', 'k7', 'k8', 'k19'].includes(name), `${name}: ${each?.error?.message}`);
        assert.equal(each?.error?.code, 'DataLoss');
        assert.equal(each?.error?.resource, `/${BUCKET}/${name}`);
      }
    }
    assert.equal(found.filter((each) => !Buffer.isBuffer(each)).length, 4);
  });

  onBothDisks('says DataLoss where the file is missing', async (scene) => {
    const { root, store, things } = scene;
    const { volume } = locationOf(scene, 'k3');
    renameSync(volumePath(root, volume), `${volumePath(root, volume)}.away`);
    const found = await readAll(store.objects, refsOf([...things.keys(), 'absent']));
    assert.equal(found.length, things.size + 1);
    for (const each of found.slice(0, -1)) assert.equal((each as BatchEntry).error?.code, 'DataLoss');
    assert.equal((found.at(-1) as BatchEntry).error?.code, 'NoSuchKey');
  });

  onBothDisks('goes on where compaction has moved what it looked up', async (scene) => {
    const { store, keeper, things } = scene;
    await store.objects.put(BUCKET, key('ballast'), bytesSource(noise(16 * MiB)), {});
    const names = [...things.keys()];
    const batch = store.objects.getBatch(refsOf(names), { order: 'completion' });
    const into = Buffer.alloc(64 * KiB);
    const first = [...(await batch.fill(into, 1))]; // all are looked up now
    assert.equal(first.length, 1);
    await store.objects.remove(BUCKET, key('ballast'));
    await sealAll(keeper);
    await keeper.compactor.run();
    assert.ok(keeper.compactor.stats.volumes > 0, 'nothing was compacted');
    let count = 1;
    for (;;) {
      const entries = await batch.fill(into, 100);
      if (entries.length === 0) break;
      let at = 0;
      for (const { slot, length, error } of entries) {
        assert.equal(error, undefined);
        assert.ok(into.subarray(at, at + length).equals(things.get(names[slot] as string) as Buffer));
        at += length;
        count++;
      }
    }
    assert.equal(count, things.size);
  });

  it('counts hits while it goes on, since a batch may end early', async () => {
    const folder = temporaryFolder();
    const { store, close } = await openEmbedded(folder.path, { cacheBytes: 64 * MiB });
    try {
      await newBucket(store, BUCKET);
      const names = Array.from({ length: 6 }, (_, i) => `k${i}`);
      for (const name of names) await store.objects.put(BUCKET, key(name), bytesSource(noise(5 * KiB)), {});
      await readAll(store.objects, refsOf(names));
      const batch = store.objects.getBatch(refsOf(names), { order: 'completion' });
      assert.equal((await batch.fill(Buffer.alloc(64 * KiB), 4)).length, 4);
      assert.equal(batch.cacheHits, 4);
      batch.close();
    } finally {
      await close();
      folder.remove();
    }
  });

  for (const slowDisk of [false, true]) {
    it(`lends what lies in memory to who takes loans, on a ${slowDisk ? 'slow' : 'fast'} disk`, async () => {
      const folder = temporaryFolder();
      const { store, close } = await openEmbedded(folder.path, { slowDisk, cacheBytes: 64 * MiB });
      try {
        await newBucket(store, BUCKET);
        const things = new Map<string, Buffer>();
        const sizes = [0, 1, 2047, 2048, 5 * KiB, 5 * KiB + 1, 40 * KiB, 63 * KiB, 64 * KiB, 65 * KiB, 300 * KiB];
        for (const [i, size] of [...sizes, ...sizes].entries()) things.set(`k${i}`, noise(size));
        for (const [name, bytes] of things) await store.objects.put(BUCKET, key(name), bytesSource(bytes), {});
        const small = [...things].filter(([, { length }]) => length <= 64 * KiB);
        const refs = refsOf(small.map(([name]) => name));
        const loans: number[] = [];
        for (const pass of ['read', 'in memory']) {
          loans.length = 0;
          const found = await readAll(store.objects, refs, { takesLoans: true }, ({ slot }) => loans.push(slot));
          for (const [slot, [name, bytes]] of small.entries())
            assert.ok((found[slot] as Buffer).equals(bytes), `${name}, ${pass}`);
        }
        const lent = loans.map((slot) => small[slot]?.[1].length ?? 0).sort((a, b) => a - b);
        assert.deepEqual(
          lent,
          [2048, 5 * KiB, 5 * KiB + 1, 40 * KiB, 63 * KiB, 64 * KiB].flatMap((size) => [size, size]),
          'short ones are copied, all others lent',
        );
        await readAll(store.objects, refs); // nobody asked for loans
      } finally {
        await close();
        folder.remove();
      }
    });
  }
});
