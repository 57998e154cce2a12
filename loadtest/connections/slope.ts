/**
 * Whether something grew while it was watched. Promises: a verdict that a sawtooth of garbage collections and a few wild samples do not
 * turn, and that says by how much the watched thing grew, in its own unit.
 *
 * Hardest decision: two conditions for "grows". The slope of Theil and Sen must be above zero with confidence (Sen 1968: the interval from
 * Kendall's variance), so that noise is no leak; and the growth over the whole time must be worth mentioning, so that a certain but tiny
 * drift is none. Samples that follow each other are not independent, which makes the interval too narrow: the tolerance makes up for it.
 */

export interface Sample {
  readonly x: number;
  readonly y: number;
}

/** Of y for one more of x. */
export interface Trend {
  readonly slope: number;
  /** 95 % confidence; infinite where there are too few samples to be confident of anything. */
  readonly low: number;
  readonly high: number;
}

/** Slopes of all pairs are kept: 1,000 samples make half a million. */
const SAMPLES_MAX = 1000;
const Z_95 = 1.96;

/** Median of the slopes of all pairs. Pure. @throws RangeError for fewer than two samples at different x, or for too many */
export function trendOf(samples: readonly Sample[]): Trend {
  if (samples.length > SAMPLES_MAX)
    throw new RangeError(`a trend of ${samples.length} samples; at most ${SAMPLES_MAX}`);
  const slopes = slopesOf(samples);
  const pairs = slopes.length;
  if (pairs === 0) throw new RangeError('a trend needs two samples at different times');
  const n = samples.length;
  const spread = Z_95 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const lowAt = Math.round((pairs - spread) / 2) - 1;
  const highAt = Math.round((pairs + spread) / 2);
  return {
    slope: ((slopes[(pairs - 1) >> 1] as number) + (slopes[pairs >> 1] as number)) / 2,
    low: lowAt < 0 ? Number.NEGATIVE_INFINITY : (slopes[lowAt] as number),
    high: highAt >= pairs ? Number.POSITIVE_INFINITY : (slopes[highAt] as number),
  };
}

/** In ascending order. */
function slopesOf(samples: readonly Sample[]): Float64Array {
  const slopes: number[] = [];
  for (const [i, a] of samples.entries()) {
    for (let j = i + 1; j < samples.length; j += 1) {
      const b = samples[j] as Sample;
      if (a.x !== b.x) slopes.push((b.y - a.y) / (b.x - a.x));
    }
  }
  return Float64Array.from(slopes).sort();
}

export interface Tolerance {
  /** Growth over the time that is judged, as a share of the median; or in the unit of y: whichever allows more. */
  readonly share: number;
  readonly atLeast: number;
}

export interface Flatness {
  readonly isFlat: boolean;
  /** Slope times the time that was judged, in the unit of y. */
  readonly growth: number;
  readonly allowed: number;
  readonly median: number;
  readonly trend: Trend;
}

/** Pure. @throws RangeError for what has no trend */
export function judgeFlat(samples: readonly Sample[], { share, atLeast }: Tolerance): Flatness {
  const trend = trendOf(samples);
  const xs = samples.map(({ x }) => x);
  const ys = Float64Array.from(samples, ({ y }) => y).sort();
  const median = ys[ys.length >> 1] as number;
  const growth = trend.slope * (Math.max(...xs) - Math.min(...xs));
  const allowed = Math.max(share * median, atLeast);
  return { isFlat: trend.low <= 0 || growth <= allowed, growth, allowed, median, trend };
}
