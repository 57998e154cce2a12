/**
 * Multipart uploads of the local store. A part is a record (or a list of extents) of the worker's volume; completing an upload
 * writes one manifest that names the extents of the parts, and no bytes.
 */
import { checkWriteConditions, resolveRange } from '../base/conditions.ts';
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
import { encodeAttributes } from '../format/attributes.ts';
import { Entry, EntryInfo, parseEtag } from '../format/index-entry.ts';
import { objectIndexKey, partKey, uploadKey } from '../format/index-key.ts';
import { encodeManifest, type Location } from '../format/manifest.ts';
import { RECORD_KIND, recordHead } from '../format/record.ts';
import { crcOf, takeBody, withBodyMemory } from './body-writer.ts';
import { copiedChunks, findSource } from './copy-source.ts';
import { dataLossOf } from './data-loss.ts';
import { findEntry, type LocalEngine, manifestOf } from './local-engine.ts';
import { listUploadsPage, readUpload } from './local-upload-list.ts';
import { manifestPart, partInfoOf } from './part-info.ts';
import { VolumeGone } from './record-reader.ts';
import { UploadIds } from './upload-ids.ts';

type Seal = (upload: UploadInfo, parts: readonly (PartInfo | undefined)[]) => StoredAttributes;
const ATTEMPTS = 5;

export class LocalUploads implements UploadStore {
  readonly #engine: LocalEngine;
  readonly #ids: UploadIds;

  constructor(engine: LocalEngine) {
    this.#engine = engine;
    this.#ids = new UploadIds(engine.clock, engine.random);
  }

