// HOT PATH: `magicClass` runs on the event loop for every PUT; guarded by `npm run bench`, ingest of JPEGs.
/**
 * Bytes that are already compressed, told by their first few. The hardest decision: only signatures that real bytes do not begin with by
 * chance (three bytes at least) are believed, because who is believed is never looked at again. What may hold uncompressed bytes (a ZIP of
 * stored members such as numpy's .npz, PDF, HDF5, Parquet, AVI, WAV, TIFF) is left to a trial.
 */
import { CONTENT_CLASS, type ContentClass } from './content.ts';

/** By first byte. */
const SIGNATURES: ReadonlyMap<number, readonly Buffer[]> = byFirstByte([
  'ffd8ff', // JPEG and JPEG-LS (ITU-T T.81, T.87): SOI and another marker
  '89504e470d0a1a0a', // PNG
  '1f8b08', // gzip (RFC 1952), deflate
  '28b52ffd', // zstd (RFC 8878)
  'fd377a585a00', // xz
  '425a68', // bzip2; its next seven bytes are looked at below
  '377abcaf271c', // 7z
  '526172211a07', // RAR
  '4c5a4950', // lzip
  '04224d18', // LZ4 frame
  'ff060000734e61507059', // Snappy frames
  '0000000c6a5020200d0a870a', // JP2, JPX, JPH (ISO/IEC 15444-1, annex I)
  'ff4fff51', // JPEG 2000 and HTJ2K codestream: SOC, SIZ
  '0000000c4a584c200d0a870a', // JPEG XL in its container (ISO/IEC 18181-2)
  '474946383761', // GIF87a
  '474946383961', // GIF89a
  '4f676753', // Ogg
  '664c6143', // FLAC
  '494433', // MP3 with ID3
  '1a45dfa3', // Matroska, WebM
]);

const FTYP = Buffer.from('ftyp');
const RIFF = Buffer.from('RIFF');
const WEBP = Buffer.from('WEBP');
const ZIP_MEMBER = Buffer.from('PK\x03\x04', 'latin1');
const BZIP2 = Buffer.from('BZh');
const BZIP2_BLOCK = Buffer.from('314159265359', 'hex');
const DICM = Buffer.from('DICM');
const JPEG_XL_STREAM = Buffer.from('ff0a', 'hex');

function byFirstByte(signatures: readonly string[]): Map<number, Buffer[]> {
  const table = new Map<number, Buffer[]>();
  for (const text of signatures) {
    const signature = Buffer.from(text, 'hex');
    const first = signature[0] as number;
    table.set(first, [...(table.get(first) ?? []), signature]);
  }
  return table;
}

/** Whether `expected` stands at `at`; not where the bytes end before. */
export function standsAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  if (bytes.length < at + expected.length) return false;
  for (let index = 0; index < expected.length; index++) {
    if (bytes[at + index] !== expected[index]) return false;
  }
  return true;
}

/** DICOM (PS3.10, 7.1): what stands before the prefix may look like anything, TIFF for example. */
export function hasDicomPrefix(bytes: Buffer): boolean {
  return standsAt(bytes, 128, DICM);
}

/** A JPEG XL codestream without a container; two bytes are too few to be believed without a trial. */
export function mayBeJpegXl(bytes: Buffer): boolean {
  return standsAt(bytes, 0, JPEG_XL_STREAM);
}

/**
 * A look at the first bytes of an object, in constant time; 132 of them are enough, fewer see less.
 *
 * @returns `compressed`, or `unexamined`: then `detectContent` is to look at it
 */
export function magicClass(firstBytes: Buffer): ContentClass {
  if (firstBytes.length < 4 || hasDicomPrefix(firstBytes)) return CONTENT_CLASS.unexamined;
  return isCompressedKind(firstBytes) ? CONTENT_CLASS.compressed : CONTENT_CLASS.unexamined;
}

function isCompressedKind(bytes: Buffer): boolean {
  const signatures = SIGNATURES.get(bytes[0] as number);
  if (signatures !== undefined) {
    for (const signature of signatures) {
      if (standsAt(bytes, 0, signature)) return !standsAt(bytes, 0, BZIP2) || standsAt(bytes, 4, BZIP2_BLOCK);
    }
  }
  // MP4, QuickTime, HEIC, AVIF (ISO/IEC 14496-12) begin with a box of a length that is no concern here.
  if (standsAt(bytes, 4, FTYP)) return true;
  if (standsAt(bytes, 0, RIFF)) return standsAt(bytes, 8, WEBP);
  // Bytes 8 and 9: how the first member is compressed; 0 is not at all.
  if (standsAt(bytes, 0, ZIP_MEMBER)) return bytes.length >= 10 && bytes.readUInt16LE(8) !== 0;
  return false;
}
