/**
 * Whether what an object costs stays the same as there are more of something: workers, stores. Pure. Hardest decision: it is flat when the
 * median of the ratios within the rounds is at most the tolerance above one; that it costs less with more is no fault.
 */
import { formatFigure } from '../../bench/measure/report.ts';
import { medianOf, type Ratio, ratioOf, type Series } from '../../bench/measure/rounds.ts';
import type { Plot, Table } from '../suite/run-report.ts';

/** One load, by how many of the thing there were. */
export interface ScaledLoad {
  readonly load: string;
  /** It is expected to grow, and shown to say how much. */
  readonly isJudged: boolean;
  readonly at: readonly { readonly count: number; readonly contender: string }[];
}

export interface Growth {
  readonly load: string;
  readonly isJudged: boolean;
  readonly steps: readonly { readonly count: number; readonly value: number; readonly ratio: Ratio }[];
  readonly isFlat: boolean;
}

/** Against the least count, which is the first. @param tolerance 0.2: a fifth more is flat yet */
export function growthOf(
  series: readonly Series[],
  measure: string,
  loads: readonly ScaledLoad[],
  tolerance: number,
): Growth[] {
  return loads.map(({ load, isJudged, at }) => {
    const first = at[0]?.contender as string;
    const steps = at.map(({ count, contender }) => ({
      count,
      value: medianOf(series, contender, measure) as number,
      ratio: ratioOf(series, measure, contender, first),
    }));
    return { load, isJudged, steps, isFlat: steps.every(({ ratio }) => ratio.median <= 1 + tolerance) };
  });
}

/** @param what `workers` */
export function growthTable(title: string, what: string, growths: readonly Growth[]): Table {
  const counts = growths[0]?.steps.map(({ count }) => count) ?? [];
  const [one, ...more] = counts.map((count) => (count === 1 ? `1 ${what.replace(/s$/, '')}` : `${count} ${what}`));
  const header = ['load', 'flat', one ?? '', ...more.flatMap((name) => [name, `/ ${counts[0]}`])];
  const rows = growths.map(({ load, isJudged, isFlat, steps }) => [
    load,
    steps.length === 1 ? '–' : isFlat ? 'yes' : isJudged ? 'NO' : 'no',
    ...steps.flatMap(({ value, ratio }, i) =>
      i === 0 ? [formatFigure(value)] : [formatFigure(value), ratio.median.toFixed(2)],
    ),
  ]);
  return { title, rows: [header, ...rows] };
}

export function growthPlot(title: string, what: string, growths: readonly Growth[], tolerance: number): Plot {
  return {
    title,
    kind: 'lines',
    x: { label: what, scale: 'linear' },
    y: { label: `CPU an object, as a multiple of that with the fewest ${what}`, scale: 'linear' },
    lines: growths.map(({ load, steps }) => ({
      name: load,
      points: steps.map(({ count, ratio }) => ({ x: count, y: ratio.median })),
    })),
    threshold: { y: 1 + tolerance, label: `flat: at most ${(1 + tolerance).toFixed(2)}` },
  };
}
