/**
 * Pictures without compression: binary PNM (the netpbm documents), Windows BMP, and baseline TIFF 6.0 whose strips follow each other. The
 * hardest decision: only what lies as one block of samples is laid out; tiles, palettes of less than a byte, padded colour lines and
 * multiple pages are pictures that a codec for bytes has to do with.
 */
import { LIMITS } from '../base/limits.ts';
import { CONTENT_CLASS, type Content, type PixelLayout } from './content.ts';
import { standsAt } from './content-magic.ts';
import { pixelLayout, pixelsBefore } from './content-pixels.ts';

/** `undefined` where the bytes are none of these. `size` is the object's, of which `bytes` is the beginning. */
export function detectBitmap(bytes: Buffer, size: number): Content | undefined {
  if (bytes.length < 8) return undefined;
  switch (bytes.readUInt16BE(0)) {
    case 0x5035: // 'P5', grey
      return pictureIf(pnmLayout(bytes, 1), size);
    case 0x5036: // 'P6', RGB
      return pictureIf(pnmLayout(bytes, 3), size);
    case 0x424d: // 'BM'
      return detectBmp(bytes, size);
    case 0x4949: // 'II'
    case 0x4d4d: // 'MM'
      return detectTiff(bytes, size);
    default:
      return undefined;
  }
}

function picture(pixels: PixelLayout | undefined, size: number): Content {
  return {
    class: CONTENT_CLASS.image,
    headerLength: 0,
    series: undefined,
    pixels: pixels && pixelsBefore(pixels, size),
    isCompressed: false,
  };
}

function pictureIf(pixels: PixelLayout | undefined, size: number): Content | undefined {
  return pixels && picture(pixels, size);
}

const NUMBER = '(?:[ \\t\\r\\n]|#[^\\r\\n]*[\\r\\n])+(\\d{1,9})';
const PNM_HEADER = new RegExp(`^P[56]${NUMBER}${NUMBER}${NUMBER}[ \\t\\r\\n]`);

/** Width, height and the largest value, with comments between them; samples of two bytes have the high one first. */
function pnmLayout(bytes: Buffer, samples: 1 | 3): PixelLayout | undefined {
  const match = PNM_HEADER.exec(bytes.toString('latin1', 0, LIMITS.contentTextBytesMax));
  if (match === null) return undefined;
  const [width, height, largest] = match.slice(1).map(Number) as [number, number, number];
  if (largest < 1 || largest > 65_535) return undefined;
  const bytesPerSample = largest < 256 ? 1 : 2;
  return pixelLayout({
    offset: match[0].length,
    width,
    height,
    frames: 1,
    bytesPerSample,
    samples,
    isBigEndian: bytesPerSample === 2,
  });
}

const BMP_HEADERS: ReadonlySet<number> = new Set([40, 52, 56, 108, 124]);

function detectBmp(bytes: Buffer, size: number): Content | undefined {
  if (bytes.length < 54 || !BMP_HEADERS.has(bytes.readUInt32LE(14)) || bytes.readUInt16LE(26) !== 1) return undefined;
  const width = bytes.readInt32LE(18);
  const bits = bytes.readUInt16LE(28);
  const isPlain = bytes.readUInt32LE(30) === 0;
  const lineBytes = Math.ceil((width * bits) / 32) * 4;
  // Lines are padded to four bytes: of bytes, the padding may count as pixels, of colours only if it is none.
  const isLaidOut = isPlain && width > 0 && (bits === 8 || (bits === 24 && lineBytes === width * 3));
  if (!isLaidOut) return picture(undefined, size);
  const layout = pixelLayout({
    offset: bytes.readUInt32LE(10),
    width: bits === 8 ? lineBytes : width,
    height: Math.abs(bytes.readInt32LE(22)),
    frames: 1,
    bytesPerSample: 1,
    samples: bits === 8 ? 1 : 3,
  });
  return picture(layout, size);
}

const TIFF_TAG = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  planar: 284,
  sampleFormat: 339,
} as const;
const TIFF_LITTLE = Buffer.from('II*\0', 'latin1');
const TIFF_BIG = Buffer.from('MM\0*', 'latin1');
/** Of `compression`: nothing; and the run lengths of TIFF, which leave something to gain. */
const TIFF_PLAIN = 1;
const TIFF_PACK_BITS = 32_773;

/** The values of one entry of a TIFF directory. */
interface TiffField {
  readonly count: number;
  /** Where they lie: in the entry itself if four bytes are enough. */
  readonly at: number;
  readonly valueBytes: 2 | 4;
}

/** The first directory of a TIFF file. */
interface TiffDirectory {
  readonly bytes: Buffer;
  readonly isBigEndian: boolean;
  readonly fields: ReadonlyMap<number, TiffField>;
}

