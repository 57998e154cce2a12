/** Forgets graves once no write can still be under way that is older than they are. */
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { IndexDatabase } from './index-database.ts';

const SWEEP_EVERY_MS = 60_000;
const SWEEP_MAX = 10_000;

export class GraveKeeper {
  readonly #index: IndexDatabase;
  readonly #clock: Clock;
  #nextSweepMs: number;

  constructor(index: IndexDatabase, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
    this.#nextSweepMs = clock.now() + SWEEP_EVERY_MS;
  }

  /** Cheap to call often: works once a minute. */
  sweep(): void {
    const nowMs = this.#clock.now();
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + SWEEP_EVERY_MS;
    const before = (nowMs - LIMITS.graveTtlMs) * 1024;
    const old: Buffer[] = [];
    for (const { key, value } of this.#index.range('graves', Buffer.from([0]), undefined)) {
      if (value.readDoubleLE(0) < before) old.push(key);
      if (old.length >= SWEEP_MAX) break;
    }
    if (old.length === 0) return;
    this.#index.transaction(() => {
      for (const key of old) this.#index.graves.removeSync(key);
    });
  }
}
