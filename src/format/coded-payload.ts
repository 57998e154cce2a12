// HOT PATH
/**
 * A payload of sections: bytes cut into parts that were coded each for itself, and a table before them. Layout (little endian):
 *
 *   0  CRC-32 of everything that follows     4  magic 'Pc'                   6  layout version (u16: 1)
 *   8  id of the dictionary (0: none)       12  bytes of the original
 *  16  count of sections (u16)              18  count of shapes (u16)
 *  20  shapes, 10 bytes each: width u32, height u32, bytes a sample u8, flags u8 (1 three samples, 2 planar, 4 signed, 8 big endian)
 *      sections, 14 bytes each: codec u8, shape u8 (0 none, else its place in the table from 1 on), original length u32,
 *      stored length u32, CRC-32 of the original bytes
 *      the coded bytes of the sections, in their order, without gaps
 *
 * Promises: nothing in a table is believed before the lengths in it add up to the payload that is there and to its original, so that a
 * damaged or made-up one costs no memory and is a GatewayError DataLoss. A range can be verified without the sections around it.
 *
 * The hardest decision: shapes stand in a table of their own. A volume of a hundred equal slices pays 14 bytes a slice and 10 once; a small
 * image of header and pixels pays 58 bytes in all.
 *
 * A change here changes stored bytes: test/format/coded-payload.test.ts holds golden ones. Guarded by `npm run bench -- compression`.
 */
import assert from 'node:assert/strict';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { crc32Of } from './crc32.ts';

const MAGIC = 0x6350; // 'Pc'
const LAYOUT = 1;
const FIXED_BYTES = 20;
const SHAPE_BYTES = 10;
const SECTION_BYTES = 14;
const SHAPES_MAX = 255;
const FLAG = { threeSamples: 1, isPlanar: 2, isSigned: 4, isBigEndian: 8 } as const;
/** Flags of each other bit stand for something that this version does not know. */
const FLAGS_ALL = 15;

/** How the samples of a section lie, as src/codec/plane-codec.ts has it. */
export interface SectionShape {
  readonly width: number;
  readonly height: number;
  readonly bytesPerSample: 1 | 2 | 4 | 8;
  readonly samples: 1 | 3;
  readonly isPlanar: boolean;
  readonly isSigned: boolean;
  readonly isBigEndian: boolean;
}

/** One section as it is put into a payload. */
export interface SectionToStore {
  /** Number of the codec that made `coded`. */
  readonly codec: number;
  readonly shape: SectionShape | undefined;
  readonly coded: Buffer;
  /** Bytes of the original, at least one. */
  readonly length: number;
  /** Of the original bytes. */
  readonly crc: number;
}

/** One section as it lies in a payload. */
export interface StoredSection {
  readonly codec: number;
  readonly shape: SectionShape | undefined;
  /** In the original; half-open. */
  readonly start: number;
  readonly end: number;
  /** View into the payload. */
  readonly coded: Buffer;
  /** Of the original bytes. */
  readonly crc: number;
}

export interface CodedPayload {
  /** 0: none. */
  readonly dictionaryId: number;
  /** Bytes of the original: the sections cover them without gaps. */
  readonly size: number;
  readonly sections: readonly StoredSection[];
}

function isSameShape(a: SectionShape, b: SectionShape): boolean {
  return (
    a.width === b.width && a.height === b.height && a.bytesPerSample === b.bytesPerSample && flagsOf(a) === flagsOf(b)
  );
}

function flagsOf(shape: SectionShape): number {
  return (
    (shape.samples === 3 ? FLAG.threeSamples : 0) |
    (shape.isPlanar ? FLAG.isPlanar : 0) |
    (shape.isSigned ? FLAG.isSigned : 0) |
    (shape.isBigEndian ? FLAG.isBigEndian : 0)
  );
}

