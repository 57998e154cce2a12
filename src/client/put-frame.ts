// HOT PATH: the payload of every put is copied here once, into the message that grpc-js takes.
/** PutFrames (proto/penstock/v1): entries, and behind them the bytes that they describe. */
import { PutFrame } from '../format/messages.ts';
import type { PendingPut } from './put-queue.ts';

const TAG_PAYLOAD = 0x7a; // field 15, bytes
const LENGTH_BYTES_MAX = 5;

/**
 * @param firstSlot number of the first item in its stream; the others follow
 * @param bucket of items that name none
 */
export function encodePutFrame(items: readonly PendingPut[], firstSlot: number, bucket: string): Buffer {
  const head = PutFrame.encode({ entries: items.map((pending, index) => entryOf(pending, firstSlot + index, bucket)) });
  let payloadBytes = 0;
  for (const { item } of items) payloadBytes += item.body.length;
  const frame = Buffer.allocUnsafeSlow(head.length + 1 + LENGTH_BYTES_MAX + payloadBytes);
  let at = head.copy(frame);
  frame[at++] = TAG_PAYLOAD;
  let rest = payloadBytes;
  for (; rest >= 0x80; rest >>>= 7) frame[at++] = (rest & 0x7f) | 0x80;
  frame[at++] = rest;
  for (const { item } of items) at += item.body.copy(frame, at);
  return frame.subarray(0, at);
}

function entryOf({ item, crc32 }: PendingPut, slot: number, bucket: string) {
  const { key, body, contentType, metadata, ifAbsent } = item;
  const header = { bucket: item.bucket ?? bucket, key, size: body.length, contentType, metadata, ifAbsent };
  return { slot, header, length: body.length, crc32 };
}
