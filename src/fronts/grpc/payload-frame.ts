// HOT PATH (bench: every message that carries bytes)
/**
 * A message whose last field is its payload, as buffers: what stands before the payload is encoded, the payload is not copied.
 * Every message of ours that has one has it as field 15 (`bytes`).
 */
import { PREFIX_BYTES } from './message.ts';

/** Field 15, length-delimited: https://protobuf.dev/programming-guides/encoding/#structure */
const PAYLOAD_TAG = (15 << 3) | 2;
/** A length of 32 bits as a varint. */
const VARINT_BYTES_MAX = 5;

/**
 * Prefix, fields and the head of the payload: with the payload's buffers behind it a message for `ServerCall.writeFramed`.
 *
 * @param fields the message without its payload, encoded; copied
 * @param payloadBytes length of what follows; 0 for a message without payload
 */
export function frameHead(fields: Uint8Array, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(PREFIX_BYTES + fields.length + 1 + VARINT_BYTES_MAX);
  head.set(fields, PREFIX_BYTES);
  let at = PREFIX_BYTES + fields.length;
  if (payloadBytes > 0) {
    head[at++] = PAYLOAD_TAG;
    let rest = payloadBytes;
    for (; rest > 0x7f; rest >>>= 7) head[at++] = (rest & 0x7f) | 0x80;
    head[at++] = rest;
  }
  head[0] = 0; // not compressed
  head.writeUInt32BE(at - PREFIX_BYTES + payloadBytes, 1);
  return head.subarray(0, at);
}
