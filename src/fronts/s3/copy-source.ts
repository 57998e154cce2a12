/**
 * `x-amz-copy-source`: which object a copy reads, and whether the requester may. Promises: the key is decoded once, like a key in
 * a target; a leading slash and `?versionId=null` are taken off; any other version is refused.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html#API_CopyObject_RequestSyntax
 */

import type { BucketInfo } from '../../base/bucket-store.ts';
import { GatewayError } from '../../base/errors.ts';
import { type ObjectKey, parseObjectKey } from '../../base/names.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import { percentDecode } from '../../format/uri.ts';
import { mayReadObject, mayUseBucket } from '../../service/access.ts';
import { checkExpectedOwner, type Exchange, findBucket } from './request.ts';

export interface CopySourceName {
  readonly bucket: string;
  readonly key: ObjectKey;
}

const VERSION = /\?versionId=([^&]*)$/;

/** @throws GatewayError InvalidArgument, NotImplemented (versions, access points), InvalidURI, KeyTooLongError */
export function parseCopySource(header: string): CopySourceName {
  const version = VERSION.exec(header);
  if (version !== null && version[1] !== 'null') {
    throw new GatewayError(
      'NotImplemented',
      'x-amz-copy-source names a version; versioning is not implemented, the only version is "null".',
    );
  }
  const raw = version === null ? header : header.slice(0, version.index);
  const path = percentDecode(raw.startsWith('/') ? raw.slice(1) : raw);
  if (path.startsWith('arn:'))
    throw new GatewayError('NotImplemented', 'x-amz-copy-source names an access point; name a bucket.');
  const slash = path.indexOf('/');
  if (slash <= 0 || slash === path.length - 1) {
    throw new GatewayError(
      'InvalidArgument',
      `x-amz-copy-source is "${header.slice(0, 80)}"; expected BUCKET/KEY, percent-encoded.`,
      {
        details: { ArgumentName: 'x-amz-copy-source', ArgumentValue: header.slice(0, 80) },
      },
    );
  }
  return { bucket: path.slice(0, slash), key: parseObjectKey(path.slice(slash + 1)) };
}

export interface CopySourceRead {
  readonly bucket: BucketInfo;
  readonly key: ObjectKey;
  /** As it is now; the copy itself sees the state that it reads. */
  readonly info: ObjectInfo;
}

/** The source of a copy, readable by the requester. @throws GatewayError as `parseCopySource`, NoSuchBucket, NoSuchKey, AccessDenied */
export async function openCopySource(x: Exchange): Promise<CopySourceRead> {
  const { bucket: bucketName, key } = parseCopySource(x.header('x-amz-copy-source') ?? '');
  const bucket = findBucket(x.front, bucketName);
  checkExpectedOwner(bucket, x.header('x-amz-source-expected-bucket-owner'));
  const info = await x.front.storage.objects.head(bucket.name, key);
  if (info === undefined) {
    if (!mayUseBucket(x.credential, bucket, 'list')) throw new GatewayError('AccessDenied');
    throw new GatewayError('NoSuchKey', undefined, { resource: `/${bucketName}/${key}`, details: { Key: key } });
  }
  requireSourceAccess(x, bucket, info);
  return { bucket, key, info };
}

/** Also for the state that a copy finds, which may be another one. @throws GatewayError AccessDenied */
export function requireSourceAccess(x: Exchange, bucket: BucketInfo, info: ObjectInfo): void {
  if (!mayReadObject(x.credential, bucket, info.attributes.acl)) throw new GatewayError('AccessDenied');
}
