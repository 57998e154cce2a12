// HOT PATH (bench/batch.ts)
/**
 * Reads of the plain objects of a window, in the order of place, straight into the buffer of who sends them; neighbours with one read. Only
 * while that needs no waiting: what is left when the disk is slow, or does not fit into a whole buffer, is read like all others.
 */
import { crc32 } from '@node-rs/crc32';
import { LIMITS } from '../base/limits.ts';
import type { Filling } from './batch-filling.ts';
import type { Looked } from './batch-lookup.ts';
import type { PlainWindow } from './plain-window.ts';
import type { RecordReader } from './record-reader.ts';
import { damageOf } from './volume-reader.ts';

/** `done`: all are read. `full`: the buffer is. `stuck`: the next one has to be waited for, or needs more than a buffer. */
export type PlainEnd = 'done' | 'full' | 'stuck';

export interface PlainListener {
  /** @param isHit its bytes were in memory already */
  served(slot: number, isHit: boolean): void;
  failed(slot: number, error: unknown, filling: Filling): void;
}

/** What lies between payloads of a run is read into it. */
const DROPPED = Buffer.allocUnsafeSlow(LIMITS.batchGapBytesMax);

export class PlainReads {
  readonly #reader: RecordReader;
  readonly #window: PlainWindow;
  readonly #listener: PlainListener;
  /** The next one to read. */
  #rank = 0;

  /** @param window sorted */
  constructor(reader: RecordReader, window: PlainWindow, listener: PlainListener) {
    this.#reader = reader;
    this.#window = window;
    this.#listener = listener;
  }

  advance(filling: Filling): PlainEnd {
    const window = this.#window;
    while (this.#rank < window.count) {
      if (filling.isFull) return 'full';
      if (!filling.fits(window.length(this.#rank))) return filling.entries.length > 0 ? 'full' : 'stuck';
      if (!this.#fromMemory(filling) && !this.#read(filling)) return 'stuck';
    }
    return 'done';
  }

  /** Those that were not read. */
  rest(): Looked[] {
    const rest: Looked[] = [];
    for (let rank = this.#rank; rank < this.#window.count; rank++)
      rest.push({ slot: this.#window.slot(rank), info: this.#window.info(rank).full, error: undefined });
    return rest;
  }

  #fromMemory(filling: Filling): boolean {
    const window = this.#window;
    const bytes = this.#reader.cached(window.place(this.#rank));
    if (bytes === undefined) return false;
    const rank = this.#rank++;
    const slot = window.slot(rank);
    filling.addWhole(slot, window.info(rank), bytes, window.crc(rank));
    this.#listener.served(slot, true);
    return true;
  }

  /** False: the disk is slow at the moment, and nothing was read. Ends at a damaged one, whose bytes nobody gets. */
  #read(filling: Filling): boolean {
    const window = this.#window;
    const first = this.#rank;
    const end = this.#runEnd(filling);
    const start = window.start(first);
    const have = this.#bring(first, end, filling);
    if (have === undefined) return false;
    while (this.#rank < end) {
      const rank = this.#rank++;
      const length = window.length(rank);
      const reached = have instanceof Error ? 0 : have - (window.start(rank) - start);
      const bytes = filling.whole.subarray(filling.used, filling.used + length);
      if (reached >= length && this.#take(rank, bytes, filling)) continue;
      this.#fail(rank, have instanceof Error ? have : reached, filling);
      if (!(have instanceof Error)) break;
    }
    return true;
  }

  /** Neighbours from `#rank` on that one read brings and the buffer holds: where they end. */
  #runEnd(filling: Filling): number {
    const window = this.#window;
    const first = this.#rank;
    const volume = window.volume(first);
    const start = window.start(first);
    let end = start + window.length(first);
    let bytes = window.length(first);
    const max = Math.min(window.count, first + Math.min(LIMITS.batchRunItemsMax, filling.entriesLeft));
    let rank = first + 1;
    for (; rank < max; rank++) {
      const from = window.start(rank);
      if (from < end || from - end > LIMITS.batchGapBytesMax || window.volume(rank) !== volume) break;
      const length = window.length(rank);
      if (!filling.takesAfter(bytes, length) || from + length - start > LIMITS.batchRunBytesMax) break;
      bytes += length;
      end = from + length;
    }
    return rank;
  }

  /** @returns how many bytes there were from the first payload on; `undefined` when the disk is slow; why they cannot be had */
  #bring(first: number, end: number, filling: Filling): number | undefined | Error {
    const window = this.#window;
    const volume = window.volume(first);
    const start = window.start(first);
    try {
      if (end > first + 1) return this.#reader.readAcrossNow(volume, start, this.#buffers(first, end, filling));
      return this.#reader.readIntoNow(volume, start, filling.whole, filling.used, window.length(first));
    } catch (error) {
      return error as Error;
    }
  }

  #buffers(first: number, end: number, filling: Filling): Buffer[] {
    const window = this.#window;
    const buffers: Buffer[] = [];
    let at = filling.used;
    let reached = window.start(first);
    for (let rank = first; rank < end; rank++) {
      const gap = window.start(rank) - reached;
      if (gap > 0) buffers.push(DROPPED.subarray(0, gap));
      const length = window.length(rank);
      buffers.push(filling.whole.subarray(at, at + length));
      at += length;
      reached = window.start(rank) + length;
    }
    return buffers;
  }

  /** False: the bytes are not the payload. */
  #take(rank: number, bytes: Buffer, filling: Filling): boolean {
    const window = this.#window;
    const crc = window.crc(rank);
    if (crc32(bytes) !== crc) return false;
    const slot = window.slot(rank);
    this.#reader.offer(window.place(rank), bytes);
    filling.add(slot, window.info(rank), bytes.length, 0, true, crc);
    this.#listener.served(slot, false);
    return true;
  }

  /** @param reason why it could not be read, or how many bytes there were where it should lie */
  #fail(rank: number, reason: Error | number, filling: Filling): void {
    const { record } = this.#window.info(rank).full.entry;
    const have = typeof reason === 'number' ? Math.max(0, Math.min(reason, record.length)) : 0;
    const error = typeof reason === 'number' ? damageOf(record, have) : reason;
    this.#listener.failed(this.#window.slot(rank), error, filling);
  }
}
