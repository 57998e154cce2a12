// HOT PATH (one call an object of a batch over HTTP)
/**
 * The head of one member of a TAR archive in the pax format: an extended header with records, and the ustar header of the member.
 *
 * Promises: any name and any size come out exact, in the records `path` and (from 8 GiB on) `size`; a reader that knows no pax records sees
 * a name of plain characters that climbs out of no folder; nothing is allocated but the text of the records.
 *
 * Hardest decision: `path` is always written, also where the 100 bytes of ustar would do: one form to read and to test, for 30 bytes in a
 * block that is padded to 512 anyway. Checksums are counted along with the digits, since adding up 512 bytes costs more than all else.
 *
 * IEEE Std 1003.1-2001, pax: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_01
 */
import assert from 'node:assert/strict';

export const TAR_BLOCK = 512;
/** An archive ends with two blocks of zeros. */
export const TAR_END_BYTES = 2 * TAR_BLOCK;

const NAME_BYTES = 100;
const SIZE_AT = 124;
const MTIME_AT = 136;
const CHECKSUM_AT = 148;
const TYPE_AT = 156;
const NUMBER_DIGITS = 11;
const CHECKSUM_DIGITS = 6;
/** What 11 octal digits hold. */
const NUMBER_MAX = 8 ** NUMBER_DIGITS - 1;
const ZERO = 0x30;

export interface TarMember {
  /** Well-formed Unicode without NUL. Whoever unpacks gets a file of this name: it is the caller's to make it harmless. */
  readonly name: string;
  /** Bytes that follow the head, before their padding. */
  readonly size: number;
  /** Since the epoch; the header holds whole seconds. */
  readonly modifiedMs: number;
  /** Further records, as `paxRecord` makes them, one behind the other. */
  readonly records: string;
}

/** One record of an extended header: its own length in decimal, the keyword and the value, which may hold anything. */
export function paxRecord(keyword: string, value: string): string {
  const rest = keyword.length + Buffer.byteLength(value) + 3; // the blank, `=` and the line feed
  let length = rest + digitsOf(rest);
  if (digitsOf(length) > digitsOf(rest)) length = rest + digitsOf(length);
  return `${length} ${keyword}=${value}\n`;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  return digits;
}

/** Bytes of zeros between a body of this size and the next head. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/**
 * Writes the head of a member.
 *
 * @param at where it begins in `into`
 * @returns where it ends; -1, with nothing written, when it does not fit
 */
export function writeTarHead(into: Buffer, at: number, member: TarMember): number {
  assert(member.size >= 0 && member.modifiedMs >= 0);
  const fits = member.size <= NUMBER_MAX;
  const size = fits ? '' : paxRecord('size', String(member.size));
  const text = `${paxRecord('path', member.name)}${size}${member.records}`;
  const length = Buffer.byteLength(text);
  const padding = tarPadding(length);
  const bodyAt = at + TAR_BLOCK + length + padding;
  if (bodyAt + TAR_BLOCK > into.length) return -1;
  writeHeader(into, at, EXTENDED, '', length, member.modifiedMs);
  into.write(text, at + TAR_BLOCK, 'utf8');
  into.fill(0, bodyAt - padding, bodyAt);
  writeHeader(into, bodyAt, REGULAR, member.name, fits ? member.size : 0, member.modifiedMs);
  return bodyAt + TAR_BLOCK;
}

interface Template {
  readonly block: Buffer;
  /** Of its bytes, with blanks in place of the checksum. */
  readonly sum: number;
}

const EXTENDED = template('x', 'PaxHeaders/member');
const REGULAR = template('0', '');

/** A header of mode 644 and owner 0 without name, size and time. */
function template(type: 'x' | '0', name: string): Template {
  const block = Buffer.alloc(TAR_BLOCK);
  block.write(name, 0, 'latin1');
  block.write('0000644\x000000000\x000000000\x00', NAME_BYTES, 'latin1');
  block.write('        ', CHECKSUM_AT, 'latin1');
  block.write(type, TYPE_AT, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write('0000000\x000000000\x00', 329, 'latin1');
  return { block, sum: block.reduce((sum, byte) => sum + byte, 0) };
}

function writeHeader(into: Buffer, at: number, kind: Template, name: string, size: number, modifiedMs: number): void {
  kind.block.copy(into, at);
  let { sum } = kind;
  sum += writeName(into, at, name);
  sum += writeOctal(into, at + SIZE_AT, NUMBER_DIGITS, size);
  sum += writeOctal(into, at + MTIME_AT, NUMBER_DIGITS, Math.min(Math.floor(modifiedMs / 1000), NUMBER_MAX));
  writeOctal(into, at + CHECKSUM_AT, CHECKSUM_DIGITS, sum);
  into[at + CHECKSUM_AT + CHECKSUM_DIGITS] = 0;
}

/** Returns the sum of the digits' bytes. */
function writeOctal(into: Buffer, at: number, digits: number, value: number): number {
  let sum = 0;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const digit = ZERO + (rest % 8);
    into[i] = digit;
    sum += digit;
    rest = Math.floor(rest / 8);
  }
  return sum;
}

/** The name where it is short and printable ASCII, else its beginning with everything but letters and digits replaced. Returns the sum. */
function writeName(into: Buffer, at: number, name: string): number {
  const isPlain = name.length <= NAME_BYTES && isPrintable(name);
  const length = Math.min(name.length, NAME_BYTES);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const code = name.charCodeAt(i);
    const byte = isPlain || isAlphanumeric(code) ? code : 0x5f;
    into[at + i] = byte;
    sum += byte;
  }
  return sum;
}

function isPrintable(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}
