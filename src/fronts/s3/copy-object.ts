/**
 * CopyObject and UploadPartCopy. Promises: the requester may read the source in the very state that is copied; conditions on the
 * source and on the target both hold; where store and checksum allow it no byte is read (the store shares them).
 *
 * Hardest decision: a copy that must have a checksum which the source has not is read through the front and hashed, as any PUT;
 * every other copy keeps the ETag of its source. A part made of a range has an ETag derived from the source's and the range: it
 * identifies the bytes, but is not their MD5.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 */
import { createHash } from 'node:crypto';
import { GatewayError } from '../../base/errors.ts';
import type { ChecksumAlgorithm, ObjectAttributes, ObjectInfo } from '../../base/object-info.ts';
import type { CopySource, GetOptions, PutSource, RangeSpec } from '../../base/object-store.ts';
import { parseChecksumAlgorithm } from '../../format/checksum-headers.ts';
import { parseCopyRange } from '../../format/http-range.ts';
import { writeCopyObject, writeCopyPart } from '../../format/s3-xml-write.ts';
import { requireBucketAction } from '../../service/access.ts';
import { StreamHashes } from './body.ts';
import { readConditions, writeConditions } from './conditions.ts';
import { type CopySourceRead, openCopySource, requireSourceAccess } from './copy-source.ts';
import { contentTypeOf, headerValues, parseAttributes } from './put-attributes.ts';
import { putConditionally } from './put-object.ts';
import { type Answer, xml } from './reply.ts';
import type { Exchange } from './request.ts';
import { findUpload, partNumberOf, uploadIdOf } from './uploads.ts';

type Directive = 'COPY' | 'REPLACE';

/** @throws GatewayError InvalidArgument */
function directive(x: Exchange, name: string): Directive {
  const text = x.header(name)?.toUpperCase() ?? 'COPY';
  if (text === 'COPY' || text === 'REPLACE') return text;
  throw new GatewayError('InvalidArgument', `${name} is "${text.slice(0, 40)}"; expected COPY or REPLACE.`);
}

