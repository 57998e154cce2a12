/** Clocks that go backwards, stand still or differ: the last acknowledged write is the one that is read, also after a rebuild. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import { indexKey } from '../../src/format/index-key.ts';
import { HEAD_OUTCOME, type IndexCommitter } from '../../src/store/committer.ts';
import type { LocalStore } from '../../src/store/local-store.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { bytesOf, bytesSource, key, noise, sameBytes } from '../contract/scene.ts';
import { Dice } from './history.ts';
import { dumpIndex, sameIndex } from './index-dump.ts';
import { type HandClock, handClock, newBucket, openScene, snapshot, withScene } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const HOUR = 3_600_000;
const BUCKET = 'bucket' as BucketName;

async function read(store: LocalStore, name: string): Promise<Buffer | undefined> {
  const found = await store.objects.get(BUCKET, key(name), {});
  return found === undefined ? undefined : bytesOf(found);
}

/** What the store in that folder answers for each name after a rebuild, which must not change the index. */
async function rebuiltReads(root: string, expected: ReadonlyMap<string, Buffer | undefined>): Promise<void> {
  const old = await dumpIndex(root);
  await rebuildIndex(root, silentLog);
  sameIndex(await dumpIndex(root), old);
  const scene = await openScene(root);
  for (const [name, bytes] of expected) {
    const found = await read(scene.store, name);
    if (bytes === undefined) assert.equal(found, undefined, `${name} came back`);
    else sameBytes(found ?? Buffer.alloc(0), bytes);
  }
  await scene.close();
}

describe('a clock that went back between two starts', () => {
  it('does not let old writes, deletes or conditions win', async () => {
    const folder = temporaryFolder();
    const expected = new Map<string, Buffer | undefined>();
    const clock = handClock();
    for (const jump of [0, -HOUR, -24 * HOUR, 5 * HOUR, -100 * HOUR]) {
      clock.ms += jump;
      const scene = await openScene(folder.path, clock);
      const { store } = scene;
      if (jump === 0) await newBucket(store, BUCKET);
      const round = expected.size + 1;
      // First what the keeper decides: its own clock must go on from where it was.
      await store.objects.put(
        BUCKET,
        key('if'),
        bytesSource(noise(11, round)),
        jump === 0 ? { ifNoneMatch: '*' } : { ifMatch: '*' },
      );
      await store.objects.put(BUCKET, key('plain'), bytesSource(noise(10, round)), {});
      await store.objects.put(BUCKET, key('gone'), bytesSource(noise(10, round)), {});
      await store.objects.remove(BUCKET, key('gone'));
      await store.objects.put(BUCKET, key(`new${round}`), bytesSource(noise(12, round)), {});
      expected.set('plain', noise(10, round)).set('gone', undefined).set('if', noise(11, round));
      expected.set(`new${round}`, noise(12, round));
      for (const [name, bytes] of expected) assert.deepEqual(await read(store, name), bytes);
      await scene.close();
      await rebuiltReads(folder.path, expected);
    }
    folder.remove();
  });
});

describe('sessions whose clocks differ', () => {
  for (const [what, skew] of [
    ['by a millisecond', 1],
    ['by a minute', 60_000],
    ['by a day', 24 * HOUR],
    ['not at all', 0],
  ] as const) {
    it(`read and rebuild the last acknowledged write: ${what}`, async () => {
      const folder = temporaryFolder();
      const [early, late] = [handClock(), handClock()];
      late.ms += skew;
      const scene = await openScene(folder.path, early);
      const stores = [scene.session('early', early), scene.session('late', late), scene.session('third', early)];
      await newBucket(scene.store, BUCKET);
      const dice = new Dice(skew + 1);
      const expected = new Map<string, Buffer | undefined>();
      for (let i = 0; i < 150; i++) {
        const store = dice.pick(stores);
        const name = dice.pick(['a', 'b', 'c']);
        const bytes = dice.roll(3) === 0 ? undefined : noise(20, i);
        if (bytes === undefined) await store.objects.remove(BUCKET, key(name));
        else
          await store.objects.put(
            BUCKET,
            key(name),
            bytesSource(bytes),
            dice.roll(4) > 0 ? {} : conditionFor(expected.get(name)),
          );
        expected.set(name, bytes);
        assert.deepEqual(await read(dice.pick(stores), name), bytes);
        if (dice.roll(3) === 0) (dice.pick([early, late]) as HandClock).ms += dice.roll(3) - 1;
      }
      await scene.close();
      await rebuiltReads(folder.path, expected);
      folder.remove();
    });
  }

  it('leave the acknowledged one of two writes of the same timestamp, whichever volume is read first', async () => {
    const folder = temporaryFolder();
    const clock = handClock();
    const scene = await openScene(folder.path, clock);
    await newBucket(scene.store, BUCKET);
    let stale = 0;
    for (let round = 0; round < 12; round++) {
      const name = `k${round}`;
      clock.ms += 1000;
      // The second writer is stopped between the refusal of its record and the rewrite; that is where the crash comes.
      let copy: ReturnType<typeof snapshot> | undefined;
      const watching = (committer: IndexCommitter): IndexCommitter => ({
        openVolume: () => committer.openVolume(),
        sealVolume: (...volume) => committer.sealVolume(...volume),
        subscribe: (events) => committer.subscribe(events),
        submit: async (submission) => {
          const reply = await committer.submit(submission);
          if (reply.heads.includes(HEAD_OUTCOME.stale)) copy = snapshot(folder.path);
          return reply;
        },
      });
      const second = scene.session(`second-${round}`, clock, watching);
      const other = scene.session(`other-${round}`, clock);
      // Open volumes, so that both stamps come from the clock alone.
      await second.objects.put(BUCKET, key(`warm-${round}`), bytesSource(noise(1)), {});
      await other.objects.put(BUCKET, key(`warm2-${round}`), bytesSource(noise(1)), {});
      clock.ms += 1000;
      await other.objects.put(BUCKET, key(name), bytesSource(noise(30, 1)), {});
      await second.objects.put(BUCKET, key(name), bytesSource(noise(30, 2)), {});
      sameBytes((await read(other, name)) as Buffer, noise(30, 2));
      if (copy === undefined) continue;
      stale++;
      await rebuildIndex(copy.path, silentLog);
      const crashed = await openScene(copy.path, clock);
      sameBytes((await read(crashed.store, name)) as Buffer, noise(30, 1));
      await crashed.close();
      copy.remove();
    }
    assert(stale > 0, 'no two timestamps were equal');
    await scene.close();
    folder.remove();
  });
});

