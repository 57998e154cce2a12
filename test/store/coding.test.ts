/** The coding pass: what was stored raw takes less room, and nothing that anybody can read changes. */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectInfo } from '../../src/base/object-info.ts';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { objectIndexKey } from '../../src/format/index-key.ts';
import { CodingPass } from '../../src/store/coding-pass.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { reserveBytes } from '../../src/store/store-root.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import {
  bytesOf,
  bytesSource,
  found,
  KiB,
  key,
  MiB,
  noise,
  sameBytes,
  storedFor,
  streamSource,
} from '../contract/scene.ts';
import { accountsHold, anyBody, codingWith, lines, nothingIsWrong, realCoder, slice } from './coding-scene.ts';
import { Dice, History } from './history.ts';
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
import { silentLog } from './local-scene.ts';

const BUCKET = 'bucket' as BucketName;
const coder = await realCoder();

async function withCoding(work: (scene: KeeperScene) => Promise<void>, how = coder): Promise<void> {
  await withScene(
    async (scene) => {
      await newBucket(scene.store, BUCKET);
      await work(scene);
    },
    handClock(),
    how,
  );
}

async function code({ keeper }: KeeperScene): Promise<void> {
  for (let more = true; more; ) more = (await keeper.coding?.run()) ?? false;
}

function entryOf({ keeper }: KeeperScene, name: string) {
  const bucket = keeper.index.bucket(BUCKET)?.id as number;
  const entry = keeper.index.object(objectIndexKey(bucket, Buffer.from(name)));
  assert(entry !== undefined, name);
  return entry;
}

/** Objects of every way to be written, by name. */
async function putEverything({ store }: KeeperScene): Promise<Map<string, Buffer>> {
  const all = new Map<string, Buffer>();
  for (let i = 0; i < 8; i++) all.set(`slice-${i}`, slice(i));
  all
    .set('text', lines(50 * KiB))
    .set('noise', noise(50 * KiB))
    .set('empty', Buffer.alloc(0))
    .set('a byte', noise(1));
  all.set('jpeg', Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), noise(9000)]));
  all.set('large', lines(9 * MiB + 5, 7)).set('large noise', noise(5 * MiB, 8));
  for (const [name, bytes] of all) await store.objects.put(BUCKET, key(name), bytesSource(bytes), {});
  const condition = { ifNoneMatch: '*' } as const;
  for (const name of ['if', 'if empty']) {
    all.set(name, name === 'if' ? lines(9000, 3) : Buffer.alloc(0));
    await store.objects.put(BUCKET, key(name), bytesSource(all.get(name) as Buffer), condition);
  }
  all.set('tagged', slice(20));
  await store.objects.put(BUCKET, key('tagged'), bytesSource(slice(20)), {});
  await store.objects.put(BUCKET, key('tagged'), withTags(BUCKET, 'tagged', { a: 'b' }), {});
  const upload = await store.uploads.create(BUCKET, key('parts'), NEW_UPLOAD);
  const parts = [lines(5 * MiB + 100, 11), lines(300 * KiB, 12)];
  for (const [i, bytes] of parts.entries())
    await store.uploads.putPart(BUCKET, key('parts'), upload, i + 1, bytesSource(bytes));
  all.set('parts', Buffer.concat(parts));
  const whole = all.get('parts') as Buffer;
  await store.uploads.complete(BUCKET, key('parts'), upload, [1, 2], () => storedFor(whole), {});
  const open = await store.uploads.create(BUCKET, key('open'), NEW_UPLOAD);
  await store.uploads.putPart(BUCKET, key('open'), open, 1, bytesSource(lines(6 * MiB, 13)));
  await store.uploads.putPart(BUCKET, key('open'), open, 2, bytesSource(lines(1000, 14)));
  return all;
}

const NEW_UPLOAD = { contentType: undefined, attributes: {}, checksum: undefined };

