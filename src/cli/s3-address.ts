/** `s3://bucket/key` as typed: the key is everything after the bucket's slash, never normalised and never decoded. */
import { GatewayError } from '../base/errors.ts';
import { type BucketName, parseBucketName, parseObjectKey } from '../base/names.ts';
import { usageError } from './exit.ts';

export interface S3Address {
  readonly bucket: BucketName;
  /** Empty when only a bucket is named. */
  readonly key: string;
}

const SCHEME = 's3://';

export function isS3Address(text: string): boolean {
  return text.startsWith(SCHEME);
}

/** @throws CliError of usage */
export function parseS3Address(text: string): S3Address {
  if (!isS3Address(text)) throw usageError(`"${text}" is not an address of an object; write it as s3://bucket/key.`);
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  const key = slash < 0 ? '' : rest.slice(slash + 1);
  try {
    if (key !== '') parseObjectKey(key);
    return { bucket: parseBucketName(bucket), key };
  } catch (error) {
    throw error instanceof GatewayError ? usageError(`${text}: ${error.message}`) : error;
  }
}

/** @throws CliError of usage when no key is named */
export function parseObjectAddress(text: string): S3Address {
  const address = parseS3Address(text);
  if (address.key === '')
    throw usageError(`"${text}" names a bucket, not an object; write s3://${address.bucket}/key.`);
  return address;
}

export function formatS3Address(bucket: string, key: string): string {
  return `${SCHEME}${bucket}/${key}`;
}
