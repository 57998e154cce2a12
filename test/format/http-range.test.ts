import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import {
  formatContentRange,
  formatUnsatisfiedRange,
  parseCopyRange,
  parseRange,
  resolveRange,
} from '../../src/format/http-range.ts';

describe('Range header', () => {
  it('reads first-last, open and suffix ranges', () => {
    assert.deepEqual(parseRange('bytes=0-0'), { first: 0, last: 0 });
    assert.deepEqual(parseRange('bytes=4-7'), { first: 4, last: 7 });
    assert.deepEqual(parseRange('Bytes=4-'), { first: 4 });
    assert.deepEqual(parseRange('bytes=-7'), { suffix: 7 });
    assert.deepEqual(parseRange('bytes=0-99999999999999999999'), { first: 0, last: Number.MAX_SAFE_INTEGER });
  });

  for (const header of [
    '',
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=0-1,3-4',
    'bytes=a-b',
    'items=0-1',
    'bytes 0-1',
    'bytes=0 - 1',
    'bytes=+1-2',
  ]) {
    it(`ignores ${JSON.stringify(header)}`, () => assert.equal(parseRange(header), undefined));
  }

  it('selects the bytes that slicing selects', () => {
    const offset = fc.nat({ max: 40 });
    fc.assert(
      fc.property(offset, offset, offset, (a, b, size) => {
        const whole = Array.from({ length: size }, (_, i) => i);
        const check = (header: string, expected: number[]): void => {
          const spec = parseRange(header);
          assert.ok(spec !== undefined);
          const range = resolveRange(spec, size);
          const got = range === 'unsatisfiable' ? [] : whole.slice(range.start, range.end);
          assert.equal(range === 'unsatisfiable', expected.length === 0);
          assert.ok(range === 'unsatisfiable' || range.end <= size);
          assert.deepEqual(got, expected);
        };
        const [first, last] = a <= b ? [a, b] : [b, a];
        check(`bytes=${first}-${last}`, whole.slice(first, last + 1));
        check(`bytes=${a}-`, whole.slice(a));
        check(`bytes=-${a}`, a === 0 ? [] : whole.slice(-a));
      }),
    );
  });

  it('prints Content-Range with inclusive ends', () => {
    assert.equal(formatContentRange({ start: 4, end: 8 }, 10), 'bytes 4-7/10');
    assert.equal(formatUnsatisfiedRange(10), 'bytes */10');
  });
});

describe('x-amz-copy-source-range', () => {
  it('reads first-last', () => assert.deepEqual(parseCopyRange('bytes=0-21'), { first: 0, last: 21 }));

  for (const header of [
    '',
    '0-2',
    'bytes=0',
    'bytes=hello-world',
    'bytes=0-bar',
    'bytes=hello-',
    'bytes=0-2,3-5',
    'bytes=5-4',
    'bytes=-3',
    'bytes=3-',
  ]) {
    it(`refuses ${JSON.stringify(header)}`, () => {
      assert.throws(
        () => parseCopyRange(header),
        (error) => error instanceof GatewayError && error.code === 'InvalidArgument',
      );
    });
  }
});
