/**
 * What is refused by name, so that nothing which changes the meaning of a request is ever silently ignored: sub-resources and
 * headers of S3 that Penstock does not implement. Headers are an allow-list: an `x-amz-` header that is not known here is
 * refused, because whoever sends it expects something to happen.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
import { GatewayError } from '../../base/errors.ts';
import type { QueryPair } from '../../format/uri.ts';

/** Query parameters that select no sub-resource. `x-` ones are for access logs (and SDKs) and are ignored as S3 does. */
const PLAIN_PARAMETERS: ReadonlySet<string> = new Set([
  'prefix',
  'delimiter',
  'marker',
  'max-keys',
  'encoding-type',
  'list-type',
  'continuation-token',
  'start-after',
  'fetch-owner',
  'key-marker',
  'version-id-marker',
  'upload-id-marker',
  'max-uploads',
  'part-number-marker',
  'max-parts',
  'max-buckets',
  'bucket-region',
  'partNumber',
  'versionId',
  'response-content-type',
  'response-content-language',
  'response-expires',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  // Signature Version 2, which authentication refuses by name.
  'AWSAccessKeyId',
  'Signature',
  'Expires',
]);

/** Headers that are understood (some only by the operations that they belong to) or have no effect on what is done. */
const KNOWN_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-acl',
  'x-amz-bucket-object-lock-enabled',
  'x-amz-bypass-governance-retention',
  'x-amz-cf-id',
  'x-amz-checksum-algorithm',
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-crc64nvme',
  'x-amz-checksum-mode',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
  'x-amz-checksum-type',
  'x-amz-content-sha256',
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-unmodified-since',
  'x-amz-copy-source-range',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-expected-bucket-owner',
  'x-amz-max-parts',
  'x-amz-metadata-directive',
  'x-amz-mp-object-size',
  'x-amz-object-attributes',
  'x-amz-optional-object-attributes',
  'x-amz-part-number-marker',
  'x-amz-request-payer',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-source-expected-bucket-owner',
  'x-amz-storage-class',
  'x-amz-tagging',
  'x-amz-tagging-directive',
  'x-amz-te',
  'x-amz-trailer',
  'x-amz-user-agent',
  'x-amz-website-redirect-location',
]);

/** Values that say "as always" of headers that would otherwise change something. */
const HARMLESS: Readonly<Record<string, string>> = { 'x-amz-bucket-object-lock-enabled': 'false' };

/** @throws GatewayError NotImplemented */
export function refuseHeaders(rawHeaders: readonly string[]): void {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    // `x-a`, by code: nearly every header fails the first comparison.
    if ((name.charCodeAt(0) | 0x20) !== 0x78 || name.charCodeAt(1) !== 0x2d || (name.charCodeAt(2) | 0x20) !== 0x61)
      continue;
    const lower = name.toLowerCase();
    if (!lower.startsWith('x-amz-') || lower.startsWith('x-amz-meta-')) continue;
    if (!KNOWN_HEADERS.has(lower)) refuseHeader(lower);
    const harmless = HARMLESS[lower];
    if (harmless !== undefined && rawHeaders[i + 1]?.toLowerCase() !== harmless) refuseHeader(lower);
  }
}

function refuseHeader(name: string): never {
  throw new GatewayError(
    'NotImplemented',
    `The header ${name} asks for something that Penstock does not implement; send the request without it.`,
    {
      details: { Header: name },
    },
  );
}

/**
 * The sub-resource that a query selects, `undefined` for none. Of several, the first that is not plain.
 *
 * @throws GatewayError NotImplemented for versions other than `null`
 */
export function subResource(query: readonly QueryPair[]): string | undefined {
  let found: string | undefined;
  for (const [name, value] of query) {
    if (name === 'versionId' && value !== 'null') {
      throw new GatewayError(
        'NotImplemented',
        `versionId is "${value.slice(0, 80)}"; versioning is not implemented, the only version is "null".`,
      );
    }
    if (found !== undefined || PLAIN_PARAMETERS.has(name)) continue;
    if ((name.charCodeAt(0) | 0x20) === 0x78 && name.charCodeAt(1) === 0x2d) continue;
    found = name;
  }
  return found;
}
