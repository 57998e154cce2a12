/** CRC-32 (IEEE 802.3) of bytes that come in pieces, and its form in S3 headers. */
import { crc32 } from '@node-rs/crc32';

/** @param before the CRC of everything that came earlier, 0 at first */
export function crc32Of(bytes: Buffer, before: number): number {
  return crc32(bytes, before);
}

/** As `x-amz-checksum-crc32` has it: base64 of the big-endian bytes. */
export function crc32Base64(crc: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(crc >>> 0);
  return bytes.toString('base64');
}
