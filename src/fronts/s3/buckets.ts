/** Buckets themselves: list, create, head, delete, location, and the versioning that there is not. */

import type { BucketInfo } from '../../base/bucket-store.ts';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { writeBuckets } from '../../format/s3-xml-lists.ts';
import { parseCreateBucket } from '../../format/s3-xml-read.ts';
import { writeLocation, writeNoVersioning } from '../../format/s3-xml-write.ts';
import { mayUseBucket, ownsBucket, requireBucketAction, requireCredential } from '../../service/access.ts';
import { readDocument } from './body.ts';
import { decodeToken, encodeToken, integerParam } from './page.ts';
import { parseCannedAcl } from './put-attributes.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';

/** The buckets of the requester; root sees all. With `max-buckets` in pages. */
export function listBuckets(x: Exchange): Answer {
  const credential = requireCredential(x.credential);
  const prefix = x.param('prefix') ?? '';
  const limit = integerParam(x, 'max-buckets', 1, LIMITS.listBucketsMax) ?? LIMITS.listBucketsMax;
  const token = x.param('continuation-token');
  const after = token === undefined ? '' : decodeToken(token).after;
  const region = x.param('bucket-region');
  const wanted = (bucket: BucketInfo) =>
    bucket.name > after && bucket.name.startsWith(prefix) && ownsBucket(credential, bucket);
  const found = region !== undefined && region !== x.front.region ? [] : x.front.storage.buckets.list().filter(wanted);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return xml(
    writeBuckets({
      owner: { id: credential.ownerId, displayName: credential.displayName },
      buckets: page,
      continuationToken:
        found.length > limit && last !== undefined ? encodeToken({ after: last.name, afterPrefix: false }) : undefined,
      prefix: x.param('prefix'),
    }),
  );
}

export async function createBucket(x: Exchange): Promise<Answer> {
  const credential = requireCredential(x.credential);
  const name = x.newBucketName;
  const acl = parseCannedAcl(x.header('x-amz-acl')) ?? 'private';
  if (x.hasBody) requireRegion(x, parseCreateBucket(await readDocument(x, LIMITS.xmlSmallBytesMax)));
  const existing = x.front.storage.buckets.get(name);
  try {
    await x.front.storage.buckets.create(name, credential.ownerId, { acl });
  } catch (error) {
    // As in us-east-1 of S3, creating again what is one's own succeeds and changes nothing.
    const again = error instanceof GatewayError && error.code === 'BucketAlreadyOwnedByYou';
    if (!again || x.front.region !== 'us-east-1') throw error;
    if (existing !== undefined && x.header('x-amz-acl') !== undefined)
      await x.front.storage.buckets.update(name, { acl });
  }
  return empty(200, ['Location', `/${name}`]);
}

/** @throws GatewayError IllegalLocationConstraintException */
function requireRegion(x: Exchange, constraint: string | undefined): void {
  if (constraint === undefined || constraint === '' || constraint === x.front.region) return;
  throw new GatewayError(
    'IllegalLocationConstraintException',
    `The location constraint is "${constraint.slice(0, 40)}"; this gateway is in ${x.front.region}.`,
  );
}

export function headBucket(x: Exchange): Answer {
  requireBucketAction(x.credential, x.bucket, 'list');
  return empty(200, ['x-amz-bucket-region', x.front.region]);
}

export async function deleteBucket(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  await x.front.storage.buckets.remove(x.bucket.name);
  return empty(204);
}

export function getBucketLocation(x: Exchange): Answer {
  if (!mayUseBucket(x.credential, x.bucket, 'own')) throw new GatewayError('AccessDenied');
  return xml(writeLocation(x.front.region));
}

export function getBucketVersioning(x: Exchange): Answer {
  requireBucketAction(x.credential, x.bucket, 'own');
  return xml(writeNoVersioning());
}

export function getBucketPolicy(x: Exchange): Answer {
  requireBucketAction(x.credential, x.bucket, 'own');
  throw new GatewayError('NoSuchBucketPolicy', undefined, { details: { BucketName: x.bucket.name } });
}
