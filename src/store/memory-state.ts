/**
 * What the three faces of the memory store share. Every change of the state is one synchronous step, taken after the last byte of a
 * body has arrived and with the bucket looked up anew: that is what makes writes atomic and conditions race-free here.
 */

import type { BucketInfo } from '../base/bucket-store.ts';
import type { Clock, RandomSource } from '../base/clock.ts';
import { checkReadConditions, resolveRange } from '../base/conditions.ts';
import { GatewayError } from '../base/errors.ts';
import type { BucketName, UploadId } from '../base/names.ts';
import type { ObjectInfo, PartInfo, StoredAttributes } from '../base/object-info.ts';
import type { CopySource, PutSource, UploadInfo } from '../base/object-store.ts';
import { type Content, contentOfBytes, contentOfStream, sliceContent } from './memory-content.ts';
import { SortedMap } from './sorted-map.ts';

export interface MemoryObject {
  readonly info: ObjectInfo;
  readonly content: Content;
  /** Numbered by position; empty for an ordinary object. */
  readonly parts: readonly PartInfo[];
  /** The upload that made it, so that a repeated complete finds its object. */
  readonly madeBy: UploadId | undefined;
}

export interface MemoryPart {
  readonly info: PartInfo;
  readonly content: Content;
}

export interface MemoryUpload {
  readonly info: UploadInfo;
  readonly parts: Map<number, MemoryPart>;
}

export interface MemoryBucket {
  info: BucketInfo;
  readonly objects: SortedMap<MemoryObject>;
  /** Unfinished uploads by key, those of one key in the order of their creation. Never an empty list. */
  readonly uploads: SortedMap<MemoryUpload[]>;
}

export interface MemoryState {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly buckets: SortedMap<MemoryBucket>;
}

export function newBucket(info: BucketInfo): MemoryBucket {
  return { info, objects: new SortedMap(), uploads: new SortedMap() };
}

/** @throws GatewayError NoSuchBucket */
export function findBucket(state: MemoryState, name: BucketName): MemoryBucket {
  const bucket = state.buckets.get(name);
  if (bucket === undefined)
    throw new GatewayError('NoSuchBucket', undefined, { resource: `/${name}`, details: { BucketName: name } });
  return bucket;
}

/** The bucket again, after a wait. @throws GatewayError NoSuchBucket when it was removed meanwhile, even if one of its name exists */
export function recheckBucket(state: MemoryState, bucket: MemoryBucket): void {
  const { name } = bucket.info;
  if (state.buckets.get(name) !== bucket) throw new GatewayError('NoSuchBucket', undefined, { resource: `/${name}` });
}

/** A write whose bytes have arrived and whose seal has agreed. */
export interface Sealed {
  readonly content: Content;
  readonly stored: StoredAttributes;
  /** The object that was copied, whole. */
  readonly copied: MemoryObject | undefined;
}

/** Takes all bytes, then runs the seal. Rejects with what the stream or the seal refuses with. */
export async function takeBody(
  source: Exclude<PutSource, CopySource>,
  bytesMax: number,
  signal: AbortSignal | undefined,
): Promise<Sealed> {
  signal?.throwIfAborted();
  if (source.kind === 'bytes') {
    return {
      content: contentOfBytes(source.bytes, bytesMax),
      stored: structuredClone(source.stored),
      copied: undefined,
    };
  }
  const content = await contentOfStream(source.chunks, bytesMax, signal);
  signal?.throwIfAborted();
  return { content, stored: structuredClone(source.seal()), copied: undefined };
}

/** @throws GatewayError NoSuchBucket, NoSuchKey, PreconditionFailed, InvalidRange; whatever the seal throws */
export function takeCopy(state: MemoryState, source: CopySource, signal: AbortSignal | undefined): Sealed {
  signal?.throwIfAborted();
  const copied = findBucket(state, source.bucket).objects.get(source.key);
  if (copied === undefined) {
    throw new GatewayError('NoSuchKey', undefined, {
      resource: `/${source.bucket}/${source.key}`,
      details: { Key: source.key },
    });
  }
  if (source.conditions !== undefined && checkReadConditions(source.conditions, copied.info) === 'not-modified') {
    throw new GatewayError('PreconditionFailed', 'The source of the copy has not changed.'); // S3 has no 304 for copies
  }
  const { start, end } =
    source.range === undefined ? { start: 0, end: copied.info.size } : resolveRange(source.range, copied.info.size);
  const stored = structuredClone(source.seal(copied.info));
  return { content: sliceContent(copied.content, start, end), stored, copied };
}
