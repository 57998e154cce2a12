/**
 * How often and how soon something is tried again, and when it is given up. Pauses double from 50 ms to 5 s and are spread by chance between
 * half and all of that, so that many clients do not come back at once; a gateway that asks for a longer pause gets it. Progress
 * starts the count again: what is bounded is trying in vain.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../base/limits.ts';

/** Time and chance, given from outside in tests. */
export interface PacingClock {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** 0 to 1, exclusive. */
  random(): number;
  /** Rejects when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

export const realPacingClock: PacingClock = {
  now: () => performance.now(),
  random: () => Math.random(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  },
};

/** Pause before attempt `attempt` in ms; 1 is the first repetition. Pure. */
export function backoffMs(attempt: number, random: number, askedMs: number | undefined): number {
  const grown = Math.min(LIMITS.clientPauseMsMax, LIMITS.clientPauseMsMin * 2 ** (attempt - 1));
  return (askedMs ?? 0) + grown * (0.5 + random / 2);
}

export class Pacing {
  readonly #clock: PacingClock;
  readonly #endMs: number;
  readonly #signal: AbortSignal | undefined;
  #attempt = 0;

  /** @param deadlineMs from now; `Infinity` for none */
  constructor(clock: PacingClock, deadlineMs: number, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#endMs = clock.now() + deadlineMs;
    this.#signal = signal;
  }

  get remainingMs(): number {
    return this.#endMs - this.#clock.now();
  }

  /** Something came of the last attempt. */
  progressed(): void {
    this.#attempt = 0;
  }

  /**
   * Waits as long as is due before the next attempt. False when there should be none: too many were in vain, or the deadline would pass.
   * @throws what the signal was aborted with
   */
  async again(askedMs?: number): Promise<boolean> {
    this.#signal?.throwIfAborted();
    this.#attempt += 1;
    if (this.#attempt >= LIMITS.clientAttemptsMax) return false;
    const ms = backoffMs(this.#attempt, this.#clock.random(), askedMs);
    if (ms >= this.remainingMs) return false;
    try {
      await this.#clock.sleep(ms, this.#signal);
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw error;
    }
    return true;
  }
}
