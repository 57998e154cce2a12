/** Time and chance come from outside, so that tests need neither sleep nor luck. */
import { randomFillSync } from 'node:crypto';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

export interface RandomSource {
  /** Fills the buffer with unpredictable bytes and returns it. */
  fill(buffer: Buffer): Buffer;
}

/** A call of the generator costs 5 to 10 µs, whatever it gives: an id for every write is cut from what many share. */
class SharedRandom implements RandomSource {
  readonly #reserve = Buffer.alloc(4096);
  #used = this.#reserve.length;

  fill(buffer: Buffer): Buffer {
    if (buffer.length > this.#reserve.length / 16) return randomFillSync(buffer);
    if (this.#used + buffer.length > this.#reserve.length) {
      randomFillSync(this.#reserve);
      this.#used = 0;
    }
    this.#reserve.copy(buffer, 0, this.#used, this.#used + buffer.length);
    this.#used += buffer.length;
    return buffer;
  }
}

export const systemRandom: RandomSource = new SharedRandom();
