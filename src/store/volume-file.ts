/**
 * Volume files: their names, their making, and the walk over their records that recovery, compaction and the doctor share. A
 * walk believes only records whose head CRC fits this volume and this offset; after damage it looks for the next such record
 * at every multiple of 16 bytes.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from '@node-rs/crc32';
import { LIMITS } from '../base/limits.ts';
import {
  decodeRecordHead,
  headLength,
  peekHeadLength,
  RECORD_ALIGNMENT,
  RECORD_FIXED_BYTES,
  type RecordHead,
  recordLength,
} from '../format/record.ts';
import { decodeSuperblock, encodeSuperblock, SUPERBLOCK_BYTES, type Superblock } from '../format/superblock.ts';

const NAME = /^(\d{10})\.vol$/;
const WINDOW_BYTES = 1024 * 1024;
/** A head, and the payload of a small object. */
const AHEAD_BYTES_MIN = 4096;
/** A cold disk reads less than this in the time that it takes to read from another place. */
const SKIP_BYTES_MIN = 32 * 1024;
/** A longer head is none: objects have a key and attributes, buckets a name and settings. */
const HEAD_BYTES_MAX = headLength(
  LIMITS.keyBytesMax,
  Math.max(LIMITS.recordAttributesBytesMax, LIMITS.bucketSettingsBytesMax),
);

export function volumesFolder(root: string): string {
  return join(root, 'volumes');
}

export function volumePath(root: string, id: number): string {
  return join(volumesFolder(root), `${String(id).padStart(10, '0')}.vol`);
}

/** The volume id in a file name, or `undefined` for a file that is not a volume. */
export function volumeIdOf(fileName: string): number | undefined {
  const match = NAME.exec(fileName);
  return match === null ? undefined : Number(match[1]);
}

/** Makes the file and flushes it and its name, so that a power cut cannot lose it. Returns the open descriptor. */
export function createVolumeFile(root: string, superblock: Superblock): number {
  const fd = openSync(volumePath(root, superblock.volumeId), 'wx+', 0o640);
  try {
    writeSync(fd, encodeSuperblock(superblock), 0, SUPERBLOCK_BYTES, 0);
    fdatasyncSync(fd);
    syncFolder(volumesFolder(root));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** Flushes the names in a folder. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Reads exactly `length` bytes or up to the end of the file. */
export function readFully(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let have = 0;
  while (have < length) {
    const read = readSync(fd, bytes, have, length - have, offset + have);
    if (read === 0) break;
    have += read;
  }
  return have === length ? bytes : bytes.subarray(0, have);
}

export function readSuperblock(fd: number, name: string): ReturnType<typeof decodeSuperblock> {
  return decodeSuperblock(readFully(fd, 0, SUPERBLOCK_BYTES), name);
}

export interface WalkedRecord {
  readonly kind: 'record';
  readonly head: RecordHead;
  readonly offset: number;
  readonly headLength: number;
  /** With head and padding. */
  readonly length: number;
  /** `undefined`: not checked. */
  readonly payloadIntact: boolean | undefined;
}

export type WalkStep =
  | WalkedRecord
  /** Bytes that are no record of this volume, up to the next one or the end. */
  | { readonly kind: 'damage'; readonly offset: number; readonly end: number };

export interface WalkOptions {
  readonly uuid: Buffer;
  readonly start: number;
  /** Exclusive: the file's length, or the end that the index vouches for. */
  readonly end: number;
  /** Check the payloads too. */
  readonly payloads: boolean;
}

/** The records of a volume in order. Holds one window of at most 1 MiB at a time. */
export function* walkVolume(fd: number, options: WalkOptions): IterableIterator<WalkStep> {
  const window = new Window(fd, options.end);
  let offset = options.start;
  while (offset < options.end) {
    const found = recordAt(window, options.uuid, offset);
    if (found === undefined) {
      const next = nextRecord(window, options.uuid, offset + RECORD_ALIGNMENT, options.end);
      yield { kind: 'damage', offset, end: next };
      offset = next;
      continue;
    }
    const { head, bytes } = found;
    const length = recordLength(bytes, head.payloadLength);
    const payloadIntact = options.payloads ? payloadMatches(window, offset + bytes, head) : undefined;
    yield { kind: 'record', head, offset, headLength: bytes, length, payloadIntact };
    offset += length;
  }
}

function recordAt(window: Window, uuid: Buffer, offset: number): { head: RecordHead; bytes: number } | undefined {
  const bytes = peekHeadLength(window.bytes(offset, RECORD_FIXED_BYTES));
  if (bytes === undefined || bytes > HEAD_BYTES_MAX) return undefined;
  const head = decodeRecordHead(window.bytes(offset, bytes), uuid, offset);
  // With its padding: the next record would otherwise begin where no walk looks for it.
  if (head === undefined || offset + recordLength(bytes, head.payloadLength) > window.end) return undefined;
  return { head, bytes };
}

function nextRecord(window: Window, uuid: Buffer, from: number, end: number): number {
  for (let offset = from; offset < end; offset += RECORD_ALIGNMENT) {
    if (recordAt(window, uuid, offset) !== undefined) return offset;
  }
  return end;
}

/** As `storedPayloadIsIntact`, in pieces. */
function payloadMatches(window: Window, offset: number, head: RecordHead): boolean {
  const isCoded = head.codec !== 0;
  if (isCoded && head.payloadLength < 4) return false;
  const expected = isCoded ? window.bytes(offset, 4).readUInt32LE(0) : head.payloadCrc;
  let crc = 0;
  for (let done = isCoded ? 4 : 0; done < head.payloadLength; ) {
    const piece = window.bytes(offset + done, Math.min(WINDOW_BYTES, head.payloadLength - done));
    if (piece.length === 0) return false;
    crc = crc32(piece, crc);
    done += piece.length;
  }
  return crc === expected;
}

/**
 * A sliding view of a file. It reads far ahead where it is followed byte by byte, and little where payloads are skipped: of a volume of 64 KiB
 * objects a walk over the heads reads a sixteenth.
 */
class Window {
  readonly #fd: number;
  readonly end: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #ahead = AHEAD_BYTES_MIN;

  constructor(fd: number, end: number) {
    this.#fd = fd;
    this.end = end;
  }

  /** `length` bytes from `offset`, fewer at the end. Valid until the next call. */
  bytes(offset: number, length: number): Buffer {
    const want = Math.max(0, Math.min(length, this.end - offset));
    const end = this.#start + this.#bytes.length;
    if (offset < this.#start || offset + want > end) {
      const isSkip = offset < this.#start || offset > end + SKIP_BYTES_MIN;
      this.#ahead = isSkip ? AHEAD_BYTES_MIN : Math.min(WINDOW_BYTES, 2 * this.#ahead);
      this.#bytes = readFully(this.#fd, offset, Math.max(0, Math.min(Math.max(want, this.#ahead), this.end - offset)));
      this.#start = offset;
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + want);
  }
}
