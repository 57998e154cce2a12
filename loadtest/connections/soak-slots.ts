/**
 * What a store must hold while it is written to, read and deleted from at once: keys whose content changes from version to version, so that an
 * old version that comes back is found out. Promises: an operation has its keys for itself while it runs, and what it must find is certain;
 * a key whose change had no answer is certain again only after the next write.
 */
import type { DataSet } from '../suite/data-set.ts';
import type { Wanted } from './batch-check.ts';

export type Operation = 'GET' | 'GetBatch' | 'PUT' | 'DELETE';

/** Contents of one key, in turn: positions of the data set. */
export const VERSIONS = 8;

const DELETED = -1;
/** A write or a delete of it had no answer. */
const UNKNOWN = -2;
const TRIES = 32;

export class SoakSlots {
  readonly #dataSet: DataSet;
  readonly #prefix: string;
  readonly #versions: Int32Array;
  /** What was written last, also where it is deleted now. */
  readonly #last: Int32Array;
  readonly #busy: Uint8Array;
  readonly #random: () => number;

  /** @param dataSet VERSIONS contents for each key @param random from 0 to below 1 */
  constructor(dataSet: DataSet, prefix: string, random: () => number) {
    const count = Math.floor(dataSet.count / VERSIONS);
    this.#dataSet = dataSet;
    this.#prefix = prefix;
    this.#versions = new Int32Array(count).fill(UNKNOWN);
    this.#last = new Int32Array(count).fill(-1);
    this.#busy = new Uint8Array(count);
    this.#random = random;
  }

  get count(): number {
    return this.#versions.length;
  }

  /** A key for this operation, which it has until `done`; `undefined` when none was found. */
  take(operation: Operation): number | undefined {
    let fallback: number | undefined;
    for (let tried = 0; tried < TRIES; tried += 1) {
      const slot = Math.floor(this.#random() * this.count);
      if (this.#busy[slot] === 1) continue;
      const version = this.#versions[slot] as number;
      if (operation === 'PUT') {
        // Those that are gone come back first, so that the number of objects stays where it is.
        if (version < 0) return this.#hold(slot);
        fallback ??= slot;
      } else if (version >= 0 || (version === DELETED && operation !== 'DELETE')) return this.#hold(slot);
    }
    return fallback === undefined ? undefined : this.#hold(fallback);
  }

  /** A certain one. */
  hold(slot: number): boolean {
    if (this.#busy[slot] === 1) return false;
    this.#hold(slot);
    return true;
  }

  done(slot: number): void {
    this.#busy[slot] = 0;
  }

  keyOf(slot: number): string {
    return `${this.#prefix}/n${String(slot % 100).padStart(4, '0')}/image_${String(slot).padStart(8, '0')}.bin`;
  }

  isCertain(slot: number): boolean {
    return this.#versions[slot] !== UNKNOWN;
  }

  /** What must be there. */
  wanted(slot: number): Wanted {
    const version = this.#versions[slot] as number;
    const key = this.keyOf(slot);
    if (version < 0) return { key };
    const position = this.#position(slot, version);
    return { key, content: { size: this.#dataSet.sizeOf(position), crc: this.#dataSet.crcOf(position) } };
  }

  /** The content to write next. From now on the key is uncertain. */
  nextBody(slot: number): Buffer {
    this.#versions[slot] = UNKNOWN;
    this.#last[slot] = (this.#last[slot] as number) + 1;
    return this.#dataSet.bodyOf(this.#position(slot, this.#last[slot] as number));
  }

  /** That content is there. */
  written(slot: number): void {
    this.#versions[slot] = this.#last[slot] as number;
  }

  /** From now on the key is uncertain, until it is `gone`. */
  deleting(slot: number): void {
    this.#versions[slot] = UNKNOWN;
  }

  gone(slot: number): void {
    this.#versions[slot] = DELETED;
  }

  #hold(slot: number): number {
    this.#busy[slot] = 1;
    return slot;
  }

  #position(slot: number, version: number): number {
    return slot * VERSIONS + (version % VERSIONS);
  }
}

/** Reproducible chance: Mulberry's 32 bits. */
export function chanceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
