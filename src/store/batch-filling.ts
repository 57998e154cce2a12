// HOT PATH (bench/batch.ts)
/** One fill of a batch: the entries so far, and what is left of the buffer. */
import type { BatchEntry, ObjectInfo } from '../base/object-store.ts';
import type { Run } from './read-plan.ts';
import { payloadViews } from './run-read.ts';

export class Filling {
  readonly entries: BatchEntry[] = [];
  readonly #into: Buffer;
  readonly #entriesMax: number;
  /** With so many bytes it is full, though there is room: for one more that is larger. */
  readonly #enough: number;
  #used = 0;

  constructor(into: Buffer, entriesMax: number, enough: number) {
    this.#into = into;
    this.#entriesMax = entriesMax;
    this.#enough = Math.min(enough, into.length);
  }

  get room(): Buffer {
    return this.#used === 0 ? this.#into : this.#into.subarray(this.#used);
  }

  get entriesLeft(): number {
    return this.#entriesMax - this.entries.length;
  }

  get isFull(): boolean {
    return this.#used >= this.#enough || this.entries.length === this.#entriesMax;
  }

  /** Whether so many bytes, of one more entry, fit. */
  fits(bytes: number): boolean {
    return this.#used + bytes <= this.#into.length;
  }

  /** Whether so many bytes are taken in the same fill when it has come to `used`. */
  takesAfter(used: number, bytes: number): boolean {
    return used < this.#enough && used + bytes <= this.#into.length;
  }

  /** Where `room` begins in the whole buffer, which calls that take an offset are given. */
  get whole(): Buffer {
    return this.#into;
  }
  get used(): number {
    return this.#used;
  }

  /** Payloads are cut only where they do not fit into a whole buffer: receivers of an entry that is an object need no copy. */
  isForNext(bytes: number): boolean {
    return this.#used > 0 && bytes > this.#into.length - this.#used && bytes <= this.#into.length;
  }

  /** How many items of a run fit, from its first. */
  fitting<T>(run: Run<T>): number {
    let used = this.#used;
    const max = Math.min(run.items.length, this.entriesLeft);
    for (let i = 0; i < max; i++) {
      if (used >= this.#enough) return i;
      used += (run.items[i] as Run<T>['items'][number]).location.length;
      if (used > this.#into.length) return i;
    }
    return max;
  }

  /** Where the payloads of a run go, which fits. */
  payloads<T>(run: Run<T>): Buffer[] {
    return payloadViews(run, this.#into, this.#used);
  }

  /** Bytes that were put at the beginning of `room`. */
  add(slot: number, info: ObjectInfo, length: number, offset: number, isLast: boolean, crc: number): void {
    this.addEntry({ slot, length, offset, isLast, crc32: crc, info });
  }

  addEntry(entry: BatchEntry): void {
    this.entries.push(entry);
    this.#used += entry.length;
  }
}
