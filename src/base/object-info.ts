/** What is known of a stored object and of its parts. */
import type { CannedAcl } from './bucket-store.ts';

/** Checksum algorithms of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';

export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64, with a `-N` suffix when it is composed of N parts. */
  readonly value: string;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
}

/** What a client said about an object, kept as it was sent. */
export interface ObjectAttributes {
  /** Header values by lower-case name: cache-control, content-disposition, content-encoding, content-language, expires. */
  readonly headers?: Readonly<Record<string, string>>;
  /** User metadata by lower-case name without `x-amz-meta-`; values as latin1 strings of the header bytes. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly checksum?: StoredChecksum;
  /** Absent means private. */
  readonly acl?: CannedAcl;
  readonly storageClass?: string;
  /** Target of `x-amz-website-redirect-location`. */
  readonly redirect?: string;
}

/** Everything that is stored beside the bytes. */
export interface StoredAttributes {
  /** Without quotes: 32 hex digits, or 32 hex digits, `-` and a number of parts. */
  readonly etag: string;
  readonly contentType: string | undefined;
  readonly attributes: ObjectAttributes;
}

export interface ObjectInfo extends StoredAttributes {
  /** Bytes, as the client sees them. */
  readonly size: number;
  /** Milliseconds since the epoch, the time of the write (Last-Modified has seconds). */
  readonly modifiedMs: number;
  /** CRC-32 (IEEE) of the whole object where one record holds it. */
  readonly crc32: number | undefined;
  /** Parts of the multipart upload that made it, 0 for an ordinary PUT. A copy has the parts of its source. */
  readonly partCount: number;
  /**
   * Only when `head` was asked for parts, and only for an object that a multipart upload made: `partCount` parts, numbered by their
   * position from 1 whatever their numbers in the upload were, so that `number` is what `GetOptions.partNumber` takes.
   */
  readonly parts?: readonly PartInfo[];
  /** Only when `head` was asked for it, and only of storage that codes what it holds. */
  readonly storage?: StorageFacts;
  /** Writes the ETag in Latin-1 where it is cheaper than to make a string of it, and answers its length. */
  writeEtag?(into: Buffer, at: number): number;
}

/** How an object lies in its storage at the moment: coding and compaction change it behind the object's back. */
export interface StorageFacts {
  /** What the object was found to be, a name of `CONTENT_CLASS`; `unexamined` before somebody looked. */
  readonly contentClass: string;
  /** Bytes that stand for it, heads of records included, as the accounts of its class count them. */
  readonly storedBytes: number;
  /** How its bytes are coded; `mixed` where that differs between its extents. */
  readonly codec: 'raw' | 'zstd' | 'sections' | 'mixed';
}

export interface PartInfo {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly checksum: StoredChecksum | undefined;
}
