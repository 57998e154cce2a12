/** A bound on bytes in flight: whoever would exceed it waits, first come first served. */
export class ByteGate {
  readonly #max: number;
  #held = 0;
  readonly #waiting: { readonly bytes: number; readonly open: () => void }[] = [];

  constructor(bytesMax: number) {
    this.#max = bytesMax;
  }

  get held(): number {
    return this.#held;
  }

  /** Resolves when `bytes` (at most the bound) are granted. Give them back with `release`. */
  acquire(bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#held += bytes;
      return undefined;
    }
    return new Promise((open) => this.#waiting.push({ bytes, open }));
  }

  release(bytes: number): void {
    this.#held -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#held += next.bytes;
      next.open();
    }
  }

  /** One that is larger than the bound passes alone. */
  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#max;
  }
}