/** The shapes that differ, and for each section its place among them from 1 on, or 0. */
function shapeTable(sections: readonly SectionToStore[]): { shapes: SectionShape[]; places: number[] } {
  const shapes: SectionShape[] = [];
  const places = sections.map(({ shape }) => {
    if (shape === undefined) return 0;
    const known = shapes.findIndex((other) => isSameShape(other, shape));
    return known === -1 ? shapes.push(shape) : known + 1;
  });
  return { shapes, places };
}

/** Bytes of a payload beside the coded ones. */
export function codedPayloadOverhead(sections: number, shapes: number): number {
  return FIXED_BYTES + shapes * SHAPE_BYTES + sections * SECTION_BYTES;
}

/** The whole payload, a buffer of its own. Sections and shapes are within their limits, or it is a bug. */
export function encodeCodedPayload(dictionaryId: number, sections: readonly SectionToStore[]): Buffer {
  const { shapes, places } = shapeTable(sections);
  assert(sections.length >= 1 && sections.length <= LIMITS.codedSectionsMax && shapes.length <= SHAPES_MAX);
  let size = 0;
  let length = codedPayloadOverhead(sections.length, shapes.length);
  for (const section of sections) {
    assert(section.length > 0);
    size += section.length;
    length += section.coded.length;
  }
  const bytes = Buffer.allocUnsafeSlow(length);
  bytes.writeUInt16LE(MAGIC, 4);
  bytes.writeUInt16LE(LAYOUT, 6);
  bytes.writeUInt32LE(dictionaryId, 8);
  bytes.writeUInt32LE(size, 12);
  bytes.writeUInt16LE(sections.length, 16);
  bytes.writeUInt16LE(shapes.length, 18);
  let at = FIXED_BYTES;
  for (const shape of shapes) at = writeShape(bytes, shape, at);
  for (const [i, section] of sections.entries()) at = writeSection(bytes, section, places[i] as number, at);
  for (const { coded } of sections) at += coded.copy(bytes, at);
  assert(at === length);
  bytes.writeUInt32LE(crc32Of(bytes.subarray(4), 0), 0);
  return bytes;
}

function writeShape(bytes: Buffer, shape: SectionShape, at: number): number {
  bytes.writeUInt32LE(shape.width, at);
  bytes.writeUInt32LE(shape.height, at + 4);
  bytes[at + 8] = shape.bytesPerSample;
  bytes[at + 9] = flagsOf(shape);
  return at + SHAPE_BYTES;
}

function writeSection(bytes: Buffer, section: SectionToStore, place: number, at: number): number {
  bytes[at] = section.codec;
  bytes[at + 1] = place;
  bytes.writeUInt32LE(section.length, at + 2);
  bytes.writeUInt32LE(section.coded.length, at + 6);
  bytes.writeUInt32LE(section.crc, at + 10);
  return at + SECTION_BYTES;
}

function damaged(what: string): GatewayError {
  return new GatewayError('DataLoss', `A coded payload is damaged: ${what}; run "penstock doctor".`);
}

/**
 * The CRC-32 before every payload that is not raw.
 *
 * @throws GatewayError DataLoss when it is not that of the bytes that follow it
 */
export function checkStoredCrc(stored: Buffer): void {
  if (stored.length < 4) throw damaged(`it has ${stored.length} bytes`);
  const found = crc32Of(stored.subarray(4), 0);
  if (found !== stored.readUInt32LE(0)) throw damaged('its bytes do not have the CRC-32 that stands before them');
}

/** The id that the payload names; 0: none. Reads the first 20 bytes alone. @throws GatewayError DataLoss when it is none */
export function dictionaryIdIn(stored: Buffer): number {
  checkFixed(stored);
  return stored.readUInt32LE(8);
}

function checkFixed(stored: Buffer): void {
  if (stored.length < FIXED_BYTES) throw damaged(`it has ${stored.length} bytes`);
  if (stored.readUInt16LE(4) !== MAGIC) throw damaged('it does not begin as one');
  const layout = stored.readUInt16LE(6);
  if (layout !== LAYOUT) throw damaged(`its layout is ${layout}; this version reads ${LAYOUT}`);
}

