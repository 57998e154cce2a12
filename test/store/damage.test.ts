/** Damaged volumes: wrong bytes are never served, the doctor names what is hit, everything else is untouched. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName } from '../../src/base/names.ts';
import { examineStore } from '../../src/store/doctor.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import {
  allKeys,
  bytesOf,
  bytesSource,
  KiB,
  key,
  MiB,
  noise,
  refused,
  sameBytes,
  storedFor,
} from '../contract/scene.ts';
import { Dice } from './history.ts';
import { dropIndex, type KeeperScene, newBucket, openScene, sealAll, withScene, withTags } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const LONG = process.env.PENSTOCK_LONG === '1';
const BUCKET = 'bucket' as BucketName;
const NEW_UPLOAD = { contentType: undefined, attributes: {}, checksum: undefined };

/** Changes bytes of a volume in place; what reads it next sees it. */
function overwrite(root: string, volume: number, at: number, bytes: Buffer): void {
  const fd = openSync(volumePath(root, volume), 'r+');
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

type Outcome = 'right' | 'lost';

/** The right bytes, or DataLoss that names the object; everything else fails the test. */
async function outcomeOf({ store }: KeeperScene, name: string, expected: Buffer): Promise<Outcome> {
  try {
    sameBytes(await bytesOf(await store.objects.get(BUCKET, key(name), {})), expected);
    return 'right';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    assert.equal(error.code, 'DataLoss');
    assert.equal(error.resource, `/${BUCKET}/${name}`);
    return 'lost';
  }
}

async function findings({ keeper, root }: KeeperScene): Promise<{ names: string[]; faults: string[] }> {
  const report = await examineStore(root, keeper.index);
  return { names: report.damaged.map((d) => d.key), faults: report.volumeFaults };
}

/** A store with objects of every form, closed and opened again, so that each has its volume. */
async function furnished(scene: KeeperScene): Promise<Map<string, Buffer>> {
  const { store } = scene;
  const things = new Map<string, Buffer>();
  const put = async (name: string, bytes: Buffer, conditions = {}): Promise<void> => {
    await store.objects.put(BUCKET, key(name), bytesSource(bytes), conditions);
    things.set(name, bytes);
  };
  await newBucket(store, BUCKET);
  await put('empty', Buffer.alloc(0));
  for (let i = 0; i < 6; i++) await put(`small${i}`, noise(40 + i * 30, i));
  await put('if', noise(100, 9), { ifNoneMatch: '*' });
  await put('tagged', noise(120, 10));
  await store.objects.put(BUCKET, key('tagged'), withTags(BUCKET, 'tagged', { a: 'b' }), {});
  const id = await store.uploads.create(BUCKET, key('parts'), NEW_UPLOAD);
  for (const n of [1, 2]) await store.uploads.putPart(BUCKET, key('parts'), id, n, bytesSource(noise(70, n)));
  const whole = Buffer.concat([noise(70, 1), noise(70, 2)]);
  await store.uploads.complete(BUCKET, key('parts'), id, [1, 2], () => storedFor(whole), {});
  things.set('parts', whole);
  return things;
}

describe('one flipped bit', () => {
  it('in any byte of a volume is served by nobody, found by the doctor, and harms no other object', () =>
    withScene(async (scene) => {
      const { root, keeper } = scene;
      const things = await furnished(scene);
      let hits = 0;
      for (const { id, end } of keeper.index.volumes()) {
        const bytes = readFileSync(volumePath(root, id));
        for (let at = 8192; at < end; at += LONG ? 1 : 5) {
          overwrite(root, id, at, Buffer.from([(bytes[at] as number) ^ (1 << (at & 7))]));
          const lost: string[] = [];
          for (const [name, expected] of things)
            if ((await outcomeOf(scene, name, expected)) === 'lost') lost.push(name);
          const { names, faults } = await findings(scene);
          assert(lost.length <= 1, `byte ${at} of volume ${id} took ${lost}`);
          for (const name of lost) assert(names.includes(name), `the doctor does not name ${name} for byte ${at}`);
          assert(names.length <= 1 && names.length <= faults.length);
          hits += lost.length;
          overwrite(root, id, at, bytes.subarray(at, at + 1));
        }
      }
      assert(hits > 50);
      assert.deepEqual(await findings(scene), { names: [], faults: [] });
    }));

  it('at any place of big objects is served by nobody', () =>
    withScene(async (scene) => {
      const { store, root, keeper } = scene;
      await newBucket(store, BUCKET);
      const things = new Map([
        ['mega', noise(4 * MiB, 1)],
        ['giga', noise(9 * MiB + 5, 2)],
      ]);
      for (const [name, bytes] of things) await store.objects.put(BUCKET, key(name), bytesSource(bytes), {});
      const dice = new Dice(5);
      const [volume] = keeper.index.volumes().filter((v) => v.owner === 'first');
      assert(volume !== undefined);
      const bytes = readFileSync(volumePath(root, volume.id));
      for (let i = 0; i < (LONG ? 300 : 15); i++) {
        const at = 8192 + dice.roll(volume.end - 8192);
        overwrite(root, volume.id, at, Buffer.from([(bytes[at] as number) ^ (1 << dice.roll(8))]));
        const lost: string[] = [];
        for (const [name, expected] of things) if ((await outcomeOf(scene, name, expected)) === 'lost') lost.push(name);
        const { names } = await findings(scene);
        assert(lost.length <= 1);
        for (const name of lost) assert.deepEqual(names, [name]);
        overwrite(root, volume.id, at, bytes.subarray(at, at + 1));
      }
    }));

  it('in a part of an unfinished upload is found by the doctor', () =>
    withScene(async (scene) => {
      const { store, root, keeper } = scene;
      await newBucket(store, BUCKET);
      const id = await store.uploads.create(BUCKET, key('up'), NEW_UPLOAD);
      await store.uploads.putPart(BUCKET, key('up'), id, 3, bytesSource(noise(5000)));
      const [volume] = keeper.index.volumes().filter((v) => v.owner === 'first');
      overwrite(root, volume?.id as number, 8192 + 3000, Buffer.from('x'));
      const report = await examineStore(root, keeper.index);
      assert.equal(report.damaged.length, 1);
      assert.match(
        `${report.damaged[0]?.key}: ${report.damaged[0]?.reason}`,
        /^up: part 3 of upload [0-9a-f]{32}: volume \d/,
      );
    }));
});

describe('a damaged object', () => {
  const kinds: [string, (scene: KeeperScene) => Promise<void>][] = [
    ['small', async ({ store }) => void (await store.objects.put(BUCKET, key('a'), bytesSource(noise(3000)), {}))],
    [
      'of several extents',
      async ({ store }) => void (await store.objects.put(BUCKET, key('a'), bytesSource(noise(9 * MiB)), {})),
    ],
    [
      'of parts',
      async ({ store }) => {
        const id = await store.uploads.create(BUCKET, key('a'), NEW_UPLOAD);
        for (const n of [1, 2]) await store.uploads.putPart(BUCKET, key('a'), id, n, bytesSource(noise(2000, n)));
        await store.uploads.complete(BUCKET, key('a'), id, [1, 2], () => storedFor(noise(1)), {});
      },
    ],
  ];
  for (const [what, make] of kinds) {
    for (const [how, harm] of [
      [
        'is damaged in every record',
        (root: string, id: number, end: number) => {
          const path = volumePath(root, id);
          const bytes = readFileSync(path);
          for (let at = 8192; at < end; at += 40) bytes[at] = (bytes[at] as number) ^ 0xff;
          writeFileSync(path, bytes);
        },
      ],
      ['lost its files', (root: string, id: number) => rmSync(volumePath(root, id))],
      ['was cut off', (root: string, id: number) => truncateSync(volumePath(root, id), 8192 + 16)],
    ] as const) {
      it(`${what} that ${how} can be deleted and replaced, and nobody else notices`, async () => {
        const folder = temporaryFolder();
        let scene = await openScene(folder.path);
        await newBucket(scene.store, BUCKET);
        await scene.close();
        scene = await openScene(folder.path);
        // Others hold the volume of the bucket's record, so that the object has its own ones.
        await scene.session('holds the first volume').objects.put(BUCKET, key('b'), bytesSource(noise(500)), {});
        await make(scene);
        const hit = scene.keeper.index.volumes().filter((v) => v.id > 1);
        await scene.close();
        for (const { id, end } of hit) harm(folder.path, id, end);
        scene = await openScene(folder.path);
        const { store } = scene;
        await refused((async () => bytesOf(await store.objects.get(BUCKET, key('a'), {})))(), 'DataLoss');
        assert.deepEqual((await findings(scene)).names, ['a']);
        sameBytes(await bytesOf(await store.objects.get(BUCKET, key('b'), {})), noise(500));
        await store.objects.put(BUCKET, key('a'), bytesSource(noise(77)), {});
        sameBytes(await bytesOf(await store.objects.get(BUCKET, key('a'), {})), noise(77));
        await store.objects.put(BUCKET, key('if'), bytesSource(noise(78)), { ifNoneMatch: '*' });
        await store.objects.remove(BUCKET, key('a'));
        assert.equal(await store.objects.get(BUCKET, key('a'), {}), undefined);
        await store.objects.put(BUCKET, key('a'), bytesSource(noise(79)), { ifNoneMatch: '*' });
        assert.deepEqual((await findings(scene)).names, []);
        await scene.close();
        folder.remove();
      });
    }
  }
});

describe('a rebuild of damaged volumes', () => {
  it('keeps everything but the record that is hit, wherever it lies', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    await newBucket(scene.store, BUCKET);
    for (let i = 0; i < 40; i++)
      await scene.store.objects.put(BUCKET, key(`k${i}`), bytesSource(noise(100 + i, i)), {});
    await sealAll(scene.keeper);
    const volume = scene.keeper.index.volumes().find((v) => v.end > 12_000)?.id as number;
    await scene.close();
    const bytes = readFileSync(volumePath(folder.path, volume));
    const dice = new Dice(3);
    for (let round = 0; round < (LONG ? 200 : 12); round++) {
      // All but the last record: a damaged last one cannot be told from a torn write.
      const at = 8192 + dice.roll(bytes.length - 8192 - 300);
      const wide = 1 + dice.roll(30);
      overwrite(folder.path, volume, at, Buffer.from(bytes.subarray(at, at + wide).map((byte) => byte ^ 0x55)));
      await rebuildIndex(folder.path, silentLog);
      const again = await openScene(folder.path);
      let lost = 0;
      const present = new Set(await allKeys(again.store, BUCKET));
      for (let i = 0; i < 40; i++) {
        if (!present.has(`k${i}`) || (await outcomeOf(again, `k${i}`, noise(100 + i, i))) === 'lost') lost++;
      }
      assert(lost <= 2, `${wide} bytes at ${at} took ${lost} objects`);
      await again.close();
      writeFileSync(volumePath(folder.path, volume), bytes);
    }
    folder.remove();
  });

  it('reads a volume by either copy of its superblock, and names one that lost both', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    await newBucket(scene.store, BUCKET);
    await scene.store.objects.put(BUCKET, key('a'), bytesSource(noise(9)), {});
    const volumes = scene.keeper.index.volumes().map((v) => v.id);
    await scene.close();
    const damage = (at: number): void => {
      for (const id of volumes) overwrite(folder.path, id, at, Buffer.alloc(100, 0xaa));
    };
    for (const [at, faults] of [
      [0, /one of the two copies is damaged; the other one serves/],
      [4096, /both copies are damaged/],
    ] as const) {
      const intact = volumes.map((id) => readFileSync(volumePath(folder.path, id)));
      if (at === 4096) damage(0);
      damage(at);
      const open = await openScene(folder.path);
      assert.equal(await outcomeOf(open, 'a', noise(9)), 'right');
      const found = await findings(open);
      assert.deepEqual(found.names, []);
      for (const fault of found.faults) assert.match(fault, faults);
      assert.equal(found.faults.length, volumes.length);
      await open.close();
      const report = await rebuildIndex(folder.path, silentLog);
      assert.equal(report.unreadable.length, at === 0 ? 0 : volumes.length);
      assert.equal(report.objects, at === 0 ? 1 : 0);
      for (const [i, id] of volumes.entries()) writeFileSync(volumePath(folder.path, id), intact[i] as Buffer);
      await rebuildIndex(folder.path, silentLog);
    }
    folder.remove();
  });

  it('takes no records out of an object that holds a whole volume', async () => {
    const folder = temporaryFolder();
    let scene = await openScene(folder.path);
    await newBucket(scene.store, BUCKET);
    for (let i = 0; i < 10; i++)
      await scene.store.objects.put(BUCKET, key(`secret${i}`), bytesSource(noise(300, i)), {});
    await scene.close();
    scene = await openScene(folder.path);
    for (const { id } of scene.keeper.index.volumes())
      await scene.store.objects.put(
        BUCKET,
        key(`copy${id}`),
        bytesSource(readFileSync(volumePath(folder.path, id))),
        {},
      );
    for (let i = 0; i < 10; i++) await scene.store.objects.remove(BUCKET, key(`secret${i}`));
    await scene.store.objects.put(BUCKET, key('last'), bytesSource(noise(10)), {});
    const volumes = scene.keeper.index.volumes();
    await scene.close();
    const before = volumes.map(({ id }) => readFileSync(volumePath(folder.path, id)));
    // The heads of the records with the copies are damaged, so that a walk searches their payloads.
    for (const [i, { id }] of volumes.entries()) {
      const bytes = before[i] as Buffer;
      for (let at = bytes.indexOf('PENSTOCK', 8192); at >= 0; at = bytes.indexOf('PENSTOCK', at + 8192))
        overwrite(folder.path, id, at - 60, Buffer.alloc(40, 0xee));
    }
    dropIndex(folder.path);
    const again = await openScene(folder.path);
    assert.deepEqual(await allKeys(again.store, BUCKET), ['last']);
    await again.close();
    folder.remove();
  });

  it('does not let a torn overwrite at the end take the object before it', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    await newBucket(scene.store, BUCKET);
    await scene.store.objects.put(BUCKET, key('a'), bytesSource(noise(20 * KiB, 1)), {});
    await scene.store.objects.put(BUCKET, key('a'), bytesSource(noise(20 * KiB, 2)), {});
    const volume = scene.keeper.index.volumes().find((v) => v.owner === 'first');
    await scene.close();
    // The head came to the disk, the payload did not: the file is long enough, with zeros in it.
    overwrite(folder.path, volume?.id as number, (volume?.end as number) - 8 * KiB, Buffer.alloc(8 * KiB));
    dropIndex(folder.path);
    const again = await openScene(folder.path);
    assert.equal(await outcomeOf(again, 'a', noise(20 * KiB, 1)), 'right');
    await again.close();
    folder.remove();
  });
});
