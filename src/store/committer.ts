/**
 * Who commits to the index, and how one asks. A worker appends records to its own volume, makes them durable, and then submits
 * their heads; everything that needs a decision against the current state (conditional writes, buckets, uploads) it submits as
 * a `Decision`, whose record the keeper itself appends once it has decided. The keeper applies one submission after the other,
 * in one transaction a group, so that a decision can never be overtaken, and two racing writers have one winner.
 *
 * Two implementations: the keeper itself (`Keeper.session`, when store and keeper share a process) and `KeeperClient`.
 */

import type { BucketSettings } from '../base/bucket-store.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { WriteConditions } from '../base/object-store.ts';

/** A volume that the caller alone may append to, from `end` on. */
export interface VolumeGrant {
  readonly id: number;
  readonly uuid: Buffer;
  readonly storeUuid: Buffer;
  /** Where the next record goes; the size of the superblock for a new volume, whose file the caller makes. */
  readonly end: number;
  readonly isNew: boolean;
  /** Timestamps of the appender's records must be above this. */
  readonly clock: number;
}

/** Heads of records that are durable in the submitter's volume, in order. */
export interface HeadGroup {
  readonly volume: number;
  /** Offset behind the last record of the group. */
  readonly end: number;
  readonly offsets: readonly number[];
  /** As `encodeRecordHead` made them. */
  readonly heads: readonly Buffer[];
}

/** The fields of an object's head that the decider does not set itself. */
export interface NewVersion {
  readonly bucketId: number;
  readonly key: Buffer;
  readonly size: number;
  /** `CONTENT_CLASS` as far as it is known; the decider knows better for what it completes or changes. */
  readonly class?: number;
  readonly digest: Buffer;
  readonly etagParts: number;
  readonly versionId: Buffer;
  readonly attributes: Buffer;
  /** An encoded manifest. */
  readonly manifest: Buffer;
}

export type Decision =
  | {
      readonly kind: 'put';
      readonly version: NewVersion;
      readonly conditions: WriteConditions;
      /** Only over this version: changes of attributes. */
      readonly ifVersion: Buffer | undefined;
      /** Kept instead of the time of the decision: a change of attributes does not touch Last-Modified. */
      readonly modifiedMs: number | undefined;
    }
  | { readonly kind: 'remove'; readonly bucketId: number; readonly key: Buffer; readonly conditions: WriteConditions }
  | {
      readonly kind: 'createBucket';
      readonly name: string;
      readonly ownerId: string;
      readonly settings: BucketSettings;
    }
  | {
      readonly kind: 'updateBucket';
      readonly name: string;
      readonly change: { readonly [K in keyof BucketSettings]?: BucketSettings[K] | undefined };
    }
  | { readonly kind: 'removeBucket'; readonly name: string }
  | {
      readonly kind: 'createUpload';
      readonly bucketId: number;
      readonly key: Buffer;
      readonly uploadId: Buffer;
      readonly attributes: Buffer;
    }
  | {
      readonly kind: 'completeUpload';
      readonly version: NewVersion;
      readonly uploadId: Buffer;
      readonly conditions: WriteConditions;
      /** The parts as the caller saw them; a part that was sent again meanwhile is a conflict. */
      readonly parts: readonly { readonly number: number; readonly timestamp: number }[];
    }
  | { readonly kind: 'abortUpload'; readonly bucketId: number; readonly key: Buffer; readonly uploadId: Buffer };

/** What became of a head. Numbers travel over the socket. */
export const HEAD_OUTCOME = {
  applied: 0,
  /** A newer record of the key is there already: write again, with a newer timestamp. */
  stale: 1,
  noSuchBucket: 2,
  noSuchUpload: 3,
  /** The transaction failed; nothing of it is there. */
  storageFull: 4,
  failed: 5,
} as const;
export type HeadOutcome = (typeof HEAD_OUTCOME)[keyof typeof HEAD_OUTCOME];

export type DecisionOutcome =
  | { readonly ok: true; readonly modifiedMs: number }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message?: string;
      readonly details?: Readonly<Record<string, string>>;
    };

export interface Submission {
  /** Counts up by one in each session; a repeated one is answered again, not applied again. */
  readonly sequence: number;
  readonly group: HeadGroup | undefined;
  readonly decisions: readonly Decision[];
}

export interface SubmissionReply {
  readonly heads: readonly HeadOutcome[];
  readonly decisions: readonly DecisionOutcome[];
  /** Newest timestamp that the index has seen; a rewrite of a stale record must be above it. */
  readonly clock: number;
}

export interface KeeperEvents {
  /** The volume's file is gone: close it. */
  volumeDropped(volume: number): void;
  /** Stop appending to the volume and seal it, so that it can be compacted. */
  sealWanted(volume: number): void;
}

export interface IndexCommitter {
  openVolume(): Promise<VolumeGrant>;
  /** One at a time in each session. Rejects with StoreBusy when the outcome is unknown. */
  submit(submission: Submission): Promise<SubmissionReply>;
  /** No record will follow, and every one that matters is committed. `damaged`: never append to it again. */
  sealVolume(volume: number, end: number, damaged: boolean): Promise<void>;
  subscribe(events: KeeperEvents): void;
}

/** The logger that store and keeper write to; pino's shape. */
export interface StoreLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
