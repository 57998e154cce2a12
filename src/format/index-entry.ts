/**
 * What the index holds for an object or a part: where its record lies and what a HEAD needs, so that a HEAD touches no volume
 * and a GET of a small object reads it with one `pread`. Layout (little endian):
 *
 *   0 layout (1)   1 record kind   2 codec   3 flags (1: a single payload location follows), class of the content in the upper four bits
 *   4 volume       8 record offset, f64      16 payload CRC-32       20 payload length (of this record)
 *  24 timestamp, f64   32 size, f64   40 modified ms, f64            48 entity digest, 16 bytes
 *  64 parts in the ETag u16           66 parts u16 (or the part's own number)          68 version id, 8 bytes
 *  76 head length of this record u32  80 [24 or 32 bytes: location of the only extent]  then the attributes
 *
 * HOT PATH (bench/index.ts): an `Entry` is a view; fields are read when asked for.
 */
import type { ObjectInfo } from '../base/object-info.ts';
import { type AttributesOnDisk, attributesOf, contentTypeOf } from './attributes.ts';
import { type Location, locationLength, locationLengthAt, readLocation, writeLocation } from './manifest.ts';
import { RECORD_KIND, type RecordHead, type RecordKind } from './record.ts';

const LAYOUT = 1;
const FIXED = 80;
const FLAG_SINGLE = 1;
const DIGEST = 48;
const DIGEST_BYTES = 16;
const HEX: Buffer = Buffer.from('0123456789abcdef', 'latin1');

export class Entry {
  /** Owned by the entry. */
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get kind(): RecordKind {
    return this.bytes[1] as RecordKind;
  }
  /** The record itself: for a manifest, the list and not the bytes. */
  get record(): Location {
    const b = this.bytes;
    const codec = b[2] as number;
    const length = b.readUInt32LE(20);
    return {
      volume: b.readUInt32LE(4),
      offset: b.readDoubleLE(8),
      headLength: b.readUInt32LE(76),
      length,
      crc: b.readUInt32LE(16),
      codec,
      size: codec === 0 ? length : b.readDoubleLE(32),
    };
  }
  /** Where all bytes of the object lie, when one record holds them; `undefined` when its manifest must be read. */
  get payload(): Location | undefined {
    if (((this.bytes[3] as number) & FLAG_SINGLE) !== 0) return readLocation(this.bytes, FIXED);
    return this.isManifest ? undefined : this.record;
  }
  /** `CONTENT_CLASS`. */
  get class(): number {
    return (this.bytes[3] as number) >> 4;
  }
  get isManifest(): boolean {
    const kind = this.bytes[1];
    return kind === RECORD_KIND.manifest || kind === RECORD_KIND.partManifest;
  }
  get timestamp(): number {
    return this.bytes.readDoubleLE(24);
  }
  get size(): number {
    return this.bytes.readDoubleLE(32);
  }
  get modifiedMs(): number {
    return this.bytes.readDoubleLE(40);
  }
  get digest(): Buffer {
    return this.bytes.subarray(48, 64);
  }
  get etagParts(): number {
    return this.bytes.readUInt16LE(64);
  }
  get partCount(): number {
    return this.bytes.readUInt16LE(66);
  }
  get versionId(): Buffer {
    return this.bytes.subarray(68, 76);
  }
  get attributeBytes(): Buffer {
    const hasSingle = ((this.bytes[3] as number) & FLAG_SINGLE) !== 0;
    return this.bytes.subarray(hasSingle ? FIXED + locationLengthAt(this.bytes, FIXED) : FIXED);
  }
  get attributes(): AttributesOnDisk {
    return attributesOf(this.attributeBytes);
  }
  get etag(): string {
    return renderEtag(this.digest, this.etagParts);
  }
}

export function renderEtag(digest: Buffer, parts: number): string {
  const hex = digest.toString('hex');
  return parts === 0 ? hex : `${hex}-${parts}`;
}

/** Digest and number of parts of an ETag without quotes: 32 hex digits, perhaps with `-N`. */
export function parseEtag(etag: string): { digest: Buffer; parts: number } {
  const parts = etag.length > 32 ? Number(etag.slice(33)) : 0;
  return { digest: Buffer.from(etag.slice(0, 32), 'hex'), parts };
}

/**
 * An object whose bytes lie raw in one record of its own, as nearly all do. What its entry says is then read where it lies among others, at
 * `at`, without a view: see `volumeAt` and its like.
 */
