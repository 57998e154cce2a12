import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TurnShare } from '../../src/fronts/grpc/turn-share.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work that takes `ms` of a clock which nothing else moves. */
function workshop() {
  const clock = { ms: 0 };
  const share = new TurnShare(() => clock.ms);
  const done: string[] = [];
  const work = async (name: string, times: number, ms: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const entering = share.enter();
      if (entering !== undefined) await entering;
      done.push(name);
      clock.ms += ms;
      await Promise.resolve(); // as a frame is written
    }
  };
  return { work, done, clock, share };
}

describe('the share of batches in a turn of the event loop', () => {
  it('lets short work through at once, and again in every turn', async () => {
    const { share } = workshop();
    assert.equal(share.enter(), undefined);
    assert.equal(share.enter(), undefined);
    await turn();
    assert.equal(share.enter(), undefined);
  });

  it('makes everything wait once it is used up, and goes round', async () => {
    const { work, done } = workshop();
    const all = Promise.all(['a', 'b', 'c', 'd'].map((name) => work(name, 3, 0.9)));
    for (let i = 0; i < 9; i++) await Promise.resolve();
    assert.deepEqual(done, ['a', 'b', 'c']);
    let turns = 0;
    for (let before = -1; done.length < 12; turns++) {
      assert.notEqual(done.length, before, 'a turn without work');
      before = done.length;
      await turn();
      assert.ok(done.length - before <= 3, `${done.length - before} in a turn`);
    }
    await all;
    assert.ok(turns >= 3);
    for (const name of ['a', 'b', 'c', 'd']) assert.equal(done.filter((each) => each === name).length, 3);
    assert.deepEqual(
      [...new Set(done.slice(0, 4))].sort(),
      ['a', 'b', 'c', 'd'],
      'who waits comes before who was served',
    );
  });

  it('begins anew after a pause', async () => {
    const { share, clock } = workshop();
    void share.enter();
    clock.ms += 100;
    const waits = share.enter();
    assert.ok(waits instanceof Promise);
    await waits;
    await turn();
    await turn();
    assert.equal(share.enter(), undefined);
  });
});
