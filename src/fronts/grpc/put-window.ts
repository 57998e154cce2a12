/**
 * What one PutBatch may hold: objects without a result on the wire, and the frames whose bytes the store has not taken. A slice keeps its
 * whole frame in memory, so frames are what is counted, from their arrival until the last object in them is settled.
 *
 * Hardest decision: a frame that goes on with an object that the store is already taking is not held up by the bounds on bytes. It
 * was given memory by the store, and others may wait for that memory: to wait for them here could be a circle.
 */
import type { ByteGate } from '../../base/byte-gate.ts';
import { LIMITS } from '../../base/limits.ts';
import type { MessageMemory } from './message-memory.ts';

/** A frame in memory, until all who use it have let go. */
export class FrameLease {
  #users = 1;
  /** Somebody keeps bytes of it for longer than they use the lease. */
  isKept = false;
  readonly #end: (isKept: boolean) => void;

  constructor(end: (isKept: boolean) => void) {
    this.#end = end;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    if (this.#users === 0) this.#end(this.isKept);
  }
}

export class PutWindow {
  /** Shared by all calls of the process. */
  readonly #gate: ByteGate;
  readonly #memory: MessageMemory;
  #heldBytes = 0;
  #objects = 0;
  #wake: (() => void) | undefined;

  /** @param memory gets frames back that nobody uses any more */
  constructor(gate: ByteGate, memory: MessageMemory) {
    this.#gate = gate;
    this.#memory = memory;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Waits until the frame fits. The lease has one user: whoever takes the frame apart. */
  async admit(frame: Buffer): Promise<FrameLease> {
    const bytes = frame.length;
    while (this.#heldBytes > 0 && this.#heldBytes + bytes > LIMITS.putBatchBytesMax) await this.#changed();
    const granted = this.#gate.acquire(bytes);
    if (granted !== undefined) await granted;
    return this.#hold(frame, () => this.#gate.release(bytes));
  }

  /** For a frame that the store waits for. */
  admitAtOnce(frame: Buffer): FrameLease {
    return this.#hold(frame, () => {});
  }

  #hold(frame: Buffer, end: () => void): FrameLease {
    this.#heldBytes += frame.length;
    return new FrameLease((isKept) => {
      this.#heldBytes -= frame.length;
      if (!isKept) this.#memory.giveBack(frame);
      end();
      this.#notify();
    });
  }

  /** Waits until one more object may be under way, and counts it; a promise only where there is something to wait for. */
  enter(): Promise<void> | undefined {
    if (this.#objects >= LIMITS.putBatchItemsMax) return this.#enterLater();
    this.#objects++;
    return undefined;
  }

  async #enterLater(): Promise<void> {
    while (this.#objects >= LIMITS.putBatchItemsMax) await this.#changed();
    this.#objects++;
  }

  /** The result of an object has left. */
  leave(): void {
    this.#objects--;
    this.#notify();
  }

  /** Resolves when no object is under way. */
  async empty(): Promise<void> {
    while (this.#objects > 0) await this.#changed();
  }

  /** Only the reader of the call waits, in one place at a time. */
  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
