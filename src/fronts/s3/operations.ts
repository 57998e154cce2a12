/**
 * Every S3 operation by name: how a request selects it, how far it is supported, and what runs it. docs/s3.md shows this table and
 * is checked against it. A row without `run` is a refusal that has a name: it answers NotImplemented.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './acl.ts';
import { getBatch } from './batch.ts';
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketPolicy,
  getBucketVersioning,
  headBucket,
  listBuckets,
} from './buckets.ts';
import { copyObject, uploadPartCopy } from './copy-object.ts';
import { deleteBucketCors, getBucketCors, preflight, putBucketCors } from './cors.ts';
import { deleteObject, deleteObjects } from './delete-objects.ts';
import { getObject, headObject } from './get-object.ts';
import { listObjectsV1, listObjectsV2, listObjectVersions } from './list-objects.ts';
import { listMultipartUploads, listParts } from './list-uploads.ts';
import { getObjectAttributes } from './object-attributes.ts';
import { postObject } from './post-object.ts';
import { putObject } from './put-object.ts';
import type { Answer } from './reply.ts';
import type { Exchange, Level } from './request.ts';
import {
  deleteBucketTagging,
  deleteObjectTagging,
  getBucketTagging,
  getObjectTagging,
  putBucketTagging,
  putObjectTagging,
} from './tagging.ts';
import { abortMultipartUpload, completeMultipartUpload, createMultipartUpload, uploadPart } from './uploads.ts';

export interface Operation {
  /** As in the S3 API reference, but for GetBatch, which is our own. */
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS';
  readonly level: Level;
  /** Sub-resource in the query, or the word of `router.ts` that stands for what else selects it; empty for none. */
  readonly select: string;
  readonly support: 'full' | 'partial' | 'none';
  /** What is special here, in one sentence; empty when there is nothing to say. */
  readonly note: string;
  /** Its requests are not signed in header or query. */
  readonly unsigned?: true;
  readonly run?: (x: Exchange) => Answer | Promise<Answer>;
}

type Run = NonNullable<Operation['run']>;
type Method = Operation['method'];

function full(name: string, method: Method, level: Level, select: string, run: Run, note = ''): Operation {
  return { name, method, level, select, support: 'full', note, run };
}

function partial(name: string, method: Method, level: Level, select: string, run: Run, note: string): Operation {
  return { name, method, level, select, support: 'partial', note, run };
}

function none(name: string, method: Method, level: Level, select: string): Operation {
  return { name, method, level, select, support: 'none', note: '' };
}

const CANNED =
  'Canned ACLs private, public-read, public-read-write and authenticated-read, as a header or as the grants that equal one.';
const ALWAYS_NULL = 'The only version is "null".';

