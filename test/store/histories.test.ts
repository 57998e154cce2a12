/** Random histories with compaction, restarts and crashes in between; PENSTOCK_LONG=1 runs many more. */
import { describe, it } from 'node:test';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { Dice, History } from './history.ts';
import { dumpIndex, sameIndex } from './index-dump.ts';
import { dropIndex, type KeeperScene, openScene, sealAll, snapshot } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const LONG = process.env.PENSTOCK_LONG === '1';
const HISTORIES = LONG ? 200 : 6;
const STEPS = LONG ? 400 : 120;

/** The index made anew of a copy of the volumes, and the old one beside it, and the store on top of the new one. */
async function rebuiltEquals(root: string, history: History): Promise<void> {
  const copy = snapshot(root);
  try {
    const old = await dumpIndex(copy.path);
    await rebuildIndex(copy.path, silentLog);
    sameIndex(await dumpIndex(copy.path), old);
    const scene = await openScene(copy.path);
    await history.check(scene.store);
    await scene.close();
  } finally {
    copy.remove();
  }
}

describe('a random history', () => {
  for (let seed = 1; seed <= HISTORIES; seed++) {
    it(`of seed ${seed} reads right, and from a rebuilt index too`, async () => {
      const folder = temporaryFolder();
      const dice = new Dice(seed);
      const history = new History(dice);
      let scene: KeeperScene | undefined;
      let step = 0;
      try {
        scene = await openScene(folder.path);
        let stores = [scene.store, scene.session('second')];
        for (; step < STEPS; step++) {
          await history.step(dice.pick(stores));
          const roll = dice.roll(60);
          if (roll === 0) {
            await sealAll(scene.keeper);
            await scene.keeper.compactor.run();
          } else if (roll === 1) {
            await scene.close();
            scene = await openScene(folder.path);
            stores = [scene.store, scene.session('second')];
          }
        }
        await history.check(scene.store);
        await scene.close();
        await rebuiltEquals(folder.path, history);
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}`, { cause: error });
      } finally {
        folder.remove();
      }
    });
  }

  it('survives a crash after any of its steps, with and without the index', async () => {
    const folder = temporaryFolder();
    const dice = new Dice(99);
    const history = new History(dice, 1000);
    const scene = await openScene(folder.path);
    const second = scene.session('second');
    for (let step = 0; step < (LONG ? 300 : 24); step++) {
      await history.step(dice.pick([scene.store, second]));
      const copy = snapshot(folder.path);
      if (step % 2 === 1) dropIndex(copy.path);
      const again = await openScene(copy.path);
      await history.check(again.store);
      await again.close();
      await rebuiltEquals(copy.path, history);
      copy.remove();
    }
    await scene.close();
    folder.remove();
  });
});
