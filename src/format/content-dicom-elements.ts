/**
 * A walk over the elements of a DICOM data set (PS3.5, chapter 7), in the order of their bytes: sequences of known length are stepped over,
 * those of unknown length are stepped through.
 *
 * Promises: each step goes forward by at least eight bytes; nothing is read outside the bytes; the walk ends at the first element that
 * makes no sense, after `contentElementsMax` steps, or where more than `contentDepthMax` sequences and items are open.
 *
 * The hardest decision: a counter of open levels instead of a tree. Items and sequences are not told apart by what encloses them, so that
 * fragments of encapsulated pixels, icons and badly closed sequences need no cases of their own.
 */
import { LIMITS } from '../base/limits.ts';

/** How the elements of a data set are written. */
export interface ElementEncoding {
  readonly isImplicit: boolean;
  readonly isBigEndian: boolean;
}

export const UNDEFINED_LENGTH = 0xffff_ffff;
const ITEM = 0xfffe_e000;
const ITEM_END = 0xfffe_e00d;
const SEQUENCE_END = 0xfffe_e0dd;

/** VRs whose length takes two bytes. All others, also future ones, have two bytes of nothing and four of length (PS3.5, 7.1.2). */
const SHORT_VRS = vrCodes('AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US');
const LONG_VRS = vrCodes('OB OD OF OL OV OW SQ SV UC UN UR UT UV');
const [UN] = vrCodes('UN');

function vrCodes(names: string): Set<number> {
  return new Set(names.split(' ').map((name) => Buffer.from(name).readUInt16BE(0)));
}

/** Whether the two bytes at `at` name a VR of the standard. */
export function isVr(bytes: Buffer, at: number): boolean {
  if (at + 2 > bytes.length) return false;
  const code = bytes.readUInt16BE(at);
  return SHORT_VRS.has(code) || LONG_VRS.has(code);
}

function isCapital(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x41 && byte <= 0x5a;
}

export class ElementWalk {
  /** Of the present element: group and element number in one. */
  tag = 0;
  /** Levels that are open around the present element; 0 for those of the data set itself. */
  depth = 0;
  valueAt = 0;
  /** Bytes of the value, which may end behind the bytes; or `UNDEFINED_LENGTH`. */
  length = 0;
  /** Elements, items and delimiters so far. */
  steps = 0;
  /** Where the next element begins, or what could not be read. */
  nextAt: number;

  private readonly bytes: Buffer;
  private readonly encoding: ElementEncoding;
  private nextDepth = 0;
  /** What is in a value of VR UN and unknown length is implicit little endian (PS3.5, 6.2.2), from this depth on. */
  private unknownFrom = Number.POSITIVE_INFINITY;

  constructor(bytes: Buffer, at: number, encoding: ElementEncoding) {
    this.bytes = bytes;
    this.nextAt = at;
    this.encoding = encoding;
  }

  /** Goes to the next element. `false`: that was the last. */
  next(): boolean {
    const at = this.nextAt;
    if (at + 8 > this.bytes.length || this.steps >= LIMITS.contentElementsMax) return false;
    if (this.nextDepth > LIMITS.contentDepthMax) return false;
    const isUnknown = this.nextDepth >= this.unknownFrom;
    const isBigEndian = this.encoding.isBigEndian && !isUnknown;
    const tag = this.u16At(at, isBigEndian) * 0x1_0000 + this.u16At(at + 2, isBigEndian);
    this.tag = tag;
    this.depth = this.nextDepth;
    this.steps++;
    if (tag === ITEM || tag === ITEM_END || tag === SEQUENCE_END) return this.readDelimiter(at, isBigEndian);
    const isRead =
      this.encoding.isImplicit || isUnknown
        ? this.take(at + 8, this.u32At(at + 4, isBigEndian))
        : this.readExplicit(at, isBigEndian);
    if (isRead) this.enter(isUnknown);
    return isRead;
  }

  /** The value as text without its padding; `undefined` if it is longer than `bytesMax`, or cut. */
  text(bytesMax: number): string | undefined {
    const end = this.valueAt + this.length;
    if (this.length > bytesMax || end > this.bytes.length) return undefined;
    return this.bytes.toString('latin1', this.valueAt, end).replace(/[\0 ]+$/, '');
  }

  /** The first number of a value of VR US. */
  short(): number | undefined {
    if (this.length < 2 || this.valueAt + 2 > this.bytes.length) return undefined;
    return this.u16At(this.valueAt, this.encoding.isBigEndian);
  }

  /** An item, or the end of one or of a sequence: a tag and a length, in every encoding. */
  private readDelimiter(at: number, isBigEndian: boolean): boolean {
    if (this.depth === 0) return false;
    this.take(at + 8, this.tag === ITEM ? this.u32At(at + 4, isBigEndian) : 0);
    if (this.tag !== ITEM) this.leave();
    else if (this.length === UNDEFINED_LENGTH) this.nextDepth = this.depth + 1;
    return true;
  }

  private readExplicit(at: number, isBigEndian: boolean): boolean {
    const { bytes } = this;
    if (!isCapital(bytes[at + 4]) || !isCapital(bytes[at + 5])) return false;
    if (SHORT_VRS.has(bytes.readUInt16BE(at + 4))) return this.take(at + 8, this.u16At(at + 6, isBigEndian));
    return at + 12 <= bytes.length && this.take(at + 12, this.u32At(at + 8, isBigEndian));
  }

  private take(valueAt: number, length: number): boolean {
    this.valueAt = valueAt;
    this.length = length;
    this.nextAt = length === UNDEFINED_LENGTH ? valueAt : valueAt + length;
    return true;
  }

  private enter(isUnknown: boolean): void {
    if (this.length !== UNDEFINED_LENGTH) return;
    this.nextDepth = this.depth + 1;
    const isExplicit = !this.encoding.isImplicit && !isUnknown;
    if (isExplicit && this.bytes.readUInt16BE(this.valueAt - 8) === UN) this.unknownFrom = this.nextDepth;
  }

  private leave(): void {
    this.nextDepth = this.depth - 1;
    if (this.nextDepth < this.unknownFrom) this.unknownFrom = Number.POSITIVE_INFINITY;
  }

  private u16At(at: number, isBigEndian: boolean): number {
    return isBigEndian ? this.bytes.readUInt16BE(at) : this.bytes.readUInt16LE(at);
  }

  private u32At(at: number, isBigEndian: boolean): number {
    return isBigEndian ? this.bytes.readUInt32BE(at) : this.bytes.readUInt32LE(at);
  }
}
