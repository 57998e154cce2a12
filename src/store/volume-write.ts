/**
 * Bytes into a volume file, and out of it again when a write failed. What is taken back is made durable too: only then can a client
 * be told that nothing was stored. When the disk does not even take that, the outcome is unknown, and is called so.
 */
import { fdatasync, ftruncate, write, writev } from 'node:fs';
import { promisify } from 'node:util';
import { decodeRecordHead, encodeRecordHead, RECORD_KIND } from '../format/record.ts';

const writevAsync = promisify(writev);
const writeAsync = promisify(write);
const fdatasyncAsync = promisify(fdatasync);
const ftruncateAsync = promisify(ftruncate);

/** Linux takes at most this many buffers in one writev (IOV_MAX). */
const IOV_MAX = 1024;
/** The bytes of a head that differ between kinds: up to its kind and its CRC. Never across a sector: records begin at multiples of 16. */
const KIND_BYTES = 12;

/** A record as it was written. */
export interface WrittenRecord {
  readonly offset: number;
  readonly head: Buffer;
}

export async function writeAll(fd: number, buffers: readonly Buffer[], position: number): Promise<void> {
  let at = position;
  for (let i = 0; i < buffers.length; i += IOV_MAX) {
    let batch = buffers.slice(i, i + IOV_MAX);
    while (batch.length > 0) {
      const { bytesWritten } = await writevAsync(fd, batch, at);
      at += bytesWritten;
      batch = unwritten(batch, bytesWritten);
    }
  }
}

/** What is left of `buffers` after `written` bytes of them. */
function unwritten(buffers: readonly Buffer[], written: number): Buffer[] {
  let left = written;
  for (let i = 0; i < buffers.length; i++) {
    const buffer = buffers[i] as Buffer;
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(i + 1)];
    left -= buffer.length;
  }
  return [];
}

/** True when what lies behind `end` is durably gone. */
export async function cutBack(fd: number, end: number): Promise<boolean> {
  try {
    await ftruncateAsync(fd, end);
    await fdatasyncAsync(fd);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes extents that nothing names of records that the index refused, in place, so that no replay and no rebuild takes them for
 * writes. True when that is durable.
 */
export async function voidRecords(fd: number, uuid: Buffer, records: readonly WrittenRecord[]): Promise<boolean> {
  try {
    for (const { offset, head } of records) {
      const decoded = decodeRecordHead(head, uuid, offset);
      if (decoded === undefined) return false;
      const inert = encodeRecordHead({ ...decoded, kind: RECORD_KIND.extent }, uuid, offset);
      await writeAsync(fd, inert, 0, KIND_BYTES, offset);
    }
    await fdatasyncAsync(fd);
    return true;
  } catch {
    return false;
  }
}
