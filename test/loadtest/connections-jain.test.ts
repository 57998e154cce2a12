/** Jain's index, by its properties. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { jainIndex, leastOfMean } from '../../loadtest/connections/jain-index.ts';

/** Nothing, or what a fourth of it is no smaller than numbers can be. */
const SHARE = fc.oneof(fc.constant(0), fc.double({ min: 1e-300, max: 1e300, noNaN: true }));
const SHARES = fc.array(SHARE, { minLength: 1, maxLength: 100 });

describe("Jain's index", () => {
  test('is 1 for equal shares of any size', () => {
    const equal = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0, max: 1e300, noNaN: true }));
    fc.assert(
      fc.property(equal, ([count, share]) => {
        assert.ok(Math.abs(jainIndex(Array(count).fill(share)) - 1) < 1e-12);
      }),
    );
  });

  test('is k of n where k have the same and the others nothing', () => {
    const counts = fc.tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 100 }));
    fc.assert(
      fc.property(counts, ([some, none]) => {
        const index = jainIndex([...Array(some).fill(17), ...Array(none).fill(0)]);
        assert.ok(Math.abs(index - some / (some + none)) < 1e-12);
      }),
    );
  });

  test('lies between 1/n and 1, and does not depend on unit or order', () => {
    fc.assert(
      fc.property(SHARES, (shares) => {
        const index = jainIndex(shares);
        assert.ok(index <= 1 + 1e-12 && index >= 1 / shares.length - 1e-12);
        assert.ok(Math.abs(jainIndex(shares.toReversed()) - index) < 1e-9);
        assert.ok(Math.abs(jainIndex(shares.map((share) => share / 4)) - index) < 1e-9);
      }),
    );
  });

  test('of 1, 2 and 3 is 36/42', () => {
    assert.ok(Math.abs(jainIndex([1, 2, 3]) - 36 / 42) < 1e-15);
  });

  test('is of nobody an error', () => {
    assert.throws(() => jainIndex([]), RangeError);
    assert.throws(() => leastOfMean([]), RangeError);
  });
});

test('who has least is measured by the mean', () => {
  assert.equal(leastOfMean([4, 4, 4]), 1);
  assert.equal(leastOfMean([0, 4, 8]), 0);
  assert.equal(leastOfMean([2, 4, 6]), 0.5);
  assert.equal(leastOfMean([0, 0]), 1);
});
