/**
 * Reads payloads as they were written, whatever they are stored as. Promises: one that is stored raw costs what `VolumeReader` costs; a coded
 * one is checked as it lies there and again when it was decoded, never on the event loop; whoever cannot be decoded is told by its place.
 *
 * The hardest decision: payloads are handed to the coder one by one as they come, since it gathers what comes in a turn of the event loop from
 * all who read. A batch needs no queue of its own for that.
 */

import { GatewayError } from '../base/errors.ts';
import { dictionaryIdOf } from '../codec/decode-payload.ts';
import type { Coder, DecodeItem, PayloadCodec } from '../codec/object-coding.ts';
import type { Location } from '../format/manifest.ts';
import type { DictionaryCache } from './dictionary-cache.ts';
import type { RecordReader, StoredPayload, StoredReader } from './record-reader.ts';

type Range = NonNullable<DecodeItem['range']>;

export interface DecodingStats {
  /** Payloads, or ranges of them, that were decoded, and bytes that came of them. */
  payloads: number;
  bytes: number;
}

export class DecodingReader implements RecordReader {
  readonly #volumes: StoredReader;
  readonly #dictionaries: DictionaryCache;
  readonly #coder: Coder;
  readonly stats: DecodingStats = { payloads: 0, bytes: 0 };

  constructor(volumes: StoredReader, dictionaries: DictionaryCache, coder: Coder) {
    this.#volumes = volumes;
    this.#dictionaries = dictionaries;
    this.#coder = coder;
  }

  read(location: Location): Buffer | Promise<Buffer> {
    const stored = this.#volumes.read(location);
    return location.codec === 0 ? stored : this.#decodeOne(location, stored, undefined);
  }

  tryRead(location: Location): Buffer | undefined {
    return location.codec === 0 ? this.#volumes.tryRead(location) : undefined;
  }

  readRange(location: Location, start: number, end: number): Buffer | Promise<Buffer> {
    const stored = this.#volumes.read(location);
    if (location.codec !== 0) return this.#decodeOne(location, stored, { start, end });
    return stored instanceof Promise ? stored.then((bytes) => bytes.subarray(start, end)) : stored.subarray(start, end);
  }

  readCold(location: Location): Promise<Buffer> {
    const stored = this.#volumes.readCold(location);
    return location.codec === 0 ? stored : this.#decodeOne(location, stored, undefined);
  }

  readStored(location: Location): Buffer | Promise<Buffer> {
    return this.#volumes.read(location);
  }

  cached(): undefined {
    return undefined;
  }

  keep(): void {}

  offer(): void {}

  async decode(payloads: readonly StoredPayload[]): Promise<readonly (Buffer | Error)[]> {
    const results: (Buffer | Error)[] = new Array(payloads.length);
    await this.#decodeInto(results, payloads, undefined);
    return results;
  }

  async #decodeOne(location: Location, stored: Buffer | Promise<Buffer>, range: Range | undefined): Promise<Buffer> {
    const results: (Buffer | Error)[] = [];
    const payload = { location, stored: stored instanceof Promise ? await stored : stored };
    await this.#decodeInto(results, [payload], range);
    const result = results[0] as Buffer | Error;
    if (result instanceof Error) throw result;
    return result;
  }

  async #decodeInto(
    results: (Buffer | Error)[],
    payloads: readonly StoredPayload[],
    range: Range | undefined,
  ): Promise<void> {
    const items: DecodeItem[] = [];
    const places: number[] = [];
    const coming: Promise<void>[] = [];
    const add = ({ location, stored }: StoredPayload, at: number, dictionary: DecodeItem['dictionary']): void => {
      const { codec, size, crc } = location;
      items.push({ codec: codec as PayloadCodec, stored, size, crc, dictionary, range });
      places.push(at);
    };
    const fail = (at: number, error: Error): void => {
      results[at] = located(error, (payloads[at] as StoredPayload).location);
    };
    for (let at = 0; at < payloads.length; at++) {
      const payload = payloads[at] as StoredPayload;
      try {
        const dictionary = this.#dictionaryOf(payload);
        if (!(dictionary instanceof Promise)) add(payload, at, dictionary);
        else coming.push(dictionary.then((found) => add(payload, at, found)).catch((error: Error) => fail(at, error)));
      } catch (error) {
        fail(at, error as Error);
      }
    }
    if (coming.length > 0) await Promise.all(coming);
    if (items.length === 0) return;
    const decoded = await this.#coder.decode(items);
    for (let i = 0; i < decoded.length; i++) {
      const at = places[i] as number;
      results[at] = this.#counted(decoded[i] as Buffer | Error, (payloads[at] as StoredPayload).location);
    }
  }

  #dictionaryOf({ location, stored }: StoredPayload): DecodeItem['dictionary'] | Promise<DecodeItem['dictionary']> {
    const id = dictionaryIdOf(location.codec as PayloadCodec, stored);
    return id === 0 ? undefined : this.#dictionaries.get(location.volume, id);
  }

  #counted(result: Buffer | Error, location: Location): Buffer | Error {
    if (result instanceof Error) return located(result, location);
    this.stats.payloads++;
    this.stats.bytes += result.length;
    return result;
  }

  // --- as they lie there ---

  readAcrossNow(volume: number, position: number, buffers: readonly Buffer[]): number | undefined {
    return this.#volumes.readAcrossNow(volume, position, buffers);
  }

  readIntoNow(volume: number, position: number, into: Buffer, at: number, length: number): number | undefined {
    return this.#volumes.readIntoNow(volume, position, into, at, length);
  }

  readAcross(volume: number, position: number, buffers: readonly Buffer[]): Promise<number> {
    return this.#volumes.readAcross(volume, position, buffers);
  }

  get isSlow(): boolean {
    return this.#volumes.isSlow;
  }

  drop(volume: number): void {
    this.#volumes.drop(volume);
  }

  close(): void {
    this.#volumes.close();
  }
}

/** A coder does not know which record it was given. */
function located(error: Error, { volume, offset }: Location): Error {
  if (!(error instanceof GatewayError) || error.code !== 'DataLoss') return error;
  return new GatewayError('DataLoss', `The record at ${offset} of volume ${volume}: ${error.message}`, {
    cause: error,
  });
}
