/** Positions in random order, each once, then in another: as training reads a data set, epoch after epoch. */
export class Epoch {
  readonly #order: Uint32Array;
  #at: number;

  constructor(count: number) {
    this.#order = Uint32Array.from({ length: count }, (_, position) => position);
    this.#at = count;
  }

  /** The next `count` of them, none twice: what is left of an epoch that is shorter is skipped. */
  take(count: number): number[] {
    if (this.left < count) this.#shuffle();
    this.#at += count;
    return Array.from(this.#order.subarray(this.#at - count, this.#at));
  }

  /** Positions left of this epoch. */
  get left(): number {
    return this.#order.length - this.#at;
  }

  /** Fisher and Yates. */
  #shuffle(): void {
    const order = this.#order;
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1));
      const other = order[j] as number;
      order[j] = order[i] as number;
      order[i] = other;
    }
    this.#at = 0;
  }
}
