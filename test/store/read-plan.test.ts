/** The read plan: everything wanted is read once, in runs that keep the limits, and neighbours share a read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Location } from '../../src/format/manifest.ts';
import {
  type PlanLimits,
  payloadStart,
  planInOrder,
  planSorted,
  type Run,
  type Wanted,
} from '../../src/store/read-plan.ts';

const LIMITS: PlanLimits = { gapBytesMax: 100, runBytesMax: 1000, runItemsMax: 4 };

function at(volume: number, offset: number, length: number): Location {
  return { volume, offset, headLength: 10, length, crc: 0, codec: 0, size: length };
}

function wanted(...locations: Location[]): Wanted<number>[] {
  return locations.map((location, who) => ({ location, who }));
}

function whos(runs: readonly Run<number>[]): number[][] {
  return runs.map(({ items }) => items.map(({ who }) => who));
}

test('neighbours share a read, whatever order they were asked for in', () => {
  const plan = planSorted(wanted(at(1, 300, 90), at(1, 100, 90), at(1, 200, 90)), LIMITS);
  assert.deepEqual(whos(plan), [[1, 2, 0]]);
});

test('payloads of other volumes, and those too far away, are read apart', () => {
  const plan = planSorted(wanted(at(2, 100, 50), at(1, 100, 50), at(1, 250, 50), at(1, 421, 50)), LIMITS);
  assert.deepEqual(whos(plan), [[1, 2], [3], [0]]);
});

test('a run keeps its length and its count', () => {
  assert.deepEqual(whos(planSorted(wanted(at(1, 0, 500), at(1, 510, 480), at(1, 1000, 5)), LIMITS)), [[0, 1], [2]]);
  const small = Array.from({ length: 6 }, (_, i) => at(1, i * 20, 10));
  assert.deepEqual(whos(planSorted(wanted(...small), LIMITS)), [
    [0, 1, 2, 3],
    [4, 5],
  ]);
});

test('a payload larger than a run is a run', () => {
  assert.deepEqual(whos(planSorted(wanted(at(1, 0, 5000), at(1, 5020, 5)), LIMITS)), [[0], [1]]);
});

test('the same payload twice is read twice', () => {
  assert.deepEqual(whos(planSorted(wanted(at(1, 0, 50), at(1, 0, 50)), LIMITS)), [[0], [1]]);
});

test('in order, only those that follow each other on the disk share a read', () => {
  assert.deepEqual(whos(planInOrder(wanted(at(1, 0, 50), at(1, 60, 50), at(1, 20, 5), at(1, 200, 5)), LIMITS)), [
    [0, 1],
    [2],
    [3],
  ]);
});

test('any plan has everything once, in runs within the limits', () => {
  const location = fc.record({
    volume: fc.integer({ min: 1, max: 3 }),
    offset: fc.nat(5000),
    length: fc.integer({ min: 1, max: 1500 }),
  });
  const property = fc.property(fc.array(location, { maxLength: 60 }), fc.boolean(), (places, isSorted) => {
    const all = wanted(...places.map(({ volume, offset, length }) => at(volume, offset, length)));
    const runs = isSorted ? planSorted([...all], LIMITS) : planInOrder(all, LIMITS);
    const planned = whos(runs).flat();
    const everybody = all.map(({ who }) => who);
    if (isSorted)
      assert.deepEqual(
        [...planned].sort((a, b) => a - b),
        everybody,
      );
    else assert.deepEqual(planned, everybody);
    for (const run of runs) isWithinLimits(run);
  });
  fc.assert(property);
});

function isWithinLimits({ volume, items }: Run<number>): void {
  assert.ok(items.length >= 1 && items.length <= LIMITS.runItemsMax);
  const start = payloadStart((items[0] as Wanted<number>).location);
  let end = start;
  for (const { location } of items) {
    assert.equal(location.volume, volume);
    const from = payloadStart(location);
    assert.ok(from >= end && from - end <= LIMITS.gapBytesMax, 'ascending, without overlap, close');
    end = from + location.length;
  }
  assert.ok(items.length === 1 || end - start <= LIMITS.runBytesMax);
}
