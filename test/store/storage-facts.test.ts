/** What `head` tells of the place of an object: when it is asked for, and adding up to the accounts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import type { StorageFacts } from '../../src/base/object-info.ts';
import { CLASS_NAMES } from '../../src/format/content.ts';
import { bytesSource, KiB, key, MiB, noise, storedFor } from '../contract/scene.ts';
import { codeAll } from './coded-storage.ts';
import { lines, realCoder, slice } from './coding-scene.ts';
import { handClock, type KeeperScene, newBucket, withScene, withTags } from './keeper-scene.ts';

const BUCKET = 'bucket' as BucketName;
const JPEG = Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), noise(9000)]);
const BODIES: Readonly<Record<string, Buffer>> = {
  slice: slice(1),
  text: lines(50 * KiB),
  noise: noise(50 * KiB),
  empty: Buffer.alloc(0),
  jpeg: JPEG,
  large: lines(9 * MiB + 5, 7),
  'half noise': Buffer.concat([lines(4 * MiB, 9), noise(4 * MiB, 8)]),
  tagged: slice(2),
};

async function putAll({ store }: KeeperScene): Promise<void> {
  await newBucket(store, BUCKET);
  for (const [name, bytes] of Object.entries(BODIES))
    await store.objects.put(BUCKET, key(name), bytesSource(bytes), {});
  await store.objects.put(BUCKET, key('tagged'), withTags(BUCKET, 'tagged', { a: 'b' }), {});
  const whole = lines(5 * MiB + 100, 11);
  const upload = await store.uploads.create(BUCKET, key('parts'), {
    contentType: undefined,
    attributes: {},
    checksum: undefined,
  });
  await store.uploads.putPart(BUCKET, key('parts'), upload, 1, bytesSource(whole));
  await store.uploads.complete(BUCKET, key('parts'), upload, [1], () => storedFor(whole), {});
}

async function factsOf({ store }: KeeperScene): Promise<Map<string, StorageFacts>> {
  const facts = new Map<string, StorageFacts>();
  for (const name of [...Object.keys(BODIES), 'parts']) {
    const info = await store.objects.head(BUCKET, key(name), { storage: true });
    assert.ok(info?.storage !== undefined, name);
    facts.set(name, info.storage);
  }
  return facts;
}

/** Of every class the objects add up to its account. */
function addUpToAccounts({ keeper }: KeeperScene, facts: ReadonlyMap<string, StorageFacts>): void {
  for (const [number, { objects, bytesStored }] of keeper.storeStats().classes.entries()) {
    const own = [...facts.values()].filter(({ contentClass }) => contentClass === CLASS_NAMES[number]);
    const sum = own.reduce((total, { storedBytes }) => total + storedBytes, 0);
    assert.deepEqual([own.length, sum], [objects, bytesStored], CLASS_NAMES[number] ?? String(number));
  }
}

it('tells class, bytes and codec of an object, before and after it is coded, as the accounts have them', async () => {
  const coder = await realCoder();
  await withScene(
    async (scene) => {
      await putAll(scene);
      const before = await factsOf(scene);
      addUpToAccounts(scene, before);
      for (const [name, { contentClass, codec }] of before)
        assert.deepEqual([contentClass, codec], [name === 'jpeg' ? 'compressed' : 'unexamined', 'raw'], name);
      await codeAll(scene.keeper);
      const after = await factsOf(scene);
      addUpToAccounts(scene, after);
      const told = Object.fromEntries(
        [...after].map(([name, { contentClass, codec }]) => [name, [contentClass, codec]]),
      );
      assert.deepEqual(told, {
        slice: ['mr', 'sections'],
        text: ['other', 'zstd'],
        noise: ['other', 'raw'],
        empty: ['other', 'raw'],
        jpeg: ['compressed', 'raw'],
        large: ['other', 'zstd'],
        'half noise': ['other', 'mixed'],
        tagged: ['mr', 'sections'],
        parts: ['other', 'zstd'],
      });
      for (const name of ['slice', 'text', 'large'])
        assert.ok((after.get(name)?.storedBytes ?? 0) < (before.get(name)?.storedBytes ?? 0) / 2, name);
    },
    handClock(),
    coder,
  );
});

it('tells nothing of it unasked, and both where parts are asked for too', async () => {
  await withScene(async (scene) => {
    await putAll(scene);
    const { objects } = scene.store;
    for (const options of [undefined, {}, { parts: true }]) {
      for (const name of ['slice', 'large', 'parts'])
        assert.equal((await objects.head(BUCKET, key(name), options))?.storage, undefined);
    }
    const both = await objects.head(BUCKET, key('parts'), { parts: true, storage: true });
    assert.deepEqual([both?.parts?.length, both?.storage?.codec], [1, 'raw']);
  });
});
