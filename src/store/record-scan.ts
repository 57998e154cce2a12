/** Whole records in a piece of a volume that was read, without touching a file. */
import {
  decodeRecordHead,
  peekHeadLength,
  RECORD_FIXED_BYTES,
  type RecordHead,
  recordLength,
} from '../format/record.ts';

export interface ScannedRecord {
  readonly head: RecordHead;
  /** In the volume. */
  readonly offset: number;
  readonly headLength: number;
  /** Where the next one begins. */
  readonly end: number;
  /** A view, unchecked. */
  readonly payload: Buffer;
}

/** Records from the start of `bytes`, which lie at `offset` of the volume, up to the first that is not whole. */
export function* recordsIn(bytes: Buffer, uuid: Buffer, offset: number): IterableIterator<ScannedRecord> {
  let at = 0;
  while (at + RECORD_FIXED_BYTES <= bytes.length) {
    const headLength = peekHeadLength(bytes.subarray(at, at + RECORD_FIXED_BYTES));
    if (headLength === undefined || at + headLength > bytes.length) return;
    const head = decodeRecordHead(bytes.subarray(at, at + headLength), uuid, offset + at);
    if (head === undefined || at + headLength + head.payloadLength > bytes.length) return;
    const payload = bytes.subarray(at + headLength, at + headLength + head.payloadLength);
    const next = at + recordLength(headLength, head.payloadLength);
    yield { head, offset: offset + at, headLength, end: offset + next, payload };
    at = next;
  }
}
