/**
 * Conditional headers as the store takes them. Promises: dates that are no dates are ignored (RFC 9110 section 13.1), ETags are
 * taken with and without quotes, weak ones compare as strong ones do, as in S3.
 */
import { GatewayError } from '../../base/errors.ts';
import type { BucketName, ObjectKey } from '../../base/names.ts';
import type { ObjectStore, ReadConditions, WriteConditions } from '../../base/object-store.ts';
import { parseHttpDate } from '../../format/http-date.ts';
import type { Exchange } from './request.ts';

/** `"a", W/"b", c` without quotes and weakness. */
function parseEtags(header: string): string[] {
  return header
    .split(',')
    .map((tag) => stripEtag(tag.trim()))
    .filter((tag) => tag.length > 0);
}

/** Whether the (first) ETag of a header is a weak one: that of an encoded answer (accept-encoding.ts). */
export function isWeakEtag(header: string): boolean {
  return header.startsWith('W/');
}

/** One ETag without its quotes. */
export function stripEtag(tag: string): string {
  const strong = tag.startsWith('W/') ? tag.slice(2) : tag;
  return strong.startsWith('"') && strong.endsWith('"') && strong.length >= 2 ? strong.slice(1, -1) : strong;
}

/** Conditions of a read, from the headers with this prefix (empty, or `x-amz-copy-source-`); `undefined` when there are none. */
export function readConditions(x: Exchange, prefix: '' | 'x-amz-copy-source-'): ReadConditions | undefined {
  const ifMatch = x.header(`${prefix}if-match`);
  const ifNoneMatch = x.header(`${prefix}if-none-match`);
  const modified = x.header(`${prefix}if-modified-since`);
  const unmodified = x.header(`${prefix}if-unmodified-since`);
  if (ifMatch === undefined && ifNoneMatch === undefined && modified === undefined && unmodified === undefined)
    return undefined;
  const ifModifiedSinceMs = modified === undefined ? undefined : parseHttpDate(modified, x.startedMs);
  const ifUnmodifiedSinceMs = unmodified === undefined ? undefined : parseHttpDate(unmodified, x.startedMs);
  return {
    ...(ifMatch !== undefined && { ifMatch: parseEtags(ifMatch) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: parseEtags(ifNoneMatch) }),
    ...(ifModifiedSinceMs !== undefined && { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs !== undefined && { ifUnmodifiedSinceMs }),
  };
}

/** Conditions of a write as the headers say them. `ifNoneMatchEtag` is one that the store cannot decide by itself. */
export interface AskedConditions {
  readonly store: WriteConditions;
  readonly ifNoneMatchEtag: string | undefined;
}

const NONE: AskedConditions = { store: {}, ifNoneMatchEtag: undefined };

/** @throws GatewayError InvalidArgument for several ETags, NotImplemented for dates */
export function writeConditions(x: Exchange): AskedConditions {
  const ifMatch = x.header('if-match');
  const ifNoneMatch = x.header('if-none-match');
  if (x.header('if-modified-since') !== undefined || x.header('if-unmodified-since') !== undefined) {
    throw new GatewayError(
      'NotImplemented',
      'Writes take If-Match and If-None-Match; conditions on dates are not implemented for them.',
    );
  }
  if (ifMatch === undefined && ifNoneMatch === undefined) return NONE;
  const match = ifMatch === undefined ? undefined : singleEtag('If-Match', ifMatch);
  const noneMatch = ifNoneMatch === undefined ? undefined : singleEtag('If-None-Match', ifNoneMatch);
  return {
    store: { ...(match !== undefined && { ifMatch: match }), ...(noneMatch === '*' && { ifNoneMatch: '*' as const }) },
    ifNoneMatchEtag: noneMatch === '*' ? undefined : noneMatch,
  };
}

function singleEtag(name: string, header: string): string {
  const etags = parseEtags(header);
  if (etags.length === 1 && etags[0] !== undefined) return etags[0];
  throw new GatewayError('InvalidArgument', `${name} is "${header.slice(0, 80)}"; a write takes one ETag or "*".`);
}

/**
 * What to hand to the store so that `If-None-Match: "etag"` is decided atomically too: the condition is checked against the
 * object that is there now, and the write is then bound to that very state. `settle` turns the failure of this bond into
 * ConditionalRequestConflict, since the condition itself may still hold.
 *
 * @throws GatewayError PreconditionFailed
 */
export async function bindConditions(
  objects: ObjectStore,
  bucket: BucketName,
  key: ObjectKey,
  asked: AskedConditions,
): Promise<BoundConditions> {
  if (asked.ifNoneMatchEtag === undefined) return { store: asked.store, bonded: false };
  const current = await objects.head(bucket, key);
  if (current?.etag === asked.ifNoneMatchEtag) {
    throw new GatewayError('PreconditionFailed', undefined, { details: { Condition: 'If-None-Match' } });
  }
  if (asked.store.ifMatch !== undefined) return { store: asked.store, bonded: false };
  return { store: current === undefined ? { ifNoneMatch: '*' } : { ifMatch: current.etag }, bonded: true };
}

export interface BoundConditions {
  readonly store: WriteConditions;
  readonly bonded: boolean;
}

/** The error of a write under bound conditions, as the client should see it. */
export function unbindError(error: unknown, bound: BoundConditions): unknown {
  if (!bound.bonded || !(error instanceof GatewayError)) return error;
  if (error.code !== 'PreconditionFailed' && error.code !== 'NoSuchKey') return error;
  return new GatewayError('ConditionalRequestConflict', undefined, { cause: error });
}
