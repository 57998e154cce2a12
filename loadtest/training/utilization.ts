/**
 * Accelerator utilization (AU) as the storage benchmark of record defines it: of a rank and epoch the simulated computation divided by the
 * wall time of the block, both without the first step; averaged over the ranks, then over the epochs. Waiting for the other ranks counts
 * against it.
 *
 * Hardest decision: at the first step a rank has as many batches read ahead as it may, and these are a gift that the definition does not
 * take back: 1.6 % of 500 steps for 8 batches, but 8 % of 100. So a pass here asks for the same share once more from the step on at which
 * that gift is used up. In a block of full length the two agree.
 */
import { LOAD_CPU_SHARE_MAX } from '../suite/processor-time.ts';

/** The course of one epoch. All times on one clock, in milliseconds. */
export interface Block {
  readonly startMs: number;
  /** When each rank had computed its first step. */
  readonly firstStepEndMs: readonly number[];
  /** When all ranks had done a step and might begin the next: one entry a step. */
  readonly releasedMs: readonly number[];
  /** Simulated computation of one step. */
  readonly computeMs: number;
}

/** Share of 1, over all ranks of an epoch; 0 for less than two steps. */
export function utilizationOf({ startMs, firstStepEndMs, releasedMs, computeMs }: Block): number {
  const steps = releasedMs.length;
  const endMs = releasedMs.at(-1);
  if (endMs === undefined || steps < 2) return 0;
  const ofRanks = firstStepEndMs.map((firstEndMs) => {
    const wallMs = endMs - startMs;
    const firstStepMs = firstEndMs - startMs;
    return ((steps - 1) * computeMs) / (wallMs - firstStepMs);
  });
  return mean(ofRanks);
}

/** The same from step `ahead` on, when what was read ahead at the beginning is used up; 0 where the block has no such steps. */
export function steadyUtilizationOf({ releasedMs, computeMs }: Block, ahead: number): number {
  const first = Math.max(1, ahead);
  const endMs = releasedMs.at(-1);
  const fromMs = releasedMs[first - 1];
  if (endMs === undefined || fromMs === undefined || releasedMs.length <= first) return 0;
  return ((releasedMs.length - first) * computeMs) / (endMs - fromMs);
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Part of a step's computation by which its end may be noticed late. */
const LATENESS_SHARE_MAX = 0.1;
/** A timer of the event loop is no finer than this. */
const TIMER_MS = 1;

export interface LoadState {
  /** CPU time of the load process / wall time. */
  readonly cpuShare: number;
  /** How much later than it was due the end of a step was noticed: nine in ten steps less than this. */
  readonly lateMs: number;
}

/** Why the load generator, and not the target, is what the figures are of; undefined when it is not. */
export function loadLimitOf({ cpuShare, lateMs }: LoadState, computeMs: number): string | undefined {
  if (cpuShare >= LOAD_CPU_SHARE_MAX) return `the load process took ${(cpuShare * 100).toFixed(0)} % of its core`;
  if (lateMs > LATENESS_SHARE_MAX * computeMs + TIMER_MS)
    return `one step in ten was noticed ${lateMs.toFixed(1)} ms late or more, of ${computeMs.toFixed(1)} ms of computation`;
  return undefined;
}

/** Nearest rank; 0 of none. Sorts in place. */
export function quantileOf(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.max(0, Math.ceil(share * values.length) - 1)] ?? 0;
}

export type Outcome = 'passed' | 'failed' | 'load-limited';

export interface Judgement {
  /** Shares of 1. */
  readonly au: number;
  readonly steadyAu: number;
  readonly outcome: Outcome;
}

/** Of the epochs of a trial. What the load generator could not bring about is no failure of the target. */
export function judge(
  epochs: readonly { readonly au: number; readonly steadyAu: number }[],
  auMin: number,
  isLoadLimited: boolean,
): Judgement {
  const au = mean(epochs.map((epoch) => epoch.au));
  const steadyAu = mean(epochs.map((epoch) => epoch.steadyAu));
  if (Math.min(au, steadyAu) >= auMin) return { au, steadyAu, outcome: 'passed' };
  return { au, steadyAu, outcome: isLoadLimited ? 'load-limited' : 'failed' };
}
