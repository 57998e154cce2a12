/** Upload ids: 12 hex digits of milliseconds, 4 of a sequence, 16 of chance, so that the ids of a key ascend in the order of creation. */
import type { Clock, RandomSource } from '../base/clock.ts';
import type { UploadId } from '../base/names.ts';

const SEQUENCE_MAX = 0xffff;

export class UploadIds {
  readonly #clock: Clock;
  readonly #random: RandomSource;
  #lastMs = 0;
  #sequence = 0;

  constructor(clock: Clock, random: RandomSource) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Ascending, even where the clock goes back. */
  next(): UploadId {
    const nowMs = this.#clock.now();
    if (nowMs > this.#lastMs || this.#sequence === SEQUENCE_MAX) {
      this.#lastMs = Math.max(nowMs, this.#lastMs + 1);
      this.#sequence = 0;
    } else {
      this.#sequence++;
    }
    const ordered = this.#lastMs.toString(16).padStart(12, '0') + this.#sequence.toString(16).padStart(4, '0');
    return `${ordered}${this.#random.fill(Buffer.alloc(8)).toString('hex')}` as UploadId;
  }
}
