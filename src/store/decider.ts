/**
 * Decides what needs the current state: conditional writes, changes of attributes, buckets, uploads. Runs inside the keeper's
 * transaction, so it sees every write that was applied before and nothing can come between the decision and its effect. An
 * accepted decision becomes a record of the keeper's own volume and is applied like any other record.
 */

import { crc32 } from '@node-rs/crc32';
import type { BucketSettings } from '../base/bucket-store.ts';
import { checkWriteConditions } from '../base/conditions.ts';
import { asGatewayError, GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { encodeAttributes } from '../format/attributes.ts';
import type { Entry } from '../format/index-entry.ts';
import { indexKey, partKey, splitUploadKey, uploadKey } from '../format/index-key.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../format/manifest.ts';
import { RECORD_KIND, type RecordHead, recordHead } from '../format/record.ts';
import type { Applier, ManifestReader } from './applier.ts';
import type { Decision, DecisionOutcome, NewVersion } from './committer.ts';
import type { IndexDatabase } from './index-database.ts';
import { placeId } from './relocator.ts';

/** Puts a record into the keeper's volume (within the transaction) and applies it. */
export type RecordWriter = (head: RecordHead, payload: Buffer, manifest: Manifest | undefined) => void;

type Of<K extends Decision['kind']> = Extract<Decision, { kind: K }>;

export class Decider {
  readonly #index: IndexDatabase;
  readonly #applier: Applier;
  readonly #write: RecordWriter;
  readonly #readManifest: ManifestReader;

  constructor(index: IndexDatabase, applier: Applier, write: RecordWriter, readManifest: ManifestReader) {
    this.#index = index;
    this.#applier = applier;
    this.#write = write;
    this.#readManifest = readManifest;
  }

  decide(decision: Decision, nowMs: number): DecisionOutcome {
    try {
      return { ok: true, modifiedMs: this.#decide(decision, nowMs) };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const { code, message, details } = asGatewayError(error);
      return details === undefined ? { ok: false, code, message } : { ok: false, code, message, details };
    }
  }

  #decide(decision: Decision, nowMs: number): number {
    switch (decision.kind) {
      case 'put':
        return this.#put(decision, nowMs);
      case 'remove':
        return this.#remove(decision, nowMs);
      case 'createBucket':
        return this.#createBucket(decision, nowMs);
      case 'updateBucket':
        return this.#updateBucket(decision, nowMs);
      case 'removeBucket':
        return this.#removeBucket(decision, nowMs);
      case 'createUpload':
        return this.#createUpload(decision, nowMs);
      case 'completeUpload':
        return this.#completeUpload(decision, nowMs);
      case 'abortUpload':
        return this.#abortUpload(decision.bucketId, decision.key, decision.uploadId, nowMs);
    }
  }

  #current(bucketId: number, key: Buffer): Entry | undefined {
    if (!this.#applier.knowsBucket(bucketId)) throw new GatewayError('NoSuchBucket');
    return this.#index.entry('objects', indexKey(bucketId, key));
  }

  #put(decision: Of<'put'>, nowMs: number): number {
    const { version, conditions, ifVersion } = decision;
    const current = this.#current(version.bucketId, version.key);
    // A repeated submission after a crash of the keeper: the record was replayed from its volume already.
    if (current?.versionId.equals(version.versionId) && ifVersion === undefined) return current.modifiedMs;
    checkWriteConditions(conditions, current?.etag);
    if (ifVersion === undefined) return this.#writeVersion(version, decision.modifiedMs ?? nowMs);
    if (current === undefined || !current.versionId.equals(ifVersion))
      throw new GatewayError('ConditionalRequestConflict');
    const manifest = this.#withPlacesOf(current, version.manifest);
    return this.#writeVersion({ ...version, class: current.class, manifest }, decision.modifiedMs ?? nowMs);
  }

  /** Compaction may have moved the bytes of the version since the caller looked it up, and is about to drop the old places. */
  #withPlacesOf(current: Entry, manifest: Buffer): Buffer {
    const { payload } = current;
    const one = payload === undefined ? this.#readManifest(current.record).extents : [payload];
    return encodeManifest({ extents: current.size === 0 ? [] : one, parts: decodeManifest(manifest).parts });
  }

  #writeVersion(version: NewVersion, modifiedMs: number): number {
    const head = recordHead({
      kind: RECORD_KIND.manifest,
      class: version.class ?? 0,
      payloadLength: version.manifest.length,
      payloadCrc: crc32(version.manifest),
      size: version.size,
      modifiedMs,
      bucketId: version.bucketId,
      digest: version.digest,
      etagParts: version.etagParts,
      versionId: version.versionId,
      key: version.key,
      attributes: version.attributes,
    });
    this.#write(head, version.manifest, decodeManifest(version.manifest));
    return modifiedMs;
  }

  #remove(decision: Of<'remove'>, nowMs: number): number {
    const current = this.#current(decision.bucketId, decision.key);
    checkWriteConditions(decision.conditions, current?.etag);
    if (current === undefined) return nowMs;
    this.#event(
      recordHead({ kind: RECORD_KIND.tombstone, bucketId: decision.bucketId, key: decision.key, modifiedMs: nowMs }),
    );
    return nowMs;
  }

  #createBucket(decision: Of<'createBucket'>, nowMs: number): number {
    const { name, ownerId, settings } = decision;
    const taken = this.#index.bucket(name);
    if (taken !== undefined) {
      throw new GatewayError(taken.ownerId === ownerId ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', undefined, {
        resource: `/${name}`,
      });
    }
    if (this.#index.buckets().length >= LIMITS.bucketsMax)
      throw new GatewayError('TooManyBuckets', `At most ${LIMITS.bucketsMax} buckets are allowed.`);
    this.#bucketEvent(this.#index.number('next-bucket') ?? 1, name, { createdMs: nowMs, ownerId, settings });
    return nowMs;
  }

  #updateBucket(decision: Of<'updateBucket'>, nowMs: number): number {
    const current = this.#index.bucket(decision.name);
    if (current === undefined) throw new GatewayError('NoSuchBucket');
    const { acl = 'private', ...optional } = { ...current.settings, ...decision.change };
    const settings = { acl, ...optional } as BucketSettings;
    this.#bucketEvent(current.id, decision.name, { createdMs: current.createdMs, ownerId: current.ownerId, settings });
    return nowMs;
  }

  #bucketEvent(
    id: number,
    name: string,
    state: { createdMs: number; ownerId: string; settings: BucketSettings },
  ): void {
    const attributes = Buffer.from(JSON.stringify(state));
    if (attributes.length > LIMITS.bucketSettingsBytesMax) {
      throw new GatewayError(
        'EntityTooLarge',
        `The settings of bucket "${name}" would take ${attributes.length} bytes; at most ${LIMITS.bucketSettingsBytesMax} are kept.`,
      );
    }
    this.#event(recordHead({ kind: RECORD_KIND.bucket, bucketId: id, key: Buffer.from(name), attributes }));
  }

  #removeBucket(decision: Of<'removeBucket'>, nowMs: number): number {
    const bucket = this.#index.bucket(decision.name);
    if (bucket === undefined) throw new GatewayError('NoSuchBucket');
    const prefix = indexKey(bucket.id, Buffer.alloc(0));
    for (const _ of this.#index.prefixed('objects', prefix, 1)) throw new GatewayError('BucketNotEmpty');
    for (const { key } of [...this.#index.prefixed('uploads', prefix)]) {
      const upload = splitUploadKey(key);
      this.#endUpload(bucket.id, upload.key, upload.uploadId, nowMs);
    }
    this.#event(
      recordHead({
        kind: RECORD_KIND.bucketGone,
        bucketId: bucket.id,
        key: Buffer.from(decision.name),
        modifiedMs: nowMs,
      }),
    );
    return nowMs;
  }

  #createUpload(decision: Of<'createUpload'>, nowMs: number): number {
    if (!this.#applier.knowsBucket(decision.bucketId)) throw new GatewayError('NoSuchBucket');
    const { bucketId, key, attributes } = decision;
    this.#event(recordHead({ kind: RECORD_KIND.upload, bucketId, key, attributes, modifiedMs: nowMs }));
    return nowMs;
  }

  #completeUpload(decision: Of<'completeUpload'>, nowMs: number): number {
    const { version, uploadId } = decision;
    const current = this.#current(version.bucketId, version.key);
    if (current?.attributes.upload === uploadId.toString('hex')) return current.modifiedMs;
    if (this.#index.uploads.getBinary(uploadKey(version.bucketId, version.key, uploadId)) === undefined)
      throw new GatewayError('NoSuchUpload');
    const places = new Set(decodeManifest(version.manifest).extents.map(placeId));
    for (const { number, timestamp } of decision.parts) {
      const part = this.#index.entry('parts', partKey(uploadId, number));
      if (part?.timestamp !== timestamp) throw new GatewayError('ConditionalRequestConflict');
      // Compaction keeps the timestamp of a part that it moves; the manifest of one in several extents it writes anew.
      const { payload } = part;
      if (payload !== undefined && part.size > 0 && !places.has(placeId(payload)))
        throw new GatewayError('ConditionalRequestConflict');
    }
    checkWriteConditions(decision.conditions, current?.etag);
    const [first] = decision.parts;
    const begin = first && this.#index.entry('parts', partKey(uploadId, first.number));
    this.#writeVersion({ ...version, class: begin?.class ?? 0 }, nowMs);
    // The manifest ends the upload too, but may be compacted away before the records of the upload are.
    this.#endUpload(version.bucketId, version.key, uploadId, nowMs);
    return nowMs;
  }

  #abortUpload(bucketId: number, key: Buffer, uploadId: Buffer, nowMs: number): number {
    if (this.#index.uploads.getBinary(uploadKey(bucketId, key, uploadId)) === undefined)
      throw new GatewayError('NoSuchUpload');
    this.#endUpload(bucketId, key, uploadId, nowMs);
    return nowMs;
  }

  #endUpload(bucketId: number, key: Buffer, uploadId: Buffer, nowMs: number): void {
    const attributes = encodeAttributes(undefined, { upload: uploadId.toString('hex') });
    this.#event(recordHead({ kind: RECORD_KIND.uploadGone, bucketId, key, attributes, modifiedMs: nowMs }));
  }

  #event(head: RecordHead): void {
    this.#write(head, Buffer.alloc(0), undefined);
  }
}
