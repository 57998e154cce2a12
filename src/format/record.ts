/**
 * The record: one object, extent, manifest, tombstone or store event as it lies in a volume. Layout (little endian):
 *
 *   0  magic 'PnRc'      4 layout version (1)   5 kind    6 codec (0 raw)   7 class of the content (0: not looked at)
 *   8  head CRC-32       12 payload CRC-32 (of the bytes as the client sees them)
 *  16  timestamp (u64)   24 payload length (stored)       28 attributes length
 *  32  object size       40 modified, ms since the epoch
 *  48  bucket id         52 key length          54 part number
 *  56  entity digest, 16 bytes                  72 parts in the ETag      74 shard (0)
 *  76  dictionary id (0: none)   80 encryption key id (0)   84 version id, 8 bytes   92 payload length before the codec
 *  96  key, attributes, payload, zeros up to a multiple of 16
 *
 * The hardest decision: the head CRC is seeded with the volume's id and the record's own offset. A stored object that itself
 * contains records (somebody uploads a volume file) can therefore never be mistaken for records when a damaged volume is
 * searched for the next good one, and a record that was written to the wrong place is not believed.
 *
 * A coded payload begins with the CRC-32 (little endian) of what follows in it, so that stored bytes can be checked without decoding
 * them; its record's `size` is that of the bytes before the codec. Manifests are never coded.
 *
 * A change here changes stored bytes: test/format/record.test.ts holds golden ones.
 */
import assert from 'node:assert/strict';
import { crc32 } from '@node-rs/crc32';

export const RECORD_ALIGNMENT = 16;
export const RECORD_FIXED_BYTES = 96;
const MAGIC = 0x6352_6e50; // 'PnRc'
const LAYOUT = 1;

/** Kinds by number; numbers are stored and never reused. */
export const RECORD_KIND = {
  /** An object whose payload is its bytes. */
  object: 1,
  /** Bytes of a large object or part; means nothing until a manifest names it. */
  extent: 2,
  /** An object whose payload is a list of extents. */
  manifest: 3,
  tombstone: 4,
  bucket: 5,
  bucketGone: 6,
  upload: 7,
  /** A part of an upload whose payload is its bytes. */
  part: 8,
  /** A part of an upload whose payload is a list of extents. */
  partManifest: 9,
  uploadGone: 10,
  /** Bytes that coded payloads of the same volume refer to by the id in their heads. */
  dictionary: 11,
} as const;
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];

export interface RecordHead {
  readonly kind: RecordKind;
  readonly codec: number;
  /** `CONTENT_CLASS`; of a raw payload it may be told later, by the index alone. */
  readonly class: number;
  /** Dictionary of the same volume that a coded payload needs, or that this record is; 0 for none. */
  readonly dictionaryId: number;
  /** Hybrid timestamp: `ms * 1024 + counter`, a safe integer until the year 2248. The newest record of a key wins. */
  readonly timestamp: number;
  readonly payloadLength: number;
  readonly payloadCrc: number;
  readonly size: number;
  readonly modifiedMs: number;
  readonly bucketId: number;
  readonly part: number;
  /** 16 bytes: the MD5 (or other 128-bit hash) that the ETag shows. */
  readonly digest: Buffer;
  readonly etagParts: number;
  /** 8 random bytes that name this version of the object. */
  readonly versionId: Buffer;
  readonly key: Buffer;
  readonly attributes: Buffer;
}

export const NO_DIGEST: Buffer = Buffer.alloc(16);
export const NO_VERSION: Buffer = Buffer.alloc(8);
const NO_BYTES = Buffer.alloc(0);

/** A head with every field that the caller does not care about at its zero. */
export function recordHead(fields: Partial<RecordHead> & Pick<RecordHead, 'kind'>): RecordHead {
  return {
    codec: 0,
    class: 0,
    dictionaryId: 0,
    timestamp: 0,
    payloadLength: 0,
    payloadCrc: 0,
    size: 0,
    modifiedMs: 0,
    bucketId: 0,
    part: 0,
    digest: NO_DIGEST,
    etagParts: 0,
    versionId: NO_VERSION,
    key: NO_BYTES,
    attributes: NO_BYTES,
    ...fields,
  };
}

export function headLength(keyLength: number, attributesLength: number): number {
  return RECORD_FIXED_BYTES + keyLength + attributesLength;
}

