// HOT PATH (bench: bench/sigv4.ts)
/**
 * The public side of AWS Signature Version 4: the canonical request and the strings to sign. Promises: the same text comes out
 * here for the verifier and for the signer, and nothing that the signature does not cover gets past `collectSigned`.
 *
 * Hardest decision: header values are hashed as the latin1 bytes that came over the wire; the text is handed to the hash as it
 * is when it is ASCII (then UTF-8 and latin1 agree) and as a latin1 buffer when it is not.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { hash } from 'node:crypto';
import { canonicalise, splitTarget } from './uri.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const SIGNATURE_PARAMETER = 'X-Amz-Signature';
const SPACE = 0x20;
const TAB = 0x09;

/** Alternating names and values, exactly as `IncomingMessage.rawHeaders` has them. */
export type RawHeaders = readonly string[];

export interface SignedValues {
  /** Canonical value of each signed name; `undefined` where the request has no such header. */
  readonly values: (string | undefined)[];
  /** An `x-amz-` header that the signature does not cover, if there is one. */
  readonly uncovered: string | undefined;
  readonly hostCount: number;
}

/**
 * Values of the signed headers in one pass, trimmed, with runs of spaces collapsed and repeats joined by a comma.
 *
 * @param names lower case, strictly ascending
 */
export function collectSigned(raw: RawHeaders, names: readonly string[]): SignedValues {
  const values: (string | undefined)[] = new Array(names.length).fill(undefined);
  let uncovered: string | undefined;
  let hostCount = 0;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (name === 'host') hostCount += 1;
    const at = indexOfSorted(names, name);
    if (at < 0) {
      if (uncovered === undefined && name.startsWith('x-amz-')) uncovered = name;
      continue;
    }
    const value = canonicalValue(raw[i + 1] as string);
    const earlier = values[at];
    values[at] = earlier === undefined ? value : `${earlier},${value}`;
  }
  return { values, uncovered, hostCount };
}

/** Few names are searched one by one; a hostile list of thousands by halves, so that no request is quadratic. */
function indexOfSorted(names: readonly string[], name: string): number {
  if (names.length <= 16) return names.indexOf(name);
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] as string) < name) low = middle + 1;
    else high = middle;
  }
  return names[low] === name ? low : -1;
}

/** Without spaces and tabs at the ends, and with every run of spaces inside made one. */
export function canonicalValue(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start += 1;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end -= 1;
  const trimmed = end - start === value.length ? value : value.slice(start, end);
  return trimmed.includes('  ') ? collapseSpaces(trimmed) : trimmed;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function collapseSpaces(text: string): string {
  return text
    .split(' ')
    .filter((word) => word.length > 0)
    .join(' ');
}

/** Lower-case ASCII names in strictly ascending order, or `undefined` when the list is not that. */
export function parseSignedHeaders(list: string): string[] | undefined {
  for (let i = 0; i < list.length; i += 1) {
    const code = list.charCodeAt(i);
    if (code <= SPACE || code >= 127 || (code >= 0x41 && code <= 0x5a)) return undefined;
  }
  const names = list.split(';');
  for (let i = 1; i < names.length; i += 1) {
    if ((names[i - 1] as string) >= (names[i] as string)) return undefined;
  }
  return names;
}

/** Encoded, then sorted by name and value. A flag is `name=`. With `presigned` the signature itself is left out. */
export function canonicalQuery(query: string, presigned: boolean): string {
  if (query.length === 0) return '';
  const pairs: { readonly name: string; readonly value: string }[] = [];
  for (const piece of query.split('&')) {
    if (piece.length === 0) continue;
    const equals = piece.indexOf('=');
    const name = canonicalise(equals < 0 ? piece : piece.slice(0, equals), 'query');
    if (presigned && name === SIGNATURE_PARAMETER) continue;
    pairs.push({ name, value: equals < 0 ? '' : canonicalise(piece.slice(equals + 1), 'query') });
  }
  pairs.sort((a, b) => order(a.name, b.name) || order(a.value, b.value));
  let out = '';
  for (const { name, value } of pairs) out += out.length === 0 ? `${name}=${value}` : `&${name}=${value}`;
  return out;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export interface CanonicalParts {
  readonly method: string;
  /** Path and query as on the wire. */
  readonly target: string;
  readonly presigned: boolean;
  /** Lower case, joined by `;`. */
  readonly signedHeaders: string;
  readonly names: readonly string[];
  readonly values: readonly (string | undefined)[];
  /** SHA-256 in hex, or one of the literals of x-amz-content-sha256. */
  readonly payload: string;
}

/** @throws GatewayError InvalidURI for a target that cannot be read */
export function canonicalRequest(parts: CanonicalParts): string {
  const { path, query } = splitTarget(parts.target);
  let text = `${parts.method}\n${canonicalise(path, 'path')}\n${canonicalQuery(query, parts.presigned)}\n`;
  for (let i = 0; i < parts.names.length; i += 1) text += `${parts.names[i]}:${parts.values[i] ?? ''}\n`;
  return `${text}\n${parts.signedHeaders}\n${parts.payload}`;
}

/** @param date `20130524T000000Z` */
export function requestStringToSign(date: string, scope: string, canonical: string): string {
  const isAscii = Buffer.byteLength(canonical) === canonical.length;
  const digest = hash('sha256', isAscii ? canonical : Buffer.from(canonical, 'latin1'));
  return `${ALGORITHM}\n${date}\n${scope}\n${digest}`;
}
