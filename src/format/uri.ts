// HOT PATH (bench: test/format, sigv4 verification reads every target through `canonicalise`)
/**
 * Request targets, taken exactly as they came over the wire. Promises: nothing is ever normalised (`//`, `.`, `..`, `%2F`
 * and a trailing `/` are kept), an escape that is cut or not UTF-8 is refused, and a decoded name re-encodes to one form only.
 *
 * Hardest decision: canonical forms for SigV4 are made from the raw target byte by byte, without decoding to text first, so
 * that a path made of plain characters (nearly all of them) is checked in one pass and used as it is.
 *
 * RFC 3986; https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (UriEncode)
 */
import { GatewayError } from '../base/errors.ts';

export interface RawTarget {
  /** From the first `/` up to the first `?`, still encoded. */
  readonly path: string;
  /** After the first `?`, still encoded; empty when there is none. */
  readonly query: string;
}

/** `undefined` bucket: the service itself. Empty key: the bucket itself. */
export interface PathNames {
  readonly bucket: string | undefined;
  readonly key: string;
}

export type QueryPair = readonly [name: string, value: string];

const SLASH = 0x2f;
const PERCENT = 0x25;
const PLUS = 0x2b;
const UPPER_HEX = '0123456789ABCDEF';

/** 1 for RFC 3986 unreserved characters: letters, digits, `-`, `.`, `_`, `~`. */
const UNRESERVED: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-._~]/.test(String.fromCharCode(code)) ? 1 : 0,
);

function invalidUri(text: string, why: string, cause?: unknown): GatewayError {
  return new GatewayError('InvalidURI', `"${text.slice(0, 80)}" ${why}; percent-encode it as UTF-8.`, { cause });
}

/**
 * Splits an origin-form target (`/path?query`) at its first `?`.
 *
 * @throws GatewayError InvalidURI for any other form (`*`, `http://...`)
 */
export function splitTarget(target: string): RawTarget {
  if (target.charCodeAt(0) !== SLASH) throw invalidUri(target, 'does not start with "/"');
  const mark = target.indexOf('?');
  if (mark < 0) return { path: target, query: '' };
  return { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/**
 * Decodes every escape once. `+` stays `+`.
 *
 * @throws GatewayError InvalidURI for a bad escape, for bytes that are not UTF-8 and for raw characters above ASCII
 */
export function percentDecode(raw: string): string {
  let escaped = false;
  for (let i = 0; i < raw.length; i += 1) {
    const code = raw.charCodeAt(i);
    if (code >= 128) throw invalidUri(raw, 'has characters that are not ASCII');
    if (code === PERCENT) escaped = true;
  }
  if (!escaped) return raw;
  try {
    return decodeURIComponent(raw);
  } catch (cause) {
    throw invalidUri(raw, 'has an escape that is cut or is not UTF-8', cause);
  }
}

/**
 * Path-style names: `/bucket/key`, where the key is everything after the second `/`, slashes and dots included.
 *
 * @throws GatewayError InvalidURI
 */
export function splitPath(rawPath: string): PathNames {
  if (rawPath.length <= 1) return { bucket: undefined, key: '' };
  const slash = rawPath.indexOf('/', 1);
  if (slash < 0) return { bucket: percentDecode(rawPath.slice(1)), key: '' };
  return { bucket: percentDecode(rawPath.slice(1, slash)), key: percentDecode(rawPath.slice(slash + 1)) };
}

/**
 * Query pairs in the order in which they came, decoded, with `+` as a space. A name without `=` has an empty value.
 *
 * @throws GatewayError InvalidURI
 */
export function parseQuery(query: string): QueryPair[] {
  if (query.length === 0) return [];
  const pairs: QueryPair[] = [];
  for (const piece of query.split('&')) {
    if (piece.length === 0) continue;
    const equals = piece.indexOf('=');
    const name = equals < 0 ? piece : piece.slice(0, equals);
    pairs.push([decodeQueryText(name), equals < 0 ? '' : decodeQueryText(piece.slice(equals + 1))]);
  }
  return pairs;
}

function decodeQueryText(raw: string): string {
  return percentDecode(raw.includes('+') ? raw.replaceAll('+', ' ') : raw);
}

/**
 * Encodes text as UTF-8 with every byte but the unreserved ones escaped (`!'()*` too). With `keepSlash`, `/` stays: the form
 * of SigV4 paths and of `encoding-type=url` in listings, where clients decode with a plain percent decoder (a space is `%20`).
 * Lone surrogates, which no key can hold, become U+FFFD.
 */
export function percentEncode(text: string, keepSlash: boolean): string {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (UNRESERVED[code] === 1 || (keepSlash && code === SLASH)) continue;
    return percentEncodeSlow(text, keepSlash);
  }
  return text;
}

function percentEncodeSlow(text: string, keepSlash: boolean): string {
  let out = encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (c) => escapeByte(c.charCodeAt(0)));
  if (keepSlash) out = out.replaceAll('%2F', '/');
  return out;
}

function escapeByte(byte: number): string {
  return `%${UPPER_HEX.charAt(byte >> 4)}${UPPER_HEX.charAt(byte & 15)}`;
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * SigV4's canonical form of raw target text: decode once, encode once. In a path `/` stays, also where it came as `%2F`; in a
 * query it is escaped and `+` is a space.
 *
 * @throws GatewayError InvalidURI for a bad escape or a raw character above ASCII
 */
export function canonicalise(raw: string, part: 'path' | 'query'): string {
  const inPath = part === 'path';
  for (let i = 0; i < raw.length; i += 1) {
    const code = raw.charCodeAt(i);
    if (UNRESERVED[code] === 1 || (inPath && code === SLASH)) continue;
    return raw.slice(0, i) + canonicaliseRest(raw, i, inPath);
  }
  return raw;
}

function canonicaliseRest(raw: string, from: number, inPath: boolean): string {
  let out = '';
  for (let i = from; i < raw.length; i += 1) {
    let byte = raw.charCodeAt(i);
    if (byte >= 128) throw invalidUri(raw, 'has characters that are not ASCII');
    if (byte === PERCENT) {
      const high = hexValue(raw.charCodeAt(i + 1));
      const low = hexValue(raw.charCodeAt(i + 2));
      if (high < 0 || low < 0) throw invalidUri(raw, 'has a cut or wrong escape');
      byte = high * 16 + low;
      i += 2;
    } else if (byte === PLUS && !inPath) {
      byte = 0x20;
    }
    const plain = UNRESERVED[byte] === 1 || (inPath && byte === SLASH);
    out += plain ? String.fromCharCode(byte) : escapeByte(byte);
  }
  return out;
}
