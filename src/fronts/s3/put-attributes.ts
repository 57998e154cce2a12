/**
 * What a client says about an object that it writes: PutObject, CopyObject, CreateMultipartUpload and (by field names) form
 * uploads share it. Promises: whatever is said is either kept or refused.
 */

import type { CannedAcl } from '../../base/bucket-store.ts';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectAttributes } from '../../base/object-info.ts';
import { parseQuery } from '../../format/uri.ts';
import type { Exchange } from './request.ts';
import { requireValidTags } from './tags.ts';

const META = 'x-amz-meta-';
const KEPT = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'] as const;
const CANNED: readonly string[] = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
] satisfies CannedAcl[];
/** Canned ACLs of S3 that give rights to parties which a gateway without accounts does not have. */
const FOREIGN_CANNED: readonly string[] = ['aws-exec-read', 'log-delivery-write'];
/** They give the owner of the bucket rights that it has here anyway. */
const OWNER_CANNED: readonly string[] = ['bucket-owner-read', 'bucket-owner-full-control'];

/** Where a value is looked up by lower-case header name: a request's headers, or a form's fields. */
export interface NamedValues {
  get(name: string): string | undefined;
  /** Name (without `x-amz-meta-`) and value of every user metadata entry. */
  metadata(): Iterable<readonly [string, string]>;
}

export function headerValues(x: Exchange): NamedValues {
  return {
    get: (name) => x.header(name),
    *metadata() {
      const { headers } = x.req;
      for (const name in headers) if (name.startsWith(META)) yield [name.slice(META.length), x.header(name) ?? ''];
    },
  };
}

/** @throws GatewayError InvalidArgument, NotImplemented */
export function parseCannedAcl(text: string | undefined): CannedAcl | undefined {
  if (text === undefined) return undefined;
  if (CANNED.includes(text)) return text as CannedAcl;
  if (OWNER_CANNED.includes(text)) return 'private';
  if (FOREIGN_CANNED.includes(text))
    throw new GatewayError('NotImplemented', `The canned ACL "${text}" is not implemented; use ${CANNED.join(', ')}.`);
  throw new GatewayError(
    'InvalidArgument',
    `x-amz-acl is "${text.slice(0, 80)}"; expected one of ${CANNED.join(', ')}.`,
    {
      details: { ArgumentName: 'x-amz-acl', ArgumentValue: text.slice(0, 80) },
    },
  );
}

/** `gzip, aws-chunked` without the framing, which is not part of the object. */
function storedEncoding(value: string): string | undefined {
  if (!value.toLowerCase().includes('aws-chunked')) return value;
  const kept = value
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked');
  return kept.length === 0 ? undefined : kept.join(', ');
}

function parseHeaders(values: NamedValues): Record<string, string> | undefined {
  let found: Record<string, string> | undefined;
  for (const name of KEPT) {
    const value = values.get(name);
    const kept = name === 'content-encoding' && value !== undefined ? storedEncoding(value) : value;
    if (kept === undefined || kept === '') continue;
    found ??= {};
    found[name] = kept;
  }
  return found;
}

/** @throws GatewayError MetadataTooLarge */
function parseMetadata(values: NamedValues): Record<string, string> | undefined {
  let found: Record<string, string> | undefined;
  let bytes = 0;
  for (const [name, value] of values.metadata()) {
    bytes += name.length + value.length;
    // No prototype: the name is the client's.
    found ??= Object.create(null) as Record<string, string>;
    found[name] = value;
  }
  if (bytes > LIMITS.userMetadataBytesMax) {
    throw new GatewayError(
      'MetadataTooLarge',
      `The user metadata has ${bytes} bytes; at most ${LIMITS.userMetadataBytesMax} are allowed.`,
      {
        details: { Size: String(bytes), MaxSizeAllowed: String(LIMITS.userMetadataBytesMax) },
      },
    );
  }
  return found;
}

/** `a=1&b=2` of x-amz-tagging. @throws GatewayError InvalidArgument, InvalidTag */
function parseTagging(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined || text === '') return undefined;
  return requireValidTags(parseQuery(text), LIMITS.tagsMax);
}

/** @throws GatewayError NotImplemented */
export function requireStandardClass(text: string | undefined): void {
  if (text === undefined || text === 'STANDARD') return;
  throw new GatewayError(
    'NotImplemented',
    `x-amz-storage-class is "${text.slice(0, 40)}"; there is only STANDARD here.`,
  );
}

/** @throws GatewayError InvalidArgument */
function parseRedirect(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^(?:\/|https?:\/\/)/.test(text) && text.length <= 2048) return text;
  throw new GatewayError(
    'InvalidArgument',
    'x-amz-website-redirect-location must start with "/", "http://" or "https://".',
  );
}

/** @throws GatewayError InvalidArgument, InvalidTag, MetadataTooLarge, NotImplemented */
export function parseAttributes(values: NamedValues): ObjectAttributes {
  requireStandardClass(values.get('x-amz-storage-class'));
  const headers = parseHeaders(values);
  const metadata = parseMetadata(values);
  const tags = parseTagging(values.get('x-amz-tagging'));
  const acl = parseCannedAcl(values.get('x-amz-acl'));
  const redirect = parseRedirect(values.get('x-amz-website-redirect-location'));
  return {
    ...(headers !== undefined && { headers }),
    ...(metadata !== undefined && { metadata }),
    ...(tags !== undefined && { tags }),
    ...(acl !== undefined && acl !== 'private' && { acl }),
    ...(redirect !== undefined && { redirect }),
  };
}

/** Content-Type as it is kept: an empty one is none. */
export function contentTypeOf(x: Exchange): string | undefined {
  return x.req.contentType === '' ? undefined : x.req.contentType;
}
