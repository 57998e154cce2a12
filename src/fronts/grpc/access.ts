/**
 * Who calls, what of a bucket they may use, and how they are refused: shared by every method. Promises: who may not read an object
 * learns neither that it exists nor whether a condition holds; who may not list a bucket may not learn which keys are free either,
 * and is refused with AccessDenied where others hear NoSuchKey.
 *
 * Hardest decision: as on the S3 front, the owner of a bucket pays one look-up for a read. Others need the object's ACL before
 * anything is decided, and it is checked again on what the read brought, since the object may have been replaced.
 */

import type { BucketInfo } from '../../base/bucket-store.ts';
import type { Clock } from '../../base/clock.ts';
import { GatewayError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { type BucketName, type ObjectKey, parseBucketName, parseObjectKey } from '../../base/names.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import type { GetOptions, NotModified, ObjectRead, Storage } from '../../base/object-store.ts';
import type { EntityHashes } from '../../format/entity-hash.ts';
import {
  type BucketAction,
  mayReadObject,
  mayUseBucket,
  ownsBucket,
  requireBucketAction,
  requireCredential,
} from '../../service/access.ts';
import { authenticate } from '../../service/bearer.ts';
import type { Credential, CredentialSource } from '../../service/credentials.ts';
import type { ServerCall } from './server-call.ts';

/** What every method of the data plane works with. */
export interface DataPlane {
  readonly storage: Storage;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly log: Log;
  /** ETags of what is written. */
  readonly hashes: EntityHashes;
}

/** A bucket, and who asks for it. */
export interface OpenBucket {
  readonly info: BucketInfo;
  readonly name: BucketName;
  /** `undefined` for an anonymous call. */
  readonly credential: Credential | undefined;
  /** Nothing in it needs to be asked for. */
  readonly isOwned: boolean;
}

/** The caller, `undefined` when the call has no token. @throws GatewayError for a token that is no good */
export function callerOf(plane: DataPlane, call: ServerCall): Credential | undefined {
  const credential = authenticate(plane.credentials, call.headers.authorization, plane.clock.now());
  call.accessKeyId = credential?.accessKeyId;
  return credential;
}

/**
 * A bucket as the caller sees it; what of it may be used is still to be asked.
 *
 * @throws GatewayError NoSuchBucket, InvalidBucketName; AccessDenied for the anonymous, who may not learn which buckets there are
 */
export function openBucket(plane: DataPlane, credential: Credential | undefined, name: string): OpenBucket {
  // A name that is not valid was never stored, so the look-up needs no check of its form.
  const info = plane.storage.buckets.get(name as BucketName);
  if (info !== undefined) return { info, name: info.name, credential, isOwned: ownsBucket(credential, info) };
  requireCredential(credential);
  throw new GatewayError('NoSuchBucket', undefined, {
    resource: `/${parseBucketName(name)}`,
    details: { BucketName: name },
  });
}

/** @throws GatewayError AccessDenied */
export function requireAction(bucket: OpenBucket, action: BucketAction): void {
  requireBucketAction(bucket.credential, bucket.info, action);
}

export function mayRead(bucket: OpenBucket, info: ObjectInfo): boolean {
  return bucket.isOwned || mayReadObject(bucket.credential, bucket.info, info.attributes.acl);
}

/** The refusal for a key that is not there, as the caller may hear it. */
export function absent(bucket: OpenBucket, key: string): GatewayError {
  const resource = `/${bucket.name}/${key}`;
  if (!mayUseBucket(bucket.credential, bucket.info, 'list'))
    return new GatewayError('AccessDenied', undefined, { resource });
  return new GatewayError('NoSuchKey', undefined, { resource, details: { Key: key } });
}

function refusal(bucket: OpenBucket, key: string): GatewayError {
  return new GatewayError('AccessDenied', undefined, { resource: `/${bucket.name}/${key}` });
}

/** @throws GatewayError NoSuchKey, AccessDenied, and as `parseObjectKey` */
export async function headReadable(plane: DataPlane, bucket: OpenBucket, keyName: string): Promise<ObjectInfo> {
  const key = parseObjectKey(keyName);
  const info = await plane.storage.objects.head(bucket.name, key);
  if (info === undefined) throw absent(bucket, key);
  if (!mayRead(bucket, info)) throw refusal(bucket, key);
  return info;
}

/** @throws GatewayError NoSuchKey, AccessDenied, and as `ObjectStore.get` */
export async function getReadable(
  plane: DataPlane,
  bucket: OpenBucket,
  key: ObjectKey,
  options: GetOptions,
  signal: AbortSignal | undefined,
): Promise<ObjectRead | NotModified> {
  if (!bucket.isOwned) await headReadable(plane, bucket, key);
  const read = await plane.storage.objects.get(bucket.name, key, options, signal);
  if (read === undefined) throw absent(bucket, key);
  if (mayRead(bucket, read.info)) return read;
  if ('body' in read && !Buffer.isBuffer(read.body)) await closeUnread(read.body);
  throw refusal(bucket, key);
}

/** Lets go of what a body that nobody reads holds. */
export async function closeUnread(body: AsyncIterable<Buffer>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}
