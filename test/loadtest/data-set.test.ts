/** Objects that follow from a few words: the same everywhere, different from each other, of the sizes that were asked for. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import fc from 'fast-check';
import { type DataSetSpec, makeDataSet, type Sizes } from '../../loadtest/suite/data-set.ts';

const sizes: fc.Arbitrary<Sizes> = fc.oneof(
  fc.record({ kind: fc.constant('fixed' as const), bytes: fc.integer({ min: 16, max: 5000 }) }),
  fc.record({
    kind: fc.constant('list' as const),
    bytes: fc.array(fc.integer({ min: 16, max: 5000 }), { minLength: 1 }),
  }),
  fc.record({
    kind: fc.constant('normal' as const),
    mean: fc.integer({ min: 500, max: 5000 }),
    deviation: fc.integer({ min: 0, max: 2000 }),
  }),
);

const specs: fc.Arbitrary<DataSetSpec> = fc.record({
  count: fc.integer({ min: 1, max: 200 }),
  sizes,
  bytesFrom: fc.constantFrom('random' as const, 'samples' as const),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  prefix: fc.constant('a/b'),
});

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('the same words make the same objects, and every object has its own bytes and key', () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const [one, other] = [makeDataSet(spec), makeDataSet(spec)];
      const bodies = new Set<string>();
      const keys = new Set<string>();
      let total = 0;
      for (let i = 0; i < spec.count; i += 1) {
        const body = one.bodyOf(i);
        assert.equal(body.length, one.sizeOf(i));
        assert.ok(body.equals(other.bodyOf(i)));
        assert.equal(one.crcOf(i), crc32(body));
        assert.equal(one.crcOf(i), one.crcOf(i));
        assert.ok(one.keyOf(i).startsWith('a/b/'));
        bodies.add(digest(body));
        keys.add(one.keyOf(i));
        total += body.length;
        assert.ok(body.length <= one.sizeMax);
      }
      assert.equal(bodies.size, spec.count);
      assert.equal(keys.size, spec.count);
      assert.equal(one.totalBytes, total);
    }),
    { numRuns: 40 },
  );
});

test('another seed makes other bytes', () => {
  const spec = { count: 3, sizes: { kind: 'fixed', bytes: 1000 }, bytesFrom: 'random', prefix: 'p' } as const;
  const [one, other] = [makeDataSet({ ...spec, seed: 1 }), makeDataSet({ ...spec, seed: 2 })];
  assert.ok(!one.bodyOf(0).equals(other.bodyOf(0)));
});

test('normal sizes have the mean and deviation that were asked for, and stay within their bounds', () => {
  const sizesOf = { kind: 'normal', mean: 100_000, deviation: 20_000, min: 50_000, max: 140_000 } as const;
  const set = makeDataSet({ count: 20_000, sizes: sizesOf, bytesFrom: 'random', seed: 7, prefix: 'p' });
  const all = Array.from({ length: set.count }, (_, i) => set.sizeOf(i));
  const mean = all.reduce((sum, size) => sum + size, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, size) => sum + (size - mean) ** 2, 0) / all.length);
  assert.ok(Math.abs(mean - 100_000) < 1000, `mean ${mean}`);
  assert.ok(Math.abs(deviation - 20_000) < 1000, `deviation ${deviation}`);
  assert.ok(all.every((size) => size >= 50_000 && size <= 140_000));
  assert.ok(all.includes(140_000), 'nothing was clipped');
});

test('a body larger than the block of random bytes is whole, and differs from its neighbour', () => {
  const bytes = 64 * 2 ** 20 + 100;
  const set = makeDataSet({ count: 2, sizes: { kind: 'fixed', bytes }, bytesFrom: 'random', seed: 1, prefix: 'p' });
  assert.equal(set.bodyOf(0).length, bytes);
  assert.equal(set.bodyOf(1).length, bytes);
  assert.notEqual(set.crcOf(0), set.crcOf(1));
});

test('sample images keep their beginning, by which a store knows what they are', () => {
  const sizesOf = { kind: 'fixed', bytes: 8192 } as const;
  const set = makeDataSet({ count: 10, sizes: sizesOf, bytesFrom: 'samples', seed: 1, prefix: 'p' });
  const isJpeg = (body: Buffer): boolean => body.subarray(0, 3).toString('hex') === 'ffd8ff';
  assert.ok(Array.from({ length: 10 }, (_, i) => set.bodyOf(i)).some(isJpeg));
});

test('a set that is too large is refused', () => {
  const spec = { sizes: { kind: 'fixed', bytes: 1 }, bytesFrom: 'random', seed: 1, prefix: 'p' } as const;
  assert.throws(() => makeDataSet({ ...spec, count: 0 }), /a data set of 0 objects; expected 1 to/);
  assert.throws(() => makeDataSet({ ...spec, count: 1e9 }), /a data set of 1000000000 objects/);
});
