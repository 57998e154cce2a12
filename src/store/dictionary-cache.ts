/**
 * The dictionaries of coded payloads, by the volume and the id that a payload names. Promises: the same one is the same Buffer as long as it
 * is kept (threads are given it once, by that Buffer), concurrent misses share one read, and what is kept is bounded in bytes.
 */

import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Coder, Dictionary, PayloadCodec } from '../codec/object-coding.ts';
import type { Location } from '../format/manifest.ts';
import { type StoredReader, VolumeGone } from './record-reader.ts';

/** What the index knows of them. */
export interface DictionaryPlaces {
  /** Where it lies, as the index is at the moment. */
  placeOf(volume: number, id: number): Location | undefined;
  /** Whether the volume is one of the store's. */
  hasVolume(volume: number): boolean;
}

export class DictionaryCache {
  readonly #volumes: StoredReader;
  readonly #places: DictionaryPlaces;
  readonly #coder: Coder;
  /** In order of use, oldest first. */
  readonly #kept = new Map<number, Dictionary>();
  readonly #reading = new Map<number, Promise<Dictionary>>();
  #bytes = 0;

  constructor(volumes: StoredReader, places: DictionaryPlaces, coder: Coder) {
    this.#volumes = volumes;
    this.#places = places;
    this.#coder = coder;
  }

  /** @throws VolumeGone when compaction has moved it with the payloads that need it; GatewayError DataLoss when it is lost */
  get(volume: number, id: number): Dictionary | Promise<Dictionary> {
    const key = keyOf(volume, id);
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept;
    }
    const shared = this.#reading.get(key);
    if (shared !== undefined) return shared;
    const place = this.#place(volume, id);
    const read = this.#volumes.read(place);
    if (place.codec === 0 && !(read instanceof Promise)) return this.#keep(key, { id, bytes: read });
    const reading = this.#decoded(place, read)
      .then((bytes) => this.#keep(key, { id, bytes }))
      .finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return reading;
  }

  #place(volume: number, id: number): Location {
    const place = this.#places.placeOf(volume, id);
    if (place !== undefined) return place;
    if (!this.#places.hasVolume(volume)) throw new VolumeGone(volume);
    throw new GatewayError(
      'DataLoss',
      `The dictionary ${id.toString(16).padStart(8, '0')} of volume ${volume} is missing; run "penstock doctor".`,
    );
  }

  /** A dictionary may itself be stored as one frame. */
  async #decoded({ codec, size, crc }: Location, read: Buffer | Promise<Buffer>): Promise<Buffer> {
    const stored = await read;
    if (codec === 0) return stored;
    const item = { codec: codec as PayloadCodec, stored, size, crc, dictionary: undefined };
    const [decoded] = await this.#coder.decode([item]);
    if (decoded instanceof Error) throw decoded;
    return decoded as Buffer;
  }

  #keep(key: number, dictionary: Dictionary): Dictionary {
    this.#kept.set(key, dictionary);
    this.#bytes += dictionary.bytes.length;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= LIMITS.dictionariesCachedBytesMax) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytes.length;
    }
    return dictionary;
  }
}

/** A safe integer: volumes are below 2^20, as in the cache of payloads. */
function keyOf(volume: number, id: number): number {
  return volume * 2 ** 32 + id;
}
