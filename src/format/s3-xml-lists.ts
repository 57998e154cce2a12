/**
 * The listings of S3 as XML. Promises: element names and order as in the API reference; every text escaped.
 *
 * Hardest decision: with `encoding-type=url` the caller encodes keys, prefixes, delimiters and markers before they come here
 * (`percentEncode(text, true)`), so that there is one place that decides it; here they are text like any other.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and its neighbours
 */
import type { ChecksumAlgorithm, StoredChecksum } from '../base/object-info.ts';
import type { ChecksumType } from './checksum.ts';
import type { Owner } from './s3-xml-write.ts';
import { etagXml, ownerXml } from './s3-xml-write.ts';
import { element, isoTime, s3Document, wrap } from './xml-text.ts';

const STANDARD = 'STANDARD';

export interface ListedBucket {
  readonly name: string;
  readonly createdMs: number;
  readonly region?: string | undefined;
}

export interface BucketList {
  readonly owner: Owner;
  readonly buckets: readonly ListedBucket[];
  /** Token of the next page, when there is one. */
  readonly continuationToken?: string | undefined;
  readonly prefix?: string | undefined;
}

export function writeBuckets({ owner, buckets, continuationToken, prefix }: BucketList): string {
  let rows = '';
  for (const { name, createdMs, region } of buckets) {
    rows += wrap(
      'Bucket',
      element('Name', name) + isoTime('CreationDate', createdMs) + element('BucketRegion', region),
    );
  }
  return s3Document(
    'ListAllMyBucketsResult',
    ownerXml('Owner', owner) +
      wrap('Buckets', rows) +
      element('ContinuationToken', continuationToken) +
      element('Prefix', prefix),
  );
}

export interface ListedObject {
  readonly key: string;
  readonly modifiedMs: number;
  readonly etag: string;
  readonly size: number;
  readonly storageClass?: string | undefined;
  readonly owner?: Owner | undefined;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
}

interface Page {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter?: string | undefined;
  readonly encodingType?: 'url' | undefined;
  readonly maxKeys: number;
  readonly truncated: boolean;
  readonly commonPrefixes: readonly string[];
}

export interface ObjectListV1 extends Page {
  readonly marker: string;
  readonly nextMarker?: string | undefined;
  readonly objects: readonly ListedObject[];
}

export interface ObjectListV2 extends Page {
  readonly startAfter?: string | undefined;
  readonly continuationToken?: string | undefined;
  readonly nextContinuationToken?: string | undefined;
  readonly objects: readonly ListedObject[];
}

export function writeObjectsV1(list: ObjectListV1): string {
  return s3Document(
    'ListBucketResult',
    element('Name', list.bucket) +
      element('Prefix', list.prefix) +
      element('Marker', list.marker) +
      element('NextMarker', list.nextMarker) +
      pageXml(list) +
      list.objects.map(objectXml).join('') +
      commonPrefixesXml(list.commonPrefixes),
  );
}

export function writeObjectsV2(list: ObjectListV2): string {
  return s3Document(
    'ListBucketResult',
    element('Name', list.bucket) +
      element('Prefix', list.prefix) +
      element('StartAfter', list.startAfter) +
      element('ContinuationToken', list.continuationToken) +
      element('NextContinuationToken', list.nextContinuationToken) +
      element('KeyCount', list.objects.length + list.commonPrefixes.length) +
      pageXml(list) +
      list.objects.map(objectXml).join('') +
      commonPrefixesXml(list.commonPrefixes),
  );
}

function pageXml({ maxKeys, delimiter, encodingType, truncated }: Page): string {
  return (
    element('MaxKeys', maxKeys) +
    element('Delimiter', delimiter) +
    element('EncodingType', encodingType) +
    element('IsTruncated', truncated)
  );
}

function commonPrefixesXml(prefixes: readonly string[]): string {
  let xml = '';
  for (const prefix of prefixes) xml += wrap('CommonPrefixes', element('Prefix', prefix));
  return xml;
}

function objectXml(object: ListedObject): string {
  return wrap('Contents', element('Key', object.key) + objectFacts(object));
}

function objectFacts({ modifiedMs, etag, size, storageClass, owner, checksum }: ListedObject): string {
  return (
    isoTime('LastModified', modifiedMs) +
    etagXml(etag) +
    element('ChecksumAlgorithm', checksum?.algorithm) +
    element('ChecksumType', checksum?.type) +
    element('Size', size) +
    (owner === undefined ? '' : ownerXml('Owner', owner)) +
    element('StorageClass', storageClass ?? STANDARD)
  );
}