async function infoOf({ store }: KeeperScene, name: string): Promise<object> {
  const info = (await store.objects.head(BUCKET, key(name), { parts: true })) as ObjectInfo;
  const { size, etag, modifiedMs, contentType, attributes, crc32, partCount, parts } = info;
  return { size, etag, modifiedMs, contentType, attributes, crc32, partCount, parts };
}

async function sameObjects(scene: KeeperScene, all: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [name, bytes] of all) {
    sameBytes(await bytesOf(await scene.store.objects.get(BUCKET, key(name), {})), bytes);
    if (bytes.length < 100) continue;
    const range = { first: bytes.length >> 2, last: bytes.length - 9 };
    const read = await scene.store.objects.get(BUCKET, key(name), { range });
    sameBytes(await bytesOf(read), bytes.subarray(range.first, range.last + 1));
  }
}

describe('the coding pass', () => {
  it('codes objects however they were written, and nobody sees a difference', () =>
    withCoding(async (scene) => {
      const { keeper, root } = scene;
      const all = await putEverything(scene);
      const before = new Map<string, object>();
      for (const name of all.keys()) before.set(name, await infoOf(scene, name));
      const unexamined = keeper.storeStats().classes[CONTENT_CLASS.unexamined]?.bytesIn as number;
      assert(unexamined > 15 * MiB);
      await code(scene);
      await sameObjects(scene, all);
      for (const name of all.keys()) assert.deepEqual(await infoOf(scene, name), before.get(name), name);
      await nothingIsWrong(root, keeper);

      const { classes, dictionaries } = keeper.storeStats();
      assert.deepEqual(classes[CONTENT_CLASS.unexamined], { objects: 0, bytesIn: 0, bytesStored: 0 });
      const mr = classes[CONTENT_CLASS.mr];
      assert(mr !== undefined && mr.objects === 9 && mr.bytesStored < 0.5 * mr.bytesIn, JSON.stringify(mr));
      assert.equal(classes[CONTENT_CLASS.compressed]?.objects, 1);
      assert.equal(dictionaries.objects, 1);
      for (const name of ['slice-0', 'text', 'if', 'tagged'])
        assert.notEqual(entryOf(scene, name).payload?.codec, 0, name);
      for (const name of ['noise', 'jpeg', 'a byte']) assert.equal(entryOf(scene, name).payload?.codec, 0, name);
      const extents = ['large', 'parts'].flatMap((name) => keeper.readManifest(entryOf(scene, name).record).extents);
      assert(extents.length === 6 && extents.every(({ codec }) => codec !== 0));
      const transactions = keeper.coding?.stats.objects;
      await code(scene);
      assert.equal(keeper.coding?.stats.objects, transactions, 'nothing is looked at twice');
    }));

  it('leaves objects as readable after compaction, and after the index was made anew', () =>
    withCoding(async (scene) => {
      const { keeper, root } = scene;
      const all = await putEverything(scene);
      await code(scene);
      await sealAll(keeper);
      const before = keeper.storeStats();
      await keeper.compactor.run();
      assert(keeper.storeStats().deadBytes < before.deadBytes / 10);
      assert.deepEqual(keeper.storeStats().classes.slice(1), before.classes.slice(1));
      await sameObjects(scene, all);
      await nothingIsWrong(root, keeper);
      const copy = snapshot(root);
      dropIndex(copy.path);
      await rebuildIndex(copy.path, silentLog);
      const again = await openScene(copy.path, handClock(), coder);
      await sameObjects(again, all);
      await nothingIsWrong(copy.path, again.keeper);
      await code(again);
      const { classes, dictionaries } = again.keeper.storeStats();
      assert.deepEqual([classes.slice(1, 8), dictionaries], [before.classes.slice(1, 8), before.dictionaries]);
      await again.close();
      copy.remove();
    }));

  it('knows of bytes that are compressed already when they are put, however they come', () =>
    withCoding(async (scene) => {
      const { store, keeper } = scene;
      const jpeg = (size: number): Buffer => Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), noise(size)]);
      await store.objects.put(BUCKET, key('a'), bytesSource(jpeg(100)), {});
      await store.objects.put(BUCKET, key('a tagged'), bytesSource(jpeg(200)), {});
      await store.objects.put(BUCKET, key('a tagged'), withTags(BUCKET, 'a tagged', { a: 'b' }), {});
      await store.objects.put(BUCKET, key('if'), bytesSource(jpeg(300)), { ifNoneMatch: '*' });
      await store.objects.put(BUCKET, key('chunks'), streamSource(jpeg(70_000)), {});
      await store.objects.put(BUCKET, key('large'), streamSource(jpeg(5 * MiB)), {});
      const upload = await store.uploads.create(BUCKET, key('parts'), NEW_UPLOAD);
      const parts = [jpeg(5 * MiB), noise(1000)];
      for (const [i, bytes] of parts.entries())
        await store.uploads.putPart(BUCKET, key('parts'), upload, i + 1, bytesSource(bytes));
      await store.uploads.complete(BUCKET, key('parts'), upload, [1, 2], () => storedFor(Buffer.concat(parts)), {});
      const { classes } = keeper.storeStats();
      assert.deepEqual([classes[CONTENT_CLASS.compressed]?.objects, classes[0]?.objects], [6, 0]);
      await code(scene);
      assert.equal(keeper.coding?.stats.objects, 0, 'and nobody looks at them again');
      accountsHold(keeper);
    }));

  it('codes what comes later, and what compaction is about to copy', () =>
    withCoding(async (scene) => {
      const { keeper, store, root } = scene;
      for (let i = 0; i < 5; i++) await store.objects.put(BUCKET, key(`a${i}`), bytesSource(lines(40_000, i)), {});
      await code(scene);
      for (let i = 0; i < 40; i++) await store.objects.put(BUCKET, key(`b${i}`), bytesSource(slice(i)), {});
      for (let i = 0; i < 30; i++) await store.objects.remove(BUCKET, key(`b${i}`));
      await sealAll(keeper);
      await keeper.compactor.run();
      assert(keeper.compactor.stats.volumes > 0);
      for (let i = 30; i < 40; i++) {
        assert.notEqual(entryOf(scene, `b${i}`).record.codec, 0);
        sameBytes(await bytesOf(await store.objects.get(BUCKET, key(`b${i}`), {})), slice(i));
      }
      await nothingIsWrong(root, keeper);
      const examined = keeper.coding?.stats.objects;
      await code(scene);
      assert.equal(keeper.coding?.stats.objects, examined);
    }));

  it('takes a dictionary along when what needs it is moved, and drops it with its volume', () =>
    withCoding(async (scene) => {
      const { keeper, store, root } = scene;
      for (let i = 0; i < 60; i++) await store.objects.put(BUCKET, key(`s${i}`), bytesSource(slice(i)), {});
      await code(scene);
      const [first] = [...keeper.index.dictionaries()];
      assert(first !== undefined);
      for (let i = 0; i < 50; i++) await store.objects.remove(BUCKET, key(`s${i}`));
      for (let turn = 0; turn < 3; turn++) {
        await sealAll(keeper);
        await keeper.compactor.run();
      }
      assert.equal(keeper.index.volume(first.location.volume), undefined, 'its first volume is gone');
      const left = [...keeper.index.dictionaries()];
      assert.deepEqual(
        left.map(({ id }) => id),
        [first.id],
      );
      for (let i = 50; i < 60; i++)
        sameBytes(await bytesOf(await store.objects.get(BUCKET, key(`s${i}`), {})), slice(i));
      await nothingIsWrong(root, keeper);
    }));

  it('does not touch what was overwritten, deleted or changed while it was coded', () => {
    let meanwhile = async (): Promise<void> => {};
    const slow = codingWith(coder, () => meanwhile());
    return withCoding(async (scene) => {
      const { store, keeper, root } = scene;
      for (let i = 0; i < 4; i++) await store.objects.put(BUCKET, key(`s${i}`), bytesSource(slice(i)), {});
      await store.objects.put(BUCKET, key('large'), bytesSource(lines(9 * MiB)), {});
      meanwhile = async () => {
        meanwhile = async () => {};
        await store.objects.put(BUCKET, key('s0'), bytesSource(lines(70)), {});
        await store.objects.remove(BUCKET, key('s1'));
        await store.objects.put(BUCKET, key('s2'), withTags(BUCKET, 's2', { t: '1' }), {});
        await store.objects.put(BUCKET, key('large'), withTags(BUCKET, 'large', { t: '2' }), {});
      };
      await code(scene);
      sameBytes(await bytesOf(await store.objects.get(BUCKET, key('s0'), {})), lines(70));
      assert.equal(await store.objects.head(BUCKET, key('s1')), undefined);
      for (const [name, tag, bytes] of [
        ['s2', '1', slice(2)],
        ['large', '2', lines(9 * MiB)],
      ] as const) {
        const read = found(await store.objects.get(BUCKET, key(name), {}));
        sameBytes(await bytesOf(read), bytes);
        assert.deepEqual((await store.objects.head(BUCKET, key(name)))?.attributes.tags, { t: tag });
      }
      assert.notEqual(entryOf(scene, 's3').record.codec, 0);
      await nothingIsWrong(root, keeper);
      await code(scene);
      assert.equal(keeper.storeStats().classes[0]?.objects, 0);
    }, slow);
  });

  it('leaves what is damaged where it is, and codes the rest', () =>
    withCoding(async (scene) => {
      const { store, keeper, root } = scene;
      for (let i = 0; i < 4; i++) await store.objects.put(BUCKET, key(`s${i}`), bytesSource(slice(i)), {});
      const { volume, offset, headLength } = entryOf(scene, 's1').record;
      const fd = openSync(volumePath(root, volume), 'r+');
      writeSync(fd, Buffer.from('damage'), 0, 6, offset + headLength + 100);
      closeSync(fd);
      await code(scene);
      assert.equal(keeper.coding?.stats.unreadable, 1);
      assert.equal(entryOf(scene, 's1').record.codec, 0);
      assert.equal(keeper.storeStats().classes[0]?.objects, 1);
      for (const i of [0, 2, 3]) sameBytes(await bytesOf(await store.objects.get(BUCKET, key(`s${i}`), {})), slice(i));
      accountsHold(keeper);
    }));

  it('waits while the disk has no room for copies, and goes on when it has', () => {
    const clock = handClock();
    return withScene(
      async ({ store, keeper }) => {
        await newBucket(store, BUCKET);
        await store.objects.put(BUCKET, key('s'), bytesSource(slice(1)), {});
        const totalBytes = 2 ** 40;
        const space = { totalBytes, freeBytes: reserveBytes(totalBytes) + MiB };
        const pass = new CodingPass(keeper, coder, 'default', () => space);
        assert.equal(await pass.run(), false);
        space.freeBytes = 2 ** 40;
        assert.equal(await pass.run(), false);
        assert.equal(pass.stats.objects, 0, 'a failure is followed by a minute of rest');
        clock.ms += 60_000;
        assert.equal(await pass.run(), false);
        assert.equal(pass.stats.coded, 1);
      },
      clock,
      coder,
    );
  });

  it('closes its volume when the next step may not fit, and never in the middle of a step', () =>
    withCoding(async (scene) => {
      const { store, keeper } = scene;
      const volumeBytesMax = 2 * MiB;
      Object.defineProperty(keeper, 'volumeBytesMax', { value: volumeBytesMax });
      const grants: number[] = [];
      const openVolume = keeper.openVolume.bind(keeper);
      keeper.openVolume = (session) => {
        const grant = openVolume(session);
        grants.push(grant.end);
        return grant;
      };
      const bytes = (i: number): Buffer => Buffer.concat([lines(250 * KiB, i + 1), noise(20 * KiB, i)]);
      for (let i = 0; i < 100; i++) await store.objects.put(BUCKET, key(`s${i}`), bytesSource(bytes(i)), {});
      grants.length = 0;
      await code(scene);
      assert.equal(keeper.coding?.stats.coded, 100, 'all in one pass');
      assert(grants.length > 1);
      const [first = 0, second = 0] = grants;
      assert(second - first <= volumeBytesMax, `${second - first} bytes in a volume of at most ${volumeBytesMax}`);
    }));

  it('ends at once when the keeper stops, and goes on where it was', () => {
    let started = (): void => {};
    const isStarted = new Promise<void>((resolve) => {
      started = resolve;
    });
    const hanging = codingWith(coder, () => {
      started();
      return new Promise(() => {});
    });
    return withCoding(async (scene) => {
      await scene.store.objects.put(BUCKET, key('s'), bytesSource(slice(1)), {});
      const running = scene.keeper.tidy();
      await isStarted;
      await scene.close();
      await running;
      const again = await openScene(scene.root, handClock(), coder);
      await code(again);
      assert.notEqual(entryOf(again, 's').record.codec, 0);
      await again.close();
    }, hanging);
  });

  it('ends without an error when the coder refuses because of the stop', () => {
    let scene: KeeperScene | undefined;
    let stopped: Promise<unknown> | undefined;
    const refusing = codingWith(coder, async () => {
      stopped ??= scene?.keeper.coding?.stop();
      throw new GatewayError('ServerClosed');
    });
    return withCoding(async (opened) => {
      scene = opened;
      await opened.store.objects.put(BUCKET, key('s'), bytesSource(slice(1)), {});
      await opened.keeper.tidy();
      await stopped;
      assert.equal(entryOf(opened, 's').class, CONTENT_CLASS.unexamined);
    }, refusing);
  });

  it('is finished by the next start when a crash came before the index knew', () => {
    const copies: { path: string; remove(): void }[] = [];
    return withCoding(async (opened) => {
      const { store, root, keeper } = opened;
      const relocate = keeper.relocate.bind(keeper);
      for (let i = 0; i < 6; i++) await store.objects.put(BUCKET, key(`s${i}`), bytesSource(slice(i)), {});
      // Copies are in the file and flushed, and the transaction has not begun.
      keeper.relocate = (...move) => {
        copies.push(snapshot(root));
        relocate(...move);
      };
      await code(opened);
      assert(copies.length > 0);
      for (const copy of copies) {
        const again = await openScene(copy.path, handClock(), coder);
        for (let i = 0; i < 6; i++) {
          sameBytes(await bytesOf(await again.store.objects.get(BUCKET, key(`s${i}`), {})), slice(i));
        }
        await nothingIsWrong(copy.path, again.keeper);
        await code(again);
        assert.equal(again.keeper.storeStats().classes[0]?.objects, 0);
        await nothingIsWrong(copy.path, again.keeper);
        await again.close();
        copy.remove();
      }
    });
  });
});

describe('accounts', () => {
  for (const seed of [1, 2, 3]) {
    it(`hold through a history of writes, coding, compaction and rebuilds, with seed ${seed}`, () =>
      withScene(
        async (first) => {
          const dice = new Dice(seed);
          const history = new History(dice, 12, '', anyBody);
          for (let round = 0; round < 6; round++) {
            for (let i = 0; i < 25; i++) await history.step(first.store);
            accountsHold(first.keeper);
            if (dice.roll(2) === 0) await code(first);
            accountsHold(first.keeper);
            if (dice.roll(2) === 0) {
              await sealAll(first.keeper);
              await first.keeper.compactor.run();
            }
            await history.check(first.store);
            await nothingIsWrong(first.root, first.keeper);
          }
          const copy = snapshot(first.root);
          const keeper = await Keeper.open({ root: copy.path, clock: handClock(), log: silentLog });
          accountsHold(keeper);
          await keeper.stop();
          await rebuildIndex(copy.path, silentLog);
          const again = await openScene(copy.path, handClock(), coder);
          accountsHold(again.keeper);
          await history.check(again.store);
          await again.close();
          copy.remove();
        },
        handClock(),
        coder,
      ));
  }
});
