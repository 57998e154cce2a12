/**
 * The payload of a manifest: which extents make the bytes, and, for a multipart object, where its parts begin and what is known
 * of them. Layout (little endian): u32 extents, u32 parts, then 24 bytes an extent (volume u32, head length u32, offset f64,
 * payload length u32, payload CRC u32), then the parts: number u16, checksum algorithm u8, digest length u8, size f64,
 * modified f64, ETag digest 16 bytes, checksum digest. The top bit of a head length says that the extent is coded, and 8 bytes more
 * follow: codec u8, three zeros, u32 bytes before the codec. So what was written before there were codecs reads unchanged.
 */
import assert from 'node:assert/strict';
import type { ChecksumAlgorithm } from '../base/object-info.ts';
import { originalLength, type RecordHead, recordLength } from './record.ts';

/** Where a payload lies: immutable, so bytes cached by it never go stale. */
export interface Location {
  readonly volume: number;
  /** Of the record; the payload starts `headLength` bytes later. */
  readonly offset: number;
  readonly headLength: number;
  /** Bytes as they lie there. */
  readonly length: number;
  /** CRC-32 of the bytes before the codec. */
  readonly crc: number;
  /** 0: raw. */
  readonly codec: number;
  /** Bytes before the codec; of a raw payload, `length`. */
  readonly size: number;
}

export interface ManifestPart {
  readonly number: number;
  readonly size: number;
  readonly modifiedMs: number;
  readonly digest: Buffer;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly digest: Buffer } | undefined;
}

export interface Manifest {
  readonly extents: readonly Location[];
  readonly parts: readonly ManifestPart[];
}

const RAW_BYTES = 24;
const CODED_BYTES = 32;
const CODED_BIT = 0x8000_0000;
const PART_BYTES = 36;
/** Numbers are stored; append only. */
const ALGORITHMS: readonly (ChecksumAlgorithm | undefined)[] = [
  undefined,
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
];

/** Where the payload of a record lies. */
export function locationOf(
  head: RecordHead,
  at: { readonly volume: number; readonly offset: number; readonly headLength: number },
): Location {
  return {
    volume: at.volume,
    offset: at.offset,
    headLength: at.headLength,
    length: head.payloadLength,
    crc: head.payloadCrc,
    codec: head.codec,
    size: originalLength(head),
  };
}

/** Bytes of the record at a location, with head and padding. */
export function recordBytes({ headLength, length }: Location): number {
  return recordLength(headLength, length);
}

/** Bytes that a location takes. */
export function locationLength(location: Location): number {
  return location.codec === 0 ? RAW_BYTES : CODED_BYTES;
}

/** Bytes of the location that begins at `at`. */
export function locationLengthAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) >= CODED_BIT ? CODED_BYTES : RAW_BYTES;
}

export function writeLocation(bytes: Buffer, location: Location, at: number): void {
  const isCoded = location.codec !== 0;
  bytes.writeUInt32LE(location.volume, at);
  bytes.writeUInt32LE(location.headLength + (isCoded ? CODED_BIT : 0), at + 4);
  bytes.writeDoubleLE(location.offset, at + 8);
  bytes.writeUInt32LE(location.length, at + 16);
  bytes.writeUInt32LE(location.crc, at + 20);
  if (!isCoded) return;
  bytes.writeUInt32LE(location.codec, at + 24);
  bytes.writeUInt32LE(location.size, at + 28);
}

export function readLocation(bytes: Buffer, at: number): Location {
  const marked = bytes.readUInt32LE(at + 4);
  const isCoded = marked >= CODED_BIT;
  const length = bytes.readUInt32LE(at + 16);
  return {
    volume: bytes.readUInt32LE(at),
    headLength: isCoded ? marked - CODED_BIT : marked,
    offset: bytes.readDoubleLE(at + 8),
    length,
    crc: bytes.readUInt32LE(at + 20),
    codec: isCoded ? (bytes[at + 24] as number) : 0,
    size: isCoded ? bytes.readUInt32LE(at + 28) : length,
  };
}

export function encodeManifest(manifest: Manifest): Buffer {
  let length = 8;
  for (const extent of manifest.extents) length += locationLength(extent);
  for (const part of manifest.parts) length += PART_BYTES + (part.checksum?.digest.length ?? 0);
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeUInt32LE(manifest.extents.length, 0);
  bytes.writeUInt32LE(manifest.parts.length, 4);
  let at = 8;
  for (const extent of manifest.extents) {
    writeLocation(bytes, extent, at);
    at += locationLength(extent);
  }
  for (const part of manifest.parts) at = writePart(bytes, part, at);
  assert(at === length);
  return bytes;
}

function writePart(bytes: Buffer, part: ManifestPart, at: number): number {
  const digest = part.checksum?.digest;
  bytes.writeUInt16LE(part.number, at);
  bytes[at + 2] = part.checksum === undefined ? 0 : ALGORITHMS.indexOf(part.checksum.algorithm);
  bytes[at + 3] = digest?.length ?? 0;
  bytes.writeDoubleLE(part.size, at + 4);
  bytes.writeDoubleLE(part.modifiedMs, at + 12);
  part.digest.copy(bytes, at + 20, 0, 16);
  digest?.copy(bytes, at + PART_BYTES);
  return at + PART_BYTES + (digest?.length ?? 0);
}

/** The bytes were checked by CRC, so a wrong length is a bug and not damage. */
export function decodeManifest(bytes: Buffer): Manifest {
  const extentCount = bytes.readUInt32LE(0);
  const partCount = bytes.readUInt32LE(4);
  const extents: Location[] = new Array(extentCount);
  let at = 8;
  for (let i = 0; i < extentCount; i++) {
    extents[i] = readLocation(bytes, at);
    at += locationLengthAt(bytes, at);
  }
  const parts: ManifestPart[] = new Array(partCount);
  for (let i = 0; i < partCount; i++) {
    const digestLength = bytes[at + 3] as number;
    const algorithm = ALGORITHMS[bytes[at + 2] as number];
    parts[i] = {
      number: bytes.readUInt16LE(at),
      size: bytes.readDoubleLE(at + 4),
      modifiedMs: bytes.readDoubleLE(at + 12),
      digest: Buffer.from(bytes.subarray(at + 20, at + PART_BYTES)),
      checksum:
        algorithm === undefined
          ? undefined
          : { algorithm, digest: Buffer.from(bytes.subarray(at + PART_BYTES, at + PART_BYTES + digestLength)) },
    };
    at += PART_BYTES + digestLength;
  }
  return { extents, parts };
}
