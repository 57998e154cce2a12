/**
 * The XML of S3 answers as values, and the two bodies that the client sends. An answer that does not have the expected form
 * comes from something that is no S3 gateway, and the error says so.
 */
import { GatewayError } from '../base/errors.ts';
import { childrenOf, optionalText, readXml, requiredText, type XmlElement } from '../format/xml-tree.ts';
import { CliError, EXIT } from './exit.ts';
import type { RemoteObject } from './sync-plan.ts';

/** A page of 1,000 keys of 1,024 bytes, each byte escaped, and what stands around them. */
const REPLY_BYTES_MAX = 16 * 1024 * 1024;

export interface ListReply {
  readonly objects: readonly RemoteObject[];
  readonly prefixes: readonly string[];
  /** Continuation token of the next page. */
  readonly next: string | undefined;
}

export interface BucketRow {
  readonly name: string;
  readonly createdMs: number;
}

export interface ErrorReply {
  readonly code: string;
  readonly message: string;
}

export interface DeleteFailure extends ErrorReply {
  readonly key: string;
}

export interface CompletedPart {
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  readonly crc32: string;
}

/** @throws CliError when the body is not that document */
function read<T>(body: Buffer, rootName: string, take: (root: XmlElement) => T): T {
  try {
    return take(readXml(body, rootName, REPLY_BYTES_MAX));
  } catch (error) {
    if (!(error instanceof GatewayError) && !(error instanceof URIError)) throw error;
    const advice = 'Check that --endpoint or PENSTOCK_ENDPOINT is the S3 address of a gateway.';
    throw new CliError(`The answer is not the ${rootName} of S3. ${advice}`, EXIT.unreachable, error);
  }
}

/** Listings are asked for with encoding-type=url, since XML cannot hold every key. AWS writes a space as `+`. */
function decodeKey(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function timeOf(text: string): number {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? 0 : ms;
}

export function unquote(etag: string | undefined): string {
  return (etag ?? '').replace(/^"|"$/g, '');
}

export function readListReply(body: Buffer): ListReply {
  return read(body, 'ListBucketResult', (root) => ({
    objects: childrenOf(root, 'Contents').map((entry) => ({
      key: decodeKey(requiredText(entry, 'Key')),
      size: Number(requiredText(entry, 'Size')),
      etag: unquote(optionalText(entry, 'ETag')),
      modifiedMs: timeOf(requiredText(entry, 'LastModified')),
    })),
    prefixes: childrenOf(root, 'CommonPrefixes').map((entry) => decodeKey(requiredText(entry, 'Prefix'))),
    next: optionalText(root, 'IsTruncated') === 'true' ? requiredText(root, 'NextContinuationToken') : undefined,
  }));
}

export function readBuckets(body: Buffer): BucketRow[] {
  return read(body, 'ListAllMyBucketsResult', (root) =>
    childrenOf(root, 'Buckets')
      .flatMap((buckets) => childrenOf(buckets, 'Bucket'))
      .map((bucket) => ({
        name: requiredText(bucket, 'Name'),
        createdMs: timeOf(optionalText(bucket, 'CreationDate') ?? ''),
      })),
  );
}

export function readUploadId(body: Buffer): string {
  return read(body, 'InitiateMultipartUploadResult', (root) => requiredText(root, 'UploadId'));
}

export function readDeleteFailures(body: Buffer): DeleteFailure[] {
  return read(body, 'DeleteResult', (root) =>
    childrenOf(root, 'Error').map((entry) => ({ key: requiredText(entry, 'Key'), ...errorIn(entry) })),
  );
}

function errorIn(element: XmlElement): ErrorReply {
  return { code: requiredText(element, 'Code'), message: optionalText(element, 'Message') ?? '' };
}

/** `undefined` when the body is no S3 error, as it is with HEAD and with what is no S3 gateway. */
export function readErrorReply(body: Buffer): ErrorReply | undefined {
  try {
    return errorIn(readXml(body, 'Error', REPLY_BYTES_MAX));
  } catch {
    return undefined;
  }
}

/** Text of an element. What XML 1.0 cannot hold at all, a character reference cannot name either. */
function escapeXml(text: string): string {
  return text.replace(/[&<>"\r\n\t]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Whether a DeleteObjects request can name the key. Pure. */
export function fitsInXml(key: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what XML cannot hold
  return !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(key);
}

/** Quiet: only failures are answered. */
export function deleteRequestBody(keys: readonly string[]): string {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('');
  return `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${objects}</Delete>`;
}

export function completeRequestBody(parts: readonly CompletedPart[]): string {
  const list = parts.map(
    ({ number, etag, crc32 }) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag><ChecksumCRC32>${crc32}</ChecksumCRC32></Part>`,
  );
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join('')}</CompleteMultipartUpload>`;
}
