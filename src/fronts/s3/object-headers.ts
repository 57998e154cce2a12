// HOT PATH (bench: every GET and HEAD of an object)
/** Header pairs of an answer that carries an object or speaks of one. Values leave as the bytes that came in (latin1 strings). */
import { GatewayError } from '../../base/errors.ts';
import type { ObjectInfo, StoredChecksum } from '../../base/object-info.ts';
import type { HttpDates } from './http-dates.ts';
import type { Exchange } from './request.ts';

const DEFAULT_TYPE = 'binary/octet-stream';

/** Canonical casing of the headers that are kept with an object. */
const STORED_NAMES: Readonly<Record<string, string>> = {
  'cache-control': 'Cache-Control',
  'content-disposition': 'Content-Disposition',
  'content-encoding': 'Content-Encoding',
  'content-language': 'Content-Language',
  expires: 'Expires',
};

/** Query parameter, and the header that it overrides in the answer. */
const OVERRIDES: Readonly<Record<string, string>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
};

export type Overrides = Readonly<Record<string, string>>;

/** @throws GatewayError InvalidRequest on anonymous requests, InvalidArgument for a value that no header can hold */
export function responseOverrides(x: Exchange): Overrides | undefined {
  if (x.rawQuery === '') return undefined;
  let found: Record<string, string> | undefined;
  for (const [name, value] of x.query) {
    const header = OVERRIDES[name];
    if (header === undefined) continue;
    if (x.credential === undefined) {
      throw new GatewayError(
        'InvalidRequest',
        `Request specific response headers cannot be used for anonymous GET requests: ${name}.`,
      );
    }
    found ??= {};
    found[header] = headerText(name, value);
  }
  return found;
}

/** Text as the latin1 string of its UTF-8 bytes. @throws GatewayError InvalidArgument for control characters */
export function headerText(name: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw new GatewayError(
      'InvalidArgument',
      `The value of ${name} holds control characters; a header cannot carry them.`,
    );
  }
  return Buffer.from(value, 'utf8').toString('latin1');
}

export function etagHeader(etag: string): string {
  return `"${etag}"`;
}

/** `CRC64NVME` → `x-amz-checksum-crc64nvme`, and the type of the checksum. */
/**
 * The checksum of the whole object that an answer may carry: the one that was stored with it, else the CRC-32 that gRPC writes are known
 * by, whose ETag (`…-1`, of an object without parts) is none that a client could check.
 */
export function checksumOf(info: ObjectInfo): StoredChecksum | undefined {
  const { checksum } = info.attributes;
  if (checksum !== undefined || info.crc32 === undefined || info.partCount > 0 || !info.etag.endsWith('-1'))
    return checksum;
  const value = Buffer.alloc(4);
  value.writeUInt32BE(info.crc32);
  return { algorithm: 'CRC32', value: value.toString('base64'), type: 'FULL_OBJECT' };
}

export function pushChecksum(headers: string[], checksum: StoredChecksum): void {
  headers.push(
    `x-amz-checksum-${checksum.algorithm.toLowerCase()}`,
    checksum.value,
    'x-amz-checksum-type',
    checksum.type,
  );
}

/** Everything that GET and HEAD say of an object, but its length, range and checksum. */
export function objectHeaders(info: ObjectInfo, overrides: Overrides | undefined, dates: HttpDates): string[] {
  const headers = [
    'Content-Type',
    overrides?.['content-type'] ?? info.contentType ?? DEFAULT_TYPE,
    'ETag',
    etagHeader(info.etag),
    'Last-Modified',
    dates.of(info.modifiedMs),
    'Accept-Ranges',
    'bytes',
  ];
  const { headers: stored, metadata, tags, redirect } = info.attributes;
  if (stored !== undefined || overrides !== undefined) pushStored(headers, stored ?? {}, overrides ?? {});
  if (metadata !== undefined) for (const name in metadata) headers.push(`x-amz-meta-${name}`, metadata[name] as string);
  if (tags !== undefined) pushTagCount(headers, tags);
  if (redirect !== undefined) headers.push('x-amz-website-redirect-location', redirect);
  return headers;
}

function pushStored(headers: string[], stored: Readonly<Record<string, string>>, overrides: Overrides): void {
  for (const name in STORED_NAMES) {
    const value = overrides[name] ?? stored[name];
    if (value !== undefined) headers.push(STORED_NAMES[name] as string, value);
  }
}

function pushTagCount(headers: string[], tags: Readonly<Record<string, string>>): void {
  const count = Object.keys(tags).length;
  if (count > 0) headers.push('x-amz-tagging-count', String(count));
}
