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
const reserve = Buffer.alloc(4096);
let used = reserve.length;

export const systemRandom: RandomSource = {
  fill(buffer) {
    if (buffer.length > reserve.length / 16) return randomFillSync(buffer);
    if (used + buffer.length > reserve.length) {
      randomFillSync(reserve);
      used = 0;
    }
    reserve.copy(buffer, 0, used, used + buffer.length);
    used += buffer.length;
    return buffer;
  },
};
