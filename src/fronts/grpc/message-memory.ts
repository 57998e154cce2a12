// HOT PATH (bench: ingest)
/**
 * Where the messages of a method are put together, for one whose receiver says when it is done with them. Whoever does not say so costs
 * nothing but the gain: the garbage collector takes what did not come back. A message holds at most twice its bytes.
 */
import { LIMITS } from '../../base/limits.ts';
import { SpareMemory } from './spare-memory.ts';

/** Messages differ in length, and memory of one length is only used again for the same: it is taken in multiples of this. */
const UNIT_BYTES = 256 * 1024;
/** The C library uses smaller memory again by itself. */
const BYTES_MIN = UNIT_BYTES / 2;

export class MessageMemory {
  readonly #spare = new SpareMemory(LIMITS.messageSpareBytesMax);
  /** Whole, by what messages see of it. */
  readonly #lent = new WeakMap<ArrayBufferLike, Buffer>();

  /** Memory of `bytes`, with whatever is in it. */
  take(bytes: number): Buffer {
    if (bytes < BYTES_MIN) return Buffer.allocUnsafeSlow(bytes);
    const whole = this.#spare.take(Math.ceil(bytes / UNIT_BYTES) * UNIT_BYTES);
    this.#lent.set(whole.buffer, whole);
    return whole.subarray(0, bytes);
  }

  /** Nobody needs the message any more. One that was not put together here is nobody's concern. */
  giveBack(message: Buffer): void {
    const whole = this.#lent.get(message.buffer);
    if (whole === undefined) return;
    this.#lent.delete(message.buffer);
    this.#spare.give(whole);
  }
}
