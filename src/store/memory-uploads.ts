/**
 * The multipart uploads of the memory store. An upload id begins with its time of creation, so that the ids of one key ascend in the order
 * of the listing and a marker whose upload is gone still marks a place.
 */
import { checkWriteConditions } from '../base/conditions.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { BucketName, ObjectKey, UploadId } from '../base/names.ts';
import type { ObjectInfo, PartInfo, StoredAttributes } from '../base/object-info.ts';
import type {
  NewUpload,
  PartsPage,
  PutSource,
  UploadInfo,
  UploadStore,
  UploadsPage,
  WriteConditions,
} from '../base/object-store.ts';
import { concatContent } from './memory-content.ts';
import {
  findBucket,
  type MemoryBucket,
  type MemoryPart,
  type MemoryState,
  type MemoryUpload,
  recheckBucket,
  takeBody,
  takeCopy,
} from './memory-state.ts';
import type { SortedMap } from './sorted-map.ts';

type Seal = (upload: UploadInfo, parts: readonly (PartInfo | undefined)[]) => StoredAttributes;
type UploadsQuery = Parameters<UploadStore['listUploads']>[1];

const SEQUENCE_MAX = 0xffff;

export class MemoryUploadStore implements UploadStore {
  readonly #state: MemoryState;
  /** Time and sequence of the newest id; they never go back, even where the clock does. */
  #lastMs = 0;
  #sequence = 0;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async create(bucket: BucketName, key: ObjectKey, upload: NewUpload): Promise<UploadId> {
    const { uploads } = findBucket(this.#state, bucket);
    const uploadId = this.#nextId();
    const startedMs = this.#state.clock.now();
    const created: MemoryUpload = { info: { ...structuredClone(upload), key, uploadId, startedMs }, parts: new Map() };
    uploads.set(key, [...(uploads.get(key) ?? []), created]);
    return uploadId;
  }

