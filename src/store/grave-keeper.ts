/**
 * Forgets graves once no write can still be under way that is older than they are. A write that comes even later is not judged
 * any more but refused: `horizon` says from which timestamp on the graves are complete. It is kept in the index and never goes
 * back, so that neither a clock that jumps nor a restart lets a late write pass a delete that was forgotten.
 */
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { IndexDatabase } from './index-database.ts';

const SWEEP_EVERY_MS = 60_000;
/** Graves looked at in one step: a few milliseconds. */
const STEP_MAX = 10_000;
const FIRST_KEY = Buffer.from([0]);

export class GraveKeeper {
  readonly #index: IndexDatabase;
  readonly #clock: Clock;
  #sweptMs: number;
  /** Where a sweep under way goes on. */
  #next: Buffer | undefined;
  #horizon: number;

  constructor(index: IndexDatabase, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
    this.#sweptMs = clock.now();
    this.#horizon = index.graveHorizon();
  }

  /** Deletes with a timestamp from this one on are all remembered. */
  get horizon(): number {
    return this.#horizon;
  }

  /** Cheap to call often: goes through the graves once a minute, a step a call. */
  sweep(): void {
    const nowMs = this.#clock.now();
    if (this.#next === undefined) {
      if (Math.abs(nowMs - this.#sweptMs) < SWEEP_EVERY_MS) return;
      this.#sweptMs = nowMs;
      this.#next = FIRST_KEY;
    }
    const before = (nowMs - LIMITS.graveTtlMs) * 1024;
    const old: Buffer[] = [];
    let last: Buffer | undefined;
    let seen = 0;
    for (const { key, value } of this.#index.range('graves', this.#next, undefined, STEP_MAX)) {
      if (value.readDoubleLE(0) < before) old.push(key);
      last = key;
      seen++;
    }
    if (old.length > 0) this.#forget(old, Math.max(this.#horizon, before));
    this.#next = seen < STEP_MAX || last === undefined ? undefined : Buffer.concat([last, Buffer.alloc(1)]);
  }

  #forget(graves: readonly Buffer[], horizon: number): void {
    this.#index.transaction(() => {
      for (const key of graves) this.#index.graves.removeSync(key);
      this.#index.setGraveHorizon(horizon);
    });
    this.#horizon = horizon;
  }
}
