/**
 * What comes of one GetBatch, as it arrives in pieces of any size. Promises: bytes count for a slot that was asked for and in their order, each
 * with the CRC-32 so far; anything else is an error of the stream. Whether they are the right ones is for whoever asked to say.
 *
 * Hardest decision: messages are put together in one buffer that is used again, which costs a copy of each byte. It is cheaper than keeping
 * the pieces, and a load generator must cost less than what it loads. (The readers of `training` copy nothing, and pay for it in code.)
 */
import { LIMITS } from '../../src/base/limits.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { BatchFrame, type Entry } from '../../src/format/messages.ts';

/** A byte that says whether the message is compressed, and its length. */
const PREFIX_BYTES = 5;

/** Where messages are put together: one for each stream at once. */
export class MessageRoom {
  bytes: Buffer = Buffer.allocUnsafe(PREFIX_BYTES);

  /** @throws RangeError for a message larger than any gateway sends */
  reserve(size: number, filled: number): void {
    if (size > PREFIX_BYTES + LIMITS.clientMessageBytesMax) throw new RangeError(`a message of ${size} bytes`);
    if (size <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(size)));
    this.bytes.copy(larger, 0, 0, filled);
    this.bytes = larger;
  }
}

/** Cuts a stream into messages of gRPC. */
export class MessageCutter {
  readonly #room: MessageRoom;
  readonly #see: (message: Buffer) => void;
  #filled = 0;
  #wanted = PREFIX_BYTES;

  /** @param see is given each message when it is whole, valid until it returns */
  constructor(room: MessageRoom, see: (message: Buffer) => void) {
    this.#room = room;
    this.#see = see;
  }

  /** @throws RangeError for a message that is too large or compressed, and what `see` throws */
  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + this.#wanted - this.#filled);
      chunk.copy(this.#room.bytes, this.#filled, at, end);
      this.#filled += end - at;
      at = end;
      if (this.#filled < this.#wanted) return;
      if (this.#filled === PREFIX_BYTES) {
        if (this.#room.bytes[0] !== 0) throw new RangeError('a compressed message');
        this.#wanted += this.#room.bytes.readUInt32BE(1);
        this.#room.reserve(this.#wanted, this.#filled);
        if (this.#wanted > PREFIX_BYTES) continue;
      }
      this.#see(this.#room.bytes.subarray(PREFIX_BYTES, this.#wanted));
      this.#filled = 0;
      this.#wanted = PREFIX_BYTES;
    }
  }
}

/** What came of one slot. */
export interface Slot {
  /** -1: it was not served. */
  readonly bytes: number;
  readonly crc32: number;
  /** Why it has no content. */
  readonly error: Entry['error'];
}

export class BatchSlots {
  /** By slot; bytes are -1 before its first entry. */
  readonly #bytes: Float64Array;
  readonly #crcs: Uint32Array;
  readonly #errors = new Map<number, Slot['error']>();
  readonly #cutter: MessageCutter;
  #hasEnded = false;

  constructor(slots: number, room: MessageRoom) {
    this.#bytes = new Float64Array(slots).fill(-1);
    this.#crcs = new Uint32Array(slots);
    this.#cutter = new MessageCutter(room, (message) => this.#takeFrame(BatchFrame.decode(message)));
  }

  /** The gateway said that the batch is whole. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** @throws for bytes that are no such stream */
  take(chunk: Buffer): void {
    this.#cutter.take(chunk);
  }

  of(slot: number): Slot {
    const bytes = this.#bytes[slot] as number;
    return { bytes, crc32: this.#crcs[slot] as number, error: this.#errors.get(slot) };
  }

  #takeFrame({ entries, end, payload }: BatchFrame): void {
    let at = 0;
    for (const entry of entries) {
      this.#takeEntry(entry, payload.subarray(at, at + entry.length));
      at += entry.length;
    }
    if (at !== payload.length) throw new RangeError(`a frame describes ${at} bytes and holds ${payload.length}`);
    if (end !== undefined) this.#hasEnded = true;
  }

  #takeEntry({ slot, objectOffset, error }: Entry, bytes: Buffer): void {
    const before = this.#bytes[slot];
    if (before === undefined) throw new RangeError(`an entry of slot ${slot}, which was not asked for`);
    if (this.#errors.has(slot)) throw new RangeError(`slot ${slot} goes on after its error`);
    if (error !== undefined) {
      this.#errors.set(slot, error);
      return;
    }
    const offset = Math.max(0, before);
    if (objectOffset !== offset) throw new RangeError(`slot ${slot} goes on at byte ${objectOffset} and not ${offset}`);
    this.#bytes[slot] = offset + bytes.length;
    this.#crcs[slot] = crc32Of(bytes, this.#crcs[slot] as number);
  }
}