export async function copyObject(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  const metadata = directive(x, 'x-amz-metadata-directive');
  const tagging = directive(x, 'x-amz-tagging-directive');
  const own = parseAttributes(headerValues(x));
  const asked = writeConditions(x);
  const source = await openCopySource(x);
  const onItself = source.bucket.name === bucket.name && source.key === key;
  if (onItself && metadata === 'COPY' && tagging === 'COPY' && own.acl === undefined && own.redirect === undefined) {
    throw new GatewayError(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const algorithm = wantedChecksum(x, source.info);
  const attributesOf = (info: ObjectInfo) => copiedAttributes(info.attributes, own, metadata, tagging);
  const contentType = (info: ObjectInfo) => (metadata === 'REPLACE' ? contentTypeOf(x) : info.contentType);
  const put: PutSource =
    algorithm === undefined
      ? shared(x, source, undefined, (info) => ({
          etag: info.etag,
          contentType: contentType(info),
          attributes: attributesOf(info),
        }))
      : await readThrough(x, source, undefined, algorithm, (info) => ({
          contentType: contentType(info),
          attributes: attributesOf(info),
        }));
  const info = await putConditionally(x, bucket.name, key, put, asked);
  return xml(writeCopyObject({ etag: info.etag, modifiedMs: info.modifiedMs, checksum: info.attributes.checksum }));
}

/** Tags and metadata follow their directives; ACL and redirect are never copied; the checksum is of the bytes and stays. */
function copiedAttributes(
  source: ObjectAttributes,
  own: ObjectAttributes,
  metadata: Directive,
  tagging: Directive,
): ObjectAttributes {
  const said = metadata === 'REPLACE' ? own : source;
  const tags = tagging === 'REPLACE' ? own.tags : source.tags;
  return {
    ...(said.headers !== undefined && { headers: said.headers }),
    ...(said.metadata !== undefined && { metadata: said.metadata }),
    ...(tags !== undefined && { tags }),
    ...(source.checksum !== undefined && { checksum: source.checksum }),
    ...(own.acl !== undefined && { acl: own.acl }),
    ...(own.redirect !== undefined && { redirect: own.redirect }),
  };
}

/** The algorithm that must be computed, `undefined` when what the source has will do. @throws GatewayError InvalidRequest */
function wantedChecksum(x: Exchange, source: ObjectInfo): ChecksumAlgorithm | undefined {
  const text = x.header('x-amz-checksum-algorithm');
  if (text === undefined) return undefined;
  const wanted = parseChecksumAlgorithm(text, 'x-amz-checksum-algorithm');
  return source.attributes.checksum?.algorithm === wanted ? undefined : wanted;
}

/** A copy that the store makes without reading, where it can. */
function shared(
  x: Exchange,
  source: CopySourceRead,
  range: RangeSpec | undefined,
  seal: CopySource['seal'],
): CopySource {
  const conditions = readConditions(x, 'x-amz-copy-source-');
  return {
    kind: 'copy',
    bucket: source.bucket.name,
    key: source.key,
    ...(conditions !== undefined && { conditions }),
    ...(range !== undefined && { range }),
    seal(info) {
      requireSourceAccess(x, source.bucket, info);
      return seal(info);
    },
  };
}

type SealRead = (info: ObjectInfo) => {
  readonly contentType: string | undefined;
  readonly attributes: ObjectAttributes;
};

/** A copy whose bytes are hashed on the way. */
async function readThrough(
  x: Exchange,
  source: CopySourceRead,
  range: RangeSpec | undefined,
  algorithm: ChecksumAlgorithm,
  seal: SealRead,
): Promise<PutSource> {
  const conditions = readConditions(x, 'x-amz-copy-source-');
  const options: GetOptions = {
    ...(conditions !== undefined && { conditions }),
    ...(range !== undefined && { range }),
  };
  const read = await x.front.storage.objects.get(source.bucket.name, source.key, options);
  if (read === undefined) throw new GatewayError('NoSuchKey', undefined, { details: { Key: source.key } });
  if ('kind' in read) throw new GatewayError('PreconditionFailed', 'The source of the copy has not changed.');
  requireSourceAccess(x, source.bucket, read.info);
  const hashes = new StreamHashes(
    {
      framing: undefined,
      length: read.end - read.start,
      bytesMax: read.end - read.start,
      sha256: undefined,
      md5: undefined,
      declared: undefined,
      algorithm,
      trailerName: undefined,
    },
    x.front.checksums,
  );
  const { body } = read;
  async function* chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of Buffer.isBuffer(body) ? [body] : body) {
      hashes.update(chunk);
      yield chunk;
    }
  }
  return {
    kind: 'stream',
    chunks: chunks(),
    seal() {
      const { md5, checksum } = hashes.settle();
      const { contentType, attributes } = seal(read.info);
      return { etag: md5, contentType, attributes: checksum === undefined ? attributes : { ...attributes, checksum } };
    },
  };
}

export async function uploadPartCopy(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  const uploadId = uploadIdOf(x);
  const number = partNumberOf(x);
  const rangeText = x.header('x-amz-copy-source-range');
  const range = rangeText === undefined ? undefined : parseCopyRange(rangeText);
  const upload = await findUpload(x, uploadId);
  const source = await openCopySource(x);
  if (range !== undefined && range.last >= source.info.size) {
    throw new GatewayError('InvalidRange', 'The specified copy range is not inside the source.', {
      details: { ActualObjectSize: String(source.info.size) },
    });
  }
  const algorithm = upload.checksum?.algorithm;
  const put: PutSource =
    algorithm === undefined
      ? shared(x, source, range, (info) => ({ etag: partEtag(info, range), contentType: undefined, attributes: {} }))
      : await readThrough(x, source, range, algorithm, () => ({ contentType: undefined, attributes: {} }));
  const part = await x.front.storage.uploads.putPart(bucket.name, key, uploadId, number, put);
  return xml(writeCopyPart({ etag: part.etag, modifiedMs: part.modifiedMs, checksum: part.checksum }));
}

/** 32 hex digits, as the ETag of the finished object is made of them: that of the source has more when it came in parts or over gRPC. */
function partEtag(info: ObjectInfo, range: RangeSpec | undefined): string {
  if (range === undefined && info.etag.length === 32) return info.etag;
  return createHash('md5')
    .update(`${info.etag} ${JSON.stringify(range ?? 'whole')}`)
    .digest('hex');
}