export function isPlainAt(bytes: Buffer, at: number): boolean {
  const kind = bytes[at + 1];
  const isManifest = kind === RECORD_KIND.manifest || kind === RECORD_KIND.partManifest;
  return !isManifest && bytes[at + 2] === 0 && ((bytes[at + 3] as number) & FLAG_SINGLE) === 0;
}

export function volumeAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4);
}

export function recordOffsetAt(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + 8);
}

/** Where the payload begins in the volume. */
export function payloadStartAt(bytes: Buffer, at: number): number {
  return recordOffsetAt(bytes, at) + bytes.readUInt32LE(at + 76);
}

export function payloadLengthAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 20);
}

export function payloadCrcAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 16);
}

/** Writes the ETag in ASCII. @returns how many bytes it took */
export function writeEtagAt(bytes: Buffer, at: number, into: Buffer, to: number): number {
  for (let i = 0; i < DIGEST_BYTES; i++) {
    const byte = bytes[at + DIGEST + i] as number;
    into[to + 2 * i] = HEX[byte >> 4] as number;
    into[to + 2 * i + 1] = HEX[byte & 15] as number;
  }
  const parts = bytes.readUInt16LE(at + 64);
  return 2 * DIGEST_BYTES + (parts === 0 ? 0 : into.write(`-${parts}`, to + 2 * DIGEST_BYTES, 'latin1'));
}

/** The entry of a record at a place. `single` is the only extent of a manifest that has just one. */
export function encodeEntry(
  head: RecordHead,
  at: { volume: number; offset: number; headLength: number },
  partCount: number,
  single: Location | undefined,
): Buffer {
  const start = single === undefined ? FIXED : FIXED + locationLength(single);
  const bytes = Buffer.allocUnsafe(start + head.attributes.length);
  bytes[0] = LAYOUT;
  bytes[1] = head.kind;
  bytes[2] = head.codec;
  bytes[3] = (head.class << 4) | (single === undefined ? 0 : FLAG_SINGLE);
  bytes.writeUInt32LE(at.volume, 4);
  bytes.writeDoubleLE(at.offset, 8);
  bytes.writeUInt32LE(head.payloadCrc, 16);
  bytes.writeUInt32LE(head.payloadLength, 20);
  bytes.writeDoubleLE(head.timestamp, 24);
  bytes.writeDoubleLE(head.size, 32);
  bytes.writeDoubleLE(head.modifiedMs, 40);
  head.digest.copy(bytes, 48, 0, 16);
  bytes.writeUInt16LE(head.etagParts, 64);
  bytes.writeUInt16LE(partCount, 66);
  head.versionId.copy(bytes, 68, 0, 8);
  bytes.writeUInt32LE(at.headLength, 76);
  if (single !== undefined) writeLocation(bytes, single, FIXED);
  head.attributes.copy(bytes, start);
  return bytes;
}

/** A copy of the entry that says another class. */
export function withClass(entry: Entry, contentClass: number): Entry {
  const bytes = Buffer.from(entry.bytes);
  bytes[3] = (contentClass << 4) | ((bytes[3] as number) & 0x0f);
  return new Entry(bytes);
}

/** A copy of the entry whose record lies elsewhere, perhaps coded. */
export function withRecord(entry: Entry, to: Location, contentClass: number): Entry {
  const { bytes } = withClass(entry, contentClass);
  bytes[2] = to.codec;
  bytes.writeUInt32LE(to.volume, 4);
  bytes.writeDoubleLE(to.offset, 8);
  bytes.writeUInt32LE(to.length, 20);
  bytes.writeUInt32LE(to.headLength, 76);
  return new Entry(bytes);
}

/** `ObjectInfo` over an entry: nothing is decoded before it is asked for. */
export class EntryInfo implements ObjectInfo {
  readonly entry: Entry;
  #attributes: AttributesOnDisk | undefined;

  constructor(entry: Entry) {
    this.entry = entry;
  }
  get size(): number {
    return this.entry.size;
  }
  get etag(): string {
    return this.entry.etag;
  }
  writeEtag(into: Buffer, at: number): number {
    return writeEtagAt(this.entry.bytes, 0, into, at);
  }
  get modifiedMs(): number {
    return this.entry.modifiedMs;
  }
  get contentType(): string | undefined {
    return contentTypeOf(this.entry.attributeBytes);
  }
  get attributes(): AttributesOnDisk {
    this.#attributes ??= this.entry.attributes;
    return this.#attributes;
  }
  get crc32(): number | undefined {
    if (this.entry.partCount > 0) return undefined;
    return this.entry.size === 0 ? 0 : this.entry.payload?.crc;
  }
  get partCount(): number {
    return this.entry.partCount;
  }
}
