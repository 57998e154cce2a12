/**
 * Starts work at times that were set before, whatever became of the work before it: an open loop. Promises: each turn is told when it was
 * due, so that who measures from there counts the wait of work that could not start in time (coordinated omission); no turn is skipped
 * and none comes early.
 *
 * Hardest decision: timers of Node are whole milliseconds and late by one, which is more than a small GET takes. So the last stretch before
 * a turn is spun through with setImmediate, during which answers are read as ever. What the spinning cost is told, so that it is not taken
 * for load.
 */
import { performance } from 'node:perf_hooks';

export interface Pace {
  /** Turns a second. */
  readonly rate: number;
  readonly turns: number;
}

export interface PaceResult {
  readonly turns: number;
  /** Of the turns that began, how far behind their time: the load generator's own share of a latency. */
  readonly latenessMs: Float64Array;
  /** Processor time that went into waiting. */
  readonly spunSeconds: number;
}

/** A timer set for this long is not late for a turn. */
const SPIN_MS = 1.2;
/** How soon it is heard that it shall stop. */
const SLEEP_MS_MAX = 100;
/** A round of the event loop that takes longer has done something. */
const IDLE_ROUND_MS = 0.05;

/** Milliseconds after the start at which a turn is due. Pure. */
export function dueMs(turn: number, rate: number): number {
  return (turn * 1000) / rate;
}

/** Turns that are due at some time after the start, those before included: the one at 0 is due at once. Pure. */
export function turnsDue(elapsedMs: number, { rate, turns }: Pace): number {
  if (elapsedMs < 0) return 0;
  let due = Math.min(turns, Math.floor((elapsedMs * rate) / 1000) + 1);
  // Division and multiplication round: what counts is `dueMs`.
  while (due > 0 && dueMs(due - 1, rate) > elapsedMs) due -= 1;
  while (due < turns && dueMs(due, rate) <= elapsedMs) due += 1;
  return due;
}

/**
 * Calls `begin` for each turn at its time, and does not wait for what it begins. Resolves after the last, or when the signal is aborted.
 *
 * @param begin must not throw; `dueAtMs` is on the clock of `performance.now()`
 */
export function keepPace(
  pace: Pace,
  begin: (turn: number, dueAtMs: number) => void,
  signal?: AbortSignal,
): Promise<PaceResult> {
  const startMs = performance.now();
  const latenessMs = new Float64Array(pace.turns);
  let begun = 0;
  let spunMs = 0;
  return new Promise((resolve) => {
    const spin = (beforeMs: number): void => {
      const roundMs = performance.now() - beforeMs;
      if (roundMs <= IDLE_ROUND_MS) spunMs += roundMs;
      step();
    };
    const step = (): void => {
      const isStopped = signal?.aborted === true;
      const due = isStopped ? 0 : turnsDue(performance.now() - startMs, pace);
      for (; begun < due; begun += 1) {
        const dueAtMs = startMs + dueMs(begun, pace.rate);
        latenessMs[begun] = performance.now() - dueAtMs;
        begin(begun, dueAtMs);
      }
      if (isStopped || begun === pace.turns) {
        resolve({ turns: begun, latenessMs: latenessMs.subarray(0, begun), spunSeconds: spunMs / 1000 });
        return;
      }
      const nowMs = performance.now();
      const leftMs = startMs + dueMs(begun, pace.rate) - nowMs;
      if (leftMs > SPIN_MS + 1) setTimeout(step, Math.min(SLEEP_MS_MAX, leftMs - SPIN_MS));
      else setImmediate(spin, nowMs);
    };
    step();
  });
}
