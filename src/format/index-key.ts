/**
 * Keys of the object index: bucket id (u32, big endian), then the key's UTF-8 with two bytes escaped (00 becomes 01 01, 01
 * becomes 01 02). Order is the order of the UTF-8 bytes, as S3 lists. The current version of an object stands at exactly this
 * key; older versions can stand at the key followed by 00 and the inverted timestamp, which sorts them right behind it, newest
 * first, and before every other key. Nothing writes older versions yet; the layout needs no migration when something does.
 */

import { GatewayError } from '../base/errors.ts';

const ESCAPE = 1;

function needsEscape(bytes: Buffer): boolean {
  return bytes.includes(0) || bytes.includes(ESCAPE);
}

function escapeBytes(bytes: Buffer): Buffer {
  const out: number[] = [];
  for (const byte of bytes) {
    if (byte <= ESCAPE) out.push(ESCAPE, byte + 1);
    else out.push(byte);
  }
  return Buffer.from(out);
}

/** LMDB here takes keys up to this; only a key with hundreds of NUL or SOH bytes can reach it. */
export const INDEX_KEY_BYTES_MAX = 1978;

/** Longest suffix behind a key: the mark, and an upload id or a timestamp. */
const SUFFIX_BYTES = 17;

/**
 * The index key of an object. @throws GatewayError KeyTooLongError for a key of so many NUL or SOH bytes that its escaped form does
 * not fit into the index
 */
export function objectIndexKey(bucketId: number, key: Buffer): Buffer {
  const out = indexKey(bucketId, key);
  if (out.length + SUFFIX_BYTES <= INDEX_KEY_BYTES_MAX) return out;
  throw new GatewayError(
    'KeyTooLongError',
    `The key takes ${out.length} bytes in the index, where each NUL and SOH byte counts twice; at most ${INDEX_KEY_BYTES_MAX - SUFFIX_BYTES} fit.`,
  );
}

/** What `writeObjectIndexKey` needs. */
export const INDEX_KEY_SCRATCH_BYTES = 4096;

/**
 * HOT PATH (bench/batch.ts): writes the index key of an object into `scratch` and answers its length. The key has at most 1,024 bytes.
 * @throws GatewayError as `objectIndexKey`
 */
export function writeObjectIndexKey(scratch: Buffer, bucketId: number, key: string): number {
  scratch.writeUInt32BE(bucketId, 0);
  const length = scratch.write(key, 4);
  for (let i = 4; i < 4 + length; i++) {
    if ((scratch[i] as number) <= ESCAPE) return objectIndexKey(bucketId, Buffer.from(key)).copy(scratch);
  }
  return 4 + length;
}

/** Also of prefixes and markers of any length. The caller owns the buffer. `key` is UTF-8. */
export function indexKey(bucketId: number, key: Buffer): Buffer {
  const body = needsEscape(key) ? escapeBytes(key) : key;
  const out = Buffer.allocUnsafeSlow(4 + body.length);
  out.writeUInt32BE(bucketId, 0);
  body.copy(out, 4);
  return out;
}

/** The UTF-8 key in an index key without suffix; a view into it where nothing was escaped. */
export function keyOfIndexKey(bytes: Buffer): Buffer {
  const body = bytes.subarray(4);
  if (!body.includes(ESCAPE)) return body;
  const out: number[] = [];
  for (let i = 0; i < body.length; i++) {
    const byte = body[i] as number;
    if (byte === ESCAPE) out.push((body[++i] as number) - 1);
    else out.push(byte);
  }
  return Buffer.from(out);
}

/** The key of an upload among those of its object: key, 00, the 16 bytes of the upload id. */
export function uploadKey(bucketId: number, key: Buffer, uploadId: Buffer): Buffer {
  return Buffer.concat([indexKey(bucketId, key), Buffer.from([0]), uploadId]);
}

/** Splits what `uploadKey` made. */
export function splitUploadKey(bytes: Buffer): { key: Buffer; uploadId: Buffer } {
  return { key: keyOfIndexKey(bytes.subarray(0, bytes.length - 17)), uploadId: bytes.subarray(bytes.length - 16) };
}

export function partKey(uploadId: Buffer, number: number): Buffer {
  const out = Buffer.allocUnsafeSlow(18);
  uploadId.copy(out, 0, 0, 16);
  out.writeUInt16BE(number, 16);
  return out;
}

/** The first index key after every key that starts with `prefix` (an index key or part of one). */
export function afterPrefix(prefix: Buffer): Buffer {
  const out = Buffer.from(prefix);
  for (let i = out.length - 1; i >= 0; i--) {
    const byte = out[i] as number;
    if (byte < 0xff) {
      out[i] = byte + 1;
      return out.subarray(0, i + 1);
    }
  }
  return Buffer.alloc(INDEX_KEY_BYTES_MAX, 0xff);
}
