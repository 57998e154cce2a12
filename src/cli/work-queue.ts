/** Bounded work: at most so many items at once, and at most so many bytes in memory. */

/**
 * Runs `work` on every item, at most `width` at once, and takes the next item only when there is room for it. The first error
 * of `work` or of the items stops the taking; what runs is awaited, then the error is thrown.
 */
export async function forEachConcurrent<T>(
  items: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const start = (item: T): void => {
    const task: Promise<void> = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(task));
    running.add(task);
  };
  try {
    for await (const item of items) {
      start(item);
      if (running.size >= width) await Promise.race(running);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}

/** Lends bytes of a fixed budget, in the order of asking. One that asks for more than all of it gets all of it. */
export class ByteBudget {
  readonly #bytesMax: number;
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#free = bytesMax;
  }

  /** Resolves to the function that gives the bytes back. */
  async take(bytes: number): Promise<() => void> {
    const share = Math.min(bytes, this.#bytesMax);
    if (this.#waiting.length > 0 || share > this.#free) {
      await new Promise<void>((go) => this.#waiting.push({ bytes: share, go }));
    } else {
      this.#free -= share;
    }
    return () => this.#giveBack(share);
  }

  #giveBack(bytes: number): void {
    this.#free += bytes;
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.go();
    }
  }
}