export const OPERATIONS: readonly Operation[] = [
  full('ListBuckets', 'GET', 'service', '', listBuckets, 'The buckets of the requester; the root key sees all.'),
  full('CreateBucket', 'PUT', 'bucket', '', createBucket),
  full('HeadBucket', 'HEAD', 'bucket', '', headBucket),
  full('DeleteBucket', 'DELETE', 'bucket', '', deleteBucket, 'Unfinished uploads are aborted with it.'),
  full('GetBucketLocation', 'GET', 'bucket', 'location', getBucketLocation),
  full('ListObjectsV2', 'GET', 'bucket', 'list-type=2', listObjectsV2),
  full('ListObjects', 'GET', 'bucket', '', listObjectsV1),
  partial('ListObjectVersions', 'GET', 'bucket', 'versions', listObjectVersions, ALWAYS_NULL),
  full('DeleteObjects', 'POST', 'bucket', 'delete', deleteObjects, 'Of the conditions only ETag.'),
  full('GetBatch', 'POST', 'bucket', 'batch', getBatch, 'Not in S3: many objects as one TAR stream.'),
  full('ListMultipartUploads', 'GET', 'bucket', 'uploads', listMultipartUploads),
  partial('GetBucketAcl', 'GET', 'bucket', 'acl', getBucketAcl, CANNED),
  partial('PutBucketAcl', 'PUT', 'bucket', 'acl', putBucketAcl, CANNED),
  full('GetBucketCors', 'GET', 'bucket', 'cors', getBucketCors),
  full('PutBucketCors', 'PUT', 'bucket', 'cors', putBucketCors),
  full('DeleteBucketCors', 'DELETE', 'bucket', 'cors', deleteBucketCors),
  full('GetBucketTagging', 'GET', 'bucket', 'tagging', getBucketTagging),
  full('PutBucketTagging', 'PUT', 'bucket', 'tagging', putBucketTagging),
  full('DeleteBucketTagging', 'DELETE', 'bucket', 'tagging', deleteBucketTagging),
  partial(
    'GetBucketVersioning',
    'GET',
    'bucket',
    'versioning',
    getBucketVersioning,
    'Always the answer of a bucket that was never versioned.',
  ),
  partial('GetBucketPolicy', 'GET', 'bucket', 'policy', getBucketPolicy, 'Always NoSuchBucketPolicy.'),

  full('GetObject', 'GET', 'object', '', getObject),
  full('HeadObject', 'HEAD', 'object', '', headObject),
  full('PutObject', 'PUT', 'object', '', putObject),
  {
    ...full('PostObject', 'POST', 'bucket', '', postObject, 'Uploads from browser forms, signed by a policy.'),
    unsigned: true,
  },
  full('CopyObject', 'PUT', 'object', 'copy', copyObject),
  full('DeleteObject', 'DELETE', 'object', '', deleteObject),
  full('GetObjectAttributes', 'GET', 'object', 'attributes', getObjectAttributes),
  partial('GetObjectAcl', 'GET', 'object', 'acl', getObjectAcl, CANNED),
  partial('PutObjectAcl', 'PUT', 'object', 'acl', putObjectAcl, CANNED),
  full('GetObjectTagging', 'GET', 'object', 'tagging', getObjectTagging),
  full('PutObjectTagging', 'PUT', 'object', 'tagging', putObjectTagging),
  full('DeleteObjectTagging', 'DELETE', 'object', 'tagging', deleteObjectTagging),
  full('CreateMultipartUpload', 'POST', 'object', 'uploads', createMultipartUpload),
  full('UploadPart', 'PUT', 'object', 'uploadId', uploadPart),
  full('UploadPartCopy', 'PUT', 'object', 'uploadId copy', uploadPartCopy),
  full('CompleteMultipartUpload', 'POST', 'object', 'uploadId', completeMultipartUpload),
  full('AbortMultipartUpload', 'DELETE', 'object', 'uploadId', abortMultipartUpload),
  full('ListParts', 'GET', 'object', 'uploadId', listParts),
  { ...full('PreflightBucket', 'OPTIONS', 'bucket', '', preflight, 'CORS preflight of browsers.'), unsigned: true },
  { ...full('PreflightObject', 'OPTIONS', 'object', '', preflight, 'CORS preflight of browsers.'), unsigned: true },

  none('PutBucketVersioning', 'PUT', 'bucket', 'versioning'),
  none('PutBucketPolicy', 'PUT', 'bucket', 'policy'),
  none('DeleteBucketPolicy', 'DELETE', 'bucket', 'policy'),
  none('GetBucketPolicyStatus', 'GET', 'bucket', 'policyStatus'),
  none('GetBucketLifecycleConfiguration', 'GET', 'bucket', 'lifecycle'),
  none('PutBucketLifecycleConfiguration', 'PUT', 'bucket', 'lifecycle'),
  none('DeleteBucketLifecycle', 'DELETE', 'bucket', 'lifecycle'),
  none('GetBucketEncryption', 'GET', 'bucket', 'encryption'),
  none('PutBucketEncryption', 'PUT', 'bucket', 'encryption'),
  none('DeleteBucketEncryption', 'DELETE', 'bucket', 'encryption'),
  none('GetBucketReplication', 'GET', 'bucket', 'replication'),
  none('PutBucketReplication', 'PUT', 'bucket', 'replication'),
  none('DeleteBucketReplication', 'DELETE', 'bucket', 'replication'),
  none('GetBucketWebsite', 'GET', 'bucket', 'website'),
  none('PutBucketWebsite', 'PUT', 'bucket', 'website'),
  none('DeleteBucketWebsite', 'DELETE', 'bucket', 'website'),
  none('GetBucketNotificationConfiguration', 'GET', 'bucket', 'notification'),
  none('PutBucketNotificationConfiguration', 'PUT', 'bucket', 'notification'),
  none('GetBucketLogging', 'GET', 'bucket', 'logging'),
  none('PutBucketLogging', 'PUT', 'bucket', 'logging'),
  none('GetBucketOwnershipControls', 'GET', 'bucket', 'ownershipControls'),
  none('PutBucketOwnershipControls', 'PUT', 'bucket', 'ownershipControls'),
  none('DeleteBucketOwnershipControls', 'DELETE', 'bucket', 'ownershipControls'),
  none('GetPublicAccessBlock', 'GET', 'bucket', 'publicAccessBlock'),
  none('PutPublicAccessBlock', 'PUT', 'bucket', 'publicAccessBlock'),
  none('DeletePublicAccessBlock', 'DELETE', 'bucket', 'publicAccessBlock'),
  none('GetBucketAccelerateConfiguration', 'GET', 'bucket', 'accelerate'),
  none('PutBucketAccelerateConfiguration', 'PUT', 'bucket', 'accelerate'),
  none('GetBucketRequestPayment', 'GET', 'bucket', 'requestPayment'),
  none('PutBucketRequestPayment', 'PUT', 'bucket', 'requestPayment'),
  none('GetBucketAnalyticsConfiguration', 'GET', 'bucket', 'analytics'),
  none('PutBucketAnalyticsConfiguration', 'PUT', 'bucket', 'analytics'),
  none('GetBucketInventoryConfiguration', 'GET', 'bucket', 'inventory'),
  none('PutBucketInventoryConfiguration', 'PUT', 'bucket', 'inventory'),
  none('GetBucketMetricsConfiguration', 'GET', 'bucket', 'metrics'),
  none('PutBucketMetricsConfiguration', 'PUT', 'bucket', 'metrics'),
  none('GetBucketIntelligentTieringConfiguration', 'GET', 'bucket', 'intelligent-tiering'),
  none('PutBucketIntelligentTieringConfiguration', 'PUT', 'bucket', 'intelligent-tiering'),
  none('GetObjectLockConfiguration', 'GET', 'bucket', 'object-lock'),
  none('PutObjectLockConfiguration', 'PUT', 'bucket', 'object-lock'),
  none('CreateSession', 'GET', 'bucket', 'session'),
  none('GetObjectRetention', 'GET', 'object', 'retention'),
  none('PutObjectRetention', 'PUT', 'object', 'retention'),
  none('GetObjectLegalHold', 'GET', 'object', 'legal-hold'),
  none('PutObjectLegalHold', 'PUT', 'object', 'legal-hold'),
  none('GetObjectTorrent', 'GET', 'object', 'torrent'),
  none('RestoreObject', 'POST', 'object', 'restore'),
  none('SelectObjectContent', 'POST', 'object', 'select'),
  none('RenameObject', 'PUT', 'object', 'renameObject'),
];
