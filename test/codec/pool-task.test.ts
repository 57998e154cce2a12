/** How work is cut into tasks, and packed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import {
  Call,
  cutLength,
  type Job,
  packTask,
  SharedDictionaries,
  toEncode,
  toExamine,
} from '../../src/codec/pool-task.ts';

function job(originalBytes: number, kind: 'examine' | 'encode' = 'encode'): Job {
  const bytes = Buffer.alloc(0);
  const work = kind === 'examine' ? toExamine(bytes) : toEncode({ bytes, options: { profile: 'default' } });
  return { work: { ...work, originalBytes }, call: new Call(1), index: 0 };
}

const jobs = (count: number, bytes: number): Job[] => Array.from({ length: count }, () => job(bytes));

describe('a task', () => {
  test('has at most sixteen items, or their bytes', () => {
    assert.equal(cutLength(jobs(40, 100), 1), 16);
    assert.equal(cutLength(jobs(16, 500_000), 1), 2);
    assert.equal(cutLength(jobs(3, LIMITS.extentBytes), 1), 1);
  });

  test('leaves large work to idle threads, and small work together', () => {
    assert.equal(cutLength(jobs(16, 25_000), 2), 8);
    assert.equal(cutLength(jobs(2, 200_000), 2), 1);
    assert.equal(cutLength(jobs(16, 1000), 2), 16);
    assert.equal(cutLength(jobs(16, 25_000), 4), 6); // 4 would be 100,000 bytes
  });

  test('is of one kind', () => {
    assert.equal(cutLength([job(1), job(1), job(1, 'examine'), job(1)], 1), 2);
  });

  test('always takes something, and never more than its bounds', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 2 * LIMITS.codecTaskBytesMax }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 8 }), (bytes, idle) => {
        const count = cutLength(
          bytes.map((size) => job(size)),
          idle,
        );
        const taken = bytes.slice(0, count).reduce((sum, size) => sum + size, 0);
        assert.ok(count >= 1 && count <= Math.min(bytes.length, LIMITS.codecTaskItemsMax));
        assert.ok(count === 1 || taken <= LIMITS.codecTaskBytesMax);
      }),
    );
  });

  test('holds the inputs in one buffer that is no larger, and each dictionary once', () => {
    const one = { id: 1, bytes: Buffer.from('one') };
    const two = { id: 1, bytes: Buffer.from('two') };
    const inputs = ['abc', '', 'defg', 'h'];
    const given = [one, undefined, two, one];
    const shared = new SharedDictionaries();
    const packed = inputs.map((text, index): Job => {
      const options = { profile: 'default', dictionary: given[index] } as const;
      return { work: toEncode({ bytes: Buffer.from(text), options }), call: new Call(1), index: 0 };
    });
    const task = packTask(packed, 0, shared);
    assert.equal(Buffer.from(task.bytes).toString(), 'abcdefgh');
    assert.deepEqual(
      task.orders.map((each) => [each.start, each.end, each.kind === 'encode' ? each.dictionary : -1]),
      [
        [0, 3, 0],
        [3, 3, undefined],
        [3, 7, 1],
        [7, 8, 0],
      ],
    );
    assert.deepEqual(
      task.dictionaries.map(({ bytes }) => Buffer.from(bytes).toString()),
      ['one', 'two'],
    );
    assert.equal(shared.share(one), task.dictionaries[0]);
  });
});
