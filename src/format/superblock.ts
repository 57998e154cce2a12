/**
 * The first 8 KiB of a volume say what it is. Two equal copies, 4 KiB apart, so that one damaged sector costs nothing.
 *
 *   0 magic 'PENSTOCK'   8 format version   12 volume id   16 volume uuid   32 store uuid   48 created, ms   56 CRC-32 of 0..56
 */
import { crc32 } from '@node-rs/crc32';
import { GatewayError } from '../base/errors.ts';

export const VOLUME_FORMAT = 1;
export const SUPERBLOCK_BYTES = 8192;
const COPY_BYTES = 4096;
const BODY_BYTES = 60;
const MAGIC = 'PENSTOCK';

export interface Superblock {
  readonly volumeId: number;
  /** 16 bytes each. */
  readonly volumeUuid: Buffer;
  readonly storeUuid: Buffer;
  readonly createdMs: number;
}

export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VOLUME_FORMAT, 8);
  bytes.writeUInt32LE(superblock.volumeId, 12);
  superblock.volumeUuid.copy(bytes, 16, 0, 16);
  superblock.storeUuid.copy(bytes, 32, 0, 16);
  bytes.writeDoubleLE(superblock.createdMs, 48);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 56)), 56);
  bytes.copy(bytes, COPY_BYTES, 0, BODY_BYTES);
  return bytes;
}

function decodeCopy(bytes: Buffer, name: string): Superblock | undefined {
  if (bytes.length < BODY_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(56) !== crc32(bytes.subarray(0, 56))) return undefined;
  const version = bytes.readUInt32LE(8);
  if (version !== VOLUME_FORMAT) {
    throw new GatewayError(
      'InvalidRequest',
      `${name} has format version ${version}; this Penstock reads version ${VOLUME_FORMAT}. Use the release that wrote it, or a newer one.`,
    );
  }
  return {
    volumeId: bytes.readUInt32LE(12),
    volumeUuid: Buffer.from(bytes.subarray(16, 32)),
    storeUuid: Buffer.from(bytes.subarray(32, 48)),
    createdMs: bytes.readDoubleLE(48),
  };
}

/**
 * The superblock in the first 8 KiB of a volume; `undefined` when both copies are damaged.
 * @throws GatewayError for a format version that this release does not know
 */
export function decodeSuperblock(
  bytes: Buffer,
  name: string,
): { superblock: Superblock; damagedCopy: boolean } | undefined {
  const first = decodeCopy(bytes, name);
  const second = decodeCopy(bytes.subarray(COPY_BYTES), name);
  const superblock = first ?? second;
  if (superblock === undefined) return undefined;
  return { superblock, damagedCopy: first === undefined || second === undefined };
}
