/**
 * Latencies of a load in bounded memory. Promises: every one counts until there are four million; from then on each replaces a random
 * one, so that what is kept stays a fair sample, and the largest is kept whatever happens.
 */
import { type Percentiles, percentilesOf } from './run-report.ts';

const KEPT_MAX = 4_000_000;
const FIRST_ROOM = 1024;

export class Latencies {
  readonly #keptMax: number;
  #ms = new Float64Array(FIRST_ROOM);
  #kept = 0;
  #seen = 0;
  #max = 0;

  constructor(keptMax = KEPT_MAX) {
    this.#keptMax = keptMax;
  }

  add(ms: number): void {
    this.#seen += 1;
    if (ms > this.#max) this.#max = ms;
    if (this.#kept < this.#keptMax) {
      if (this.#kept === this.#ms.length) this.#grow();
      this.#ms[this.#kept++] = ms;
      return;
    }
    const place = Math.floor(Math.random() * this.#seen);
    if (place < this.#kept) this.#ms[place] = ms;
  }

  /** `undefined` where there was none. */
  percentiles(isCorrected: boolean): Percentiles | undefined {
    if (this.#seen === 0) return undefined;
    const found = percentilesOf(this.kept, isCorrected);
    return { ...found, count: this.#seen, max: this.#max };
  }

  /** Those that were kept, in no order. */
  get kept(): Float64Array {
    return this.#ms.slice(0, this.#kept);
  }

  #grow(): void {
    const larger = new Float64Array(Math.min(this.#keptMax, this.#ms.length * 2));
    larger.set(this.#ms);
    this.#ms = larger;
  }
}