  async putPart(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    number: number,
    source: PutSource,
    signal?: AbortSignal,
  ): Promise<PartInfo> {
    const target = findBucket(this.#state, bucket);
    findUpload(target, key, uploadId);
    const { content, stored } =
      source.kind === 'copy'
        ? takeCopy(this.#state, source, signal)
        : await takeBody(source, LIMITS.partBytesMax, signal);
    recheckBucket(this.#state, target);
    const { parts } = findUpload(target, key, uploadId); // it may have been completed or aborted meanwhile
    const { etag, attributes } = stored;
    const info = {
      number,
      size: content.size,
      etag,
      modifiedMs: this.#state.clock.now(),
      checksum: attributes.checksum,
    };
    parts.set(number, { info, content });
    return info;
  }

  async complete(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    numbers: readonly number[],
    seal: Seal,
    conditions: WriteConditions,
  ): Promise<ObjectInfo> {
    const target = findBucket(this.#state, bucket);
    const current = target.objects.get(key);
    if (current?.madeBy === uploadId) return current.info;
    const upload = findUpload(target, key, uploadId);
    const found = numbers.map((number) => upload.parts.get(number));
    const stored = structuredClone(
      seal(
        upload.info,
        found.map((part) => part?.info),
      ),
    );
    const chosen = found.map((part, i) => part ?? missingPart(numbers[i] as number));
    const content = concatContent(chosen.map((part) => part.content));
    if (content.size > LIMITS.objectBytesMax) throw new GatewayError('EntityTooLarge');
    checkWriteConditions(conditions, current?.info.etag);
    const parts = chosen.map((part, i) => ({ ...part.info, number: i + 1 }));
    const modifiedMs = this.#state.clock.now();
    const info = { ...stored, size: content.size, modifiedMs, crc32: undefined, partCount: parts.length };
    target.objects.set(key, { info, content, parts, madeBy: uploadId });
    forget(target, key, uploadId);
    return info;
  }

  async abort(bucket: BucketName, key: ObjectKey, uploadId: UploadId): Promise<void> {
    const target = findBucket(this.#state, bucket);
    findUpload(target, key, uploadId);
    forget(target, key, uploadId);
  }

  async listParts(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    after: number,
    limit: number,
  ): Promise<PartsPage> {
    const upload = findUpload(findBucket(this.#state, bucket), key, uploadId);
    const numbers = [...upload.parts.keys()].filter((number) => number > after).sort((a, b) => a - b);
    const parts = numbers.slice(0, limit).map((number) => (upload.parts.get(number) as MemoryPart).info);
    return { upload: upload.info, parts, nextAfter: numbers.length > limit ? parts.at(-1)?.number : undefined };
  }

  async listUploads(bucket: BucketName, query: UploadsQuery): Promise<UploadsPage> {
    return uploadsPage(findBucket(this.#state, bucket).uploads, query);
  }

  /** 12 hex digits of milliseconds, 4 of a sequence within one, 16 of chance. */
  #nextId(): UploadId {
    const nowMs = this.#state.clock.now();
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#sequence = 0;
    } else if (this.#sequence < SEQUENCE_MAX) {
      this.#sequence += 1;
    } else {
      this.#lastMs += 1;
      this.#sequence = 0;
    }
    const ordered = this.#lastMs.toString(16).padStart(12, '0') + this.#sequence.toString(16).padStart(4, '0');
    return `${ordered}${this.#state.random.fill(Buffer.alloc(8)).toString('hex')}` as UploadId;
  }
}

/** @throws GatewayError NoSuchUpload */
function findUpload(bucket: MemoryBucket, key: ObjectKey, uploadId: UploadId): MemoryUpload {
  const upload = bucket.uploads.get(key)?.find((candidate) => candidate.info.uploadId === uploadId);
  if (upload === undefined) throw new GatewayError('NoSuchUpload', undefined, { details: { UploadId: uploadId } });
  return upload;
}

function missingPart(number: number): never {
  throw new GatewayError('InvalidPart', undefined, { details: { PartNumber: String(number) } });
}

function forget(bucket: MemoryBucket, key: ObjectKey, uploadId: UploadId): void {
  const others = bucket.uploads.get(key)?.filter((upload) => upload.info.uploadId !== uploadId) ?? [];
  if (others.length > 0) bucket.uploads.set(key, others);
  else bucket.uploads.delete(key);
}

/** The common prefix that a key falls under. */
function commonPrefix(key: string, { prefix, delimiter }: UploadsQuery): string | undefined {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  return cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
}

function firstKey(uploads: SortedMap<MemoryUpload[]>, query: UploadsQuery): number {
  const { prefix, afterKey, afterUploadId } = query;
  const start = uploads.seek(prefix);
  if (afterKey === '') return start;
  if (afterUploadId !== '') return Math.max(start, uploads.seek(afterKey));
  const listed = afterKey.startsWith(prefix) && commonPrefix(afterKey, query) === afterKey;
  return Math.max(start, listed ? uploads.seekPast(afterKey) : uploads.seekAfter(afterKey));
}

function uploadsPage(all: SortedMap<MemoryUpload[]>, query: UploadsQuery): UploadsPage {
  const uploads: UploadInfo[] = [];
  const commonPrefixes: string[] = [];
  let next: UploadsPage['next'];
  const isFull = () => uploads.length + commonPrefixes.length >= query.limit;
  if (query.limit === 0) return { uploads, commonPrefixes, next };
  let position = firstKey(all, query);
  for (let found = all.at(position); found?.key.startsWith(query.prefix); found = all.at(position)) {
    const folded = commonPrefix(found.key, query);
    if (folded !== undefined) {
      if (isFull()) return { uploads, commonPrefixes, next };
      commonPrefixes.push(folded);
      next = { key: folded, uploadId: '' };
      position = all.seekPast(folded);
      continue;
    }
    for (const { info } of found.value) {
      if (found.key === query.afterKey && info.uploadId <= query.afterUploadId) continue;
      if (isFull()) return { uploads, commonPrefixes, next };
      uploads.push(info);
      next = { key: info.key, uploadId: info.uploadId };
    }
    position += 1;
  }
  return { uploads, commonPrefixes, next: undefined };
}
