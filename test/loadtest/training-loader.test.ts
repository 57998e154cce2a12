import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { runEpoch } from '../../loadtest/training/epoch.ts';
import { Prefetch } from '../../loadtest/training/prefetch.ts';
import { utilizationOf } from '../../loadtest/training/utilization.ts';

/** Readers whose batches become ready when the test says so; `clock.ms` is the time. */
function manualReaders(count: number) {
  const clock = { ms: 0 };
  const begun: number[] = [];
  const open = new Map<number, () => void>();
  const read = (step: number): Promise<void> =>
    new Promise((resolve) => {
      begun.push(step);
      open.set(step, resolve);
    });
  const end = async (step: number): Promise<void> => {
    const resolve = open.get(step);
    assert(resolve !== undefined, `step ${step} is not being read`);
    open.delete(step);
    resolve();
    await turn();
  };
  return { clock, begun, open, end, readers: Array.from({ length: count }, () => read), nowMs: () => clock.ms };
}

const ENDLESS = Number.POSITIVE_INFINITY;

test('batches come in the order of their steps, with the time at which each became ready', async () => {
  const { readers, nowMs, clock, end } = manualReaders(2);
  const loader = new Prefetch({ readers, depth: 2, stepsMax: ENDLESS, nowMs });
  clock.ms = 10;
  await end(1);
  const first = loader.take();
  clock.ms = 20;
  await end(0);
  assert.equal(await first, 20);
  assert.equal(await loader.take(), 10);
});

test('what is read, being read and ready is never more than the depth, for any course of reading and taking', async () => {
  const courses = fc.array(fc.boolean(), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 6 }),
      courses,
      async (count, depth, course) => {
        const { readers, nowMs, begun, open, end } = manualReaders(count);
        const loader = new Prefetch({ readers, depth, stepsMax: ENDLESS, nowMs });
        let taken = 0;
        for (const isRead of course) {
          await turn();
          const ready = begun.length - open.size - taken;
          if (isRead && open.size > 0) await end(Math.min(...open.keys()));
          else if (!isRead && ready > 0) {
            await loader.take();
            taken += 1;
          }
          assert(begun.length - taken <= depth);
          assert(open.size <= count);
        }
        await turn();
        assert.equal(
          open.size,
          Math.min(count, depth - (begun.length - open.size - taken)),
          'readers idle without need',
        );
      },
    ),
    { numRuns: 50 },
  );
});

test('the loader reads to the last step and not beyond, and stops when what is under way has ended', async () => {
  const { readers, nowMs, begun, end } = manualReaders(2);
  const loader = new Prefetch({ readers, depth: 8, stepsMax: 3, nowMs });
  await end(0);
  await end(1);
  assert.deepEqual(begun, [0, 1, 2]);
  let isStopped = false;
  const stopped = loader.stop().then(() => {
    isStopped = true;
  });
  await turn();
  assert.equal(isStopped, false);
  await end(2);
  await stopped;
  assert.deepEqual(begun, [0, 1, 2]);
  assert.equal(loader.batchMs.length, 3);
});

/** Loaders that have batches at the times of the list, and timers that fire `late` after they are due. */
function scripted(ranks: readonly (readonly number[])[], late: number) {
  const clock = { ms: 0 };
  return {
    loaders: ranks.map((times) => {
      const left = [...times];
      return {
        take: async (): Promise<number> => {
          const readyMs = left.shift() as number;
          clock.ms = Math.max(clock.ms, readyMs);
          return readyMs;
        },
      };
    }),
    until: async (ms: number): Promise<void> => {
      clock.ms = Math.max(clock.ms, ms + late);
    },
    nowMs: () => clock.ms,
  };
}

const BOUNDS = { computeMs: 50, ms: 0, msMax: 1e9, signal: new AbortController().signal };

test('a step begins when its batch is ready and all ranks are done, and late timers cost the target nothing', async () => {
  for (const late of [0, 7]) {
    const ranks = [
      [10, 20, 200],
      [30, 40, 50],
    ];
    const { block } = await runEpoch({ ...BOUNDS, ...scripted(ranks, late), stepsMax: 3, stepsMin: 3 });
    assert.deepEqual(block.firstStepEndMs, [60, 80]);
    assert.deepEqual(block.releasedMs, [80, 130, 250]);
    assert.equal(utilizationOf(block), (100 / 190 + 100 / 170) / 2);
  }
});

test('how late steps are noticed is told', async () => {
  const { lateMs } = await runEpoch({ ...BOUNDS, ...scripted([[0, 0, 0]], 7), stepsMax: 3, stepsMin: 3 });
  assert.deepEqual(lateMs, [7, 7, 7]);
});

test('an epoch ends with its time, but not before its least steps, and in any case at its limit', async () => {
  const steps = async (bounds: { ms: number; msMax: number; stepsMin: number; stepsMax: number }): Promise<number> => {
    const loaders = scripted([new Array<number>(50).fill(0)], 0);
    return (await runEpoch({ ...BOUNDS, ...loaders, ...bounds })).block.releasedMs.length;
  };
  assert.equal(await steps({ ms: 480, msMax: 5000, stepsMin: 2, stepsMax: 50 }), 10);
  assert.equal(await steps({ ms: 480, msMax: 5000, stepsMin: 20, stepsMax: 50 }), 20);
  assert.equal(await steps({ ms: 480, msMax: 700, stepsMin: 20, stepsMax: 50 }), 14);
  assert.equal(await steps({ ms: 480, msMax: 5000, stepsMin: 2, stepsMax: 4 }), 4);
});
