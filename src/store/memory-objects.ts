/** The objects of the memory store. */

import type { BatchOptions, BatchRead, BatchRef } from '../base/batch-read.ts';
import { checkReadConditions, checkWriteConditions, resolveRange } from '../base/conditions.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { BucketName, ObjectKey } from '../base/names.ts';
import type { ObjectInfo } from '../base/object-info.ts';
import type {
  GetOptions,
  HeadOptions,
  ListEntry,
  ListOptions,
  ListPage,
  NotModified,
  ObjectRead,
  ObjectStore,
  PutSource,
  WholeRead,
  WriteConditions,
} from '../base/object-store.ts';
import { BatchOverGet } from './batch-over-get.ts';
import { checksumContent, contentBody, sliceContent } from './memory-content.ts';
import {
  findBucket,
  type MemoryObject,
  type MemoryState,
  recheckBucket,
  type Sealed,
  takeBody,
  takeCopy,
} from './memory-state.ts';
import type { SortedMap } from './sorted-map.ts';

export class MemoryObjectStore implements ObjectStore {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async head(bucket: BucketName, key: ObjectKey, options: HeadOptions = {}): Promise<ObjectInfo | undefined> {
    const object = findBucket(this.#state, bucket).objects.get(key);
    if (object === undefined) return undefined;
    return options.parts === true && object.parts.length > 0 ? { ...object.info, parts: object.parts } : object.info;
  }

  async get(
    bucket: BucketName,
    key: ObjectKey,
    options: GetOptions,
    signal?: AbortSignal,
  ): Promise<ObjectRead | NotModified | undefined> {
    signal?.throwIfAborted();
    const object = findBucket(this.#state, bucket).objects.get(key);
    if (object === undefined) return undefined;
    const { info, content } = object;
    if (options.conditions !== undefined && checkReadConditions(options.conditions, info) === 'not-modified') {
      return { kind: 'not-modified', info };
    }
    const { start, end } = rangeOf(object, options);
    return { info, start, end, body: contentBody(sliceContent(content, start, end), signal) };
  }

  getNow(bucket: BucketName, key: ObjectKey): WholeRead | undefined {
    const object = this.#state.buckets.get(bucket)?.objects.get(key);
    if (object === undefined) return undefined;
    const body = contentBody(object.content, undefined);
    return Buffer.isBuffer(body) ? { info: object.info, body } : undefined;
  }

  getBatch(refs: readonly BatchRef[], options: BatchOptions): BatchRead {
    return new BatchOverGet(this, refs, options);
  }

  async put(
    bucket: BucketName,
    key: ObjectKey,
    source: PutSource,
    conditions: WriteConditions,
    signal?: AbortSignal,
  ): Promise<ObjectInfo> {
    const target = findBucket(this.#state, bucket);
    // A copy is not awaited, so that nothing comes between the look at its source and the write.
    const sealed =
      source.kind === 'copy'
        ? takeCopy(this.#state, source, signal)
        : await takeBody(source, LIMITS.putBytesMax, signal);
    recheckBucket(this.#state, target);
    checkWriteConditions(conditions, target.objects.get(key)?.info.etag);
    const isKept = source.kind === 'copy' && source.keepModified === true;
    const modifiedMs = (isKept ? sealed.copied?.info.modifiedMs : undefined) ?? this.#state.clock.now();
    const object = objectOf(sealed, modifiedMs);
    target.objects.set(key, object);
    return object.info;
  }

  async remove(bucket: BucketName, key: ObjectKey, conditions: WriteConditions = {}): Promise<void> {
    const { objects } = findBucket(this.#state, bucket);
    checkWriteConditions(conditions, objects.get(key)?.info.etag);
    objects.delete(key);
  }

  async list(bucket: BucketName, options: ListOptions): Promise<ListPage> {
    return listPage(findBucket(this.#state, bucket).objects, options);
  }
}

function objectOf(sealed: Sealed, modifiedMs: number): MemoryObject {
  const { content, stored, copied } = sealed;
  const parts = copied?.parts ?? [];
  const oneRecord = parts.length === 0 && content.size <= LIMITS.extentBytes;
  const crc32 = oneRecord ? checksumContent(content) : undefined;
  const info = { ...stored, size: content.size, modifiedMs, crc32, partCount: parts.length };
  return { info, content, parts, madeBy: undefined };
}

/** @throws GatewayError InvalidRange, InvalidPartNumber */
function rangeOf(object: MemoryObject, options: GetOptions): { start: number; end: number } {
  const { size, partCount } = object.info;
  if (options.range !== undefined) return resolveRange(options.range, size);
  if (options.partNumber === undefined) return { start: 0, end: size };
  if (options.partNumber > Math.max(1, partCount)) {
    throw new GatewayError('InvalidPartNumber', undefined, {
      details: { ActualObjectSize: String(size), ActualPartCount: String(Math.max(1, partCount)) },
    });
  }
  if (partCount === 0) return { start: 0, end: size };
  let start = 0;
  for (const part of object.parts) {
    if (part.number === options.partNumber) return { start, end: start + part.size };
    start += part.size;
  }
  throw new RangeError(`part numbers start at 1, not ${options.partNumber}`);
}

function firstPosition(objects: SortedMap<MemoryObject>, options: ListOptions): number {
  const { prefix, after, afterPrefix } = options;
  return Math.max(objects.seek(prefix), afterPrefix ? objects.seekPast(after) : objects.seekAfter(after));
}

function entryOf(key: string, info: ObjectInfo, { prefix, delimiter }: ListOptions): ListEntry {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  if (cut < 0) return { kind: 'object', key: key as ObjectKey, info };
  return { kind: 'prefix', prefix: key.slice(0, cut + delimiter.length) };
}

function listPage(objects: SortedMap<MemoryObject>, options: ListOptions): ListPage {
  const entries: ListEntry[] = [];
  if (options.limit === 0) return { entries, next: undefined };
  let position = firstPosition(objects, options);
  for (let found = objects.at(position); found?.key.startsWith(options.prefix); found = objects.at(position)) {
    const last = entries.at(-1);
    if (entries.length === options.limit && last !== undefined) {
      const next =
        last.kind === 'object' ? { after: last.key, afterPrefix: false } : { after: last.prefix, afterPrefix: true };
      return { entries, next };
    }
    const entry = entryOf(found.key, found.value.info, options);
    entries.push(entry);
    position = entry.kind === 'object' ? position + 1 : objects.seekPast(entry.prefix);
  }
  return { entries, next: undefined };
}
