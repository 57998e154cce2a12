// HOT PATH
/**
 * The residuals of one plane as bytes: groups of alike restlessness, each coded apart, low bytes first, then all high bytes.
 *
 * Layout (numbers are LEB128): the count of groups; for each its last class (one byte, ascending), how many residuals it has, and its low bytes
 * as `length << 2 | kind`; for samples of 16 bits the high bytes of all groups the same way; then the bytes of all of these in that order. A
 * kind is 0 for zeros alone (length 0), 1 for bytes as they are, 2 for a zstd frame.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { CLASSES } from './med-residuals.ts';
import type { Zstd } from './zstd-binding.ts';

/** The Huffman codes of level 1 are those of all levels, and residuals have few repetitions to be found. */
const LEVEL = 1;
const GROUPS_MAX = 16;
/** A group of fewer residuals does not earn its Huffman table. */
const GROUP_SIZE_MIN = 1024;
const GROUP_SIZE_MAX = 4096;

const KIND = { zeros: 0, plain: 1, zstd: 2 } as const;

/** A place to write to that grows. */
interface Head {
  bytes: number[];
}

function pushNumber(head: Head, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    head.bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  head.bytes.push(rest);
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
  for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
    const byte = takeByte(cursor);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  throw new Error('a number in the head of residuals is too long');
}

/** The last class of each group: neighbours are put together until they are large enough for a Huffman table. */
export function groupClasses(counts: Int32Array, total: number): number[] {
  const enough = Math.min(GROUP_SIZE_MAX, Math.max(GROUP_SIZE_MIN, total >> 3));
  const last: number[] = [];
  let gathered = 0;
  let left = total;
  for (let kind = 0; kind < CLASSES; kind += 1) {
    gathered += counts[kind] as number;
    left -= counts[kind] as number;
    if (gathered < enough || left < enough || last.length === GROUPS_MAX - 1) continue;
    last.push(kind);
    gathered = 0;
  }
  last.push(CLASSES - 1);
  return last;
}

function isZeros(bytes: Buffer): boolean {
  return bytes.length === 0 || (bytes[0] === 0 && bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0);
}

function codeStream(zstd: Zstd, bytes: Buffer, head: Head): Buffer | undefined {
  if (isZeros(bytes)) {
    pushNumber(head, KIND.zeros);
    return undefined;
  }
  const frame = zstd.compress(bytes, LEVEL);
  const isSmaller = frame.length < bytes.length;
  const stored = isSmaller ? frame : bytes;
  pushNumber(head, stored.length * 4 + (isSmaller ? KIND.zstd : KIND.plain));
  return stored;
}

interface Scattered {
  readonly low: Buffer;
  readonly high: Buffer | undefined;
}

function scatter(
  residuals: Uint16Array,
  classes: Uint8Array,
  groupOfClass: Uint8Array,
  positions: Int32Array,
  total: number,
  bits: 8 | 16,
): Scattered {
  const low = Buffer.allocUnsafeSlow(total);
  const high = bits === 16 ? Buffer.allocUnsafeSlow(total) : undefined;
  for (let i = 0; i < total; i += 1) {
    const group = groupOfClass[classes[i] as number] as number;
    const position = positions[group] as number;
    positions[group] = position + 1;
    const residual = residuals[i] as number;
    low[position] = residual;
    if (high !== undefined) high[position] = residual >> 8;
  }
  return { low, high };
}

/** @param counts of residuals by class */
export function codeResiduals(
  zstd: Zstd,
  residuals: Uint16Array,
  classes: Uint8Array,
  counts: Int32Array,
  total: number,
  bits: 8 | 16,
): Buffer[] {
  const last = groupClasses(counts, total);
  const groupOfClass = new Uint8Array(CLASSES);
  const begins = new Int32Array(last.length + 1);
  for (let kind = 0, group = 0; kind < CLASSES; kind += 1) {
    if (kind > (last[group] as number)) {
      group += 1;
      begins[group + 1] = begins[group] as number;
    }
    groupOfClass[kind] = group;
    begins[group + 1] = (begins[group + 1] as number) + (counts[kind] as number);
  }
  const { low, high } = scatter(residuals, classes, groupOfClass, begins.slice(), total, bits);
  const head: Head = { bytes: [] };
  const parts: (Buffer | undefined)[] = [];
  pushNumber(head, last.length);
  last.forEach((kind, group) => {
    const begin = begins[group] as number;
    const end = begins[group + 1] as number;
    head.bytes.push(kind);
    pushNumber(head, end - begin);
    parts.push(codeStream(zstd, low.subarray(begin, end), head));
  });
  if (high !== undefined) parts.push(codeStream(zstd, high, head));
  return [Buffer.from(head.bytes), ...parts.filter((part) => part !== undefined)];
}

