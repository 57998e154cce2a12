/**
 * The largest number of accelerators that passes: doubled until one does not, then halved in between. Pure: the next trial follows from
 * those that were made. Bounded by 2 log2(max) + 2 trials.
 */
import type { Outcome } from './utilization.ts';

export interface Trial {
  readonly accelerators: number;
  readonly outcome: Outcome;
}

interface Bracket {
  /** The largest that passed below everything that did not; 0 for none. */
  readonly passed: number;
  /** The smallest that did not pass. */
  readonly missed: Trial | undefined;
}

function bracketOf(trials: readonly Trial[]): Bracket {
  let missed: Trial | undefined;
  for (const trial of trials) {
    if (trial.outcome !== 'passed' && trial.accelerators < (missed?.accelerators ?? Number.POSITIVE_INFINITY))
      missed = trial;
  }
  let passed = 0;
  for (const { outcome, accelerators } of trials) {
    const isBelow = missed === undefined || accelerators < missed.accelerators;
    if (outcome === 'passed' && isBelow) passed = Math.max(passed, accelerators);
  }
  return { passed, missed };
}

/** How many accelerators to try next; undefined when the search is over. @param first where to begin @param max never more */
export function nextTrial(trials: readonly Trial[], first: number, max: number): number | undefined {
  if (trials.length === 0) return Math.min(first, max);
  const { passed, missed } = bracketOf(trials);
  if (missed === undefined) return passed >= max ? undefined : Math.min(max, passed * 2);
  const middle = Math.floor((passed + missed.accelerators) / 2);
  return middle > passed ? middle : undefined;
}

export interface Found {
  /** 0: not even one passed. */
  readonly accelerators: number;
  /** What stopped it: the target, the load generator, or the limit that was set. */
  readonly limit: 'target' | 'load' | 'max';
}

export function foundBy(trials: readonly Trial[]): Found {
  const { passed, missed } = bracketOf(trials);
  if (missed === undefined) return { accelerators: passed, limit: 'max' };
  return { accelerators: passed, limit: missed.outcome === 'load-limited' ? 'load' : 'target' };
}