export interface ListedVersion extends ListedObject {
  readonly versionId: string;
  readonly isLatest: boolean;
}

export interface VersionList extends Page {
  readonly keyMarker: string;
  readonly versionIdMarker: string;
  readonly nextKeyMarker?: string | undefined;
  readonly nextVersionIdMarker?: string | undefined;
  readonly versions: readonly ListedVersion[];
}

export function writeVersions(list: VersionList): string {
  let rows = '';
  for (const version of list.versions) {
    const name =
      element('Key', version.key) + element('VersionId', version.versionId) + element('IsLatest', version.isLatest);
    rows += wrap('Version', name + objectFacts(version));
  }
  return s3Document(
    'ListVersionsResult',
    element('Name', list.bucket) +
      element('Prefix', list.prefix) +
      element('KeyMarker', list.keyMarker) +
      element('VersionIdMarker', list.versionIdMarker) +
      element('NextKeyMarker', list.nextKeyMarker) +
      element('NextVersionIdMarker', list.nextVersionIdMarker) +
      pageXml(list) +
      rows +
      commonPrefixesXml(list.commonPrefixes),
  );
}

export interface ListedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly initiatedMs: number;
  readonly owner: Owner;
  readonly storageClass?: string | undefined;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
}

export interface UploadList {
  readonly bucket: string;
  readonly keyMarker: string;
  readonly uploadIdMarker: string;
  readonly nextKeyMarker?: string | undefined;
  readonly nextUploadIdMarker?: string | undefined;
  readonly prefix: string;
  readonly delimiter?: string | undefined;
  readonly encodingType?: 'url' | undefined;
  readonly maxUploads: number;
  readonly truncated: boolean;
  readonly uploads: readonly ListedUpload[];
  readonly commonPrefixes: readonly string[];
}

export function writeUploads(list: UploadList): string {
  return s3Document(
    'ListMultipartUploadsResult',
    element('Bucket', list.bucket) +
      element('KeyMarker', list.keyMarker) +
      element('UploadIdMarker', list.uploadIdMarker) +
      element('NextKeyMarker', list.nextKeyMarker) +
      element('NextUploadIdMarker', list.nextUploadIdMarker) +
      element('Prefix', list.prefix) +
      element('Delimiter', list.delimiter) +
      element('EncodingType', list.encodingType) +
      element('MaxUploads', list.maxUploads) +
      element('IsTruncated', list.truncated) +
      list.uploads.map(uploadXml).join('') +
      commonPrefixesXml(list.commonPrefixes),
  );
}

function uploadXml({ key, uploadId, initiatedMs, owner, storageClass, checksum }: ListedUpload): string {
  return wrap(
    'Upload',
    element('Key', key) +
      element('UploadId', uploadId) +
      ownerXml('Initiator', owner) +
      ownerXml('Owner', owner) +
      element('StorageClass', storageClass ?? STANDARD) +
      isoTime('Initiated', initiatedMs) +
      element('ChecksumAlgorithm', checksum?.algorithm) +
      element('ChecksumType', checksum?.type),
  );
}

export interface ListedPart {
  readonly number: number;
  readonly modifiedMs: number;
  readonly etag: string;
  readonly size: number;
  readonly checksum?: StoredChecksum | undefined;
}

export interface PartList {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly owner: Owner;
  readonly storageClass?: string | undefined;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
  readonly marker: number;
  /** Number of the last part on this page. */
  readonly nextMarker?: number | undefined;
  readonly maxParts: number;
  readonly truncated: boolean;
  readonly parts: readonly ListedPart[];
}

export function writeParts(list: PartList): string {
  return s3Document(
    'ListPartsResult',
    element('Bucket', list.bucket) +
      element('Key', list.key) +
      element('UploadId', list.uploadId) +
      ownerXml('Initiator', list.owner) +
      ownerXml('Owner', list.owner) +
      element('StorageClass', list.storageClass ?? STANDARD) +
      element('PartNumberMarker', list.marker) +
      element('NextPartNumberMarker', list.nextMarker) +
      element('MaxParts', list.maxParts) +
      element('IsTruncated', list.truncated) +
      element('ChecksumAlgorithm', list.checksum?.algorithm) +
      element('ChecksumType', list.checksum?.type) +
      list.parts.map(partXml).join(''),
  );
}

function partXml({ number, modifiedMs, etag, size, checksum }: ListedPart): string {
  const value = checksum === undefined ? '' : element(`Checksum${checksum.algorithm}`, checksum.value);
  return wrap(
    'Part',
    element('PartNumber', number) + isoTime('LastModified', modifiedMs) + etagXml(etag) + element('Size', size) + value,
  );
}
