/** ListMultipartUploads and ListParts. */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { writeParts, writeUploads } from '../../format/s3-xml-lists.ts';
import { requireBucketAction } from '../../service/access.ts';
import { ownerOf } from './owner.ts';
import { integerParam, pageQuery } from './page.ts';
import { type Answer, xml } from './reply.ts';
import type { Exchange } from './request.ts';
import { uploadIdOf } from './uploads.ts';

export async function listMultipartUploads(x: Exchange): Promise<Answer> {
  const { bucket } = x;
  requireBucketAction(x.credential, bucket, 'list');
  const query = pageQuery(x, 'max-uploads');
  const keyMarker = x.param('key-marker') ?? '';
  // Without a key marker S3 ignores the other.
  const uploadIdMarker = keyMarker === '' ? '' : (x.param('upload-id-marker') ?? '');
  const { prefix, delimiter, limit } = query;
  const page = await x.front.storage.uploads.listUploads(bucket.name, {
    prefix,
    delimiter,
    afterKey: keyMarker,
    afterUploadId: uploadIdMarker,
    limit,
  });
  const owner = ownerOf(x, bucket);
  const next = limit > 0 ? page.next : undefined;
  return xml(
    writeUploads({
      bucket: bucket.name,
      keyMarker: query.encode(keyMarker),
      uploadIdMarker,
      nextKeyMarker: next === undefined ? undefined : query.encode(next.key),
      nextUploadIdMarker: next?.uploadId,
      prefix: query.encode(prefix),
      delimiter: delimiter === '' ? undefined : query.encode(delimiter),
      encodingType: query.encodingType,
      maxUploads: limit,
      truncated: next !== undefined,
      uploads: page.uploads.map((upload) => ({
        key: query.encode(upload.key),
        uploadId: upload.uploadId,
        initiatedMs: upload.startedMs,
        owner,
        checksum: upload.checksum,
      })),
      commonPrefixes: page.commonPrefixes.map(query.encode),
    }),
  );
}

export async function listParts(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  const uploadId = uploadIdOf(x);
  const marker = integerParam(x, 'part-number-marker', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const limit = integerParam(x, 'max-parts', 0, LIMITS.listPageMax) ?? LIMITS.listPageMax;
  const page = await x.front.storage.uploads.listParts(bucket.name, key, uploadId, marker, Math.max(1, limit));
  if (page.upload.key !== key) throw new GatewayError('NoSuchUpload');
  const parts = limit === 0 ? [] : page.parts;
  return xml(
    writeParts({
      bucket: bucket.name,
      key,
      uploadId,
      owner: ownerOf(x, bucket),
      checksum: page.upload.checksum,
      marker,
      // Only when there is more: the paginator of @aws-sdk goes on, and from the start, as long as it is given one.
      nextMarker: page.nextAfter === undefined ? undefined : parts.at(-1)?.number,
      maxParts: limit,
      truncated: limit > 0 && page.nextAfter !== undefined,
      parts,
    }),
  );
}
