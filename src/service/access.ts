// HOT PATH (bench: every S3 request asks once)
/**
 * Who may do what. Promises: pure, synchronous, and closed by default: what no rule allows is denied. The rules, in order:
 * the root credential may do everything; the owner of a bucket everything in it; others what the canned ACL of the bucket or
 * of the object gives them; nobody else anything.
 *
 * Hardest decision: an object belongs to the owner of its bucket, whoever wrote it (S3's "bucket owner enforced"), so that a
 * bucket has one owner to ask and a written object can never be out of its reach; canned ACLs still open single objects.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
 */

import type { BucketInfo, CannedAcl } from '../base/bucket-store.ts';
import { GatewayError } from '../base/errors.ts';
import type { Credential } from './credentials.ts';

/**
 * What a request wants of a bucket:
 * - `list`: see which keys and uploads it holds (READ on the bucket)
 * - `write`: put, delete and copy into it (WRITE on the bucket)
 * - `own`: its settings, its ACL and the ACLs of its objects, and its removal
 */
export type BucketAction = 'list' | 'write' | 'own';

function aclGives(acl: CannedAcl, right: 'read' | 'write', credential: Credential | undefined): boolean {
  switch (acl) {
    case 'private':
      return false;
    case 'public-read':
      return right === 'read';
    case 'public-read-write':
      return true;
    case 'authenticated-read':
      return right === 'read' && credential !== undefined;
  }
}

/** Root, or the owner of the bucket. */
export function ownsBucket(credential: Credential | undefined, bucket: BucketInfo): boolean {
  return credential !== undefined && (credential.root || credential.ownerId === bucket.ownerId);
}

/** `credential` is `undefined` for an anonymous request. */
export function mayUseBucket(credential: Credential | undefined, bucket: BucketInfo, action: BucketAction): boolean {
  if (ownsBucket(credential, bucket)) return true;
  if (action === 'own') return false;
  return aclGives(bucket.settings.acl, action === 'list' ? 'read' : 'write', credential);
}

/** May the bytes and the metadata of an object with this ACL be read? An absent ACL is private. */
export function mayReadObject(
  credential: Credential | undefined,
  bucket: BucketInfo,
  objectAcl: CannedAcl | undefined,
): boolean {
  return ownsBucket(credential, bucket) || aclGives(objectAcl ?? 'private', 'read', credential);
}

/** @throws GatewayError AccessDenied */
export function requireBucketAction(
  credential: Credential | undefined,
  bucket: BucketInfo,
  action: BucketAction,
): void {
  if (mayUseBucket(credential, bucket, action)) return;
  throw new GatewayError('AccessDenied', undefined, { resource: `/${bucket.name}` });
}

/** Requests that name no bucket, or one that does not exist, need to be signed. @throws GatewayError AccessDenied */
export function requireCredential(credential: Credential | undefined): Credential {
  if (credential !== undefined) return credential;
  throw new GatewayError(
    'AccessDenied',
    'This request must be signed; anonymous requests may only use what an ACL opens to them.',
  );
}
