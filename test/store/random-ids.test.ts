/** Ids come out of a reserve: no two alike, and as long as they were asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../../src/base/clock.ts';

test('random bytes are used once, over many refills and whatever their length', () => {
  const seen = new Set<string>();
  const lengths = [8, 16, 8, 255, 256, 257, 5000, 8];
  const count = 4000;
  for (let i = 0; i < count; i++) {
    const buffer = Buffer.alloc(lengths[i % lengths.length] as number);
    assert.equal(systemRandom.fill(buffer), buffer);
    seen.add(buffer.toString('latin1'));
    if (buffer.length > 8) assert(buffer.subarray(-8).some((byte) => byte !== 0));
  }
  assert.equal(seen.size, count);
});
