/** Bounded work: never more at once than allowed, nothing lost, the first error ends it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { pauseMs } from '../../src/cli/retry.ts';
import { ByteBudget, forEachConcurrent } from '../../src/cli/work-queue.ts';

async function* numbers(count: number, onTaken: (i: number) => void = () => {}): AsyncGenerator<number> {
  for (let i = 0; i < count; i += 1) {
    onTaken(i);
    yield i;
  }
}

test('every item is worked on once, never more than the width at a time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 8 }), async (count, width) => {
      const seen: number[] = [];
      let running = 0;
      await forEachConcurrent(numbers(count), width, async (i) => {
        running += 1;
        assert.ok(running <= width);
        await turn();
        if (i % 3 === 0) await turn();
        running -= 1;
        seen.push(i);
      });
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      );
    }),
    { numRuns: 30 },
  );
});

test('the first error stops the taking and is thrown when what runs has ended', async () => {
  let taken = 0;
  let ended = 0;
  const work = forEachConcurrent(
    numbers(100, () => taken++),
    4,
    async (i) => {
      await turn();
      if (i === 2) throw new Error('second');
      await turn();
      ended += 1;
    },
  );
  await assert.rejects(work, /second/);
  assert.ok(taken < 12, `${taken} items were taken`);
  assert.equal(ended, taken - 1);
});

test('an error of the items is thrown when what runs has ended', async () => {
  let ended = 0;
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    yield 2;
    throw new Error('the listing failed');
  }
  const work = forEachConcurrent(failing(), 4, async () => {
    await turn();
    ended += 1;
  });
  await assert.rejects(work, /the listing failed/);
  assert.equal(ended, 2);
});

test('a budget lends no more than it has, in the order of asking', async () => {
  const budget = new ByteBudget(100);
  const order: string[] = [];
  const a = await budget.take(60);
  const named = async (name: string, bytes: number): Promise<() => void> => {
    const back = await budget.take(bytes);
    order.push(name);
    return back;
  };
  const b = named('b', 50);
  const c = named('c', 10);
  await turn();
  assert.deepEqual(order, [], 'c does not overtake b, or b would wait for ever');
  a();
  (await b)();
  (await c)();
  assert.deepEqual(order, ['b', 'c']);
});

test('one that asks for more than the whole budget gets the whole', async () => {
  const budget = new ByteBudget(100);
  const back = await budget.take(1000);
  let got = false;
  const next = budget.take(1).then((give) => {
    got = true;
    give();
  });
  await turn();
  assert.equal(got, false);
  back();
  await next;
});

test('pauses grow, are spread, bounded, and never shorter than asked for', () => {
  assert.equal(pauseMs(1, 0, undefined), 100);
  assert.equal(pauseMs(1, 1, undefined), 200);
  assert.equal(pauseMs(3, 1, undefined), 800);
  assert.equal(pauseMs(30, 1, undefined), 10_000);
  assert.ok(pauseMs(1, 0, '2') >= 2000);
  assert.ok(pauseMs(1, 0, '9999') <= 20_000);
  assert.equal(pauseMs(1, 0, 'soon'), 100);
});
