/**
 * What a multipart upload becomes: ETag, checksum and attributes of the object, from the parts that are stored and the parts that
 * the client lists. Pure; every refusal of a complete is here.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
import { createHash } from 'node:crypto';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { PartInfo, StoredAttributes, StoredChecksum } from '../../base/object-info.ts';
import type { UploadInfo } from '../../base/object-store.ts';
import { type Checksums, checksumOfParts } from '../../format/checksum.ts';
import { CHECKSUM_ALGORITHMS, checksumHeaderName } from '../../format/checksum-headers.ts';
import type { CompletedPart } from '../../format/s3-xml-read.ts';
import { checksumMismatch } from './body.ts';
import type { Exchange } from './request.ts';

/** What the headers of a complete promise about the object. */
export interface ExpectedObject {
  readonly checksum: { readonly algorithm: StoredChecksum['algorithm']; readonly value: string } | undefined;
  readonly type: string | undefined;
  readonly size: number | undefined;
}

/** @throws GatewayError InvalidRequest */
export function parseExpectedObject(x: Exchange): ExpectedObject {
  const given = CHECKSUM_ALGORITHMS.filter((algorithm) => x.header(checksumHeaderName(algorithm)) !== undefined);
  if (given.length > 1)
    throw new GatewayError(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.',
    );
  const algorithm = given[0];
  const size = x.header('x-amz-mp-object-size');
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw new GatewayError(
      'InvalidRequest',
      `x-amz-mp-object-size is "${size.slice(0, 40)}"; expected a number of bytes.`,
    );
  return {
    checksum: algorithm === undefined ? undefined : { algorithm, value: x.header(checksumHeaderName(algorithm)) ?? '' },
    type: x.header('x-amz-checksum-type')?.toUpperCase(),
    size: size === undefined ? undefined : Number(size),
  };
}

/** @throws GatewayError InvalidPart, InvalidPartOrder, EntityTooSmall, EntityTooLarge, BadDigest, InvalidRequest */
export function sealUpload(
  checksums: Checksums,
  upload: UploadInfo,
  stored: readonly (PartInfo | undefined)[],
  listed: readonly CompletedPart[],
  expected: ExpectedObject,
): StoredAttributes {
  const parts = listed.map((part, i) => matchPart(part, stored[i], listed[i - 1]));
  requireSizes(parts, expected.size);
  const checksum = checksumOf(checksums, upload, parts, expected);
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return {
    etag: `${md5.digest('hex')}-${parts.length}`,
    contentType: upload.contentType,
    attributes: checksum === undefined ? upload.attributes : { ...upload.attributes, checksum },
  };
}

function matchPart(listed: CompletedPart, stored: PartInfo | undefined, before: CompletedPart | undefined): PartInfo {
  if (before !== undefined && before.number >= listed.number) throw new GatewayError('InvalidPartOrder');
  const wrong =
    stored !== undefined &&
    [...listed.checksums].some(
      ([algorithm, value]) => stored.checksum?.algorithm !== algorithm || stored.checksum.value !== value,
    );
  if (stored !== undefined && stored.etag === listed.etag && !wrong) return stored;
  throw new GatewayError('InvalidPart', undefined, {
    details: { PartNumber: String(listed.number), ETag: listed.etag.slice(0, 80) },
  });
}

function requireSizes(parts: readonly PartInfo[], expectedSize: number | undefined): void {
  let size = 0;
  parts.forEach((part, i) => {
    size += part.size;
    if (i === parts.length - 1 || part.size >= LIMITS.partBytesMin) return;
    throw new GatewayError('EntityTooSmall', undefined, {
      details: {
        ProposedSize: String(part.size),
        MinSizeAllowed: String(LIMITS.partBytesMin),
        PartNumber: String(part.number),
        ETag: part.etag,
      },
    });
  });
  if (size > LIMITS.objectBytesMax)
    throw new GatewayError('EntityTooLarge', undefined, {
      details: { ProposedSize: String(size), MaxSizeAllowed: String(LIMITS.objectBytesMax) },
    });
  if (expectedSize !== undefined && expectedSize !== size) {
    throw new GatewayError(
      'InvalidRequest',
      `x-amz-mp-object-size is ${expectedSize}, but the parts have ${size} bytes.`,
    );
  }
}

function checksumOf(
  checksums: Checksums,
  upload: UploadInfo,
  parts: readonly PartInfo[],
  expected: ExpectedObject,
): StoredChecksum | undefined {
  const wanted = upload.checksum;
  if (wanted === undefined) {
    if (expected.checksum === undefined) return undefined;
    throw new GatewayError(
      'InvalidRequest',
      'The upload was created without a checksum algorithm; the complete request must not include a checksum.',
    );
  }
  if (expected.type !== undefined && expected.type !== wanted.type) {
    throw new GatewayError(
      'InvalidRequest',
      `The upload was created using the ${wanted.type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const digests = parts.map((part) => ({
    digest: Buffer.from(part.checksum?.value ?? '', 'base64'),
    length: part.size,
  }));
  const checksum = checksumOfParts(checksums, wanted.algorithm, wanted.type, digests);
  const { checksum: given } = expected;
  if (given !== undefined && (given.algorithm !== checksum.algorithm || !sameChecksum(given.value, checksum.value)))
    throw checksumMismatch(given.algorithm);
  return checksum;
}

/** Some clients leave `-N` off a composite checksum. */
function sameChecksum(given: string, made: string): boolean {
  return given === made || given === made.replace(/-\d+$/, '');
}
