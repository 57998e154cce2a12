// HOT PATH
/**
 * The residuals of one plane as bytes: groups of alike restlessness, low bytes and high bytes apart, each group a zstd frame of its own.
 *
 * Layout (numbers are LEB128): the count of groups; for each its last class (one byte, ascending) and how many residuals it has; for samples of 16
 * bits the first group that has high bytes other than 0 (the count of groups: none); the length of the frames; the frames: the low bytes of each
 * group, then all high bytes from that first group on. A group without residuals has no frame.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { CLASSES } from './med-residuals.ts';
import type { Zstd } from './zstd-interface.ts';

/** The Huffman codes of level 1 are those of all levels, and residuals have few repetitions to be found. */
const LEVEL = 1;
const GROUPS_MAX = 16;
/** A group of fewer residuals does not earn its Huffman table. */
const GROUP_SIZE_MIN = 1024;
const GROUP_SIZE_ENOUGH = 4096;

function pushNumber(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
}

export interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

function takeByte(cursor: Cursor): number {
  const byte = cursor.bytes[cursor.at];
  if (byte === undefined) throw new Error('residuals end within their head');
  cursor.at += 1;
  return byte;
}

function takeNumber(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift <= 21; shift += 7) {
    const byte = takeByte(cursor);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new Error('a number in the head of residuals is too long');
}

/** How residuals are put together. */
export interface Grouping {
  /** Of each group, ascending; the last of them is that of all classes. */
  readonly lastClasses: readonly number[];
  /** Where each group begins, and where the last one ends. */
  readonly begins: Int32Array;
}

/** Classes that are neighbours are put together until they are large enough for a Huffman table. */
function groupingOf(counts: Int32Array, total: number): Grouping {
  const enough = Math.min(GROUP_SIZE_ENOUGH, Math.max(GROUP_SIZE_MIN, total >> 3));
  const lastClasses: number[] = [];
  const ends: number[] = [];
  let end = 0;
  for (let kind = 0; kind < CLASSES - 1; kind += 1) {
    end += counts[kind] as number;
    if (end - (ends.at(-1) ?? 0) < enough || total - end < enough || ends.length === GROUPS_MAX - 1) continue;
    lastClasses.push(kind);
    ends.push(end);
  }
  return { lastClasses: [...lastClasses, CLASSES - 1], begins: Int32Array.of(0, ...ends, total) };
}

function groupOfClasses(grouping: Grouping): Uint8Array {
  const groups = new Uint8Array(CLASSES);
  for (let kind = 0, group = 0; kind < CLASSES; kind += 1) {
    groups[kind] = group;
    if (kind === grouping.lastClasses[group]) group += 1;
  }
  return groups;
}

/** Low bytes by group; and high bytes, if `high` has room for them. */
function scatter(
  residuals: Uint16Array,
  classes: Uint8Array,
  groups: Uint8Array,
  positions: Int32Array,
  low: Buffer,
  high: Buffer,
): void {
  const hasHigh = high.length > 0;
  for (let i = 0; i < low.length; i += 1) {
    const group = groups[classes[i] as number] as number;
    const position = positions[group] as number;
    positions[group] = position + 1;
    const residual = residuals[i] as number;
    low[position] = residual;
    if (hasHigh) high[position] = residual >> 8;
  }
}

function isZeros(bytes: Buffer): boolean {
  return bytes.length === 0 || (bytes[0] === 0 && bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0);
}

function firstHighGroup(high: Buffer, { lastClasses, begins }: Grouping): number {
  const found = lastClasses.findIndex((_, group) => !isZeros(high.subarray(begins[group], begins[group + 1])));
  return found === -1 ? lastClasses.length : found;
}

/**
 * @param residuals the first `total` of them are coded
 * @param counts of them by class
 */
export function codeResiduals(
  zstd: Zstd,
  residuals: Uint16Array,
  classes: Uint8Array,
  counts: Int32Array,
  total: number,
  bits: 8 | 16,
): Buffer[] {
  const grouping = groupingOf(counts, total);
  const { lastClasses, begins } = grouping;
  const low = Buffer.allocUnsafeSlow(total);
  const high = Buffer.allocUnsafeSlow(bits === 16 ? total : 0);
  scatter(residuals, classes, groupOfClasses(grouping), begins.slice(), low, high);
  const head: number[] = [];
  const frames: Buffer[] = [];
  const addFrame = (bytes: Buffer) => {
    if (bytes.length > 0) frames.push(zstd.compress(bytes, LEVEL));
  };
  pushNumber(head, lastClasses.length);
  lastClasses.forEach((kind, group) => {
    const bytes = low.subarray(begins[group], begins[group + 1]);
    head.push(kind);
    pushNumber(head, bytes.length);
    addFrame(bytes);
  });
  if (bits === 16) {
    const first = firstHighGroup(high, grouping);
    pushNumber(head, first);
    addFrame(high.subarray(begins[first]));
  }
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  pushNumber(head, length);
  return [Buffer.from(head), ...frames];
}

function takeGrouping(cursor: Cursor, total: number): Grouping {
  const count = takeByte(cursor);
  if (count < 1 || count > GROUPS_MAX) throw new Error(`residuals in ${count} groups; expected 1 to ${GROUPS_MAX}`);
  const lastClasses: number[] = [];
  const begins = new Int32Array(count + 1);
  for (let group = 0; group < count; group += 1) {
    const kind = takeByte(cursor);
    if (kind <= (lastClasses.at(-1) ?? -1)) throw new Error('the classes of residuals do not ascend');
    lastClasses.push(kind);
    begins[group + 1] = Math.min(total + 1, (begins[group] as number) + takeNumber(cursor));
  }
  if (begins[count] !== total || lastClasses.at(-1) !== CLASSES - 1)
    throw new Error(`${begins[count]} residuals up to class ${lastClasses.at(-1)}; expected ${total} of all classes`);
  return { lastClasses, begins };
}

function takeFrames(zstd: Zstd, cursor: Cursor, size: number): Buffer {
  const length = takeNumber(cursor);
  const end = cursor.at + length;
  if (end > cursor.bytes.length) throw new Error('residuals end before their frames do');
  const content = zstd.decompress(cursor.bytes.subarray(cursor.at, end), size);
  cursor.at = end;
  return content;
}

/** Fills `residuals`, group after group. */
export function decodeResiduals(
  zstd: Zstd,
  cursor: Cursor,
  total: number,
  bits: 8 | 16,
  residuals: Uint16Array,
): Grouping {
  const grouping = takeGrouping(cursor, total);
  const first = bits === 16 ? takeNumber(cursor) : grouping.lastClasses.length;
  const begin = grouping.begins[first];
  if (begin === undefined) throw new Error(`high bytes begin with group ${first} of ${grouping.lastClasses.length}`);
  const content = takeFrames(zstd, cursor, total + total - begin);
  residuals.set(content.subarray(0, begin));
  for (let i = begin, from = total; i < total; i += 1, from += 1)
    residuals[i] = (content[i] as number) | ((content[from] as number) << 8);
  return grouping;
}
