// HOT PATH (bench: every frame of a batch)
/**
 * Memory that frames are laid out in, bounded over all batches of a worker, and used again. A new megabyte costs its page faults
 * with every frame: a slab that is used again takes half to a third of the CPU of a fresh one.
 */
import { ByteGate } from '../../base/byte-gate.ts';
import { LIMITS } from '../../base/limits.ts';

export class SlabPool {
  readonly #gate: ByteGate;
  readonly #freeBytesMax: number;
  /** By length. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;

  constructor(bytesMax: number = LIMITS.batchSlabBytesMax, freeBytesMax: number = LIMITS.batchSlabFreeBytesMax) {
    this.#gate = new ByteGate(bytesMax);
    this.#freeBytesMax = freeBytesMax;
  }

  /** Bytes that batches have in use. */
  get held(): number {
    return this.#gate.held;
  }

  /** A slab of `bytes`; a promise where all memory is in use, first come first served. Give it back, or abandon it. */
  acquire(bytes: number): Buffer | Promise<Buffer> {
    const opening = this.#gate.acquire(bytes);
    return opening === undefined ? this.#take(bytes) : opening.then(() => this.#take(bytes));
  }

  /** Nobody writes to it or sends it any more. */
  giveBack(slab: Buffer): void {
    this.#gate.release(slab.length);
    if (this.#freeBytes + slab.length > this.#freeBytesMax) return;
    this.#freeBytes += slab.length;
    const free = this.#free.get(slab.length);
    if (free === undefined) this.#free.set(slab.length, [slab]);
    else free.push(slab);
  }

  /** It may still be on its way into a broken connection: the garbage collector knows when it is free. */
  abandon(slab: Buffer): void {
    this.#gate.release(slab.length);
  }

  #take(bytes: number): Buffer {
    const slab = this.#free.get(bytes)?.pop();
    if (slab === undefined) return Buffer.allocUnsafeSlow(bytes);
    this.#freeBytes -= bytes;
    return slab;
  }
}
