/**
 * DICOM (PS3.5, PS3.10): where the pixels lie, of which modality, and how much stands before them.
 *
 * Promises: never throws; in time linear in the bytes and bounded (`ElementWalk`); the layout lies inside the object.
 *
 * The hardest decision: what the file says of its own encoding is believed only where the bytes agree. Byte order and VRs are read off the
 * first element of the data set, which every file has; the transfer syntax decides only what bytes cannot say. Files without a meta
 * header are DICOM only if they name their SOP class or have pixels that can be laid out: numbers that look like tags are common.
 */
import { CONTENT_CLASS, type Content, type ContentClass, type PixelLayout } from './content.ts';
import { type ElementEncoding, ElementWalk, isVr, UNDEFINED_LENGTH } from './content-dicom-elements.ts';
import { hasDicomPrefix, standsAt } from './content-magic.ts';
import { pixelLayout, pixelsBefore } from './content-pixels.ts';

const TAG = {
  transferSyntax: 0x0002_0010,
  sopClass: 0x0008_0016,
  modality: 0x0008_0060,
  series: 0x0020_000e,
  samples: 0x0028_0002,
  photometric: 0x0028_0004,
  planar: 0x0028_0006,
  frames: 0x0028_0008,
  rows: 0x0028_0010,
  columns: 0x0028_0011,
  bitsAllocated: 0x0028_0100,
  pixelRepresentation: 0x0028_0103,
  floatPixels: 0x7fe0_0008,
  doublePixels: 0x7fe0_0009,
  pixels: 0x7fe0_0010,
} as const;

const SYNTAX = {
  deflated: '1.2.840.10008.1.2.1.99',
  /** Implicit little endian, but for its pixels (GE). */
  bigEndianPixels: '1.2.840.113619.5.2',
  /** Encapsulated, and yet something is to be gained: run lengths, and no compression at all. */
  runLengths: '1.2.840.10008.1.2.5',
  encapsulatedUncompressed: '1.2.840.10008.1.2.1.98',
} as const;

const CLASS_BY_MODALITY: ReadonlyMap<string, ContentClass> = new Map<string, ContentClass>([
  ['CT', CONTENT_CLASS.ct],
  ['MR', CONTENT_CLASS.mr],
  ['PT', CONTENT_CLASS.pt],
  ...['CR', 'DX', 'MG', 'XA', 'RF', 'IO', 'PX'].map((modality) => [modality, CONTENT_CLASS.xray] as const),
  ['US', CONTENT_CLASS.us],
  ['IVUS', CONTENT_CLASS.us],
]);

const UID_CHARS_MAX = 64;
/** Headers below this share of an encapsulated object cannot save the 5 % that a coding must, even if nothing were left of them. */
const HEADER_SHARE_MIN = 1 / 16;
const PREFIX = Buffer.from('DICM');

interface DataSetStart {
  readonly at: number;
  readonly encoding: ElementEncoding;
  readonly syntax: string | undefined;
  /** There is a prefix: what follows is DICOM, whatever it says. */
  readonly isCertain: boolean;
}

interface Facts {
  sopClass: string | undefined;
  modality: string | undefined;
  series: string | undefined;
  photometric: string | undefined;
  samples: number;
  planar: number;
  frames: number;
  rows: number;
  columns: number;
  bitsAllocated: number;
  isSigned: boolean;
}

/** The element that holds the pixels, where the walk ended. */
interface PixelElement {
  readonly tag: number;
  readonly valueAt: number;
  readonly length: number;
}

/** `undefined` where the bytes are no DICOM. `size` is the object's, of which `bytes` is the beginning. */
export function detectDicom(bytes: Buffer, size: number): Content | undefined {
  const start = findDataSet(bytes);
  if (start === undefined) return undefined;
  if (start.syntax === SYNTAX.deflated) return compressed(0, undefined, true);
  const walk = new ElementWalk(bytes, start.at, start.encoding);
  const facts = noFacts();
  const pixels = readFacts(walk, facts);
  if (pixels === undefined) {
    if (!start.isCertain && facts.sopClass === undefined) return undefined;
    return plain(CONTENT_CLASS.other, Math.min(walk.nextAt, bytes.length), facts.series, undefined);
  }
  if (pixels.length === UNDEFINED_LENGTH) return encapsulated(pixels, facts, start, size);
  const layout = layoutOf(pixels, facts, start);
  const inside = layout && pixelsBefore(layout, Math.min(size, pixels.valueAt + pixels.length));
  if (!start.isCertain && facts.sopClass === undefined && inside === undefined) return undefined;
  const contentClass = CLASS_BY_MODALITY.get(facts.modality ?? '') ?? CONTENT_CLASS.image;
  return plain(contentClass, pixels.valueAt, facts.series, inside);
}

function plain(
  contentClass: ContentClass,
  headerLength: number,
  series: string | undefined,
  pixels: PixelLayout | undefined,
): Content {
  return { class: contentClass, headerLength, series, pixels, isCompressed: false };
}

function compressed(headerLength: number, series: string | undefined, isCompressed: boolean): Content {
  return { class: CONTENT_CLASS.compressed, headerLength, series, pixels: undefined, isCompressed };
}

function encapsulated(pixels: PixelElement, facts: Facts, start: DataSetStart, size: number): Content {
  const isWorthATrial =
    pixels.valueAt >= size * HEADER_SHARE_MIN ||
    start.syntax === SYNTAX.runLengths ||
    start.syntax === SYNTAX.encapsulatedUncompressed;
  return compressed(pixels.valueAt, facts.series, !isWorthATrial);
}

