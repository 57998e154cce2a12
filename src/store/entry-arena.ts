// HOT PATH (bench/batch.ts)
/** Copies of index values, one behind the other in one block: no allocation and no view for each. They live as long as the block does. */
export class EntryArena {
  #bytes: Buffer;
  #used = 0;

  /** @param room bytes at first; it grows */
  constructor(room: number) {
    this.#bytes = Buffer.allocUnsafeSlow(room);
  }

  /** What lies at a place stays there, but in another block after a later `keep`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Where the copy made last ends. */
  get end(): number {
    return this.#used;
  }

  /** Copies the first `length` bytes. @returns where they begin */
  keep(value: Buffer, length: number): number {
    const at = this.#used;
    if (at + length > this.#bytes.length) this.#grow(at + length);
    const into = this.#bytes;
    for (let i = 0; i < length; i++) into[at + i] = value[i] as number; // views cost more for so few
    this.#used = at + length;
    return at;
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }
}
