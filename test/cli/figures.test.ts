/** Numbers, times and names as people read them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatBytes, formatCount, formatDuration, plural, printable } from '../../src/cli/figures.ts';

test('sizes have three figures and never show 1024 of a unit', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [10 * 1024, '10.0 KiB'],
    [100 * 1024, '100 KiB'],
    [1023.9 * 1024, '1.00 MiB'],
    [5 * 1024 ** 4, '5.00 TiB'],
    [4096 * 1024 ** 5, '4096 PiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

test('every size below the largest unit has at most four digits', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      const digits = formatBytes(bytes).replace(/\D/g, '');
      assert.ok(digits.length <= 4, formatBytes(bytes));
    }),
  );
});

test('durations have two units and roll over', () => {
  const cases: [number, string][] = [
    [0, '0.0 s'],
    [449, '0.4 s'],
    [9949, '9.9 s'],
    [9950, '10 s'],
    [59_499, '59 s'],
    [59_500, '1 m 00 s'],
    [125_000, '2 m 05 s'],
    [3_599_999, '1 h 00 m'],
    [7_500_000, '2 h 05 m'],
    [86_400_000, '1 d 00 h'],
    [Number.POSITIVE_INFINITY, '?'],
    [Number.NaN, '?'],
    [-1, '?'],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text, String(ms));
});

test('counts have separators, and words agree with them', () => {
  assert.equal(formatCount(1_234_567), '1,234,567');
  assert.equal(plural(1, 'object'), '1 object');
  assert.equal(plural(0, 'object'), '0 objects');
  assert.equal(plural(2, 'entry', 'entries'), '2 entries');
});

test('control characters of a name do not reach the terminal', () => {
  assert.equal(printable('a\x1b[2Jb\n\x7f'), 'a\\x1b[2Jb\\x0a\\x7f');
  assert.equal(printable('µ-日本 ok'), 'µ-日本 ok');
});
