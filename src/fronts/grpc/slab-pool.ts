// HOT PATH (bench: every frame of a batch)
/**
 * Memory that frames are laid out in, bounded over all batches of a worker, and used again.
 *
 * The hardest decision: room is taken when a frame begins, memory when something is first put into it. A frame whose payloads are all lent
 * needs none.
 */

import type { FillRoom } from '../../base/batch-read.ts';
import { ByteGate } from '../../base/byte-gate.ts';
import { LIMITS } from '../../base/limits.ts';
import { SpareMemory } from './spare-memory.ts';

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
  readonly #spare: SpareMemory;

  constructor(bytesMax: number = LIMITS.batchSlabBytesMax, idleBytes: number = LIMITS.batchSlabFreeBytesMax) {
    this.#gate = new ByteGate(bytesMax);
    this.#spare = new SpareMemory(idleBytes);
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
    if (made !== undefined) this.#spare.give(made);
  }

  /** It may still be on its way into a broken connection: the garbage collector knows when it is free. */
  abandon({ length }: Slab): void {
    this.#gate.release(length);
  }

  readonly #make = (bytes: number): Buffer => this.#spare.take(bytes);
}