interface Stream {
  readonly kind: number;
  readonly stored: number;
}

function takeStream(cursor: Cursor): Stream {
  const value = takeNumber(cursor);
  return { kind: value & 3, stored: value >> 2 };
}

function decodeStream(zstd: Zstd, cursor: Cursor, stream: Stream, size: number): Buffer | undefined {
  const end = cursor.at + stream.stored;
  if (end > cursor.bytes.length) throw new Error('residuals end before their streams do');
  const stored = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  if (stream.kind === KIND.zeros && stored.length === 0) return undefined;
  if (stream.kind === KIND.plain && stored.length === size) return stored;
  if (stream.kind === KIND.zstd) return zstd.decompress(stored, size);
  throw new Error(`a stream of residuals of kind ${stream.kind} with ${stored.length} bytes for ${size}`);
}

export interface GroupedResiduals {
  /** The last class of each group. */
  readonly lastClasses: readonly number[];
  /** Where each group begins, and where the last one ends. */
  readonly begins: Int32Array;
}

interface GroupHead {
  readonly last: number;
  readonly count: number;
  readonly stream: Stream;
}

function takeGroups(cursor: Cursor, total: number): GroupHead[] {
  const count = takeByte(cursor);
  if (count < 1 || count > GROUPS_MAX) throw new Error(`residuals in ${count} groups; expected 1 to ${GROUPS_MAX}`);
  const groups: GroupHead[] = [];
  let sum = 0;
  for (let group = 0; group < count; group += 1) {
    const one = { last: takeByte(cursor), count: takeNumber(cursor), stream: takeStream(cursor) };
    if (one.last <= (groups.at(-1)?.last ?? -1)) throw new Error('the classes of residuals do not ascend');
    sum += one.count;
    groups.push(one);
  }
  if (sum !== total || groups.at(-1)?.last !== CLASSES - 1)
    throw new Error(`${sum} residuals; expected ${total} of all classes`);
  return groups;
}

/** Undoes the zig-zag of the residuals of one group. */
function unfoldLow(low: Buffer, begin: number, residuals: Int16Array): void {
  for (let i = 0; i < low.length; i += 1) {
    const folded = low[i] as number;
    residuals[begin + i] = (folded >> 1) ^ -(folded & 1);
  }
}

function unfoldHigh(high: Buffer, residuals: Int16Array): void {
  // The sign of a residual came with its low byte. Its other bits are turned over with it.
  for (let i = 0; i < high.length; i += 1) {
    const low = residuals[i] as number;
    residuals[i] = low ^ ((high[i] as number) << 7);
  }
}

/** Fills `residuals` with those of all groups. */
export function decodeResiduals(
  zstd: Zstd,
  cursor: Cursor,
  total: number,
  bits: 8 | 16,
  residuals: Int16Array,
): GroupedResiduals {
  const groups = takeGroups(cursor, total);
  const highStream = bits === 16 ? takeStream(cursor) : undefined;
  const begins = new Int32Array(groups.length + 1);
  groups.forEach(({ count, stream }, group) => {
    const begin = begins[group] as number;
    begins[group + 1] = begin + count;
    const low = decodeStream(zstd, cursor, stream, count);
    if (low === undefined) residuals.fill(0, begin, begin + count);
    else unfoldLow(low, begin, residuals);
  });
  const high = highStream && decodeStream(zstd, cursor, highStream, total);
  if (high !== undefined) unfoldHigh(high, residuals);
  return { lastClasses: groups.map(({ last }) => last), begins };
}
