// HOT PATH (bench: GET of small objects)
/**
 * GetObject and HeadObject. Promises: what is answered is one state of the object; ranges, parts and conditions are decided on
 * that state; who may not read an object learns neither that it exists nor whether a condition holds.
 *
 * Hardest decision: for the owner of a bucket a GET is one look-up. Others need the object's ACL before anything is decided,
 * so they pay a HEAD first, and the ACL is checked again on what the GET brought, since the object may have been replaced.
 */

import type { BucketInfo } from '../../base/bucket-store.ts';
import { checkReadConditions, resolveRange } from '../../base/conditions.ts';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectInfo, StorageFacts } from '../../base/object-info.ts';
import type { GetOptions, NotModified, ObjectRead, RangeSpec } from '../../base/object-store.ts';
import { parseHttpDate } from '../../format/http-date.ts';
import { formatContentRange, parseRange } from '../../format/http-range.ts';
import { mayReadObject, mayUseBucket, ownsBucket } from '../../service/access.ts';
import { namesZstd, pushZstd, weakenEtag } from './accept-encoding.ts';
import { isWeakEtag, readConditions, stripEtag } from './conditions.ts';
import { checksumOf, type Overrides, objectHeaders, pushChecksum, responseOverrides } from './object-headers.ts';
import { type Answer, release } from './reply.ts';
import type { Exchange } from './request.ts';

interface Asked {
  readonly options: GetOptions;
  readonly overrides: Overrides | undefined;
  readonly checksums: boolean;
}

const PLAIN: GetOptions = {};
/** Of Penstock alone, on HEAD: a client that says `ENABLED` is told how the object is stored. */
const STORAGE_HEADER = 'x-penstock-storage-mode';

/** @throws GatewayError InvalidArgument, InvalidRequest */
function parseAsked(x: Exchange): Asked {
  const conditions = readConditions(x, '');
  const range = x.req.headers.range === undefined ? undefined : parseRange(x.req.headers.range);
  const partNumber = x.rawQuery === '' ? undefined : partNumberParam(x);
  if (partNumber !== undefined && x.req.headers.range !== undefined) {
    throw new GatewayError('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter.');
  }
  const overrides = responseOverrides(x);
  const acceptZstd = range === undefined && partNumber === undefined && acceptsZstd(x, overrides);
  const plain = conditions === undefined && range === undefined && partNumber === undefined && !acceptZstd;
  const options: GetOptions = plain
    ? PLAIN
    : {
        ...(conditions !== undefined && { conditions }),
        ...(range !== undefined && { range }),
        ...(partNumber !== undefined && { partNumber }),
        ...(acceptZstd && { acceptZstd }),
      };
  return { options, overrides, checksums: asksChecksums(x.header('x-amz-checksum-mode')) };
}

/** Only who names it, and lets the answer have no other Content-Encoding: SDKs do not undo one that nobody asked for. */
function acceptsZstd(x: Exchange, overrides: Overrides | undefined): boolean {
  const accepted = x.req.headers['accept-encoding'];
  return accepted !== undefined && namesZstd(String(accepted)) && overrides?.['content-encoding'] === undefined;
}

/** The value of x-amz-checksum-mode. */
export function asksChecksums(mode: string | undefined): boolean {
  return mode?.toUpperCase() === 'ENABLED';
}

/** @throws GatewayError InvalidArgument */
function partNumberParam(x: Exchange): number | undefined {
  const text = x.param('partNumber');
  if (text === undefined) return undefined;
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= LIMITS.partsMax) return number;
  throw new GatewayError(
    'InvalidArgument',
    `partNumber is "${text.slice(0, 20)}"; 1 to ${LIMITS.partsMax} are allowed.`,
  );
}

export async function getObject(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  const asked = parseAsked(x);
  if (!ownsBucket(x.credential, bucket)) await requireReadable(x);
  const options = x.req.headers['if-range'] === undefined ? asked.options : await withoutStaleRange(x, asked.options);
  const read = await x.front.storage.objects.get(bucket.name, key, options);
  if (read === undefined) throw noSuchKey(x, bucket);
  if (!mayReadObject(x.credential, bucket, read.info.attributes.acl)) {
    if ('body' in read && !Buffer.isBuffer(read.body)) await release(read.body);
    throw new GatewayError('AccessDenied');
  }
  return 'kind' in read ? notModified(x, read) : readAnswer(x, read, options, asked);
}

/** @throws GatewayError AccessDenied, NoSuchKey */
export async function requireReadable(x: Exchange): Promise<ObjectInfo> {
  const { bucket, key } = x;
  const info = await x.front.storage.objects.head(bucket.name, key);
  if (info === undefined) throw noSuchKey(x, bucket);
  if (!mayReadObject(x.credential, bucket, info.attributes.acl)) throw new GatewayError('AccessDenied');
  return info;
}

/** Whoever may not list a bucket may not learn which keys are free either. */
export function noSuchKey(x: Exchange, bucket: BucketInfo): GatewayError {
  if (!mayUseBucket(x.credential, bucket, 'list')) return new GatewayError('AccessDenied');
  return new GatewayError('NoSuchKey', undefined, { resource: x.resource, details: { Key: x.keyName } });
}

