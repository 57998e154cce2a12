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

export const systemRandom: RandomSource = { fill: (buffer) => randomFillSync(buffer) };
