/**
 * ACLs of buckets and objects: read as grants, written as a canned header or as the grants that equal one. Only the owner of the
 * bucket reads and writes them, since no canned ACL gives READ_ACP or WRITE_ACP to anyone else.
 */

import type { BucketInfo, CannedAcl } from '../../base/bucket-store.ts';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import { parseAccessControlPolicy } from '../../format/s3-xml-read.ts';
import { writeAccessControlPolicy } from '../../format/s3-xml-write.ts';
import { requireBucketAction } from '../../service/access.ts';
import { cannedOf, groupGrants } from './acl-grants.ts';
import { readDocument } from './body.ts';
import { noSuchKey } from './get-object.ts';
import { ownerOf } from './owner.ts';
import { parseCannedAcl } from './put-attributes.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';
import { rewriteAttributes } from './rewrite-attributes.ts';

export async function getBucketAcl(x: Exchange): Promise<Answer> {
  const { bucket } = x;
  requireBucketAction(x.credential, bucket, 'own');
  return policyAnswer(x, bucket, bucket.settings.acl);
}

export async function getObjectAcl(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'own');
  const info = await x.front.storage.objects.head(bucket.name, key);
  if (info === undefined) throw noSuchKey(x, bucket);
  return policyAnswer(x, bucket, info.attributes.acl ?? 'private');
}

function policyAnswer(x: Exchange, bucket: BucketInfo, acl: CannedAcl): Answer {
  return xml(writeAccessControlPolicy(ownerOf(x, bucket), groupGrants(acl)));
}

export async function putBucketAcl(x: Exchange): Promise<Answer> {
  const { bucket } = x;
  requireBucketAction(x.credential, bucket, 'own');
  const acl = await askedAcl(x, bucket);
  await x.front.storage.buckets.update(bucket.name, { acl });
  return empty(200);
}

export async function putObjectAcl(x: Exchange): Promise<Answer> {
  const { bucket } = x;
  requireBucketAction(x.credential, bucket, 'own');
  const acl = await askedAcl(x, bucket);
  await rewriteAttributes(x, (source: ObjectInfo) => {
    const { acl: _replaced, ...rest } = source.attributes;
    return acl === 'private' ? rest : { ...rest, acl };
  });
  return empty(200);
}

/** From the header or the body, of which there must be exactly one. @throws GatewayError NotImplemented, InvalidRequest, MalformedXML */
async function askedAcl(x: Exchange, bucket: BucketInfo): Promise<CannedAcl> {
  const canned = parseCannedAcl(x.header('x-amz-acl'));
  if (!x.hasBody) {
    if (canned !== undefined) return canned;
    throw new GatewayError('MissingRequestBodyError', 'Send x-amz-acl or an AccessControlPolicy document.');
  }
  const body = await readDocument(x, LIMITS.xmlSmallBytesMax);
  if (canned !== undefined)
    throw new GatewayError('UnexpectedContent', 'Send x-amz-acl or an AccessControlPolicy document, not both.');
  const { ownerId, grants } = parseAccessControlPolicy(body);
  if (ownerId !== bucket.ownerId) throw new GatewayError('AccessDenied', 'An ACL cannot change the owner.');
  return cannedOf(grants, bucket.ownerId);
}
