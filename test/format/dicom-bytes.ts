/** DICOM data sets by hand: elements, sequences and files in every encoding. */

export interface Encoding {
  readonly isImplicit: boolean;
  readonly isBigEndian: boolean;
}

export const IMPLICIT: Encoding = { isImplicit: true, isBigEndian: false };
export const EXPLICIT: Encoding = { isImplicit: false, isBigEndian: false };
export const BIG_ENDIAN: Encoding = { isImplicit: false, isBigEndian: true };

export const SYNTAX = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  bigEndian: '1.2.840.10008.1.2.2',
  deflated: '1.2.840.10008.1.2.1.99',
  jpeg: '1.2.840.10008.1.2.4.50',
  runLengths: '1.2.840.10008.1.2.5',
  encapsulatedUncompressed: '1.2.840.10008.1.2.1.98',
  bigEndianPixels: '1.2.840.113619.5.2',
} as const;

export const SERIES = '1.2.3.4.5.678';
const UNDEFINED_LENGTH = 0xffff_ffff;
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

function u16(value: number, isBigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(2);
  if (isBigEndian) bytes.writeUInt16BE(value);
  else bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number, isBigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(4);
  if (isBigEndian) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
}

function tagBytes(tag: number, isBigEndian: boolean): Buffer {
  return Buffer.concat([u16(Math.floor(tag / 0x1_0000), isBigEndian), u16(tag % 0x1_0000, isBigEndian)]);
}

/** One element; `length` says something else than its value. */
export function element(how: Encoding, tag: number, vr: string, value: Buffer, length = value.length): Buffer {
  const { isImplicit, isBigEndian } = how;
  const head = tagBytes(tag, isBigEndian);
  if (isImplicit) return Buffer.concat([head, u32(length, isBigEndian), value]);
  const name = Buffer.from(vr);
  if (LONG_VRS.has(vr)) return Buffer.concat([head, name, Buffer.alloc(2), u32(length, isBigEndian), value]);
  return Buffer.concat([head, name, u16(length, isBigEndian), value]);
}

export function text(how: Encoding, tag: number, vr: string, value: string): Buffer {
  const padding = value.length % 2 === 0 ? '' : vr === 'UI' ? '\0' : ' ';
  return element(how, tag, vr, Buffer.from(value + padding, 'latin1'));
}

export function short(how: Encoding, tag: number, value: number): Buffer {
  return element(how, tag, 'US', u16(value, how.isBigEndian));
}

/** A sequence of items, itself and its items of known or unknown length. */
export function sequence(
  how: Encoding,
  tag: number,
  items: readonly Buffer[],
  isUndefined: boolean,
  vr = 'SQ',
): Buffer {
  const { isBigEndian } = how;
  const delimiter = (end: number): Buffer => Buffer.concat([tagBytes(end, isBigEndian), Buffer.alloc(4)]);
  const written = items.flatMap((item) => [
    tagBytes(0xfffe_e000, isBigEndian),
    u32(isUndefined ? UNDEFINED_LENGTH : item.length, isBigEndian),
    item,
    ...(isUndefined ? [delimiter(0xfffe_e00d)] : []),
  ]);
  if (!isUndefined) return element(how, tag, vr, Buffer.concat(written));
  return element(how, tag, vr, Buffer.concat([...written, delimiter(0xfffe_e0dd)]), UNDEFINED_LENGTH);
}

/** Pixels in fragments: an empty table of offsets, and one fragment. */
export function fragments(fragment: Buffer): Buffer {
  return sequence(EXPLICIT, 0x7fe0_0010, [Buffer.alloc(0), fragment], false, 'OB').subarray(12);
}

export interface ImageFields {
  readonly modality?: string;
  readonly rows?: number;
  readonly columns?: number;
  readonly bits?: number;
  readonly samples?: number;
  readonly planar?: number;
  readonly frames?: string;
  readonly photometric?: string;
  readonly isSigned?: boolean;
  /** Elements between those of the series and those of the image. */
  readonly between?: Buffer;
}

/** The elements of an image before its pixels: 4 columns, 3 rows of 16 bits, if nothing else is said. */
export function imageHeader(how: Encoding, fields: ImageFields = {}): Buffer {
  const { samples = 1, rows = 3, columns = 4, bits = 16 } = fields;
  return Buffer.concat([
    text(how, 0x0008_0016, 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    text(how, 0x0008_0060, 'CS', fields.modality ?? 'CT'),
    text(how, 0x0020_000e, 'UI', SERIES),
    fields.between ?? Buffer.alloc(0),
    short(how, 0x0028_0002, samples),
    text(how, 0x0028_0004, 'CS', fields.photometric ?? (samples === 3 ? 'RGB' : 'MONOCHROME2')),
    ...(fields.planar === undefined ? [] : [short(how, 0x0028_0006, fields.planar)]),
    ...(fields.frames === undefined ? [] : [text(how, 0x0028_0008, 'IS', fields.frames)]),
    short(how, 0x0028_0010, rows),
    short(how, 0x0028_0011, columns),
    short(how, 0x0028_0100, bits),
    short(how, 0x0028_0103, fields.isSigned === true ? 1 : 0),
  ]);
}

export function meta(syntax: string): Buffer {
  const group = Buffer.concat([
    element(EXPLICIT, 0x0002_0001, 'OB', Buffer.from([0, 1])),
    text(EXPLICIT, 0x0002_0010, 'UI', syntax),
  ]);
  return Buffer.concat([element(EXPLICIT, 0x0002_0000, 'UL', u32(group.length, false)), group]);
}

/** A file with its preamble, prefix and meta header. */
export function file(syntax: string, ...dataSet: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), meta(syntax), ...dataSet]);
}
