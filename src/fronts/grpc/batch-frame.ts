// HOT PATH (bench: every object of a batch)
/**
 * A BatchFrame without its payload. Entries are written by hand into one buffer: the generated encoder costs three times as much for
 * each, and nothing else of a batch is done a hundred thousand times a second.
 */
import type { BatchEntry } from '../../base/batch-read.ts';
import { BatchEnd, Encoding } from '../../format/messages.ts';
import { PREFIX_BYTES } from './message.ts';

/** Tags of Entry, and of BatchFrame: field number and wire type. */
const SLOT = (1 << 3) | 0;
const LENGTH = (2 << 3) | 0;
const OFFSET = (3 << 3) | 0;
const SIZE = (4 << 3) | 0;
const CRC32 = (5 << 3) | 5;
const ETAG = (6 << 3) | 2;
const ERROR = (7 << 3) | 2;
const ENCODING = (8 << 3) | 0;
const ENTRIES = (1 << 3) | 2;
const END = (2 << 3) | 2;
const PAYLOAD = (15 << 3) | 2;

/** An entry without an error: 6 + 6 + 9 + 9 + 5 + 2 bytes of numbers, an ETag of up to 38, two tags and lengths. Below 128. */
const ENTRY_BYTES_MAX = 82;
const VARINT_BYTES_MAX = 5;

export interface FrameEnd {
  readonly ok: number;
  readonly failed: number;
  readonly unservedSlots: readonly number[];
  readonly bytes: number;
  readonly cacheHits: number;
  readonly serverMs: number;
}

/**
 * Prefix and fields up to the payload, which follows in buffers of its own.
 *
 * @param errors encoded google.rpc.Status of those entries that failed, by their position; sparse
 */
export function batchFrameHead(
  entries: readonly BatchEntry[],
  errors: ReadonlyMap<number, Uint8Array>,
  end: FrameEnd | undefined,
): Buffer {
  const endBytes = end === undefined ? undefined : encodeEnd(end);
  let room = PREFIX_BYTES + entries.length * ENTRY_BYTES_MAX + 2 * VARINT_BYTES_MAX + (endBytes?.length ?? 0) + 2;
  for (const error of errors.values()) room += error.length + 2 * VARINT_BYTES_MAX;
  const head = Buffer.allocUnsafe(room);
  let at = PREFIX_BYTES;
  let payloadBytes = 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as BatchEntry;
    at = entry.error === undefined ? writeServed(head, at, entry) : writeFailed(head, at, entry.slot, errors.get(i));
    payloadBytes += entry.length;
  }
  if (endBytes !== undefined) {
    head[at++] = END;
    at = writeVarint(head, at, endBytes.length);
    head.set(endBytes, at);
    at += endBytes.length;
  }
  if (payloadBytes > 0) {
    head[at++] = PAYLOAD;
    at = writeVarint(head, at, payloadBytes);
  }
  head[0] = 0; // not compressed
  head.writeUInt32BE(at - PREFIX_BYTES + payloadBytes, 1);
  return head.subarray(0, at);
}

function writeServed(head: Buffer, start: number, entry: BatchEntry): number {
  head[start] = ENTRIES;
  let at = start + 2; // its length is below 128: one byte
  if (entry.slot > 0) {
    head[at++] = SLOT;
    at = writeVarint(head, at, entry.slot);
  }
  if (entry.length > 0) {
    head[at++] = LENGTH;
    at = writeVarint(head, at, entry.length);
  }
  if (entry.offset > 0) {
    head[at++] = OFFSET;
    at = writeVarint(head, at, entry.offset);
  }
  const { info } = entry;
  if (info !== undefined && info.size > 0) {
    head[at++] = SIZE;
    at = writeVarint(head, at, info.size);
  }
  if (entry.crc32 !== 0) {
    head[at++] = CRC32;
    head.writeUInt32LE(entry.crc32, at);
    at += 4;
  }
  if (info !== undefined) {
    head[at] = ETAG;
    const length = info.writeEtag?.(head, at + 2) ?? head.write(info.etag, at + 2, 'latin1');
    head[at + 1] = length;
    at += 2 + length;
  }
  if (entry.encoding === 'zstd') {
    head[at++] = ENCODING;
    head[at++] = Encoding.ENCODING_ZSTD;
  }
  head[start + 1] = at - start - 2;
  return at;
}

function writeFailed(head: Buffer, start: number, slot: number, error: Uint8Array = new Uint8Array()): number {
  const slotBytes = slot === 0 ? 0 : 1 + varintBytes(slot);
  head[start] = ENTRIES;
  let at = writeVarint(head, start + 1, slotBytes + 1 + varintBytes(error.length) + error.length);
  if (slot > 0) {
    head[at++] = SLOT;
    at = writeVarint(head, at, slot);
  }
  head[at++] = ERROR;
  at = writeVarint(head, at, error.length);
  head.set(error, at);
  return at + error.length;
}

/** Safe integers of any size. */
function writeVarint(head: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 2 ** 31) {
    head[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  for (; rest > 0x7f; rest >>>= 7) head[at++] = (rest & 0x7f) | 0x80;
  head[at++] = rest;
  return at;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function encodeEnd({ ok, failed, unservedSlots, bytes, cacheHits, serverMs }: FrameEnd): Uint8Array {
  const seconds = Math.floor(serverMs / 1000);
  const nanos = Math.floor((serverMs - seconds * 1000) * 1e6);
  return BatchEnd.encode({ ok, failed, unservedSlots, bytes, cacheHits, serverTime: { seconds, nanos } });
}
