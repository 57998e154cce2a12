/** The trend of a soak: what it finds, what it does not let itself be fooled by. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judgeFlat, type Sample, trendOf } from '../../loadtest/connections/slope.ts';

const TOLERANCE = { share: 0.05, atLeast: 1 };

function line(count: number, slope: number, start = 100): Sample[] {
  return Array.from({ length: count }, (_, x) => ({ x, y: start + slope * x }));
}

/** As memory looks between two collections. */
function sawtooth(count: number, slope: number): Sample[] {
  return line(count, slope).map(({ x, y }) => ({ x, y: y + (x % 7) * 2 }));
}

describe('the trend of samples', () => {
  test('is the slope of a line, whatever the line', () => {
    const lines = fc.tuple(fc.integer({ min: 2, max: 60 }), fc.integer({ min: -1000, max: 1000 }));
    fc.assert(fc.property(lines, ([count, slope]) => assert.equal(trendOf(line(count, slope)).slope, slope)));
  });

  test('does not see a quarter of the samples go wild', () => {
    const wild = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(wild, (values) => {
        const samples = line(80, 2).map(({ x, y }) => ({ x, y: x % 8 === 3 ? (values[(x - 3) / 8] as number) : y }));
        const { slope, low, high } = trendOf(samples);
        assert.equal(slope, 2);
        assert.ok(low <= 2 && high >= 2);
      }),
    );
  });

  test('turns with its samples: scaled, shifted, mirrored', () => {
    const ys = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 3, maxLength: 40 });
    fc.assert(
      fc.property(ys, fc.integer({ min: 1, max: 50 }), (values, scale) => {
        const samples = values.map((y, x) => ({ x, y }));
        const of = (change: (sample: Sample) => Sample): number => trendOf(samples.map(change)).slope;
        const slope = of((sample) => sample);
        assert.ok(Math.abs(of(({ x, y }) => ({ x, y: y * scale + 7 })) - slope * scale) < 1e-9 * scale * 1000);
        assert.ok(Math.abs(of(({ x, y }) => ({ x, y: -y })) + slope) < 1e-9);
      }),
    );
  });

  test('lies in its interval, which is endless for a handful of samples', () => {
    const ys = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(ys, (values) => {
        const { slope, low, high } = trendOf(values.map((y, x) => ({ x, y })));
        assert.ok(low <= slope && slope <= high);
      }),
    );
    assert.deepEqual(trendOf(line(3, 5)), { slope: 5, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY });
  });

  test('needs two samples at different times, and a bounded number of them', () => {
    assert.throws(() => trendOf([]), RangeError);
    assert.throws(() => trendOf([{ x: 1, y: 1 }]), RangeError);
    assert.throws(
      () =>
        trendOf([
          { x: 1, y: 1 },
          { x: 1, y: 2 },
        ]),
      RangeError,
    );
    assert.throws(() => trendOf(line(1001, 1)), RangeError);
  });
});

describe('flat or not', () => {
  test('a sawtooth on level ground is flat, one that climbs is not', () => {
    assert.equal(judgeFlat(sawtooth(70, 0), TOLERANCE).isFlat, true);
    const climbing = judgeFlat(sawtooth(70, 1), TOLERANCE);
    assert.equal(climbing.isFlat, false);
    assert.ok(Math.abs(climbing.growth - 69) < 5, `grew by ${climbing.growth}`);
  });

  test('a certain but tiny climb is flat, by share or by unit', () => {
    assert.equal(judgeFlat(line(50, 0.01), TOLERANCE).isFlat, true);
    assert.equal(judgeFlat(line(50, 1, 0), { share: 0, atLeast: 49 }).isFlat, true);
    assert.equal(judgeFlat(line(50, 1, 0), { share: 0, atLeast: 48 }).isFlat, false);
  });

  test('what falls is flat', () => {
    assert.equal(judgeFlat(line(50, -10, 1000), TOLERANCE).isFlat, true);
  });

  test('three samples prove nothing', () => {
    assert.equal(judgeFlat(line(3, 1000), TOLERANCE).isFlat, true);
  });
});
