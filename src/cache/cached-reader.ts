/**
 * The RAM cache of payloads as they were written (decoded, where they are stored coded), keyed by location and never by key: a
 * location is immutable, so nothing ever needs invalidating between workers. The oldest goes first unless it was used since it was last
 * looked at (the second chance of a clock); concurrent misses of one location share one read. HOT PATH (bench/read.ts, bench/batch.ts).
 *
 * The hardest decision: what batches read is kept while there is room, and drives nothing out that is in use. Training reads all of a set
 * once an epoch in a new order, so that what was used last is used again last: where a set is larger than the cache, replacing would cost
 * a copy for every read and bring no more hits (Mohan et al., Analyzing and Mitigating Data Stalls in DNN Training, VLDB 2021).
 */
import { LIMITS } from '../base/limits.ts';
import type { Location } from '../format/manifest.ts';
import type { AheadCache } from '../store/read-ahead.ts';
import type { Place, RecordReader, StoredPayload } from '../store/record-reader.ts';
import { AheadWindow } from './ahead-window.ts';

export interface CacheStats {
  hits: number;
  misses: number;
  bytes: number;
  entries: number;
  /** Bytes that were read ahead and then asked for, and those that were thrown away unused. */
  aheadUsedBytes: number;
  aheadWastedBytes: number;
}

/** Read ahead and not asked for yet. */
interface Ahead {
  readonly length: number;
  readonly sinceMs: number;
}

/** What nobody asked for by then was read for nothing. */
const AHEAD_MS = 60_000;

/** Bytes that an entry costs beside its payload: map slot, entry and buffer object. */
const ENTRY_OVERHEAD = 250;

/** What nobody used for so long makes room for what batches read: longer than most epochs. */
const IDLE_MS = 10 * 60_000;
/** Looks for one once in so many offers that find no room. */
const OFFERS_A_LOOK = 8;
/** The clock is read once in so many hits. */
const HITS_A_LOOK = 1024;

interface Kept {
  readonly bytes: Buffer;
  /** Since it came to its place in the order. */
  isUsed: boolean;
  usedMs: number;
}

export class CachedReader implements RecordReader, AheadCache {
  readonly #source: RecordReader;
  readonly #bytesMax: number;
  /** The next to go first. */
  readonly #entries = new Map<number, Kept>();
  /** Not long ago. */
  #nowMs: number;
  readonly #now: () => number;
  #offersRefused = 0;
  readonly #reading = new Map<number, Promise<Buffer>>();
  /** In the order of their coming. */
  readonly #ahead = new Map<number, Ahead>();
  #aheadBytes = 0;
  readonly #window: AheadWindow;
  readonly stats: CacheStats = { hits: 0, misses: 0, bytes: 0, entries: 0, aheadUsedBytes: 0, aheadWastedBytes: 0 };

  /** @param now milliseconds of a clock that never goes back */
  constructor(source: RecordReader, bytesMax: number, now: () => number = () => performance.now()) {
    this.#source = source;
    this.#now = now;
    this.#nowMs = now();
    this.#bytesMax = bytesMax;
    this.#window = new AheadWindow(LIMITS.aheadBytesMin, bytesMax / 4);
  }

