/**
 * Dictionaries by series, as the coding pass makes them: of the first headers of a series, once two objects of it are in sight, and only if the
 * headers in sight save more than the record of the dictionary takes. Promises: the same series has the same dictionary as long as it is
 * remembered, whichever volume its objects go to, and what is remembered is bounded.
 *
 * A dictionary outlives the object whose header it was made of: those bytes are gone when the last volume that has it is compacted away.
 */
import { crc32 } from '@node-rs/crc32';
import { LIMITS } from '../base/limits.ts';
import { dictionaryOf } from '../codec/dictionary.ts';
import { type Coder, type Dictionary, PAYLOAD_CODEC, type Profile } from '../codec/object-coding.ts';
import { CONTENT_CLASS, type Content } from '../format/content.ts';
import { headLength, recordLength } from '../format/record.ts';
import type { StoredDictionary } from './output-volume.ts';

/** One saves nothing: the dictionary is its header. */
const OBJECTS_MIN = 2;
/** Headers that are coded with and without the dictionary to see what it saves; the last ones, which it may not have been made of. */
const TRIED_HEADERS = 4;
/** Of the record of a dictionary, whose key is its id in hexadecimal digits. */
const HEAD_BYTES = headLength(8, 0);
/** Shorter headers are coded well enough alone. */
const HEADER_BYTES_MIN = 512;

export interface SeriesDictionary {
  readonly dictionary: Dictionary;
  readonly stored: StoredDictionary;
}

export class SeriesDictionaries {
  readonly #coder: Coder;
  readonly #profile: Profile;
  /** In order of use, oldest first. */
  readonly #known = new Map<string, SeriesDictionary>();
  #bytes = 0;

  constructor(coder: Coder, profile: Profile) {
    this.#coder = coder;
    this.#profile = profile;
  }

  /** For each of these objects the dictionary of its series, where there is one. */
  async of(
    payloads: readonly Buffer[],
    contents: readonly Content[],
  ): Promise<readonly (SeriesDictionary | undefined)[]> {
    const headers = new Map<string, Buffer[]>();
    for (const [i, { series, headerLength }] of contents.entries()) {
      if (series === undefined || headerLength < HEADER_BYTES_MIN || this.#known.has(series)) continue;
      const header = (payloads[i] as Buffer).subarray(0, headerLength);
      const others = headers.get(series);
      if (others === undefined) headers.set(series, [header]);
      else others.push(header);
    }
    for (const [series, found] of headers) {
      if (found.length < OBJECTS_MIN) continue;
      const made = await this.#make(found);
      if (made !== undefined) this.#remember(series, made);
    }
    return contents.map(({ series }) => (series === undefined ? undefined : this.#use(series)));
  }

  #use(series: string): SeriesDictionary | undefined {
    const known = this.#known.get(series);
    if (known === undefined) return undefined;
    this.#known.delete(series);
    this.#known.set(series, known);
    return known;
  }

  /** @returns `undefined` when it would take more than it saves */
  async #make(headers: readonly Buffer[]): Promise<SeriesDictionary | undefined> {
    const dictionary = dictionaryOf(headers);
    const { bytes, id } = dictionary;
    const coded = await this.#code(bytes);
    if ((await this.#savedBy(dictionary, headers)) <= recordLength(HEAD_BYTES, coded.stored.length)) return undefined;
    return { dictionary, stored: { id, ...coded, size: bytes.length, crc: crc32(bytes) } };
  }

  /** Bytes of all the headers together. */
  async #savedBy(dictionary: Dictionary, headers: readonly Buffer[]): Promise<number> {
    const tried = headers.slice(-TRIED_HEADERS);
    const plain = await this.#storedLength(tried, undefined);
    return ((plain - (await this.#storedLength(tried, dictionary))) * headers.length) / tried.length;
  }

  async #storedLength(headers: readonly Buffer[], dictionary: Dictionary | undefined): Promise<number> {
    const options = { profile: this.#profile, dictionary };
    const coded = await this.#coder.encode(headers.map((bytes) => ({ bytes, options })));
    return coded.reduce((sum, { stored }, i) => sum + (stored ?? (headers[i] as Buffer)).length, 0);
  }

  #remember(series: string, made: SeriesDictionary): void {
    this.#known.set(series, made);
    this.#bytes += made.dictionary.bytes.length;
    for (const [oldest, { dictionary: forgotten }] of this.#known) {
      if (this.#bytes <= LIMITS.seriesDictionariesBytesMax) break;
      this.#known.delete(oldest);
      this.#bytes -= forgotten.bytes.length;
    }
  }

  /** As one zstd frame, for headers of a series resemble each other; what reads it needs no dictionary for that. */
  async #code(bytes: Buffer): Promise<{ codec: number; stored: Buffer }> {
    const hint = { class: CONTENT_CLASS.other, pixels: undefined };
    const [coded] = await this.#coder.encode([{ bytes, options: { profile: this.#profile, hint } }]);
    if (coded?.codec !== PAYLOAD_CODEC.zstd || coded.stored === undefined) return { codec: 0, stored: bytes };
    return { codec: coded.codec, stored: coded.stored };
  }
}
