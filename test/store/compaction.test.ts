/** Compaction gives space back and changes nothing that anybody can read. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import { examineStore } from '../../src/store/doctor.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { volumePath, volumesFolder } from '../../src/store/volume-file.ts';
import { allKeys, bytesOf, bytesSource, found, KiB, key, MiB, noise, sameBytes, storedFor } from '../contract/scene.ts';
import { Dice, History } from './history.ts';
import { dumpIndex, sameIndex } from './index-dump.ts';
import {
  handClock,
  type KeeperScene,
  newBucket,
  openScene,
  sealAll,
  snapshot,
  withScene,
  withTags,
} from './keeper-scene.ts';
import { openOverSocket, silentLog, temporaryFolder } from './local-scene.ts';

const LONG = process.env.PENSTOCK_LONG === '1';
const BUCKET = 'bucket' as BucketName;
const NEW_UPLOAD = { contentType: 'image/x', attributes: { metadata: { a: 'b' } }, checksum: undefined };

function volumeBytes(root: string): number {
  return readdirSync(volumesFolder(root)).reduce(
    (sum, name) => sum + statSync(`${volumesFolder(root)}/${name}`).size,
    0,
  );
}

async function compact({ keeper }: KeeperScene): Promise<void> {
  await sealAll(keeper);
  const before = keeper.compactor.stats.volumes;
  await keeper.compactor.run();
  assert(keeper.compactor.stats.volumes > before, 'nothing was compacted');
}

/** The index equals a rebuilt one, and nothing is damaged. */
async function isSound(root: string): Promise<void> {
  const copy = snapshot(root);
  const keeper = await Keeper.open({ root: copy.path, clock: handClock(), log: silentLog });
  const report = await examineStore(copy.path, keeper.index);
  assert.deepEqual([report.damaged, report.volumeFaults], [[], []]);
  await keeper.stop();
  const old = await dumpIndex(copy.path);
  await rebuildIndex(copy.path, silentLog);
  sameIndex(await dumpIndex(copy.path), old);
  copy.remove();
}