describe('a delete that was forgotten', () => {
  it('still ends a write that is older than it', async () => {
    const clock = handClock();
    await withScene(async (scene) => {
      const { keeper } = scene;
      await newBucket(scene.store, BUCKET);
      await scene.store.objects.put(BUCKET, key('a'), bytesSource(noise(10, 1)), {});
      // A write that hangs between its disk and the keeper for longer than deletes are remembered.
      let release = (): void => {};
      let heads: readonly number[] = [];
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const slow = scene.session('slow', clock, (committer) => ({
        openVolume: () => committer.openVolume(),
        sealVolume: (...volume) => committer.sealVolume(...volume),
        subscribe: (events) => committer.subscribe(events),
        submit: async (submission) => {
          if (submission.sequence === 1) await held;
          const reply = await committer.submit(submission);
          heads = [...heads, ...reply.heads];
          return reply;
        },
      }));
      const late = slow.objects.put(BUCKET, key('a'), bytesSource(noise(10, 2)), {});
      while (slow.stats().groups.groups === 0) await new Promise(setImmediate);
      clock.ms += 1;
      await scene.store.objects.remove(BUCKET, key('a'));
      const grave = indexKey(1, Buffer.from('a'));
      assert(keeper.index.grave(grave) > 0);
      clock.ms += 11 * 60_000;
      await scene.store.objects.put(BUCKET, key('b'), bytesSource(noise(1)), {});
      assert.equal(keeper.index.grave(grave), 0, 'the grave was not swept');
      // Neither a clock that goes back nor one that stands still lets the old timestamp pass.
      clock.ms -= 60 * 60_000;
      release();
      await late;
      assert.deepEqual(heads, [HEAD_OUTCOME.stale, HEAD_OUTCOME.applied]);
      sameBytes((await read(scene.store, 'a')) as Buffer, noise(10, 2));
    }, clock);
  });

  it('is swept after ten minutes, and not before', async () => {
    const clock = handClock();
    await withScene(async ({ store, keeper }) => {
      await newBucket(store, BUCKET);
      const graves = (): number => [...keeper.index.range('graves', Buffer.from([0]), undefined)].length;
      for (let i = 0; i < 20; i++) {
        await store.objects.put(BUCKET, key(`k${i}`), bytesSource(noise(1)), {});
        await store.objects.remove(BUCKET, key(`k${i}`));
      }
      clock.ms += 9 * 60_000;
      await store.objects.put(BUCKET, key('x'), bytesSource(noise(1)), {});
      assert.equal(graves(), 20);
      clock.ms += 2 * 60_000;
      await store.objects.put(BUCKET, key('x'), bytesSource(noise(1)), {});
      assert.equal(graves(), 0);
      await store.objects.put(BUCKET, key('k1'), bytesSource(noise(7)), {});
      sameBytes((await read(store, 'k1')) as Buffer, noise(7));
    }, clock);
  });
});

function conditionFor(current: Buffer | undefined): { ifNoneMatch: '*' } | { ifMatch: string } {
  return current === undefined ? { ifNoneMatch: '*' } : { ifMatch: '*' };
}
