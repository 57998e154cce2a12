/** Keys, prefixes and delimiters that break naive listings, and the naive listing that is right: sort, filter, fold. */
import fc from 'fast-check';
import type { ListOptions } from '../../src/base/object-store.ts';

/** U+E000..U+FFFF sort before the astral planes in UTF-8 and after them in UTF-16; the controls and NUL trip encodings of keys. */
const PIECES = [
  'a',
  'b',
  '/',
  '//',
  'a/',
  '.',
  '..',
  ' ',
  '%',
  '+',
  '\\',
  '\n',
  '\0',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u0080',
].concat(['é', 'e\u0301', '\ud7ff', '\ue000', '\ufffd', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}']);

const text = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
/** A head that long keys share, so that they differ only near the bound of 1,024 bytes. */
const longText = fc.tuple(fc.constantFrom('/', 'x', '\u{10000}'), text).map(([filler, tail]) => {
  const room = 1024 - Buffer.byteLength(tail);
  return filler.repeat(Math.floor(room / Buffer.byteLength(filler))) + tail;
});

export const hostileKey = fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: longText });
export const hostileKeys = fc.uniqueArray(hostileKey, { maxLength: 40 });
export const hostileDelimiter = fc.constantFrom(
  '',
  '/',
  '/',
  '/',
  '//',
  'a/',
  'b',
  '\0',
  '\u{10000}',
  '\uffff',
  './',
  '/a/b/',
);

/** A prefix of one of the keys as often as not, cut between characters. */
export function prefixAmong(keys: readonly string[]): fc.Arbitrary<string> {
  if (keys.length === 0) return fc.oneof(fc.constant(''), text);
  const cut = fc.tuple(fc.constantFrom(...keys), fc.nat(4)).map(([key, length]) => [...key].slice(0, length).join(''));
  return fc.oneof(fc.constant(''), cut, cut, text);
}

export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Keys and common prefixes of the whole listing, in order: `/` first for a prefix, `=` for an object. */
export function naiveListing(keys: readonly string[], options: Omit<ListOptions, 'limit'>): string[] {
  const { prefix, delimiter, after, afterPrefix } = options;
  const lines: string[] = [];
  for (const key of [...keys].sort(compareBytes)) {
    if (!key.startsWith(prefix) || (after !== '' && compareBytes(key, after) <= 0)) continue;
    if (afterPrefix && key.startsWith(after)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const line = cut < 0 ? `=${key}` : `/${key.slice(0, cut + delimiter.length)}`;
    if (lines.at(-1) !== line) lines.push(line);
  }
  return lines;
}
