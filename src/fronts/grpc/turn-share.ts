// HOT PATH (every frame of a batch)
/**
 * Keeps batches, which always have a next frame at hand while everything is in memory, from holding the event loop: all of a worker together
 * get a share of each turn, and what comes later waits for the next one, first come first served. So single requests of others wait for
 * milliseconds, however many batches there are.
 */
const SHARE_MS = 2;

export class TurnShare {
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  /** A turn has begun whose end is waited for. */
  #isOpen = false;
  #endMs = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Asked before work of less than a millisecond. `undefined`: do it now; else when this resolves. */
  enter(): Promise<void> | undefined {
    if (!this.#isOpen) this.#open();
    else if (this.#waiting.length > 0 || this.#now() >= this.#endMs) {
      return new Promise((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    return undefined;
  }

  #open(): void {
    this.#isOpen = true;
    this.#endMs = this.#now() + SHARE_MS;
    setImmediate(() => void this.#nextTurn());
  }

  async #nextTurn(): Promise<void> {
    this.#isOpen = false;
    if (this.#waiting.length === 0) return;
    this.#open();
    while (this.#waiting.length > 0 && this.#now() < this.#endMs) {
      this.#waiting.shift()?.();
      await undefined; // its work is done when this goes on
    }
  }
}
