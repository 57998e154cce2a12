// HOT PATH (bench/batch.ts)
/** One fill of a batch: the entries so far, and what is left of the buffer. */
import type { BatchEntry, BatchOptions, FillRoom } from '../base/batch-read.ts';
import type { ObjectInfo } from '../base/object-info.ts';
import type { Run } from './read-plan.ts';
import { payloadViews } from './run-read.ts';

type FillingOptions = Pick<BatchOptions, 'enoughBytes' | 'takesLoans'>;

/** Shorter payloads cost less to copy than to send from where they lie. */
const LOAN_BYTES_MIN = 2048;

export class Filling {
  readonly entries: BatchEntry[] = [];
  readonly #into: FillRoom;
  readonly #entriesMax: number;
  /** With so many bytes it is full, though there is room: for one more that is larger. */
  readonly #enough: number;
  readonly #takesLoans: boolean;
  /** Of the buffer. */
  #used = 0;
  /** Of all entries. */
  #bytes = 0;

  constructor(into: FillRoom, entriesMax: number, { enoughBytes, takesLoans }: FillingOptions) {
    this.#into = into;
    this.#entriesMax = entriesMax;
    this.#enough = Math.min(enoughBytes ?? into.length, into.length);
    this.#takesLoans = takesLoans === true;
  }

  /** What is left of the buffer, and a little of it may be more than fits. */
  get room(): Buffer {
    return this.#into.bytes.subarray(this.#used, this.#used + this.#into.length - this.#bytes);
  }

  get entriesLeft(): number {
    return this.#entriesMax - this.entries.length;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#enough || this.entries.length === this.#entriesMax;
  }

  /** Whether so many bytes, of one more entry, fit. */
  fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#into.length;
  }

  /** Whether `bytes` are taken in the same fill after `before` more. */
  takesAfter(before: number, bytes: number): boolean {
    const all = this.#bytes + before;
    return all < this.#enough && all + bytes <= this.#into.length;
  }

  /** The buffer, of which the next bytes go to `used`: for calls that take an offset. */
  get whole(): Buffer {
    return this.#into.bytes;
  }
  get used(): number {
    return this.#used;
  }

  /** Payloads are cut only where they do not fit into a whole buffer: receivers of an entry that is an object need no copy. */
  isForNext(bytes: number): boolean {
    return this.#bytes > 0 && !this.fits(bytes) && bytes <= this.#into.length;
  }

  /** How many items of a run fit, from its first. */
  fitting<T>(run: Run<T>): number {
    let bytes = 0;
    const max = Math.min(run.items.length, this.entriesLeft);
    for (let i = 0; i < max; i++) {
      const { length } = (run.items[i] as Run<T>['items'][number]).location;
      if (!this.takesAfter(bytes, length)) return i;
      bytes += length;
    }
    return max;
  }

  /** Where the payloads of a run go, which fits. */
  payloads<T>(run: Run<T>): Buffer[] {
    return payloadViews(run, this.#into.bytes, this.#used);
  }

  /** Bytes that were put at the beginning of `room`. */
  add(slot: number, info: ObjectInfo, length: number, offset: number, isLast: boolean, crc: number): void {
    this.addEntry({ slot, length, offset, isLast, crc32: crc, info, bytes: undefined });
  }

  /** A whole object in memory that nobody changes, and that fits. */
  addWhole(slot: number, info: ObjectInfo, bytes: Buffer, crc: number): void {
    const { length } = bytes;
    if (this.#takesLoans && length >= LOAN_BYTES_MIN) {
      this.entries.push({ slot, length, offset: 0, isLast: true, crc32: crc, info, bytes });
      this.#bytes += length;
      return;
    }
    bytes.copy(this.#into.bytes, this.#used);
    this.add(slot, info, length, 0, true, crc);
  }

  addEntry(entry: BatchEntry): void {
    this.entries.push(entry);
    this.#used += entry.length;
    this.#bytes += entry.length;
  }
}
