// HOT PATH (bench/batch.ts)
/**
 * Objects of a window of a batch whose bytes lie raw in one record each: where they lie, in arrays, and in the order of place.
 *
 * The hardest decision: nothing is allocated for an object before its bytes have come. What an object is to its batch (a look-up, a place,
 * somebody who wants it, a read, a step) was an object each, a third of what a batch of 10 KiB images cost.
 */
import { LIMITS } from '../base/limits.ts';
import type { ObjectInfo } from '../base/object-info.ts';
import type { AttributesOnDisk } from '../format/attributes.ts';
import {
  Entry,
  EntryInfo,
  payloadCrcAt,
  payloadLengthAt,
  payloadStartAt,
  recordOffsetAt,
  volumeAt,
  writeEtagAt,
} from '../format/index-entry.ts';
import { RECORD_ALIGNMENT } from '../format/record.ts';
import type { EntryArena } from './entry-arena.ts';
import type { Place } from './record-reader.ts';

/** Of the numbers that are sorted: the position in the window below, and above it the place, in units that records are aligned to. */
const POSITIONS = 512;
const PLACES_OF_VOLUME = (2 * LIMITS.volumeBytesMax) / RECORD_ALIGNMENT; // the last record may pass the end

/** At most this many objects. */
export const PLAIN_WINDOW_MAX: number = POSITIONS;

export class PlainWindow {
  readonly arena: EntryArena;
  /** By position, which is the order of their coming. */
  readonly #slots: number[] = [];
  readonly #ats: number[] = [];
  readonly #ends: number[] = [];
  readonly #keys: number[] = [];
  /** Volumes in the order of their coming. */
  readonly #volumes: number[] = [];
  /** Positions in the order of place. */
  #order = new Uint16Array(0);

  constructor(arena: EntryArena) {
    this.arena = arena;
  }

  get count(): number {
    return this.#slots.length;
  }

  /** @param at of the entry that was just kept in the arena */
  add(slot: number, at: number): void {
    const { bytes, end } = this.arena;
    const position = this.#slots.length;
    const place =
      this.#volumeRank(volumeAt(bytes, at)) * PLACES_OF_VOLUME + recordOffsetAt(bytes, at) / RECORD_ALIGNMENT;
    this.#slots.push(slot);
    this.#ats.push(at);
    this.#ends.push(end);
    this.#keys.push(place * POSITIONS + position);
  }

  /** Call it once, when all are added: what follows is asked for by rank, 0 first. Volumes come in any order, each as a whole. */
  sortByPlace(): void {
    const sorted = Float64Array.from(this.#keys).sort();
    this.#order = new Uint16Array(sorted.length);
    for (let i = 0; i < sorted.length; i++) {
      const key = sorted[i] as number;
      this.#order[i] = key - Math.floor(key / POSITIONS) * POSITIONS; // % of large numbers costs ten times as much
    }
  }

  slot(rank: number): number {
    return this.#slots[this.#position(rank)] as number;
  }
  volume(rank: number): number {
    return volumeAt(this.arena.bytes, this.#at(rank));
  }
  /** Of the payload. */
  start(rank: number): number {
    return payloadStartAt(this.arena.bytes, this.#at(rank));
  }
  length(rank: number): number {
    return payloadLengthAt(this.arena.bytes, this.#at(rank));
  }
  /** Of the record. */
  place(rank: number): Place {
    const at = this.#at(rank);
    return { volume: volumeAt(this.arena.bytes, at), offset: recordOffsetAt(this.arena.bytes, at) };
  }
  crc(rank: number): number {
    return payloadCrcAt(this.arena.bytes, this.#at(rank));
  }
  info(rank: number): PlainInfo {
    return this.#info(this.#position(rank));
  }
  get lastAdded(): PlainInfo {
    return this.#info(this.#slots.length - 1);
  }

  #info(position: number): PlainInfo {
    return new PlainInfo(this.arena.bytes, this.#ats[position] as number, this.#ends[position] as number);
  }

  #at(rank: number): number {
    return this.#ats[this.#position(rank)] as number;
  }

  #position(rank: number): number {
    return this.#order[rank] as number;
  }

  #volumeRank(volume: number): number {
    const volumes = this.#volumes;
    for (let i = volumes.length - 1; i >= 0; i--) if (volumes[i] === volume) return i;
    return volumes.push(volume) - 1;
  }
}

/** `ObjectInfo` over an entry among others: a view is made for what is rarely asked for. */
export class PlainInfo implements ObjectInfo {
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get size(): number {
    return payloadLengthAt(this.#bytes, this.#at);
  }
  get crc32(): number | undefined {
    return this.full.crc32;
  }
  writeEtag(into: Buffer, at: number): number {
    return writeEtagAt(this.#bytes, this.#at, into, at);
  }
  get etag(): string {
    return this.full.etag;
  }
  get modifiedMs(): number {
    return this.full.modifiedMs;
  }
  get contentType(): string | undefined {
    return this.full.contentType;
  }
  get attributes(): AttributesOnDisk {
    return this.full.attributes;
  }
  get partCount(): number {
    return this.full.partCount;
  }

  get full(): EntryInfo {
    return new EntryInfo(new Entry(this.#bytes.subarray(this.#at, this.#end)));
  }
}
