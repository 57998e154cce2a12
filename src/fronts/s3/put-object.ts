// HOT PATH (bench: PUT of small objects)
/**
 * PutObject. Promises: an object is published only after its body passed every check, under its conditions, atomically; a
 * refused body leaves nothing behind.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { BucketName, ObjectKey } from '../../base/names.ts';
import type { ObjectAttributes, ObjectInfo, StoredAttributes } from '../../base/object-info.ts';
import type { PutSource } from '../../base/object-store.ts';
import { requireBucketAction } from '../../service/access.ts';
import {
  type BodyDigest,
  type BodyPlan,
  collectChecked,
  mayCollect,
  planBody,
  requireLength,
  streamChecked,
} from './body.ts';
import { type AskedConditions, bindConditions, unbindError, writeConditions } from './conditions.ts';
import { etagHeader, pushChecksum } from './object-headers.ts';
import { contentTypeOf, headerValues, parseAttributes } from './put-attributes.ts';
import { type Answer, empty } from './reply.ts';
import type { Exchange } from './request.ts';

export async function putObject(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  requireLength(x);
  if (x.header('x-amz-copy-source') !== undefined) {
    throw new GatewayError('NotImplemented', 'x-amz-copy-source must be a header, not a part of the query.');
  }
  const attributes = parseAttributes(headerValues(x));
  const asked = writeConditions(x);
  const plan = planBody(x, LIMITS.putBytesMax);
  const source = await sourceOf(x, plan, contentTypeOf(x), attributes);
  const info = await putConditionally(x, bucket.name, key, source, asked);
  const headers = ['ETag', etagHeader(info.etag)];
  if (info.attributes.checksum !== undefined) pushChecksum(headers, info.attributes.checksum);
  return empty(200, headers);
}

/** Also for parts and forms: the body as the store takes it, collected when it is small. */
export async function sourceOf(
  x: Exchange,
  plan: BodyPlan,
  contentType: string | undefined,
  attributes: ObjectAttributes,
): Promise<PutSource> {
  if (mayCollect(x, plan)) {
    const { bytes, digest } = await collectChecked(x, plan);
    return { kind: 'bytes', bytes, stored: storedOf(digest, contentType, attributes) };
  }
  const { chunks, seal } = streamChecked(x, plan);
  return { kind: 'stream', chunks, seal: () => storedOf(seal(), contentType, attributes) };
}

function storedOf(digest: BodyDigest, contentType: string | undefined, attributes: ObjectAttributes): StoredAttributes {
  const { md5, checksum } = digest;
  return { etag: md5, contentType, attributes: checksum === undefined ? attributes : { ...attributes, checksum } };
}

export async function putConditionally(
  x: Exchange,
  bucket: BucketName,
  key: ObjectKey,
  source: PutSource,
  asked: AskedConditions,
): Promise<ObjectInfo> {
  const { objects } = x.front.storage;
  if (asked.ifNoneMatchEtag === undefined) return objects.put(bucket, key, source, asked.store);
  const bound = await bindConditions(objects, bucket, key, asked);
  try {
    return await objects.put(bucket, key, source, bound.store);
  } catch (error) {
    throw unbindError(error, bound);
  }
}
