/**
 * The contract between the fronts and whatever holds the bytes: `ObjectStore`, `UploadStore` and `BucketStore` (bucket-store.ts). The local store
 * implements them on volumes and an index, the memory store in maps; test/contract/ runs one suite over every implementation.
 *
 * Promises of every implementation:
 * - A write that resolved is durable and visible to every later read of every worker. A write that rejected with a
 *   `GatewayError` other than `StoreBusy` left nothing behind; after `StoreBusy` the outcome is unknown.
 * - Readers see an object whole: the one before a write or the one after it, never a mixture.
 * - Bodies stream with back-pressure; nothing buffers a whole large object.
 * - Bytes are checked on the way out; damaged ones are a `DataLoss` error, never served.
 * - Buffers and attributes that were handed to a write are the caller's again once it has settled. What a `seal`, a stream or an
 *   aborted signal throws is what the write rejects with.
 */
import type { BatchOptions, BatchRead, BatchRef } from './batch-read.ts';
import type { BucketStore } from './bucket-store.ts';
import type { BucketName, ObjectKey, UploadId } from './names.ts';
import type { ChecksumAlgorithm, ObjectAttributes, ObjectInfo, PartInfo, StoredAttributes } from './object-info.ts';

export interface HeadOptions {
  /** Fill `ObjectInfo.parts`; costs up to a part table of 10,000 entries. */
  readonly parts?: boolean;
  /** Fill `ObjectInfo.storage`; costs the list of extents of a large object. */
  readonly storage?: boolean;
}

/** RFC 9110 section 14: `last` is inclusive, as on the wire; `suffix` counts from the end. */
export type RangeSpec = { readonly first: number; readonly last?: number } | { readonly suffix: number };

/** RFC 9110 section 13. ETags without quotes; `*` stands for any. Dates are whole seconds in ms since the epoch. */
export interface ReadConditions {
  readonly ifMatch?: readonly string[];
  readonly ifNoneMatch?: readonly string[];
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
}

/** Decided atomically with the write, across workers. */
export interface WriteConditions {
  /** The current object must have this ETag, or exist at all for `*`. */
  readonly ifMatch?: string;
  /** Only `*`: there must be no current object. */
  readonly ifNoneMatch?: '*';
}

export interface GetOptions {
  readonly range?: RangeSpec;
  /** Position from 1 among the parts of a multipart object (an ordinary object has one part). Excludes `range`. */
  readonly partNumber?: number;
  readonly conditions?: ReadConditions;
  /**
   * A whole object that is stored as one zstd frame, and has no Content-Encoding of its own, may come as that frame. Nothing is encoded
   * to please: what is stored in another way comes as it is.
   */
  readonly acceptZstd?: boolean;
}

export interface ObjectRead {
  readonly info: ObjectInfo;
  /** Half-open range of the bytes that `body` holds. */
  readonly start: number;
  readonly end: number;
  /** `body` is a buffer: one zstd frame (RFC 8878) of the whole object. Only where it was asked for. */
  readonly encoding?: 'zstd';
  /** Small ranges come as one buffer, which the receiver may keep but must not change. */
  readonly body: Buffer | AsyncIterable<Buffer>;
}

/** A whole object in memory; the receiver may keep the body but must not change it. */
export interface WholeRead {
  readonly info: ObjectInfo;
  readonly body: Buffer;
}

/** Where the bytes of a write come from. `seal` runs once, after the last byte was taken, and may throw to refuse the write. */
export type PutSource =
  | {
      readonly kind: 'bytes';
      readonly bytes: Buffer;
      readonly stored: StoredAttributes;
      /** CRC-32 (IEEE) of the bytes, from who has computed it already. */
      readonly crc32?: number;
    }
  | {
      readonly kind: 'stream';
      readonly chunks: AsyncIterable<Buffer>;
      /** Bytes to expect, where the sender said so: less memory is set aside for a small body. */
      readonly sizeHint?: number;
      readonly seal: () => StoredAttributes;
    }
  | CopySource;

export interface CopySource {
  readonly kind: 'copy';
  readonly bucket: BucketName;
  readonly key: ObjectKey;
  readonly conditions?: ReadConditions;
  /** Part copies only. */
  readonly range?: RangeSpec;
  /** Copies onto itself only: a change of tags or ACL leaves Last-Modified as it was. */
  readonly keepModified?: boolean;
  /** Given the source, what to store with the copy. May throw to refuse. Bytes are shared where source and target are one. */
  readonly seal: (source: ObjectInfo) => StoredAttributes;
}

export interface ListOptions {
  readonly prefix: string;
  /** Empty for none; more than one character is allowed. */
  readonly delimiter: string;
  /** Exclusive; empty for the beginning. */
  readonly after: string;
  /** True when `after` is a common prefix that was already listed: everything below it is skipped. */
  readonly afterPrefix: boolean;
  /** 0 to 1,000. An empty page of limit 0 has no next one, as in S3. */
  readonly limit: number;
}

export type ListEntry =
  | { readonly kind: 'object'; readonly key: ObjectKey; readonly info: ObjectInfo }
  | { readonly kind: 'prefix'; readonly prefix: string };

export interface ListPage {
  /** In the order of their UTF-8 bytes. */
  readonly entries: readonly ListEntry[];
  /** Where the next page starts, absent when this was the last one. */
  readonly next: { readonly after: string; readonly afterPrefix: boolean } | undefined;
}