describe('compaction', () => {
  it('gives the space of deleted objects back, and the files go', () =>
    withScene(async (scene) => {
      const { store, keeper, root } = scene;
      await newBucket(store, BUCKET);
      for (let i = 0; i < 20; i++) await store.objects.put(BUCKET, key(`k${i}`), bytesSource(noise(500 * KiB, i)), {});
      const volume = keeper.index.volumes().find((v) => v.owner === 'first')?.id as number;
      for (let i = 0; i < 20; i++) await store.objects.remove(BUCKET, key(`k${i}`));
      assert(volumeBytes(root) > 10_000_000);
      await compact(scene);
      assert(!existsSync(volumePath(root, volume)));
      assert(volumeBytes(root) < 50_000, `${volumeBytes(root)} bytes are left`);
      const { deadBytes, liveBytes } = keeper.storeStats();
      assert(deadBytes < 1000 && liveBytes < 50_000);
      await isSound(root);
    }));

  it('copies what a half-dead volume still holds, byte for byte, of every kind', () =>
    withScene(async (scene) => {
      const { store, root } = scene;
      await newBucket(store, BUCKET);
      for (let i = 0; i < 30; i++) await store.objects.put(BUCKET, key(`k${i}`), bytesSource(noise(100 * KiB, i)), {});
      await store.objects.put(BUCKET, key('big'), bytesSource(noise(4 * MiB + 77, 40)), {});
      await store.objects.put(BUCKET, key('if'), bytesSource(noise(9000, 41)), { ifNoneMatch: '*' });
      await store.objects.put(BUCKET, key('tagged'), bytesSource(noise(9000, 42)), {});
      await store.objects.put(BUCKET, key('tagged'), withTags(BUCKET, 'tagged', { t: '1' }), {});
      await store.objects.put(BUCKET, key('big'), withTags(BUCKET, 'big', { t: '2' }), {});
      const open = await store.uploads.create(BUCKET, key('open'), NEW_UPLOAD);
      const done = await store.uploads.create(BUCKET, key('done'), NEW_UPLOAD);
      for (const [id, name] of [
        [open, 'open'],
        [done, 'done'],
      ] as const) {
        await store.uploads.putPart(BUCKET, key(name), id, 1, bytesSource(noise(5 * MiB, 43)));
        await store.uploads.putPart(BUCKET, key(name), id, 2, bytesSource(noise(4000, 44)));
      }
      const whole = Buffer.concat([noise(5 * MiB, 43), noise(4000, 44)]);
      await store.uploads.complete(BUCKET, key('done'), done, [1, 2], () => storedFor(whole), {});
      await store.objects.put(BUCKET, key('ballast'), bytesSource(noise(24 * MiB, 45)), {});
      const before = await infos(scene);
      await store.objects.remove(BUCKET, key('ballast'));
      for (let i = 0; i < 29; i++) await store.objects.remove(BUCKET, key(`k${i}`));
      const bytes = volumeBytes(root);
      await compact(scene);
      assert(volumeBytes(root) < bytes - 20 * MiB);
      const after = await infos(scene);
      for (const name of ['k29', 'big', 'if', 'tagged', 'done']) assert.deepEqual(after.get(name), before.get(name));
      const get = async (name: string): Promise<Buffer> => bytesOf(await store.objects.get(BUCKET, key(name), {}));
      sameBytes(await get('k29'), noise(100 * KiB, 29));
      sameBytes(await get('big'), noise(4 * MiB + 77, 40));
      sameBytes(await get('if'), noise(9000, 41));
      sameBytes(await get('tagged'), noise(9000, 42));
      sameBytes(await get('done'), whole);
      sameBytes(await bytesOf(await store.objects.get(BUCKET, key('done'), { partNumber: 2 })), noise(4000, 44));
      // The unfinished upload goes on where it was.
      const { upload, parts } = await store.uploads.listParts(BUCKET, key('open'), open, 0, 10);
      assert.deepEqual([upload.contentType, upload.attributes], [NEW_UPLOAD.contentType, NEW_UPLOAD.attributes]);
      assert.deepEqual(
        parts.map((p) => [p.number, p.size]),
        [
          [1, 5 * MiB],
          [2, 4000],
        ],
      );
      await isSound(root);
      await store.uploads.complete(BUCKET, key('open'), open, [1, 2], () => storedFor(whole), {});
      sameBytes(await get('open'), whole);
      await isSound(root);
    }));

  it('keeps deletes dead and buckets alive through any number of rounds and a rebuild', async () => {
    const folder = temporaryFolder();
    const clock = handClock();
    for (let round = 0; round < 4; round++) {
      const scene = await openScene(folder.path, clock);
      const { store } = scene;
      if (round === 0) {
        await newBucket(store, BUCKET);
        await newBucket(store, 'passing');
        await store.objects.put(BUCKET, key('kept'), bytesSource(noise(1000)), {});
      } else await compact(scene);
      if (round === 1) await store.buckets.remove('passing' as BucketName);
      for (const name of ['a', 'b', 'c'])
        await store.objects.put(BUCKET, key(name), bytesSource(noise(30_000, round)), {});
      await sealAll(scene.keeper);
      // The deletes lie in another volume than what they delete.
      const other = scene.session('other');
      for (const name of ['a', 'b', 'c']) await other.objects.remove(BUCKET, key(name));
      clock.ms += 3600_000;
      await scene.close();
      const old = await dumpIndex(folder.path);
      await rebuildIndex(folder.path, silentLog);
      sameIndex(await dumpIndex(folder.path), old);
      const again = await openScene(folder.path, clock);
      assert.deepEqual(await allKeys(again.store, BUCKET), ['kept']);
      assert.equal(again.store.buckets.get('passing' as BucketName) === undefined, round > 0);
      await again.close();
    }
    folder.remove();
  });

  it('never gives the id of a removed bucket away again', async () => {
    const folder = temporaryFolder();
    const clock = handClock();
    const scene = await openScene(folder.path, clock);
    await newBucket(scene.store, 'first');
    await sealAll(scene.keeper);
    await scene.session('holds the volume').objects.put('first' as BucketName, key('x'), bytesSource(noise(10)), {});
    await newBucket(scene.store, 'second');
    await scene.store.buckets.remove('second' as BucketName);
    for (let i = 0; i < 5; i++)
      await scene.store.objects.put(
        'first' as BucketName,
        key('p'),
        bytesSource(Buffer.alloc(0)),
        i === 0 ? { ifNoneMatch: '*' } : { ifMatch: '*' },
      );
    for (let i = 0; i < 3; i++) {
      clock.ms += 3600_000;
      await scene.store.objects.put('first' as BucketName, key('p'), bytesSource(Buffer.alloc(0)), { ifMatch: '*' });
      await sealAll(scene.keeper);
      await scene.keeper.compactor.run();
    }
    await scene.close();
    const { nextBucket } = await dumpIndex(folder.path);
    await rebuildIndex(folder.path, silentLog);
    assert.equal((await dumpIndex(folder.path)).nextBucket, nextBucket);
    folder.remove();
  });

  it('takes a volume that is still written to, once it is worth it, by asking for its seal', async () => {
    const folder = temporaryFolder();
    const { store, keeper, close } = await openOverSocket(folder.path);
    await newBucket(store, BUCKET);
    // 64 MiB of dead bytes are worth it.
    for (let i = 0; i < 5; i++) await store.objects.put(BUCKET, key('a'), bytesSource(noise(20 * MiB, i)), {});
    const [volume] = keeper.index.volumes().filter((v) => v.owner === 'worker-1');
    assert(volume !== undefined && !volume.sealed);
    for (let turn = 0; keeper.index.volume(volume.id) !== undefined; turn++) {
      assert(turn < 10_000, 'the volume was not compacted');
      await keeper.compactor.run();
      await new Promise(setImmediate);
    }
    sameBytes(await bytesOf(await store.objects.get(BUCKET, key('a'), {})), noise(20 * MiB, 4));
    await store.objects.put(BUCKET, key('b'), bytesSource(noise(1000)), {});
    sameBytes(await bytesOf(await store.objects.get(BUCKET, key('b'), {})), noise(1000));
    await close();
    folder.remove();
  });

  it('gives a volume back whose damage is deleted, and leaves one that is damaged where somebody needs it', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    const { store, keeper } = scene;
    await newBucket(store, BUCKET);
    for (const name of ['dead', 'bad', 'good'])
      await store.objects.put(BUCKET, key(name), bytesSource(noise(40_000)), {});
    const volume = keeper.index.volumes().find((v) => v.owner === 'first')?.id as number;
    await sealAll(keeper);
    const fd = openSync(volumePath(folder.path, volume), 'r+');
    writeSync(fd, Buffer.from('damage'), 0, 6, 8192 + 40_200 + 20_000);
    // The head of the first one too, so that a walk has to look for the next.
    writeSync(fd, Buffer.from('damage'), 0, 6, 8192 + 50);
    closeSync(fd);
    await store.objects.remove(BUCKET, key('dead'));
    await store.objects.put(BUCKET, key('good'), bytesSource(noise(40_001)), {});
    await sealAll(keeper);
    await keeper.compactor.run();
    assert(existsSync(volumePath(folder.path, volume)), 'the only copy of a damaged object was thrown away');
    await store.objects.remove(BUCKET, key('bad'));
    await scene.close();
    const again = await openScene(folder.path);
    await again.keeper.compactor.run();
    assert(!existsSync(volumePath(folder.path, volume)));
    sameBytes(await bytesOf(await again.store.objects.get(BUCKET, key('good'), {})), noise(40_001));
    await again.close();
    folder.remove();
  });
});

