// HOT PATH: `take` sees every byte of every batch (npm run loadtest -- training --by batch).
/**
 * Reads the answer to one GetBatch as it arrives: messages of gRPC, each a BatchFrame whose payload comes last. Every object's CRC-32 is
 * made over the payload where it lies; nothing but the small head of a message is ever copied.
 */
import { crc32Of } from '../../src/format/crc32.ts';
import { addFault, type Expected, type Tally } from './outcome.ts';

const PREFIX_BYTES = 5;
const HEAD_BYTES_MAX = 4 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** Fields of BatchFrame, Entry and BatchEnd with their wire types. */
const ENTRIES = (1 << 3) | 2;
const END = (2 << 3) | 2;
const PAYLOAD = (15 << 3) | 2;
const SLOT = 1 << 3;
const LENGTH = 2 << 3;
const ERROR = (7 << 3) | 2;
const OK = 1 << 3;

/** Reads fields one behind the other; says so when the bytes end within one. */
class Fields {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
  isShort = false;

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; this.at < this.end; scale *= 128) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.isShort = true;
    return 0;
  }

  /** Behind the value of a field that nobody wants. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint();
    else this.advance(wireType === 2 ? this.varint() : wireType === 1 ? 8 : 4);
  }

  advance(count: number): void {
    this.at += count;
    if (this.at > this.end) this.isShort = true;
  }
}

export class BatchStream {
  readonly #batch: Uint32Array;
  readonly #expected: Expected;
  readonly #tally: Tally;
  /** Of each slot: bytes so far and their CRC-32; -1 when it is settled. */
  readonly #filled: Float64Array;
  readonly #crcs: Uint32Array;
  /** Entries of the message that is being read, whose payload is still to come. */
  #slots: number[] = [];
  #lengths: number[] = [];
  #entry = 0;
  #entryLeft = 0;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  /** Bytes of the message that are still to come. */
  #messageLeft = 0;
  #isInPayload = false;
  /** The head of a message, where it came in pieces. */
  #head: Buffer = NO_BYTES;
  #settled = 0;
  #okAtEnd = -1;

  /** @param batch positions of the objects, by slot */
  constructor(batch: Uint32Array, expected: Expected, tally: Tally) {
    this.#batch = batch;
    this.#expected = expected;
    this.#tally = tally;
    this.#filled = new Float64Array(batch.length);
    this.#crcs = new Uint32Array(batch.length);
  }

  /** @throws Error when it is no answer to a GetBatch */
  take(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#prefixBytes < PREFIX_BYTES) at = this.#takePrefix(bytes, at, end);
      else if (this.#isInPayload) at = this.#takePayload(bytes, at, end);
      else at = this.#takeHead(bytes, at, end);
      if (this.#prefixBytes === PREFIX_BYTES && this.#messageLeft === 0) this.#endMessage();
    }
  }

  /** The stream is over: counts what did not come. */
  finish(error: Error | undefined): void {
    const missing = this.#batch.length - this.#settled;
    if (missing > 0) {
      const isTold = error === undefined && this.#okAtEnd >= 0;
      const text = error?.message ?? (isTold ? 'it left out slots' : 'it ended without saying that it is whole');
      addFault(this.#tally, isTold ? 'short' : 'broken', missing, `GetBatch of ${this.#batch.length}: ${text}`);
    }
    this.#settled = this.#batch.length;
  }

  #takePrefix(bytes: Buffer, at: number, end: number): number {
    const count = Math.min(PREFIX_BYTES - this.#prefixBytes, end - at);
    bytes.copy(this.#prefix, this.#prefixBytes, at, at + count);
    this.#prefixBytes += count;
    if (this.#prefixBytes === PREFIX_BYTES) {
      if (this.#prefix[0] !== 0) throw new Error('a compressed message');
      this.#messageLeft = this.#prefix.readUInt32BE(1);
    }
    return at + count;
  }

  /** Everything before the payload. @returns where to go on */
  #takeHead(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#messageLeft);
    const isWhole = stop - at === this.#messageLeft;
    const before = this.#head.length;
    const head = before === 0 ? bytes : Buffer.concat([this.#head, bytes.subarray(at, stop)]);
    const from = before === 0 ? at : 0;
    const to = before === 0 ? stop : head.length;
    const parsed = this.#parseHead(head, from, to, isWhole);
    if (parsed < 0) {
      if (isWhole || to - from > HEAD_BYTES_MAX) throw new Error('a message that is no BatchFrame');
      this.#head = Buffer.from(head.subarray(from, to)); // `bytes` are only lent
      this.#messageLeft -= stop - at;
      return stop;
    }
    this.#head = NO_BYTES;
    const next = at + (parsed - from - before);
    this.#messageLeft -= next - at;
    this.#isInPayload = true;
    this.#beginEntries();
    return next;
  }

  /** @returns where the payload begins, which for a message without one is its end; -1 while some of the head is missing */
  #parseHead(bytes: Buffer, from: number, to: number, isWhole: boolean): number {
    const fields = new Fields(bytes, from, to);
    this.#slots = [];
    this.#lengths = [];
    const refused: number[] = [];
    while (fields.at < to) {
      const tag = fields.varint();
      const length = fields.varint();
      if (fields.isShort) return -1;
      if (tag === PAYLOAD) return this.#refuse(refused, fields.at);
      const start = fields.at;
      fields.advance(length);
      if (fields.isShort) return -1;
      if (tag === ENTRIES) this.#parseEntry(bytes, start, fields.at, refused);
      else if (tag === END) this.#parseEnd(bytes, start, fields.at);
    }
    return isWhole ? this.#refuse(refused, to) : -1;
  }

  #refuse(slots: readonly number[], at: number): number {
    for (const slot of slots) {
      addFault(this.#tally, 'refused', 1, `GetBatch: ${this.#keyOf(slot)} failed on the server`);
      this.#settle(slot);
    }
    return at;
  }

  #parseEntry(bytes: Buffer, start: number, end: number, refused: number[]): void {
    const fields = new Fields(bytes, start, end);
    let [slot, length, hasFailed] = [0, 0, false];
    while (fields.at < end && !fields.isShort) {
      const tag = fields.varint();
      if (tag === SLOT) slot = fields.varint();
      else if (tag === LENGTH) length = fields.varint();
      else {
        if (tag === ERROR) hasFailed = true;
        fields.skip(tag);
      }
    }
    if (slot >= this.#batch.length) throw new Error(`an entry of slot ${slot}, which was not asked for`);
    if (hasFailed) refused.push(slot);
    else {
      this.#slots.push(slot);
      this.#lengths.push(length);
    }
  }

  #parseEnd(bytes: Buffer, start: number, end: number): void {
    const fields = new Fields(bytes, start, end);
    this.#okAtEnd = 0;
    while (fields.at < end && !fields.isShort) {
      const tag = fields.varint();
      if (tag === OK) this.#okAtEnd = fields.varint();
      else fields.skip(tag);
    }
  }

  #beginEntries(): void {
    const total = this.#lengths.reduce((sum, length) => sum + length, 0);
    if (total !== this.#messageLeft) throw new Error(`entries of ${total} bytes in a payload of ${this.#messageLeft}`);
    const twice = this.#slots.find((slot) => (this.#filled[slot] as number) < 0);
    if (twice !== undefined) throw new Error(`slot ${twice} came twice`);
    this.#entry = 0;
    this.#entryLeft = this.#lengths[0] ?? 0;
    this.#passEntries();
  }

  #takePayload(bytes: Buffer, start: number, end: number): number {
    const count = Math.min(end - start, this.#entryLeft);
    const slot = this.#slots[this.#entry] as number;
    this.#crcs[slot] = crc32Of(bytes.subarray(start, start + count), this.#crcs[slot] as number);
    this.#filled[slot] = (this.#filled[slot] as number) + count;
    this.#entryLeft -= count;
    this.#messageLeft -= count;
    this.#passEntries();
    return start + count;
  }

  /** Behind all entries that are whole. */
  #passEntries(): void {
    while (this.#entryLeft === 0 && this.#entry < this.#slots.length) {
      const slot = this.#slots[this.#entry] as number;
      const bytes = this.#expected.sizeOf(this.#batch[slot] as number);
      if (this.#filled[slot] === bytes) this.#check(slot, bytes);
      this.#entry += 1;
      this.#entryLeft = this.#lengths[this.#entry] ?? 0;
    }
  }

  #check(slot: number, bytes: number): void {
    if (this.#crcs[slot] === this.#expected.crcOf(this.#batch[slot] as number)) {
      this.#tally.objects += 1;
      this.#tally.bytes += bytes;
    } else addFault(this.#tally, 'wrong', 1, `GetBatch: ${this.#keyOf(slot)} brought other bytes`);
    this.#settle(slot);
  }

  #settle(slot: number): void {
    this.#filled[slot] = -1;
    this.#settled += 1;
  }

  #keyOf(slot: number): string {
    return this.#expected.keyOf(this.#batch[slot] as number);
  }

  #endMessage(): void {
    this.#prefixBytes = 0;
    this.#isInPayload = false;
  }
}
