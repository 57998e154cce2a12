/** Tags of objects and buckets: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseTagging } from '../../format/s3-xml-read.ts';
import { writeTagging } from '../../format/s3-xml-write.ts';
import { requireBucketAction } from '../../service/access.ts';
import { readDocument } from './body.ts';
import { noSuchKey } from './get-object.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';
import { rewriteAttributes } from './rewrite-attributes.ts';
import { requireValidTags } from './tags.ts';

export async function getObjectTagging(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'own');
  const info = await x.front.storage.objects.head(bucket.name, key);
  if (info === undefined) throw noSuchKey(x, bucket);
  return xml(writeTagging(info.attributes.tags ?? {}));
}

export async function putObjectTagging(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  const tags = requireValidTags(parseTagging(await readDocument(x, LIMITS.xmlSmallBytesMax)), LIMITS.tagsMax);
  await rewriteAttributes(x, (source) => ({ ...source.attributes, tags }));
  return empty(200);
}

export async function deleteObjectTagging(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  await rewriteAttributes(x, (source) => {
    const { tags: _removed, ...rest } = source.attributes;
    return rest;
  });
  return empty(204);
}

export async function getBucketTagging(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  const { tags } = x.bucket.settings;
  if (tags === undefined || Object.keys(tags).length === 0)
    throw new GatewayError('NoSuchTagSet', undefined, { details: { BucketName: x.bucket.name } });
  return xml(writeTagging(tags));
}

export async function putBucketTagging(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  const tags = requireValidTags(parseTagging(await readDocument(x, LIMITS.xmlSmallBytesMax)), LIMITS.bucketTagsMax);
  await x.front.storage.buckets.update(x.bucket.name, { tags });
  return empty(204);
}

export async function deleteBucketTagging(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  await x.front.storage.buckets.update(x.bucket.name, { tags: undefined });
  return empty(204);
}
