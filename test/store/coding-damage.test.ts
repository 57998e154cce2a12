/** What the doctor says of coded objects that cannot be read any more, and of an index that does not add up. */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { open } from 'lmdb';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName } from '../../src/base/names.ts';
import { type DoctorReport, examineStore } from '../../src/store/doctor.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { indexFolder } from '../../src/store/store-root.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import { bytesOf, bytesSource, key, refused, sameBytes } from '../contract/scene.ts';
import { codingWith, lines, nothingIsWrong, realCoder, slice } from './coding-scene.ts';
import { dropIndex, handClock, type KeeperScene, newBucket, openScene, snapshot, withScene } from './keeper-scene.ts';
import { silentLog } from './local-scene.ts';

const BUCKET = 'bucket' as BucketName;
const coder = await realCoder();

/** Six coded slices with a dictionary, and one object without. */
async function withSlices(work: (scene: KeeperScene) => Promise<void>): Promise<void> {
  await withScene(
    async (scene) => {
      const { store, keeper } = scene;
      await newBucket(store, BUCKET);
      for (let i = 0; i < 6; i++) await store.objects.put(BUCKET, key(`s${i}`), bytesSource(slice(i)), {});
      await store.objects.put(BUCKET, key('other'), bytesSource(lines(9000)), {});
      await keeper.coding?.run();
      assert.equal(keeper.storeStats().dictionaries.objects, 1);
      await work(scene);
    },
    handClock(),
    coder,
  );
}

function examine({ root, keeper }: KeeperScene, decoder = coder): Promise<DoctorReport> {
  return examineStore(root, keeper.index, undefined, decoder);
}

describe('the doctor', () => {
  it('names the objects whose dictionary is damaged', () =>
    withSlices(async (scene) => {
      const [dictionary] = [...scene.keeper.index.dictionaries()];
      assert(dictionary !== undefined);
      const { volume, offset, headLength } = dictionary.location;
      const fd = openSync(volumePath(scene.root, volume), 'r+');
      writeSync(fd, Buffer.from('damage'), 0, 6, offset + headLength + 10);
      closeSync(fd);
      const { damaged, volumeFaults } = await examine(scene);
      const names = damaged.map((object) => object.key).sort();
      assert.deepEqual(names, ['s0', 's1', 's2', 's3', 's4', 's5']);
      assert(volumeFaults.some((fault) => fault.includes('has lost the dictionary')));
      await refused(scene.store.objects.get(BUCKET, key('s0'), {}), 'DataLoss');
    }));

  it('says when the index does not know a dictionary, and a rebuild finds it', () =>
    withSlices(async (scene) => {
      const { keeper, root } = scene;
      const [dictionary] = [...keeper.index.dictionaries()];
      assert(dictionary !== undefined);
      keeper.index.transaction(() => keeper.index.removeDictionary(dictionary.location.volume, dictionary.id));
      const { indexFaults } = await examine(scene);
      assert(indexFaults[0]?.includes('dictionaries of volume'), indexFaults.join());
      const copy = snapshot(root);
      dropIndex(copy.path);
      await rebuildIndex(copy.path, silentLog);
      const again = await openScene(copy.path, handClock(), coder);
      await nothingIsWrong(copy.path, again.keeper);
      sameBytes(await bytesOf(await again.store.objects.get(BUCKET, key('s3'), {})), slice(3));
      await again.close();
      copy.remove();
    }));

  it('says when the accounts are not what the entries add up to', () =>
    withSlices(async (scene) => {
      const { index } = scene.keeper;
      const accounts = index.accounts();
      accounts?.add(2, 0, 1, 0);
      if (accounts !== undefined) index.transaction(() => index.setAccounts(accounts));
      const { indexFaults } = await examine(scene);
      assert.match(indexFaults.join(), /^account 2 says .*, and the entries add up to /);
    }));

  it('names what cannot be decoded, where it is asked to decode', () =>
    withSlices(async (scene) => {
      const failing = codingWith(coder, () => {});
      failing.decode = async (items) => items.map(() => new GatewayError('DataLoss', 'no frame'));
      assert.deepEqual((await examineStore(scene.root, scene.keeper.index)).damaged, []);
      const { damaged, volumeFaults } = await examine(scene, failing);
      assert.equal(damaged.length, 7);
      assert(volumeFaults.some((fault) => fault.includes('cannot be decoded') && fault.includes('no frame')));
    }));
});

describe('an index of a release without accounts', () => {
  it('gets them when it is opened', () =>
    withSlices(async (scene) => {
      const before = scene.keeper.index.accounts()?.encode();
      const copy = snapshot(scene.root);
      const env = open({ path: indexFolder(copy.path), noSubdir: false, maxDbs: 16 });
      await env.openDB({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' }).remove(Buffer.from('accounts'));
      await env.close();
      const again = await openScene(copy.path, handClock(), coder);
      assert.deepEqual(again.keeper.index.accounts()?.encode(), before);
      await again.close();
      copy.remove();
    }));
});