/** Where the data set begins, behind the prefix and the meta header if they are there. */
function findDataSet(bytes: Buffer): DataSetStart | undefined {
  if (hasDicomPrefix(bytes)) return afterMeta(bytes, 132, true);
  if (standsAt(bytes, 0, PREFIX)) return afterMeta(bytes, 4, true);
  return bytes.length >= 8 && (beginsWithMeta(bytes) || beginsWithGroup8(bytes))
    ? afterMeta(bytes, 0, false)
    : undefined;
}

function beginsWithMeta(bytes: Buffer): boolean {
  return bytes.readUInt16LE(0) === 0x0002 && bytes.readUInt16LE(2) <= 0x0010 && isVr(bytes, 4);
}

/** A data set without anything before it: an element of group 8, with a VR or a small length. */
function beginsWithGroup8(bytes: Buffer): boolean {
  const isBigEndian = bytes[0] === 0;
  const [group, element] = isBigEndian
    ? [bytes.readUInt16BE(0), bytes.readUInt16BE(2)]
    : [bytes.readUInt16LE(0), bytes.readUInt16LE(2)];
  if (group !== 0x0008 || element > 0x0070) return false;
  return isVr(bytes, 4) || (isBigEndian ? bytes.readUInt32BE(4) : bytes.readUInt32LE(4)) <= 256;
}

function afterMeta(bytes: Buffer, metaAt: number, isCertain: boolean): DataSetStart {
  const meta = new ElementWalk(bytes, metaAt, { isImplicit: false, isBigEndian: false });
  let at = metaAt;
  let syntax: string | undefined;
  // The group's own length is often wrong: the meta header ends with its group. It is little endian, and 0002 in big endian is 0200.
  while (at + 2 <= bytes.length && bytes.readUInt16LE(at) === 0x0002 && meta.next()) {
    if (meta.tag === TAG.transferSyntax) syntax = meta.text(UID_CHARS_MAX);
    at = meta.nextAt;
  }
  // The first group is a small number, so that the byte that is 0 tells the order.
  const isBigEndian = bytes[at] === 0 && bytes[at + 1] !== 0;
  return { at, syntax, isCertain, encoding: { isBigEndian, isImplicit: !isVr(bytes, at + 4) } };
}

function noFacts(): Facts {
  return {
    sopClass: undefined,
    modality: undefined,
    series: undefined,
    photometric: undefined,
    samples: 1,
    planar: 0,
    frames: 1,
    rows: 0,
    columns: 0,
    bitsAllocated: 0,
    isSigned: false,
  };
}

/** Fills `facts` from the elements of the data set itself, up to the pixels; `undefined` without pixels. */
function readFacts(walk: ElementWalk, facts: Facts): PixelElement | undefined {
  while (walk.next()) {
    if (walk.depth > 0) continue;
    const { tag, valueAt, length } = walk;
    if (tag === TAG.pixels || tag === TAG.floatPixels || tag === TAG.doublePixels) return { tag, valueAt, length };
    readFact(walk, facts);
  }
  return undefined;
}

function readFact(walk: ElementWalk, facts: Facts): void {
  switch (walk.tag) {
    case TAG.sopClass:
      facts.sopClass = walk.text(UID_CHARS_MAX) || undefined;
      break;
    case TAG.modality:
      facts.modality = walk.text(UID_CHARS_MAX);
      break;
    case TAG.series:
      facts.series = walk.text(UID_CHARS_MAX) || undefined;
      break;
    case TAG.photometric:
      facts.photometric = walk.text(UID_CHARS_MAX);
      break;
    case TAG.samples:
      facts.samples = walk.short() ?? 1;
      break;
    case TAG.planar:
      facts.planar = walk.short() ?? 0;
      break;
    case TAG.frames:
      facts.frames = Number.parseInt(walk.text(UID_CHARS_MAX) ?? '', 10) || 1;
      break;
    case TAG.rows:
      facts.rows = walk.short() ?? 0;
      break;
    case TAG.columns:
      facts.columns = walk.short() ?? 0;
      break;
    case TAG.bitsAllocated:
      facts.bitsAllocated = walk.short() ?? 0;
      break;
    case TAG.pixelRepresentation:
      facts.isSigned = walk.short() === 1;
      break;
  }
}

function layoutOf(pixels: PixelElement, facts: Facts, start: DataSetStart): PixelLayout | undefined {
  const bytesPerSample = sampleBytes(pixels.tag, facts.bitsAllocated);
  const { samples, rows, columns, photometric = '' } = facts;
  if (bytesPerSample === undefined || (samples !== 1 && samples !== 3)) return undefined;
  // Two pixels of 4:2:2 share their colours: four samples in all (PS3.5, 8.2).
  if (photometric.endsWith('_422') || photometric.endsWith('_420')) return undefined;
  return pixelLayout({
    offset: pixels.valueAt,
    width: columns,
    height: rows,
    frames: Math.max(1, facts.frames),
    bytesPerSample,
    samples,
    isPlanar: samples === 3 && facts.planar === 1,
    isSigned: facts.isSigned,
    isFloat: pixels.tag !== TAG.pixels,
    isBigEndian: start.encoding.isBigEndian || start.syntax === SYNTAX.bigEndianPixels,
  });
}

function sampleBytes(tag: number, bitsAllocated: number): 1 | 2 | 4 | 8 | undefined {
  if (tag === TAG.floatPixels) return 4;
  if (tag === TAG.doublePixels) return 8;
  switch (bitsAllocated) {
    case 8:
      return 1;
    case 16:
      return 2;
    case 32:
      return 4;
    case 64:
      return 8;
    default:
      return undefined;
  }
}
