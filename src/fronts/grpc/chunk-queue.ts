/** Slices of one object between the reader of a PutBatch and the store. A frame is let go when the store asks for what is behind it. */
import type { FrameLease } from './put-window.ts';

interface Slice {
  readonly bytes: Buffer;
  readonly lease: FrameLease;
}

export class ChunkQueue implements AsyncIterable<Buffer> {
  readonly #slices: Slice[] = [];
  #taken: FrameLease | undefined;
  #state: 'open' | 'ended' | 'closed' = 'open';
  #failure: Error | undefined;
  #wakeTaker: (() => void) | undefined;
  #wakeGiver: (() => void) | undefined;

  /** Takes over a use of the lease. */
  push(bytes: Buffer, lease: FrameLease): void {
    if (this.#state !== 'open') {
      lease.release();
      return;
    }
    this.#slices.push({ bytes, lease });
    this.#wakeTaker?.();
  }

  /** Nothing more will come. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#wakeTaker?.();
  }

  /** Whoever takes gets this error. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.end();
  }

  /** Nobody will take any more: everything is let go, and so is what still comes. */
  close(): void {
    this.#state = 'closed';
    this.#taken?.release();
    this.#taken = undefined;
    for (const { lease } of this.#slices.splice(0)) lease.release();
    this.#wakeGiver?.();
    this.#wakeTaker?.();
  }

  /** Resolves when everything was taken, or nobody will take it. */
  async drained(): Promise<void> {
    while (this.#slices.length > 0) {
      await new Promise<void>((resolve) => {
        this.#wakeGiver = resolve;
      });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      this.#taken?.release();
      this.#taken = undefined;
      if (this.#failure !== undefined) throw this.#failure;
      const next = this.#slices.shift();
      if (next !== undefined) {
        this.#taken = next.lease;
        if (this.#slices.length === 0) this.#wakeGiver?.();
        yield next.bytes;
      } else if (this.#state !== 'open') return;
      else {
        await new Promise<void>((resolve) => {
          this.#wakeTaker = resolve;
        });
      }
    }
  }
}