/**
 * RFC 9110 section 13.1.5: a range counts only while If-Range names the present state. A weak ETag never does: it is that of an encoded
 * answer, and a range of the bytes themselves does not continue it.
 */
async function withoutStaleRange(x: Exchange, options: GetOptions): Promise<GetOptions> {
  const ifRange = x.header('if-range');
  if (ifRange === undefined || options.range === undefined) return options;
  const info = await x.front.storage.objects.head(x.bucket.name, x.key);
  const dateMs = parseHttpDate(ifRange, x.startedMs);
  const fresh =
    dateMs === undefined
      ? !isWeakEtag(ifRange) && info?.etag === stripEtag(ifRange)
      : info !== undefined && Math.floor(info.modifiedMs / 1000) * 1000 === dateMs;
  if (fresh) return options;
  const { range: _stale, ...rest } = options;
  return rest;
}

function notModified(x: Exchange, { info }: NotModified): Answer {
  const kept = objectHeaders(info, undefined, x.front.dates);
  if (isWeakEtag(x.header('if-none-match') ?? '')) weakenEtag(kept); // what the client has is encoded
  const headers: string[] = [];
  for (let i = 0; i < kept.length; i += 2) {
    if (kept[i] !== 'Content-Type' && kept[i] !== 'Accept-Ranges')
      headers.push(kept[i] as string, kept[i + 1] as string);
  }
  return { status: 304, headers, body: undefined, length: undefined };
}

async function readAnswer(x: Exchange, read: ObjectRead, options: GetOptions, asked: Asked): Promise<Answer> {
  const { info, start, end, body } = read;
  const headers = objectHeaders(info, asked.overrides, x.front.dates);
  if (read.encoding === 'zstd') return zstdAnswer(headers, body as Buffer);
  const partial = options.range !== undefined || options.partNumber !== undefined;
  if (partial && info.size > 0) headers.push('Content-Range', formatContentRange({ start, end }, info.size));
  if (asked.checksums) await pushReadChecksum(x, headers, info, options);
  if (options.partNumber !== undefined && info.partCount > 0)
    headers.push('x-amz-mp-parts-count', String(info.partCount));
  return { status: partial && info.size > 0 ? 206 : 200, headers, body, length: end - start };
}

/** Without the checksum, which is that of the object: clients compare it with what they receive. */
function zstdAnswer(headers: string[], frame: Buffer): Answer {
  pushZstd(headers);
  return { status: 200, headers, body: frame, length: frame.length };
}

/** The checksum of exactly what is sent: clients verify the body against it, so a range has none. */
async function pushReadChecksum(x: Exchange, headers: string[], info: ObjectInfo, options: GetOptions): Promise<void> {
  const whole = checksumOf(info);
  if (whole === undefined || options.range !== undefined) return;
  if (options.partNumber === undefined || info.partCount === 0) return pushChecksum(headers, whole);
  const withParts =
    info.parts === undefined ? await x.front.storage.objects.head(x.bucket.name, x.key, { parts: true }) : info;
  const part = withParts?.etag === info.etag ? withParts.parts?.[options.partNumber - 1] : undefined;
  if (part?.checksum !== undefined) pushChecksum(headers, { ...part.checksum, type: whole.type });
}

export async function headObject(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  const asked = parseAsked(x);
  const options = asked.options;
  const asksParts = options.partNumber !== undefined;
  const asksStorage = x.header(STORAGE_HEADER) === 'ENABLED';
  const info = await x.front.storage.objects.head(
    bucket.name,
    key,
    asksParts || asksStorage ? { parts: asksParts, storage: asksStorage } : undefined,
  );
  if (info === undefined) throw noSuchKey(x, bucket);
  if (!mayReadObject(x.credential, bucket, info.attributes.acl)) throw new GatewayError('AccessDenied');
  if (options.conditions !== undefined && checkReadConditions(options.conditions, info) === 'not-modified') {
    return notModified(x, { kind: 'not-modified', info });
  }
  const { start, end } = rangeOf(info, options.range, options.partNumber);
  const answer = await readAnswer(x, { info, start, end, body: Buffer.alloc(0) }, options, asked);
  return info.storage === undefined
    ? answer
    : { ...answer, headers: [...answer.headers, ...storageHeaders(info.storage)] };
}

function storageHeaders({ contentClass, storedBytes, codec }: StorageFacts): string[] {
  return ['x-penstock-class', contentClass, 'x-penstock-stored-bytes', String(storedBytes), 'x-penstock-codec', codec];
}

/** @throws GatewayError InvalidRange, InvalidPartNumber */
function rangeOf(
  info: ObjectInfo,
  range: RangeSpec | undefined,
  partNumber: number | undefined,
): { start: number; end: number } {
  if (range !== undefined) return resolveRange(range, info.size);
  if (partNumber === undefined || (info.partCount === 0 && partNumber === 1)) return { start: 0, end: info.size };
  const parts = info.parts ?? [];
  const part = parts[partNumber - 1];
  if (part === undefined)
    throw new GatewayError('InvalidPartNumber', undefined, {
      details: { PartCount: String(Math.max(1, info.partCount)) },
    });
  let start = 0;
  for (let i = 0; i < partNumber - 1; i += 1) start += parts[i]?.size ?? 0;
  return { start, end: start + part.size };
}