describe('a reader with an open body', () => {
  for (const [how, open] of [
    ['in the same process', undefined],
    ['over a socket', openOverSocket],
  ] as const) {
    it(`reads on across a compaction ${how}`, async () => {
      const folder = temporaryFolder();
      const scene = open === undefined ? await openScene(folder.path) : await open(folder.path);
      const { store, keeper } = scene;
      await newBucket(store, BUCKET);
      const bytes = noise(20 * MiB, 7);
      await store.objects.put(BUCKET, key('a'), bytesSource(bytes), {});
      await store.objects.put(BUCKET, key('ballast'), bytesSource(noise(24 * MiB)), {});
      const { body } = found(await store.objects.get(BUCKET, key('a'), {}));
      const chunks: Buffer[] = [];
      let files: string[] = [];
      for await (const chunk of body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        if (chunks.length !== 2) continue;
        files = readdirSync(volumesFolder(folder.path));
        await store.objects.remove(BUCKET, key('ballast'));
        await sealAll(keeper);
        await keeper.compactor.run();
        assert.notDeepEqual(readdirSync(volumesFolder(folder.path)), files);
      }
      assert(files.length > 0);
      sameBytes(Buffer.concat(chunks), bytes);
      await scene.close();
      folder.remove();
    });
  }
});

