/**
 * How the records of a group lie in their volume, one behind the other. Promises: a group that is written past the page cache begins and ends
 * at a multiple of a block, so that no block of the disk holds bytes of it and of a write before or after it: what was acknowledged is never
 * written again. The gaps are extents that nothing names.
 */
import { crc32 } from '@node-rs/crc32';
import { encodeRecordHead, RECORD_FIXED_BYTES, RECORD_KIND, type RecordHead, recordHead } from '../format/record.ts';

/** What disks and file systems of today ask for at most: their logical blocks have 512 or 4,096 bytes. */
export const BLOCK_BYTES = 4096;
/** The gap before a block, where a record fits into it. */
export const FILLER_BYTES_MAX = BLOCK_BYTES + RECORD_FIXED_BYTES;

const ZEROS = Buffer.alloc(FILLER_BYTES_MAX);

export interface GroupRecord {
  /** Timestamp, head CRC and place are given here. */
  readonly head: RecordHead;
  readonly payload: readonly Buffer[];
  /** With its head and padding. */
  readonly length: number;
}

export interface PlacedRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly head: Buffer;
}

export interface PlacedGroup {
  readonly items: readonly PlacedRecord[];
  /** Between the end of the volume and `start`. */
  readonly lead: Buffer | undefined;
  readonly start: number;
  readonly buffers: readonly Buffer[];
  readonly end: number;
}

export interface GroupPlace {
  readonly uuid: Buffer;
  /** Of the volume so far. */
  readonly end: number;
  /** The next timestamp. */
  readonly stamp: () => number;
}

/** @param inBlocks the group shares no block with others */
export function placeGroup(records: readonly GroupRecord[], place: GroupPlace, inBlocks: boolean): PlacedGroup {
  const { uuid, end, stamp } = place;
  const lead = inBlocks ? fillerAt(end, uuid, stamp) : undefined;
  const start = end + (lead?.length ?? 0);
  const buffers: Buffer[] = [];
  const items: PlacedRecord[] = [];
  let offset = start;
  for (const { head, payload, length } of records) {
    const timestamp = stamp();
    const bytes = encodeRecordHead({ ...head, timestamp }, uuid, offset);
    buffers.push(bytes, ...payload);
    const padding = length - bytes.length - head.payloadLength;
    if (padding > 0) buffers.push(ZEROS.subarray(0, padding));
    items.push({ offset, timestamp, head: bytes });
    offset += length;
  }
  const trail = inBlocks ? fillerAt(offset, uuid, stamp) : undefined;
  if (trail !== undefined) buffers.push(trail);
  return { items, lead, start, buffers, end: offset + (trail?.length ?? 0) };
}

/** A record up to the next block, or the one after it where it would not fit; none at the beginning of one. */
function fillerAt(offset: number, uuid: Buffer, stamp: () => number): Buffer | undefined {
  const gap = (BLOCK_BYTES - (offset % BLOCK_BYTES)) % BLOCK_BYTES;
  if (gap === 0) return undefined;
  const length = gap < RECORD_FIXED_BYTES ? gap + BLOCK_BYTES : gap;
  const payload = ZEROS.subarray(0, length - RECORD_FIXED_BYTES);
  const head = recordHead({
    kind: RECORD_KIND.extent,
    payloadLength: payload.length,
    payloadCrc: crc32(payload),
    size: payload.length,
    timestamp: stamp(),
  });
  return Buffer.concat([encodeRecordHead(head, uuid, offset), payload]);
}
