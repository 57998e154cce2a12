// HOT PATH (bench: every frame of a batch)
/**
 * Memory that frames are laid out in, bounded over all batches of a worker, and used again. A new megabyte costs its page faults
 * with every frame: a slab that is used again takes half to a third of the CPU of a fresh one.
 *
 * The hardest decision: room is taken when a frame begins, memory when something is first put into it. A frame whose payloads are all lent
 * needs none; and what came back is kept until nobody has needed it for a while, since fifty streams need more than two do.
 */

import type { FillRoom } from '../../base/batch-read.ts';
import { ByteGate } from '../../base/byte-gate.ts';
import { LIMITS } from '../../base/limits.ts';

/** How long memory that nobody needs is kept. */
const TRIM_MS = 5000;

export class Slab implements FillRoom {
  readonly length: number;
  readonly #make: (bytes: number) => Buffer;
  /** Its memory, once it was asked for. */
  made: Buffer | undefined;

  constructor(length: number, make: (bytes: number) => Buffer) {
    this.length = length;
    this.#make = make;
  }

  get bytes(): Buffer {
    this.made ??= this.#make(this.length);
    return this.made;
  }
}

export class SlabPool {
  readonly #gate: ByteGate;
  /** Kept even when nobody needs them. */
  readonly #idleBytes: number;
  /** By length. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;
  /** The least that was free since the last trim: so much nobody needed. */
  #leastFree = 0;
  #trimming: NodeJS.Timeout | undefined;

  constructor(bytesMax: number = LIMITS.batchSlabBytesMax, idleBytes: number = LIMITS.batchSlabFreeBytesMax) {
    this.#gate = new ByteGate(bytesMax);
    this.#idleBytes = idleBytes;
  }

  /** Bytes that batches have in use. */
  get held(): number {
    return this.#gate.held;
  }

  /** A slab of `bytes`; a promise where all memory is in use, first come first served. Give it back, or abandon it. */
  acquire(bytes: number): Slab | Promise<Slab> {
    const opening = this.#gate.acquire(bytes);
    return opening === undefined ? new Slab(bytes, this.#make) : opening.then(() => new Slab(bytes, this.#make));
  }

  /** Nobody writes to it or sends it any more. */
  giveBack({ length, made }: Slab): void {
    this.#gate.release(length);
    if (made === undefined) return;
    this.#freeBytes += length;
    const free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, [made]);
    else free.push(made);
    this.#trimming ??= setTimeout(() => this.#trim(), TRIM_MS).unref();
  }

  /** It may still be on its way into a broken connection: the garbage collector knows when it is free. */
  abandon({ length }: Slab): void {
    this.#gate.release(length);
  }

  readonly #make = (bytes: number): Buffer => {
    const memory = this.#free.get(bytes)?.pop();
    if (memory === undefined) return Buffer.allocUnsafeSlow(bytes);
    this.#freeBytes -= bytes;
    this.#leastFree = Math.min(this.#leastFree, this.#freeBytes);
    return memory;
  };

  #trim(): void {
    let surplus = Math.min(this.#leastFree, this.#freeBytes - this.#idleBytes);
    for (const [length, free] of this.#free) {
      for (; free.length > 0 && surplus >= length; surplus -= length) {
        free.pop();
        this.#freeBytes -= length;
      }
      if (free.length === 0) this.#free.delete(length);
    }
    this.#leastFree = this.#freeBytes;
    this.#trimming = this.#freeBytes > this.#idleBytes ? setTimeout(() => this.#trim(), TRIM_MS).unref() : undefined;
  }
}
