/**
 * How many bytes may be read ahead and not yet used. Grows while what was read ahead is used, shrinks when it is thrown away: no knob.
 */
export class AheadWindow {
  readonly #min: number;
  readonly #max: number;
  #bytes: number;

  /** Begins at the least, so that somebody who gives wrong advice costs little. */
  constructor(bytesMin: number, bytesMax: number) {
    this.#min = bytesMin;
    this.#max = Math.max(bytesMin, bytesMax);
    this.#bytes = bytesMin;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that were read ahead and then asked for. */
  used(bytes: number): void {
    this.#bytes = Math.min(this.#max, this.#bytes + bytes);
  }

  /** Bytes that were read ahead for nothing. */
  wasted(bytes: number): void {
    this.#bytes = Math.max(this.#min, this.#bytes - bytes);
  }
}
