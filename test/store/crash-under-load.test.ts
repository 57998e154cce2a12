/** Crashes while several sessions write, delete and copy, and compaction runs. PENSTOCK_LONG=1 crashes many more times. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectRead, Storage } from '../../src/base/object-store.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { bytesOf, bytesSource, key, noise } from '../contract/scene.ts';
import { Dice } from './history.ts';
import { dumpIndex, sameIndex, withoutPlaces } from './index-dump.ts';
import { dropIndex, newBucket, openScene, snapshot, withTags } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const CRASHES = process.env.PENSTOCK_LONG === '1' ? 60 : 5;
const BUCKET = 'bucket' as BucketName;

/** One key and its only writer: what it last had answered, and what it has asked for since. */
interface Line {
  readonly name: string;
  acknowledged: string;
  asked: string;
}

/** What is stored under a name, in a word: absent, or the seed and tags of its bytes. */
async function stateOf(storage: Storage, name: string): Promise<string> {
  const read = await storage.objects.get(BUCKET, key(name), {});
  if (read === undefined) return 'absent';
  const bytes = await bytesOf(read);
  const seed = bytes.readUInt32LE(0);
  assert(bytes.subarray(4).equals(noise(bytes.length - 4, seed)), `${name} has wrong bytes`);
  return `${seed} ${bytes.length} ${(read as ObjectRead).info.attributes.tags?.t ?? ''}`;
}

function body(seed: number, size: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(seed, 0);
  return Buffer.concat([head, noise(size, seed)]);
}

async function write(storage: Storage, line: Line, dice: Dice, seed: number): Promise<void> {
  const roll = dice.roll(10);
  const size = dice.roll(40) === 0 ? 4 * 1024 * 1024 + 50 : dice.roll(20_000);
  if (roll < 2) {
    line.asked = 'absent';
    await storage.objects.remove(BUCKET, key(line.name));
  } else if (roll < 4 && line.acknowledged !== 'absent') {
    line.asked = line.acknowledged.replace(/[^ ]*$/, String(seed));
    await storage.objects.put(BUCKET, key(line.name), withTags(BUCKET, line.name, { t: String(seed) }), {});
  } else {
    const conditions =
      roll < 7 ? {} : line.acknowledged === 'absent' ? { ifNoneMatch: '*' as const } : { ifMatch: '*' };
    line.asked = `${seed} ${size + 4} `;
    await storage.objects.put(BUCKET, key(line.name), bytesSource(body(seed, size)), conditions);
  }
  line.acknowledged = line.asked;
}

describe('a crash under load', () => {
  it('loses no acknowledged write and shows no half one, with and without the index', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    await newBucket(scene.store, BUCKET);
    const lines: Line[] = [];
    let ended = false;
    let writes = 0;
    const writers = [1, 2, 3].map(async (n) => {
      const store = scene.session(`writer-${n}`);
      const dice = new Dice(n);
      const own = Array.from(
        { length: 8 },
        (_, i): Line => ({ name: `${n}-${i}`, acknowledged: 'absent', asked: 'absent' }),
      );
      lines.push(...own);
      // Eight keys at once, each in its own order.
      await Promise.all(
        own.map(async (line) => {
          while (!ended) await write(store, line, dice, ++writes);
        }),
      );
    });
    const compaction = (async () => {
      while (!ended) {
        for (const volume of scene.keeper.index.volumes()) if (!volume.sealed) scene.keeper.wantSealed(volume);
        await scene.keeper.compactor.run();
        await new Promise(setImmediate);
      }
    })();
    try {
      for (let crash = 0; crash < CRASHES; crash++) {
        const until = writes + 100;
        while (writes < until) await new Promise(setImmediate);
        const then = lines.map((line) => ({ ...line }));
        const copy = snapshot(folder.path);
        if (crash % 2 === 1) dropIndex(copy.path);
        const again = await openScene(copy.path);
        for (const { name, acknowledged, asked } of then) {
          const state = await stateOf(again.store, name);
          assert(state === acknowledged || state === asked, `${name} is ${state}, and not ${acknowledged} or ${asked}`);
        }
        await again.close();
        const old = await dumpIndex(copy.path);
        await rebuildIndex(copy.path, silentLog);
        sameIndex(withoutPlaces(await dumpIndex(copy.path)), withoutPlaces(old));
        copy.remove();
      }
      assert(scene.keeper.compactor.stats.volumes > 0, 'nothing was compacted');
    } finally {
      ended = true;
      await Promise.all([...writers, compaction]);
      await scene.close();
      folder.remove();
    }
  });
});