function readShape(stored: Buffer, at: number): SectionShape {
  const bytesPerSample = stored[at + 8] as number;
  const flags = stored[at + 9] as number;
  if (bytesPerSample !== 1 && bytesPerSample !== 2 && bytesPerSample !== 4 && bytesPerSample !== 8)
    throw damaged(`a sample of it has ${bytesPerSample} bytes`);
  if ((flags & ~FLAGS_ALL) !== 0) throw damaged(`a shape of it has the flags ${flags}`);
  return {
    width: stored.readUInt32LE(at),
    height: stored.readUInt32LE(at + 4),
    bytesPerSample,
    samples: (flags & FLAG.threeSamples) === 0 ? 1 : 3,
    isPlanar: (flags & FLAG.isPlanar) !== 0,
    isSigned: (flags & FLAG.isSigned) !== 0,
    isBigEndian: (flags & FLAG.isBigEndian) !== 0,
  };
}

/** Below 2^65, which a double has well enough to be compared with 2^32. */
function bytesOf(shape: SectionShape): number {
  return shape.width * shape.height * shape.bytesPerSample * shape.samples;
}

/**
 * The table of a payload whose CRC the caller has checked. Memory is bounded by the payload itself.
 *
 * @throws GatewayError DataLoss when it is not a payload of sections, or its lengths do not add up
 */
export function readCodedPayload(stored: Buffer): CodedPayload {
  checkFixed(stored);
  const size = stored.readUInt32LE(12);
  const count = stored.readUInt16LE(16);
  const shapeCount = stored.readUInt16LE(18);
  if (count === 0 || count > LIMITS.codedSectionsMax) throw damaged(`it has ${count} sections`);
  if (shapeCount > SHAPES_MAX) throw damaged(`it has ${shapeCount} shapes`);
  const tableAt = FIXED_BYTES + shapeCount * SHAPE_BYTES;
  let codedAt = tableAt + count * SECTION_BYTES;
  if (codedAt > stored.length) throw damaged('its table is longer than itself');
  const shapes: SectionShape[] = [];
  for (let at = FIXED_BYTES; at < tableAt; at += SHAPE_BYTES) shapes.push(readShape(stored, at));
  const sections: StoredSection[] = [];
  let start = 0;
  for (let at = tableAt; sections.length < count; at += SECTION_BYTES) {
    const section = readSection(stored, shapes, at, start, codedAt);
    sections.push(section);
    start = section.end;
    codedAt += section.coded.length;
  }
  if (codedAt !== stored.length) throw damaged(`${stored.length - codedAt} bytes of it belong to no section`);
  if (start !== size) throw damaged(`its sections have ${start} bytes, and it should have ${size}`);
  return { dictionaryId: stored.readUInt32LE(8), size, sections };
}

function readSection(
  stored: Buffer,
  shapes: readonly SectionShape[],
  at: number,
  start: number,
  codedAt: number,
): StoredSection {
  const place = stored[at + 1] as number;
  const length = stored.readUInt32LE(at + 2);
  const codedEnd = codedAt + stored.readUInt32LE(at + 6);
  if (length === 0) throw damaged('a section of it is empty');
  if (codedEnd > stored.length) throw damaged('a section of it ends behind its end');
  if (place > shapes.length) throw damaged(`a section of it has shape ${place} of ${shapes.length}`);
  const shape = place === 0 ? undefined : (shapes[place - 1] as SectionShape);
  if (shape !== undefined && bytesOf(shape) !== length) throw damaged('a section of it does not have its shape');
  return {
    codec: stored[at] as number,
    shape,
    start,
    end: start + length,
    coded: stored.subarray(codedAt, codedEnd),
    crc: stored.readUInt32LE(at + 10),
  };
}
