/**
 * Multipart uploads: create, upload a part, complete, abort. Promises: a part that does not fit its upload is refused before its
 * body is read where that can be known; a complete makes the object of exactly the parts that it names, or refuses.
 *
 * Hardest decision: parts of an upload with a checksum algorithm get that checksum even when a client sent none for a part, so
 * that the object's checksum can always be made of its parts.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseUploadId, type UploadId } from '../../base/names.ts';
import type { UploadInfo } from '../../base/object-store.ts';
import { parseChecksumAlgorithm, parseChecksumType } from '../../format/checksum-headers.ts';
import { parseCompleteMultipartUpload } from '../../format/s3-xml-read.ts';
import { writeCompleteMultipartUpload, writeInitiateMultipartUpload } from '../../format/s3-xml-write.ts';
import { requireBucketAction } from '../../service/access.ts';
import { planBody, readDocument, requireLength } from './body.ts';
import { bindConditions, unbindError, writeConditions } from './conditions.ts';
import { etagHeader } from './object-headers.ts';
import { contentTypeOf, headerValues, parseAttributes } from './put-attributes.ts';
import { sourceOf } from './put-object.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';
import { parseExpectedObject, sealUpload } from './seal-upload.ts';

/** @throws GatewayError InvalidRequest */
function parseUploadChecksum(x: Exchange): UploadInfo['checksum'] {
  const algorithmText = x.header('x-amz-checksum-algorithm');
  const typeText = x.header('x-amz-checksum-type');
  if (algorithmText === undefined) {
    if (typeText === undefined) return undefined;
    throw new GatewayError(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const algorithm = parseChecksumAlgorithm(algorithmText, 'x-amz-checksum-algorithm');
  return { algorithm, type: parseChecksumType(typeText, algorithm) };
}

export async function createMultipartUpload(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  const attributes = parseAttributes(headerValues(x));
  const checksum = parseUploadChecksum(x);
  const uploadId = await x.front.storage.uploads.create(bucket.name, key, {
    contentType: contentTypeOf(x),
    attributes,
    checksum,
  });
  const headers: string[] = [];
  if (checksum !== undefined)
    headers.push('x-amz-checksum-algorithm', checksum.algorithm, 'x-amz-checksum-type', checksum.type);
  return xml(writeInitiateMultipartUpload({ bucket: bucket.name, key, uploadId }), headers);
}

/** @throws GatewayError NoSuchUpload */
export function uploadIdOf(x: Exchange): UploadId {
  return parseUploadId(x.param('uploadId') ?? '');
}

/** @throws GatewayError InvalidArgument */
export function partNumberOf(x: Exchange): number {
  const text = x.param('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= LIMITS.partsMax) return number;
  throw new GatewayError(
    'InvalidArgument',
    `Part number must be an integer between 1 and ${LIMITS.partsMax}, inclusive`,
    {
      details: { ArgumentName: 'partNumber', ArgumentValue: text.slice(0, 20) },
    },
  );
}

/** The upload that the query names. @throws GatewayError NoSuchUpload */
export async function findUpload(x: Exchange, uploadId: UploadId): Promise<UploadInfo> {
  const page = await x.front.storage.uploads.listParts(x.bucket.name, x.key, uploadId, 0, 1);
  return page.upload;
}

export async function uploadPart(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  requireLength(x);
  const uploadId = uploadIdOf(x);
  const number = partNumberOf(x);
  const upload = await findUpload(x, uploadId);
  const plan = planBody(x, LIMITS.partBytesMax, upload.checksum?.algorithm);
  if (upload.checksum !== undefined && plan.algorithm !== upload.checksum.algorithm) {
    throw new GatewayError(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.algorithm.toLowerCase()}, actual checksum Type: ${plan.algorithm?.toLowerCase()}`,
    );
  }
  const source = await sourceOf(x, plan, undefined, {});
  const part = await x.front.storage.uploads.putPart(bucket.name, key, uploadId, number, source);
  const headers = ['ETag', etagHeader(part.etag)];
  if (part.checksum !== undefined)
    headers.push(`x-amz-checksum-${part.checksum.algorithm.toLowerCase()}`, part.checksum.value);
  return empty(200, headers);
}

export async function completeMultipartUpload(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  const uploadId = uploadIdOf(x);
  const asked = writeConditions(x);
  const expected = parseExpectedObject(x);
  const listed = parseCompleteMultipartUpload(await readXmlBody(x));
  const { uploads, objects } = x.front.storage;
  const bound = await bindConditions(objects, bucket.name, key, asked);
  const numbers = listed.map((part) => part.number);
  try {
    const info = await uploads.complete(
      bucket.name,
      key,
      uploadId,
      numbers,
      (upload, parts) => sealUpload(x.front.checksums, upload, parts, listed, expected),
      bound.store,
    );
    const { checksum } = info.attributes;
    const location = `${'encrypted' in x.req.socket ? 'https' : 'http'}://${x.req.headers.host ?? 'localhost'}${x.rawPath}`;
    return xml(writeCompleteMultipartUpload({ location, bucket: bucket.name, key, etag: info.etag, checksum }));
  } catch (error) {
    throw unbindError(error, bound);
  }
}

/** An empty list of parts is MalformedXML, also when there is no body at all. */
async function readXmlBody(x: Exchange): Promise<Buffer> {
  if (!x.hasBody) throw new GatewayError('MalformedXML', 'The body is empty; list the parts of the upload in it.');
  return readDocument(x, LIMITS.xmlBytesMax, 'of the object');
}

export async function abortMultipartUpload(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  await x.front.storage.uploads.abort(bucket.name, key, uploadIdOf(x));
  return empty(204, []);
}