  async create(bucket: BucketName, key: ObjectKey, upload: NewUpload): Promise<UploadId> {
    const { id: bucketId } = this.#engine.buckets.get(bucket);
    this.#engine.space.admit(0);
    objectIndexKey(bucketId, Buffer.from(key)); // refuses here what the index could not take
    const uploadId = this.#ids.next();
    const chosen = upload.checksum === undefined ? {} : { chosen: upload.checksum };
    const attributes = encodeAttributes(upload.contentType, { ...upload.attributes, upload: uploadId, ...chosen });
    await this.#engine.pipe.decide({
      kind: 'createUpload',
      bucketId,
      key: Buffer.from(key),
      uploadId: Buffer.from(uploadId, 'hex'),
      attributes,
    });
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
    const { id: bucketId } = this.#engine.buckets.get(bucket);
    this.#upload(bucketId, key, uploadId);
    const owner = { bucketId, key: Buffer.from(key), attributes: encodeAttributes(undefined, { upload: uploadId }) };
    const found = source.kind === 'copy' ? findSource(this.#engine, source) : undefined;
    const range =
      found === undefined || source.kind !== 'copy' || source.range === undefined
        ? { start: 0, end: found?.entry.size ?? 0 }
        : resolveRange(source.range, found.entry.size);
    return withBodyMemory(
      this.#engine,
      async (pins) => {
        const chunks = await this.#chunks(source, found, range, signal);
        const body = await takeBody(this.#engine, owner, chunks, LIMITS.partBytesMax, pins, signal);
        signal?.throwIfAborted();
        const stored =
          source.kind === 'bytes'
            ? source.stored
            : source.kind === 'stream'
              ? source.seal()
              : source.seal((found as NonNullable<typeof found>).info);
        const payload = body.inline?.buffers ?? [encodeManifest({ extents: body.extents, parts: [] })];
        const { checksum } = stored.attributes;
        const attributes = encodeAttributes(
          undefined,
          checksum === undefined ? { upload: uploadId } : { upload: uploadId, checksum },
        );
        const { digest, parts: etagParts } = parseEtag(stored.etag);
        const head = recordHead({
          kind: body.inline === undefined ? RECORD_KIND.partManifest : RECORD_KIND.part,
          class: body.class,
          payloadLength: body.inline === undefined ? (payload[0] as Buffer).length : body.size,
          payloadCrc: body.inline?.crc ?? crcOf(payload),
          size: body.size,
          modifiedMs: this.#engine.clock.now(),
          bucketId,
          part: number,
          digest,
          etagParts,
          key: owner.key,
          attributes,
        });
        this.#engine.space.admit(head.payloadLength);
        await this.#engine.appender.append({ head, payload, commit: true });
        return { number, size: body.size, etag: stored.etag, modifiedMs: head.modifiedMs, checksum };
      },
      expectedBytes(source, range),
    );
  }

  async #chunks(
    source: PutSource,
    found: ReturnType<typeof findSource> | undefined,
    range: { start: number; end: number },
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterable<Buffer> | readonly Buffer[]> {
    if (source.kind === 'bytes') return [source.bytes];
    if (source.kind === 'stream') return source.chunks;
    return (
      await copiedChunks(this.#engine, source, found as NonNullable<typeof found>, range.start, range.end, signal)
    ).chunks;
  }

  async complete(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    numbers: readonly number[],
    seal: Seal,
    conditions: WriteConditions,
  ): Promise<ObjectInfo> {
    const { id: bucketId } = this.#engine.buckets.get(bucket);
    for (let attempt = 1; ; attempt++) {
      const current = findEntry(this.#engine, bucketId, key);
      if (current?.attributes.upload === uploadId) return new EntryInfo(current);
      const upload = this.#upload(bucketId, key, uploadId);
      const id = Buffer.from(uploadId, 'hex');
      const entries = numbers.map((number) => this.#engine.index.entry('parts', partKey(id, number)));
      const parts = entries.map((entry) => (entry === undefined ? undefined : partInfoOf(entry)));
      const stored = seal(upload, parts);
      checkWriteConditions(conditions, current?.etag);
      try {
        return await this.#completeWith(bucketId, key, uploadId, numbers, entries, parts, stored, conditions);
      } catch (error) {
        const again =
          error instanceof VolumeGone || (error instanceof GatewayError && error.code === 'ConditionalRequestConflict');
        if (!again || attempt === ATTEMPTS) throw dataLossOf(error, `/${bucket}/${key}`);
        this.#engine.index.refresh();
      }
    }
  }

  async #completeWith(
    bucketId: number,
    key: ObjectKey,
    uploadId: UploadId,
    numbers: readonly number[],
    entries: readonly (Entry | undefined)[],
    parts: readonly (PartInfo | undefined)[],
    stored: StoredAttributes,
    conditions: WriteConditions,
  ): Promise<ObjectInfo> {
    const extents: Location[] = [];
    let size = 0;
    for (const [i, entry] of entries.entries()) {
      if (entry === undefined)
        throw new GatewayError('InvalidPart', undefined, { details: { PartNumber: String(numbers[i]) } });
      size += entry.size;
      if (entry.payload === undefined) extents.push(...(await manifestOf(this.#engine, entry)).extents);
      else if (entry.size > 0) extents.push(entry.payload);
    }
    if (size > LIMITS.objectBytesMax) throw new GatewayError('EntityTooLarge');
    const { digest, parts: etagParts } = parseEtag(stored.etag);
    const known = parts as readonly PartInfo[];
    const version = {
      bucketId,
      key: Buffer.from(key),
      size,
      digest,
      etagParts,
      versionId: this.#engine.random.fill(Buffer.allocUnsafe(8)),
      attributes: encodeAttributes(stored.contentType, { ...stored.attributes, upload: uploadId }),
      manifest: encodeManifest({ extents, parts: known.map(manifestPart) }),
    };
    const seen = entries.map((entry, i) => ({ number: numbers[i] as number, timestamp: (entry as Entry).timestamp }));
    const { modifiedMs } = await this.#engine.pipe.decide({
      kind: 'completeUpload',
      version,
      uploadId: Buffer.from(uploadId, 'hex'),
      conditions,
      parts: seen,
    });
    return { ...stored, size, modifiedMs, crc32: undefined, partCount: known.length };
  }

  async abort(bucket: BucketName, key: ObjectKey, uploadId: UploadId): Promise<void> {
    const { id: bucketId } = this.#engine.buckets.get(bucket);
    await this.#engine.pipe.decide({
      kind: 'abortUpload',
      bucketId,
      key: Buffer.from(key),
      uploadId: Buffer.from(uploadId, 'hex'),
    });
  }

  async listParts(
    bucket: BucketName,
    key: ObjectKey,
    uploadId: UploadId,
    after: number,
    limit: number,
  ): Promise<PartsPage> {
    const upload = this.#upload(this.#engine.buckets.get(bucket).id, key, uploadId);
    const id = Buffer.from(uploadId, 'hex');
    const parts: PartInfo[] = [];
    for (const { value } of this.#engine.index.range(
      'parts',
      partKey(id, Math.min(after + 1, 0xffff)),
      Buffer.concat([partKey(id, 0xffff), Buffer.alloc(1)]),
      limit + 1,
    )) {
      parts.push(partInfoOf(new Entry(value)));
    }
    const isLast = parts.length <= limit;
    const page = parts.slice(0, limit);
    return { upload, parts: page, nextAfter: isLast ? undefined : page.at(-1)?.number };
  }

  async listUploads(bucket: BucketName, options: Parameters<UploadStore['listUploads']>[1]): Promise<UploadsPage> {
    return listUploadsPage(this.#engine.index, this.#engine.buckets.get(bucket).id, options);
  }

  /** @throws GatewayError NoSuchUpload */
  #upload(bucketId: number, key: ObjectKey, uploadId: UploadId): UploadInfo {
    const stored = this.#engine.index.uploads.getBinary(
      uploadKey(bucketId, Buffer.from(key), Buffer.from(uploadId, 'hex')),
    );
    if (stored === undefined) throw new GatewayError('NoSuchUpload', undefined, { details: { UploadId: uploadId } });
    return readUpload(key, uploadId, stored);
  }
}

function expectedBytes(source: PutSource, range: { start: number; end: number }): number {
  if (source.kind === 'bytes') return source.bytes.length;
  if (source.kind === 'copy') return range.end - range.start;
  return source.sizeHint ?? Number.MAX_SAFE_INTEGER;
}
