/**
 * Bucket names and keys, parsed once at the edge and trusted inside. A key is a byte string in UTF-8 that is never normalised:
 * `//`, `.` and `..` are just characters, so it travels as a well-formed JavaScript string whose UTF-8 form is the key.
 *
 * Rules: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
import { isIP } from 'node:net';
import { GatewayError } from './errors.ts';
import { LIMITS } from './limits.ts';

declare const brand: unique symbol;
export type BucketName = string & { readonly [brand]: 'bucket' };
export type ObjectKey = string & { readonly [brand]: 'key' };
/** 32 lower-case hex digits. */
export type UploadId = string & { readonly [brand]: 'upload' };

const BUCKET = /^[a-z0-9][a-z0-9.-]*[a-z0-9]$/;
const RESERVED_PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const RESERVED_SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'];

/** The reason why a bucket name is refused, or `undefined` when it is fine. */
function bucketNameFault(name: string): string | undefined {
  const { bucketNameBytesMin: min, bucketNameBytesMax: max } = LIMITS;
  if (name.length < min || name.length > max) return `it has ${name.length} characters; ${min} to ${max} are allowed`;
  if (!BUCKET.test(name))
    return 'use lower-case letters, digits, "." and "-", and start and end with a letter or digit';
  if (name.includes('..') || name.includes('.-') || name.includes('-.'))
    return 'two adjacent separators are not allowed';
  if (isIP(name) !== 0) return 'it looks like an IP address';
  if (RESERVED_PREFIXES.some((p) => name.startsWith(p)) || RESERVED_SUFFIXES.some((s) => name.endsWith(s))) {
    return 'its prefix or suffix is reserved by S3';
  }
  return undefined;
}

/** @throws GatewayError InvalidBucketName */
export function parseBucketName(name: string): BucketName {
  const fault = bucketNameFault(name);
  if (fault !== undefined) {
    throw new GatewayError('InvalidBucketName', `Bucket name "${name.slice(0, 80)}" is not valid: ${fault}.`, {
      resource: `/${name}`,
    });
  }
  return name as BucketName;
}

/** @throws GatewayError KeyTooLongError (over 1,024 bytes), InvalidURI (empty, or not well-formed Unicode) */
export function parseObjectKey(key: string): ObjectKey {
  if (key.length === 0) throw new GatewayError('InvalidURI', 'The key is empty; a key has 1 to 1,024 bytes.');
  // A UTF-16 unit is at most 3 bytes of UTF-8, so short keys need no exact count.
  const bytes = key.length * 3 <= LIMITS.keyBytesMax ? 0 : Buffer.byteLength(key);
  if (bytes > LIMITS.keyBytesMax) {
    throw new GatewayError(
      'KeyTooLongError',
      `The key has ${bytes} bytes; at most ${LIMITS.keyBytesMax} are allowed.`,
      {
        details: { Size: String(bytes), MaxSizeAllowed: String(LIMITS.keyBytesMax) },
      },
    );
  }
  if (!key.isWellFormed())
    throw new GatewayError('InvalidURI', 'The key is not well-formed Unicode; send it as UTF-8.');
  return key as ObjectKey;
}

const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** @throws GatewayError NoSuchUpload: an id of another form can not be one of ours. */
export function parseUploadId(id: string): UploadId {
  if (!UPLOAD_ID.test(id))
    throw new GatewayError('NoSuchUpload', `No multipart upload has the id "${id.slice(0, 64)}".`);
  return id as UploadId;
}