/**
 * Objects by bucket and key. All methods that reject do so with NoSuchBucket when the bucket does not exist.
 */
export interface ObjectStore {
  head(bucket: BucketName, key: ObjectKey, options?: HeadOptions): Promise<ObjectInfo | undefined>;

  /**
   * Rejects with PreconditionFailed, InvalidRange or InvalidPartNumber (details hold what the client needs: ActualObjectSize);
   * a `NotModified` outcome is the value 'not-modified' with the info that its answer carries.
   */
  get(
    bucket: BucketName,
    key: ObjectKey,
    options: GetOptions,
    signal?: AbortSignal,
  ): Promise<ObjectRead | NotModified | undefined>;

  /**
   * What `get` without options would resolve with, when it is at hand without waiting. `undefined` says only "ask `get`": the object
   * may be absent, large, damaged or on its way into memory. Call it when `buckets.get` has just found the bucket, in the same
   * turn of the event loop: it sees the state that the bucket was found in. Never throws.
   */
  getNow?(bucket: BucketName, key: ObjectKey): WholeRead | undefined;

  /**
   * Many objects at a time. Every slot ends in exactly one last entry, its bytes or its error, unless the batch is closed before. Each
   * object is seen whole, in a state that was current after the call. Never throws.
   */
  getBatch(refs: readonly BatchRef[], options: BatchOptions): BatchRead;

  /** Advice: these will be asked for soon, in this order. A store may read them into memory. Never throws, and changes no answer. */
  readAhead?(refs: readonly BatchRef[]): void;

  /** Rejects with PreconditionFailed, StorageFull, NoSuchKey (source of a copy, or `ifMatch` on an absent object), EntityTooLarge. */
  put(
    bucket: BucketName,
    key: ObjectKey,
    source: PutSource,
    conditions: WriteConditions,
    signal?: AbortSignal,
  ): Promise<ObjectInfo>;

  /** Idempotent: the removal of an absent key resolves. Rejects with PreconditionFailed under conditions. */
  remove(bucket: BucketName, key: ObjectKey, conditions?: WriteConditions): Promise<void>;

  /** Costs what its page costs, not what the bucket holds: it skips past common prefixes. */
  list(bucket: BucketName, options: ListOptions): Promise<ListPage>;
}

export interface NotModified {
  readonly kind: 'not-modified';
  readonly info: ObjectInfo;
}

export interface UploadInfo {
  readonly key: ObjectKey;
  readonly uploadId: UploadId;
  readonly startedMs: number;
  readonly contentType: string | undefined;
  readonly attributes: ObjectAttributes;
  /** Checksum that the client chose when it created the upload. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: 'FULL_OBJECT' | 'COMPOSITE' } | undefined;
}

export interface NewUpload {
  readonly contentType: string | undefined;
  readonly attributes: ObjectAttributes;
  readonly checksum: UploadInfo['checksum'];
}

export interface PartsPage {
  readonly upload: UploadInfo;
  readonly parts: readonly PartInfo[];
  readonly nextAfter: number | undefined;
}

export interface UploadsPage {
  readonly uploads: readonly UploadInfo[];
  readonly commonPrefixes: readonly string[];
  readonly next: { readonly key: string; readonly uploadId: string } | undefined;
}

/** Multipart uploads. Methods that name an upload reject with NoSuchUpload when it is unknown, completed or aborted. */
export interface UploadStore {
  create(bucket: BucketName, key: ObjectKey, upload: NewUpload): Promise<UploadId>;

  putPart(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    number: number,
    source: PutSource,
    signal?: AbortSignal,
  ): Promise<PartInfo>;

  /**
   * Makes the object of the parts named, atomically; parts not named are dropped. `seal` sees the stored parts in order and
   * answers ETag and checksum, or throws to refuse. A repeated complete of the same upload answers the object that it made
   * while that object is the current one, whatever its conditions. Where `seal` lets an unknown part pass, rejects with InvalidPart.
   */
  complete(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    numbers: readonly number[],
    seal: (upload: UploadInfo, parts: readonly (PartInfo | undefined)[]) => StoredAttributes,
    conditions: WriteConditions,
  ): Promise<ObjectInfo>;

  abort(bucket: BucketName, key: ObjectKey, uploadId: UploadId): Promise<void>;

  /** Parts in ascending order, after `after`. */
  listParts(bucket: BucketName, key: ObjectKey, uploadId: UploadId, after: number, limit: number): Promise<PartsPage>;

  /**
   * Uploads by key, then by time of creation; the ids of one key ascend with that time, so that a marker whose upload is gone still
   * marks its place. Without `afterUploadId` all uploads of `afterKey` are skipped, and all below it where it is itself a common
   * prefix of this query: so does `next` name one.
   */
  listUploads(
    bucket: BucketName,
    options: {
      readonly prefix: string;
      readonly delimiter: string;
      readonly afterKey: string;
      readonly afterUploadId: string;
      readonly limit: number;
    },
  ): Promise<UploadsPage>;
}

/** One place that holds objects: what a front is given. */
export interface Storage {
  readonly objects: ObjectStore;
  readonly uploads: UploadStore;
  readonly buckets: BucketStore;
}
