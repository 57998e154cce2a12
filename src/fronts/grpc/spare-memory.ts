// HOT PATH (bench: every frame of a batch, every message of a PutBatch)
/**
 * Memory that is used again. A new megabyte costs its page faults each time, and soon a garbage collection: what is used again takes half
 * to a third of the CPU. What came back is kept until nobody has needed it for a while, since fifty streams need more than two do.
 */

/** How long memory that nobody needs is kept. */
const TRIM_MS = 5000;

export class SpareMemory {
  /** Kept even when nobody needs them. */
  readonly #idleBytes: number;
  /** By length. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;
  /** The least that was free since the last trim: so much nobody needed. */
  #leastFree = 0;
  #trimming: NodeJS.Timeout | undefined;

  constructor(idleBytes: number) {
    this.#idleBytes = idleBytes;
  }

  /** With whatever is in it. */
  take(bytes: number): Buffer {
    const memory = this.#free.get(bytes)?.pop();
    if (memory === undefined) return Buffer.allocUnsafeSlow(bytes);
    this.#freeBytes -= bytes;
    this.#leastFree = Math.min(this.#leastFree, this.#freeBytes);
    return memory;
  }

  /** Nobody reads it or writes to it any more. */
  give(memory: Buffer): void {
    const { length } = memory;
    this.#freeBytes += length;
    const free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, [memory]);
    else free.push(memory);
    this.#trimming ??= setTimeout(() => this.#trim(), TRIM_MS).unref();
  }

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
