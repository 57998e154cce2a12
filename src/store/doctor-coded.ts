/**
 * What the doctor asks of coded payloads beyond their CRC: that the dictionary each of them names lies before it in its volume, and, where a
 * coder is there, that they decode to the bytes that were written. Payloads are decoded in batches, so that threads have something to do.
 */
import { LIMITS } from '../base/limits.ts';
import {
  type Coder,
  type DecodeItem,
  type Dictionary,
  PAYLOAD_CODEC,
  type PayloadCodec,
} from '../codec/object-coding.ts';
import { originalLength, RECORD_KIND } from '../format/record.ts';
import { readFully, type WalkedRecord } from './volume-file.ts';

/** Of one batch, in bytes before the codec; and records. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_RECORDS = 64;

export interface CodedFault {
  readonly record: WalkedRecord;
  /** `has a ... at byte ...`, to follow the name of the volume. */
  readonly what: string;
}

/** For the records of one volume, in their order. */
export class CodedCheck {
  readonly #fd: number;
  readonly #coder: Coder | undefined;
  readonly #dictionaries = new Map<number, WalkedRecord>();
  /** In order of making, oldest first. */
  readonly #decoded = new Map<number, Dictionary>();
  #batch: { readonly record: WalkedRecord; readonly item: DecodeItem }[] = [];
  #bytes = 0;

  constructor(fd: number, coder: Coder | undefined) {
    this.#fd = fd;
    this.#coder = coder;
  }

  /** An intact record; answers what is wrong with it or with those before it. */
  async add(record: WalkedRecord): Promise<readonly CodedFault[]> {
    const { head, offset } = record;
    const { codec, dictionaryId } = head;
    if (head.kind === RECORD_KIND.dictionary && !this.#dictionaries.has(dictionaryId))
      this.#dictionaries.set(dictionaryId, { ...record, head: { ...head } });
    else if (dictionaryId !== 0 && !this.#dictionaries.has(dictionaryId)) {
      const name = dictionaryId.toString(16).padStart(8, '0');
      return [{ record, what: `has lost the dictionary ${name} that the record at byte ${offset} needs` }];
    }
    if (this.#coder === undefined || codec === PAYLOAD_CODEC.raw) return [];
    const dictionary = head.kind === RECORD_KIND.dictionary ? undefined : await this.#dictionary(dictionaryId);
    this.#batch.push({ record, item: this.#itemOf(record, dictionary) });
    this.#bytes += originalLength(head);
    return this.#bytes >= BATCH_BYTES || this.#batch.length >= BATCH_RECORDS ? this.end() : [];
  }

  /** Of the dictionaries that were seen. */
  get dictionaryIds(): Iterable<number> {
    return this.#dictionaries.keys();
  }

  /** What is wrong with the rest. */
  async end(): Promise<readonly CodedFault[]> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    if (this.#coder === undefined || batch.length === 0) return [];
    const decoded = await this.#coder.decode(batch.map(({ item }) => item));
    return batch.flatMap(({ record }, i) => {
      const result = decoded[i];
      if (Buffer.isBuffer(result)) return [];
      const what = `has a payload that cannot be decoded in the record at byte ${record.offset}: ${result?.message}`;
      return [{ record, what }];
    });
  }

  #itemOf({ head, offset, headLength }: WalkedRecord, dictionary: Dictionary | undefined): DecodeItem {
    return {
      codec: head.codec as PayloadCodec,
      stored: readFully(this.#fd, offset + headLength, head.payloadLength),
      size: originalLength(head),
      crc: head.payloadCrc,
      dictionary,
    };
  }

  /** `undefined` where there is none, or it cannot be decoded: then what needs it cannot either. */
  async #dictionary(id: number): Promise<Dictionary | undefined> {
    const known = this.#decoded.get(id);
    const record = this.#dictionaries.get(id);
    if (known !== undefined || record === undefined) return known;
    const item = this.#itemOf(record, undefined);
    const [bytes] =
      item.codec === PAYLOAD_CODEC.raw ? [item.stored] : ((await this.#coder?.decode([item])) ?? [undefined]);
    if (!Buffer.isBuffer(bytes)) return undefined;
    const dictionary = { id, bytes };
    this.#decoded.set(id, dictionary);
    for (const oldest of this.#decoded.keys()) {
      if (this.#decoded.size <= LIMITS.seriesDictionariesBytesMax / LIMITS.dictionaryBytesMax) break;
      this.#decoded.delete(oldest);
    }
    return dictionary;
  }
}
