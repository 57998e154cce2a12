/**
 * Contenders take turns, A B A B, so that a machine whose speed drifts is slow for all of them. Promises: every contender has
 * one value of each of its measures for each round, in order, so that ratios can be taken within a round.
 */
import assert from 'node:assert/strict';

/** Values by the name of what was measured, unit in the name: `CPU a request, µs`. */
export type Measures = Readonly<Record<string, number>>;

export interface Contender {
  readonly name: string;
  run(): Promise<Measures> | Measures;
}

export interface Series {
  readonly contender: string;
  readonly measure: string;
  /** One a round. */
  readonly values: readonly number[];
}

export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  assert(values.length > 0, 'nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? high : ((sorted[middle - 1] as number) + high) / 2;
  return { min: sorted[0] as number, median, max: sorted.at(-1) as number };
}

/** Runs every contender once a round. `tell` hears of every run, for people who wait. */
export async function alternate(
  contenders: readonly Contender[],
  rounds: number,
  tell: (round: number, contender: string, measures: Measures) => void = () => {},
): Promise<Series[]> {
  const series = new Map<string, { contender: string; measure: string; values: number[] }>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, run } of contenders) {
      const measures = await run();
      tell(round, name, measures);
      for (const [measure, value] of Object.entries(measures)) {
        const id = `${name}\0${measure}`;
        const known = series.get(id) ?? { contender: name, measure, values: [] };
        known.values.push(value);
        series.set(id, known);
      }
    }
  }
  return [...series.values()];
}

/** Median of a contender's measure; `undefined` when it had none. */
export function medianOf(series: readonly Series[], contender: string, measure: string): number | undefined {
  const found = series.find((one) => one.contender === contender && one.measure === measure);
  return found === undefined ? undefined : summarise(found.values).median;
}

export interface Ratio {
  readonly contender: string;
  readonly peer: string;
  readonly measure: string;
  /** Of the ratios within the rounds: what drifts for both cancels out. */
  readonly median: number;
  /** Of the two smallest values: both at their least disturbed. For rates, of the two greatest. */
  readonly best: number;
}

/** `contender` divided by `peer`, both measured in the same rounds. */
export function ratioOf(
  series: readonly Series[],
  measure: string,
  contender: string,
  peer: string,
  better: 'less' | 'more' = 'less',
): Ratio {
  const find = (name: string): readonly number[] => {
    const found = series.find((one) => one.contender === name && one.measure === measure);
    assert(found !== undefined, `${name} has no measure "${measure}"`);
    return found.values;
  };
  const [ours, theirs] = [find(contender), find(peer)];
  assert.equal(ours.length, theirs.length);
  const pairs = ours.map((value, i) => value / (theirs[i] as number));
  const [mine, other] = [summarise(ours), summarise(theirs)];
  const best = better === 'less' ? mine.min / other.min : mine.max / other.max;
  return { contender, peer, measure, median: summarise(pairs).median, best };
}