describe('compaction beside writers', () => {
  for (const seed of LONG ? Array.from({ length: 40 }, (_, i) => i + 1) : [1, 2]) {
    it(`loses nothing (seed ${seed})`, async () => {
      const folder = temporaryFolder();
      const scene = await openScene(folder.path);
      // Each has its own buckets and its own model, all share the volumes.
      const writers = await Promise.all(
        [1, 2, 3].map(async (n) => {
          const store = n === 1 ? scene.store : scene.session(`writer-${n}`);
          return { store, history: new History(new Dice(seed * 100 + n), 30, `w${n}-`) };
        }),
      );
      let left = writers.length;
      const write = async ({ store, history }: (typeof writers)[0]): Promise<void> => {
        for (let i = 0; i < (LONG ? 400 : 120); i++) await history.step(store);
        left--;
      };
      const compactMeanwhile = async (): Promise<void> => {
        while (left > 0) {
          for (const volume of scene.keeper.index.volumes()) if (!volume.sealed) scene.keeper.wantSealed(volume);
          await scene.keeper.compactor.run();
          await new Promise(setImmediate);
        }
      };
      await Promise.all([...writers.map(write), compactMeanwhile()]);
      assert(scene.keeper.compactor.stats.volumes > 0, 'nothing was compacted');
      for (const { store, history } of writers) await history.check(store);
      await scene.close();
      await isSound(folder.path);
      folder.remove();
    });
  }
});

describe('an end in the middle of compaction', () => {
  it('leaves no copies that nobody counts when the keeper stops', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    const { store, keeper } = scene;
    await newBucket(store, BUCKET);
    await Promise.all(
      Array.from({ length: 1300 }, (_, i) => store.objects.put(BUCKET, key(`k${i}`), bytesSource(noise(50, i)), {})),
    );
    await store.objects.put(BUCKET, key('ballast'), bytesSource(noise(4 * MiB)), {});
    await store.objects.remove(BUCKET, key('ballast'));
    await sealAll(keeper);
    const running = keeper.compactor.run();
    while (keeper.compactor.stats.bytesCopied === 0) await new Promise(setImmediate);
    await scene.close();
    await running;
    const again = await openScene(folder.path);
    assert.equal((await allKeys(again.store, BUCKET)).length, 1300);
    for (const { id, end } of again.keeper.index.volumes())
      assert.equal(statSync(volumePath(folder.path, id)).size, end);
    await again.close();
    folder.remove();
  });

  it('is harmless between any two of its steps', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    const { store, keeper } = scene;
    await newBucket(store, BUCKET);
    // More records than one step takes.
    const puts = Array.from({ length: 1500 }, (_, i) =>
      store.objects.put(BUCKET, key(`k${i}`), bytesSource(noise(50, i)), {}),
    );
    await Promise.all(puts);
    await store.objects.put(BUCKET, key('ballast'), bytesSource(noise(4 * MiB)), {});
    await store.objects.remove(BUCKET, key('ballast'));
    await sealAll(keeper);
    const copies = [];
    const running = keeper.compactor.run();
    let ended = false;
    void running.then(() => {
      ended = true;
    });
    while (!ended) {
      const copy = snapshot(folder.path);
      copies.push(copy);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert(copies.length > 2);
    await scene.close();
    for (const copy of copies.filter((_, i) => i % Math.ceil(copies.length / 8) === 0)) {
      const again = await openScene(copy.path);
      for (let i = 0; i < 1500; i += 97)
        sameBytes(await bytesOf(await again.store.objects.get(BUCKET, key(`k${i}`), {})), noise(50, i));
      assert.equal((await allKeys(again.store, BUCKET)).length, 1500);
      await again.keeper.compactor.run();
      await again.close();
      await isSound(copy.path);
    }
    for (const done of [folder, ...copies]) done.remove();
  });
});

async function infos({ store }: KeeperScene): Promise<Map<string, object>> {
  const { entries } = await store.objects.list(BUCKET, {
    prefix: '',
    delimiter: '',
    after: '',
    afterPrefix: false,
    limit: 1000,
  });
  return new Map(
    entries.map((entry) => {
      assert(entry.kind === 'object');
      const { size, etag, modifiedMs, contentType, attributes, crc32, partCount } = entry.info;
      return [entry.key, { size, etag, modifiedMs, contentType, attributes, crc32, partCount }];
    }),
  );
}