  read(location: Location): Buffer | Promise<Buffer> {
    const id = placeId(location);
    const hit = this.#hit(id);
    if (hit !== undefined) return hit;
    const shared = this.#reading.get(id);
    if (shared !== undefined) {
      this.stats.hits++;
      return shared;
    }
    this.stats.misses++;
    const read = this.#source.read(location);
    if (!(read instanceof Promise)) return this.#keep(id, read);
    const reading = read.then((bytes) => this.#keep(id, bytes)).finally(() => this.#reading.delete(id));
    this.#reading.set(id, reading);
    return reading;
  }

  tryRead(location: Location): Buffer | undefined {
    const id = placeId(location);
    const hit = this.#hit(id);
    if (hit !== undefined) return hit;
    const read = this.#reading.has(id) ? undefined : this.#source.tryRead(location);
    if (read === undefined) return undefined;
    this.stats.misses++;
    return this.#keep(id, read);
  }

  /**
   * A coded payload that is small, or of which half is wanted, is decoded whole and kept: what is asked for next is most likely of it too.
   * Of a large one, which would drive out many others, only what is wanted is decoded, and nothing is kept.
   */
  readRange(location: Location, start: number, end: number): Buffer | Promise<Buffer> {
    const id = placeId(location);
    const { size } = location;
    const isWhole = location.codec === 0 || size <= LIMITS.decodedWholeBytesMax || 2 * (end - start) >= size;
    if (!isWhole && !this.#entries.has(id) && !this.#reading.has(id)) {
      this.stats.misses++;
      return this.#source.readRange(location, start, end);
    }
    const read = this.read(location);
    return read instanceof Promise ? read.then((bytes) => bytes.subarray(start, end)) : read.subarray(start, end);
  }

  readStored(location: Location): Buffer | Promise<Buffer> {
    return this.#source.readStored(location);
  }

  decode(payloads: readonly StoredPayload[]): Promise<readonly (Buffer | Error)[]> {
    return this.#source.decode(payloads);
  }

  keep(location: Location, bytes: Buffer): void {
    this.#keep(placeId(location), bytes);
  }

  offer(place: Place, bytes: Buffer): void {
    const needed = bytes.length + ENTRY_OVERHEAD;
    if (this.stats.bytes + needed > this.#bytesMax && !this.#dropIdle(needed)) return;
    this.#keep(placeId(place), copyOf(bytes));
  }

  /** Makes room by what nobody has used for long, where the next to go is that. */
  #dropIdle(needed: number): boolean {
    if (++this.#offersRefused % OFFERS_A_LOOK !== 0) return false;
    this.#nowMs = this.#now();
    for (const [id, kept] of this.#entries) {
      if (this.#nowMs - kept.usedMs < IDLE_MS) {
        this.#moveBack(id, kept); // another one is looked at next time
        return false;
      }
      this.#evict(id);
      if (this.stats.bytes + needed <= this.#bytesMax) break;
    }
    return true;
  }

  #moveBack(id: number, kept: Kept): void {
    kept.isUsed = false;
    this.#entries.delete(id);
    this.#entries.set(id, kept);
  }

  #hit(id: number): Buffer | undefined {
    const hit = this.#entries.get(id);
    if (hit === undefined) return undefined;
    if (++this.stats.hits % HITS_A_LOOK === 0) this.#nowMs = this.#now();
    hit.isUsed = true;
    hit.usedMs = this.#nowMs;
    if (this.#ahead.size > 0) this.#useAhead(id);
    return hit.bytes;
  }

  cached(place: Place): Buffer | undefined {
    return this.#entries.size === 0 ? undefined : this.#hit(placeId(place));
  }

  readAcrossNow(volume: number, position: number, buffers: readonly Buffer[]): number | undefined {
    return this.#source.readAcrossNow(volume, position, buffers);
  }

  readIntoNow(volume: number, position: number, into: Buffer, at: number, length: number): number | undefined {
    return this.#source.readIntoNow(volume, position, into, at, length);
  }

  readAcross(volume: number, position: number, buffers: readonly Buffer[]): Promise<number> {
    return this.#source.readAcross(volume, position, buffers);
  }

  get isSlow(): boolean {
    return this.#source.isSlow;
  }

  readCold(location: Location): Promise<Buffer> {
    return this.#source.readCold(location);
  }

  // --- what is read ahead ---

  get aheadRoom(): number {
    for (const [id, { sinceMs }] of this.#ahead) {
      if (this.#now() - sinceMs < AHEAD_MS) break;
      this.#evict(id);
    }
    return this.#window.bytes - this.#aheadBytes;
  }

  has(location: Location): boolean {
    const id = placeId(location);
    return this.#entries.has(id) || this.#reading.has(id);
  }

  addAhead(location: Location, bytes: Buffer): void {
    const id = placeId(location);
    if (this.#entries.has(id)) return;
    this.#keep(id, copyOf(bytes));
    if (!this.#entries.has(id)) return; // too large for this cache
    this.#ahead.set(id, { length: bytes.length, sinceMs: this.#now() });
    this.#aheadBytes += bytes.length;
  }

  #useAhead(id: number): void {
    const ahead = this.#ahead.get(id);
    if (ahead === undefined) return;
    this.#ahead.delete(id);
    this.#aheadBytes -= ahead.length;
    this.stats.aheadUsedBytes += ahead.length;
    this.#window.used(ahead.length);
  }

  #evict(id: number): void {
    const kept = this.#entries.get(id);
    if (kept !== undefined) {
      this.#entries.delete(id);
      this.stats.bytes -= kept.bytes.length + ENTRY_OVERHEAD;
    }
    const ahead = this.#ahead.get(id);
    if (ahead === undefined) return;
    this.#ahead.delete(id);
    this.#aheadBytes -= ahead.length;
    this.stats.aheadWastedBytes += ahead.length;
    this.#window.wasted(ahead.length);
  }

  drop(volume: number): void {
    this.#source.drop(volume);
  }

  close(): void {
    this.#entries.clear();
    this.#source.close();
  }

  /** Every entry that was used is passed over once. */
  #makeRoom(needed: number): void {
    for (const [id, kept] of this.#entries) {
      if (this.stats.bytes + needed <= this.#bytesMax) break;
      if (kept.isUsed) this.#moveBack(id, kept);
      else this.#evict(id);
    }
  }

  #keep(id: number, bytes: Buffer): Buffer {
    if (bytes.length > LIMITS.cacheEntryBytesMax || bytes.length > this.#bytesMax / 4) return bytes;
    if (this.#entries.has(id)) return bytes; // two read it at the same time, of whom one read a batch
    const needed = bytes.length + ENTRY_OVERHEAD;
    this.#makeRoom(needed);
    this.#entries.set(id, { bytes, isUsed: false, usedMs: this.#nowMs });
    this.stats.bytes += needed;
    this.stats.entries = this.#entries.size;
    return bytes;
  }
}

/** Not from the pool of small buffers, of which one entry would keep 8 KiB. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** A safe integer: volumes are below 2^20 here (4 PiB of volumes on one machine), offsets below 2^33. */
function placeId({ volume, offset }: Place): number {
  return volume * 2 ** 33 + offset;
}
