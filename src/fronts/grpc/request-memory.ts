/**
 * A bound on the bytes that all calls of a front hold of their requests: what came and was not taken, what is being decompressed, and
 * the message that a handler has at the moment. Nobody waits for it: who would exceed it is asked to come back.
 */
export class RequestMemory {
  readonly #bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get held(): number {
    return this.#held;
  }

  /** Changes what a call holds from `before` to `after` bytes; false, and nothing changes, where there is no room to grow. */
  change(before: number, after: number): boolean {
    const held = this.#held - before + after;
    if (after > before && held > this.#bytesMax) return false;
    this.#held = held;
    return true;
  }
}
