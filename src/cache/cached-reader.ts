/**
 * The RAM cache of payloads, keyed by location and never by key: a location is immutable, so nothing ever needs invalidating
 * between workers. Least recently used goes first; concurrent misses of one location share one read. HOT PATH (bench/read.ts).
 */
import { LIMITS } from '../base/limits.ts';
import type { Location } from '../format/manifest.ts';
import type { RecordReader } from '../store/record-reader.ts';

export interface CacheStats {
  hits: number;
  misses: number;
  bytes: number;
  entries: number;
}

/** Bytes that an entry costs beside its payload: map slot and buffer object. */
const ENTRY_OVERHEAD = 200;

export class CachedReader implements RecordReader {
  readonly #source: RecordReader;
  readonly #bytesMax: number;
  /** In order of use, oldest first. */
  readonly #entries = new Map<number, Buffer>();
  readonly #reading = new Map<number, Promise<Buffer>>();
  readonly stats: CacheStats = { hits: 0, misses: 0, bytes: 0, entries: 0 };

  constructor(source: RecordReader, bytesMax: number) {
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  read(location: Location): Buffer | Promise<Buffer> {
    const id = locationId(location);
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
    const id = locationId(location);
    const hit = this.#hit(id);
    if (hit !== undefined) return hit;
    const read = this.#reading.has(id) ? undefined : this.#source.tryRead(location);
    if (read === undefined) return undefined;
    this.stats.misses++;
    return this.#keep(id, read);
  }

  #hit(id: number): Buffer | undefined {
    const hit = this.#entries.get(id);
    if (hit === undefined) return undefined;
    this.stats.hits++;
    this.#entries.delete(id);
    this.#entries.set(id, hit);
    return hit;
  }

  cached(location: Location): Buffer | undefined {
    return this.#hit(locationId(location));
  }

  /** Read once in an epoch, in random order, what is kept is as good as what would go for it: so nothing goes, until it is idle. */
  offer(location: Location, bytes: Buffer): void {
    this.stats.misses++;
    if (this.stats.bytes + bytes.length + ENTRY_OVERHEAD > this.#bytesMax) return;
    const id = locationId(location);
    if (!this.#entries.has(id)) this.#keep(id, Buffer.from(bytes));
  }

  readAcrossNow(volume: number, position: number, buffers: readonly Buffer[]): number | undefined {
    return this.#source.readAcrossNow(volume, position, buffers);
  }

  readAcross(volume: number, position: number, buffers: readonly Buffer[]): Promise<number> {
    return this.#source.readAcross(volume, position, buffers);
  }

  drop(volume: number): void {
    this.#source.drop(volume);
  }

  close(): void {
    this.#entries.clear();
    this.#source.close();
  }

  #keep(id: number, bytes: Buffer): Buffer {
    if (bytes.length > LIMITS.cacheEntryBytesMax || bytes.length > this.#bytesMax / 4) return bytes;
    this.#entries.set(id, bytes);
    this.stats.bytes += bytes.length + ENTRY_OVERHEAD;
    for (const [oldest, evicted] of this.#entries) {
      if (this.stats.bytes <= this.#bytesMax) break;
      this.#entries.delete(oldest);
      this.stats.bytes -= evicted.length + ENTRY_OVERHEAD;
    }
    this.stats.entries = this.#entries.size;
    return bytes;
  }
}

/** A safe integer: volumes are below 2^20 here (4 PiB of volumes on one machine), offsets below 2^33. */
function locationId(location: Location): number {
  return location.volume * 2 ** 33 + location.offset;
}
