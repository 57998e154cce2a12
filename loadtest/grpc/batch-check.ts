/**
 * The stream of one GetBatch, judged as it comes in pieces of any size. Promises: an object counts when all its bytes have come in order and
 * have the CRC-32 of what was stored; what a stream leaves unserved is counted as short.
 *
 * Hardest decision: messages are put together in one buffer that is used again, which costs a copy of each byte. It is cheaper than keeping
 * the pieces, and a load generator must cost less than what it loads.
 */
import { LIMITS } from '../../src/base/limits.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { BatchFrame, type Entry } from '../../src/format/messages.ts';
import type { DataSet } from '../suite/data-set.ts';
import type { Tally } from './tally.ts';

/** A byte that says whether the message is compressed, and its length. */
const PREFIX_BYTES = 5;

/** Where messages are put together: one for each stream at once. */
export class MessageRoom {
  bytes = Buffer.allocUnsafeSlow(2 * 1024 * 1024);

  /** @throws for a message larger than any gateway sends */
  reserve(size: number, filled: number): void {
    if (size <= this.bytes.length) return;
    if (size > PREFIX_BYTES + LIMITS.clientMessageBytesMax) throw new Error(`a message of ${size} bytes`);
    const larger = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(larger, 0, 0, filled);
    this.bytes = larger;
  }
}

export class BatchCheck {
  readonly #dataSet: DataSet;
  readonly #positions: readonly number[];
  readonly #tally: Tally;
  readonly #room: MessageRoom;
  /** By slot: bytes and CRC-32 so far. */
  readonly #bytes: Float64Array;
  readonly #crcs: Uint32Array;
  readonly #settled: Uint8Array;
  #filled = 0;
  #wanted = PREFIX_BYTES;
  #hasEnd = false;

  /** @param positions what was asked for, by slot */
  constructor(dataSet: DataSet, positions: readonly number[], tally: Tally, room: MessageRoom) {
    this.#dataSet = dataSet;
    this.#positions = positions;
    this.#tally = tally;
    this.#room = room;
    this.#bytes = new Float64Array(positions.length);
    this.#crcs = new Uint32Array(positions.length);
    this.#settled = new Uint8Array(positions.length);
  }

  /** @throws for bytes that are no such message */
  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + this.#wanted - this.#filled);
      chunk.copy(this.#room.bytes, this.#filled, at, end);
      this.#filled += end - at;
      at = end;
      if (this.#filled < this.#wanted) return;
      if (this.#wanted === PREFIX_BYTES) {
        this.#wanted += this.#room.bytes.readUInt32BE(1);
        this.#room.reserve(this.#wanted, this.#filled);
        if (this.#wanted > PREFIX_BYTES) continue;
      }
      this.#takeMessage(this.#room.bytes.subarray(PREFIX_BYTES, this.#wanted));
      this.#filled = 0;
      this.#wanted = PREFIX_BYTES;
    }
  }

  /** The stream has ended, in whatever way. */
  end(): void {
    const open = this.#settled.indexOf(0);
    if (!this.#hasEnd) this.#tally.broken('a batch ended without saying that it is whole');
    for (let slot = open; slot >= 0 && slot < this.#settled.length; slot += 1)
      if (this.#settled[slot] === 0) this.#tally.short(`slot ${slot} of a batch was not served`);
  }

  #takeMessage(message: Buffer): void {
    const { entries, end, payload } = BatchFrame.decode(message);
    let at = 0;
    for (const entry of entries) {
      this.#takeEntry(entry, payload.subarray(at, at + entry.length));
      at += entry.length;
    }
    if (at !== payload.length) throw new Error(`a frame describes ${at} bytes and holds ${payload.length}`);
    if (end !== undefined) this.#hasEnd = true;
  }

  #takeEntry({ slot, objectOffset, objectSize, error }: Entry, bytes: Buffer): void {
    const position = this.#positions[slot];
    if (position === undefined || this.#settled[slot] === 1) throw new Error(`an entry of slot ${slot} too many`);
    if (error !== undefined) {
      this.#settled[slot] = 1;
      this.#tally.refused(`${this.#dataSet.keyOf(position)}: ${error.message}`);
      return;
    }
    const before = this.#bytes[slot] as number;
    if (objectOffset !== before) throw new Error(`slot ${slot} goes on at byte ${objectOffset} and not ${before}`);
    this.#bytes[slot] = before + bytes.length;
    this.#crcs[slot] = crc32Of(bytes, this.#crcs[slot] as number);
    if (before + bytes.length < objectSize) return;
    this.#settled[slot] = 1;
    this.#tally.received(this.#dataSet, position, before + bytes.length, this.#crcs[slot] as number);
  }
}