function detectTiff(bytes: Buffer, size: number): Content | undefined {
  const isBigEndian = standsAt(bytes, 0, TIFF_BIG);
  if (!isBigEndian && !standsAt(bytes, 0, TIFF_LITTLE)) return undefined;
  const directory = readDirectory(bytes, isBigEndian);
  if (directory === undefined) return picture(undefined, size);
  const compression = tiffValue(directory, TIFF_TAG.compression) ?? TIFF_PLAIN;
  if (compression === TIFF_PLAIN) return picture(tiffLayout(directory), size);
  if (compression === TIFF_PACK_BITS) return picture(undefined, size);
  return { ...picture(undefined, size), class: CONTENT_CLASS.compressed, isCompressed: true };
}

function tiffNumber(bytes: Buffer, at: number, valueBytes: 2 | 4, isBigEndian: boolean): number {
  if (valueBytes === 2) return isBigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);
  return isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
}

/** `undefined` where the directory is not among the bytes: many writers put it at the end. */
function readDirectory(bytes: Buffer, isBigEndian: boolean): TiffDirectory | undefined {
  const at = tiffNumber(bytes, 4, 4, isBigEndian);
  if (at + 2 > bytes.length) return undefined;
  const entries = tiffNumber(bytes, at, 2, isBigEndian);
  if (entries > LIMITS.contentTiffFieldsMax || at + 2 + entries * 12 > bytes.length) return undefined;
  const fields = new Map<number, TiffField>();
  for (let entry = at + 2; entry < at + 2 + entries * 12; entry += 12) {
    const type = tiffNumber(bytes, entry + 2, 2, isBigEndian);
    if (type !== 3 && type !== 4) continue; // SHORT and LONG
    const valueBytes = type === 3 ? 2 : 4;
    const count = tiffNumber(bytes, entry + 4, 4, isBigEndian);
    const valuesAt = count * valueBytes <= 4 ? entry + 8 : tiffNumber(bytes, entry + 8, 4, isBigEndian);
    if (count === 0 || valuesAt + count * valueBytes > bytes.length) continue;
    fields.set(tiffNumber(bytes, entry, 2, isBigEndian), { count, at: valuesAt, valueBytes });
  }
  return { bytes, isBigEndian, fields };
}

function tiffValue({ bytes, isBigEndian, fields }: TiffDirectory, tag: number, index = 0): number | undefined {
  const field = fields.get(tag);
  if (field === undefined || index >= field.count) return undefined;
  return tiffNumber(bytes, field.at + index * field.valueBytes, field.valueBytes, isBigEndian);
}

function tiffLayout(directory: TiffDirectory): PixelLayout | undefined {
  const samples = tiffValue(directory, TIFF_TAG.samplesPerPixel) ?? 1;
  const width = tiffValue(directory, TIFF_TAG.width);
  const height = tiffValue(directory, TIFF_TAG.height);
  const bytesPerSample = (tiffValue(directory, TIFF_TAG.bitsPerSample) ?? 1) / 8;
  const isSampleBytes = bytesPerSample === 1 || bytesPerSample === 2 || bytesPerSample === 4;
  if (width === undefined || height === undefined || !isSampleBytes || (samples !== 1 && samples !== 3))
    return undefined;
  if (samples === 3 && (tiffValue(directory, TIFF_TAG.planar) ?? 1) !== 1) return undefined;
  const rowsPerStrip = Math.min(height, tiffValue(directory, TIFF_TAG.rowsPerStrip) ?? height);
  const offset = stripsOffset(directory, height, rowsPerStrip, width * bytesPerSample * samples);
  if (offset === undefined) return undefined;
  const format = tiffValue(directory, TIFF_TAG.sampleFormat) ?? 1;
  return pixelLayout({
    offset,
    width,
    height,
    frames: 1,
    bytesPerSample,
    samples,
    isSigned: format === 2,
    isFloat: format === 3,
    isBigEndian: directory.isBigEndian,
  });
}

/** Where the first strip lies, if all others follow each other without gaps. */
function stripsOffset(
  directory: TiffDirectory,
  height: number,
  rowsPerStrip: number,
  lineBytes: number,
): number | undefined {
  const strips = Math.ceil(height / rowsPerStrip);
  const first = tiffValue(directory, TIFF_TAG.stripOffsets);
  if (first === undefined || !(strips <= LIMITS.contentTiffStripsMax)) return undefined;
  for (let strip = 1; strip < strips; strip++) {
    if (tiffValue(directory, TIFF_TAG.stripOffsets, strip) !== first + strip * rowsPerStrip * lineBytes)
      return undefined;
  }
  return first;
}