/** Bytes of a whole record in its volume, with its padding. */
export function recordLength(headBytes: number, payloadLength: number): number {
  return Math.ceil((headBytes + payloadLength) / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

/** Bytes of the payload before the codec. */
export function originalLength({ codec, payloadLength, size }: RecordHead): number {
  return codec === 0 ? payloadLength : size;
}

/** Whether stored bytes are what was written, as far as this can be told without decoding them. */
export function storedPayloadIsIntact(head: Pick<RecordHead, 'codec' | 'payloadCrc'>, payload: Buffer): boolean {
  if (head.codec === 0) return crc32(payload) === head.payloadCrc;
  return payload.length >= 4 && crc32(payload.subarray(4)) === payload.readUInt32LE(0);
}

function writeU64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value % 0x1_0000_0000, at);
  buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 0x1_0000_0000;
}

const place = Buffer.alloc(24);

/** Seed of the head CRC: who may hold this record, and where. */
function headSeed(volumeUuid: Buffer, offset: number): number {
  volumeUuid.copy(place, 0, 0, 16);
  writeU64(place, offset, 16);
  return crc32(place);
}

function headCrc(bytes: Buffer, volumeUuid: Buffer, offset: number): number {
  const before = crc32(bytes.subarray(0, 8), headSeed(volumeUuid, offset));
  return crc32(bytes.subarray(12), before);
}

/** Head, key and attributes as they stand before the payload. The buffer is the caller's. */
export function encodeRecordHead(head: RecordHead, volumeUuid: Buffer, offset: number): Buffer {
  assert(head.digest.length === 16 && head.versionId.length === 8);
  const length = headLength(head.key.length, head.attributes.length);
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = LAYOUT;
  bytes[5] = head.kind;
  bytes[6] = head.codec;
  bytes[7] = head.class;
  bytes.writeUInt32LE(head.payloadCrc, 12);
  writeU64(bytes, head.timestamp, 16);
  bytes.writeUInt32LE(head.payloadLength, 24);
  bytes.writeUInt32LE(head.attributes.length, 28);
  writeU64(bytes, head.size, 32);
  writeU64(bytes, head.modifiedMs, 40);
  bytes.writeUInt32LE(head.bucketId, 48);
  bytes.writeUInt16LE(head.key.length, 52);
  bytes.writeUInt16LE(head.part, 54);
  head.digest.copy(bytes, 56);
  bytes.writeUInt16LE(head.etagParts, 72);
  bytes.writeUInt16LE(0, 74);
  bytes.writeUInt32LE(head.dictionaryId, 76);
  bytes.writeUInt32LE(0, 80);
  head.versionId.copy(bytes, 84);
  bytes.writeUInt32LE(originalLength(head), 92);
  head.key.copy(bytes, RECORD_FIXED_BYTES);
  head.attributes.copy(bytes, RECORD_FIXED_BYTES + head.key.length);
  bytes.writeUInt32LE(headCrc(bytes, volumeUuid, offset), 8);
  return bytes;
}

/**
 * Length of the head that starts with these fixed bytes, or `undefined` when no record starts here. Only a hint until
 * `decodeRecordHead` has checked the CRC.
 */
export function peekHeadLength(fixed: Buffer): number | undefined {
  if (fixed.length < RECORD_FIXED_BYTES) return undefined;
  if (fixed.readUInt32LE(0) !== MAGIC || fixed[4] !== LAYOUT) return undefined;
  return headLength(fixed.readUInt16LE(52), fixed.readUInt32LE(28));
}

/**
 * The head at the start of `bytes` (which must hold all of it), or `undefined` when it is damaged or not a record of this
 * volume and offset. Key, digest, version and attributes are views into `bytes`.
 */
export function decodeRecordHead(bytes: Buffer, volumeUuid: Buffer, offset: number): RecordHead | undefined {
  const length = peekHeadLength(bytes);
  if (length === undefined || length > bytes.length) return undefined;
  const whole = bytes.subarray(0, length);
  if (whole.readUInt32LE(8) !== headCrc(whole, volumeUuid, offset)) return undefined;
  const keyEnd = RECORD_FIXED_BYTES + whole.readUInt16LE(52);
  return {
    kind: whole[5] as RecordKind,
    codec: whole[6] as number,
    class: whole[7] as number,
    dictionaryId: whole.readUInt32LE(76),
    timestamp: readU64(whole, 16),
    payloadLength: whole.readUInt32LE(24),
    payloadCrc: whole.readUInt32LE(12),
    size: readU64(whole, 32),
    modifiedMs: readU64(whole, 40),
    bucketId: whole.readUInt32LE(48),
    part: whole.readUInt16LE(54),
    digest: whole.subarray(56, 72),
    etagParts: whole.readUInt16LE(72),
    versionId: whole.subarray(84, 92),
    key: whole.subarray(RECORD_FIXED_BYTES, keyEnd),
    attributes: whole.subarray(keyEnd, length),
  };
}
