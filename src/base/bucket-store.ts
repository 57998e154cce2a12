/** Buckets: who owns them, and what holds for the objects in them. A part of the contract in object-store.ts, whose promises hold here too. */
import type { BucketName } from './names.ts';

/** Canned ACLs that Penstock honours: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
export type CannedAcl = 'private' | 'public-read' | 'public-read-write' | 'authenticated-read';

export interface CorsRule {
  readonly id?: string;
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly allowedHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds?: number;
}

export interface BucketSettings {
  readonly acl: CannedAcl;
  readonly cors?: readonly CorsRule[];
  readonly tags?: Readonly<Record<string, string>>;
}

export interface BucketInfo {
  readonly name: BucketName;
  readonly createdMs: number;
  /** Id of the owner, as in `Credential.ownerId`. */
  readonly ownerId: string;
  readonly settings: BucketSettings;
}

export interface BucketStore {
  /** Rejects with BucketAlreadyOwnedByYou or BucketAlreadyExists. */
  create(name: BucketName, ownerId: string, settings: BucketSettings): Promise<BucketInfo>;
  /** Synchronous, since every request asks: a gateway knows its buckets. */
  get(name: BucketName): BucketInfo | undefined;
  /** All buckets in order of name. */
  list(): readonly BucketInfo[];
  /** Replaces the named settings; `undefined` removes one. Rejects with NoSuchBucket. */
  update(
    name: BucketName,
    change: { readonly [K in keyof BucketSettings]?: BucketSettings[K] | undefined },
  ): Promise<BucketInfo>;
  /** Rejects with NoSuchBucket, or BucketNotEmpty while it holds objects (unfinished uploads are aborted with it). */
  remove(name: BucketName): Promise<void>;
}
