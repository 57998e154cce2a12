/** The objects of the local store. `get` is HOT PATH (bench/read.ts): one look-up, one read, one await. */

import type { BatchOptions, BatchRead, BatchRef } from '../base/batch-read.ts';
import { checkReadConditions, checkWriteConditions, resolveRange } from '../base/conditions.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { BucketName, ObjectKey } from '../base/names.ts';
import type { ObjectInfo, StoredAttributes } from '../base/object-info.ts';
import type {
  CopySource,
  GetOptions,
  HeadOptions,
  ListOptions,
  ListPage,
  NotModified,
  ObjectRead,
  ObjectStore,
  PutSource,
  WholeRead,
  WriteConditions,
} from '../base/object-store.ts';
import { encodeAttributes } from '../format/attributes.ts';
import { magicClass } from '../format/content-magic.ts';
import { type Entry, EntryInfo, Entry as EntryView, encodeEntry, parseEtag } from '../format/index-entry.ts';
import { objectIndexKey } from '../format/index-key.ts';
import { encodeManifest, type Location, type ManifestPart } from '../format/manifest.ts';
import { RECORD_KIND, recordHead } from '../format/record.ts';
import { asExtents, crcOf, type ExtentOwner, type TakenBody, takeBody, withBodyMemory } from './body-writer.ts';
import { copiedChunks, findSource } from './copy-source.ts';
import { dataLossOf } from './data-loss.ts';
import { extentBody, partRange } from './extent-body.ts';
import type { BucketState } from './index-database.ts';
import { LocalBatch } from './local-batch.ts';
import { findEntry, type LocalEngine, manifestOf } from './local-engine.ts';
import { listPage } from './local-list.ts';
import { partInfo } from './part-info.ts';
import { rangeOf } from './read-range.ts';
import { VolumeGone } from './record-reader.ts';
import { storageFacts } from './storage-facts.ts';
import { isFrame, PAYLOAD_CRC_BYTES } from './stored-frame.ts';
import type { Pins } from './volume-seals.ts';

const NO_BYTES = Buffer.alloc(0);
/** How often a read or a change of attributes starts again when compaction or a writer came between. */
const ATTEMPTS = 5;

export class LocalObjects implements ObjectStore {
  readonly #engine: LocalEngine;

  constructor(engine: LocalEngine) {
    this.#engine = engine;
  }

  async head(bucket: BucketName, key: ObjectKey, options: HeadOptions = {}): Promise<ObjectInfo | undefined> {
    const state = this.#engine.buckets.get(bucket);
    for (let attempt = 1; ; attempt++) {
      const entry = findEntry(this.#engine, state.id, key);
      if (entry === undefined) return undefined;
      const asksParts = options.parts === true && entry.partCount > 0;
      if (!asksParts && options.storage !== true) return new EntryInfo(entry);
      try {
        return Object.assign(new EntryInfo(entry), await this.#details(entry, asksParts, options.storage === true));
      } catch (error) {
        if (!(error instanceof VolumeGone) || attempt === ATTEMPTS) throw dataLossOf(error, `/${bucket}/${key}`);
        this.#engine.index.refresh();
      }
    }
  }

  async #details(entry: Entry, parts: boolean, storage: boolean): Promise<Pick<ObjectInfo, 'parts' | 'storage'>> {
    const isSpread = entry.isManifest && entry.payload === undefined;
    const manifest = parts || isSpread ? await manifestOf(this.#engine, entry) : undefined;
    return {
      ...(parts && manifest !== undefined && { parts: manifest.parts.map((part, i) => partInfo(part, i + 1)) }),
      ...(storage && { storage: storageFacts(entry, manifest?.extents ?? []) }),
    };
  }

  async get(
    bucket: BucketName,
    key: ObjectKey,
    options: GetOptions,
    signal?: AbortSignal,
  ): Promise<ObjectRead | NotModified | undefined> {
    const state = this.#engine.buckets.get(bucket);
    for (let attempt = 1; ; attempt++) {
      const entry = findEntry(this.#engine, state.id, key);
      if (entry === undefined) return undefined;
      const info = new EntryInfo(entry);
      if (options.conditions !== undefined && checkReadConditions(options.conditions, info) === 'not-modified')
        return { kind: 'not-modified', info };
      try {
        return await this.#read(state, key, info, options, signal);
      } catch (error) {
        if (!(error instanceof VolumeGone) || attempt === ATTEMPTS) throw dataLossOf(error, `/${bucket}/${key}`);
        this.#engine.index.refresh();
      }
    }
  }

  /** HOT PATH (bench/s3-get.ts): the bucket was looked up a moment ago, and with it the index refreshed. */
  getNow(bucket: BucketName, key: ObjectKey): WholeRead | undefined {
    const state = this.#engine.buckets.known(bucket);
    if (state === undefined) return undefined;
    try {
      const entry = findEntry(this.#engine, state.id, key);
      if (entry === undefined) return undefined;
      const { payload, size } = entry;
      if (payload === undefined) return size === 0 ? { info: new EntryInfo(entry), body: NO_BYTES } : undefined;
      const body = this.#engine.reader.tryRead(payload);
      return body?.length === size ? { info: new EntryInfo(entry), body } : undefined;
    } catch {
      return undefined; // `get` meets the same trouble, and deals with it or names it
    }
  }

  async #read(
    state: BucketState,
    key: ObjectKey,
    info: EntryInfo,
    options: GetOptions,
    signal: AbortSignal | undefined,
  ): Promise<ObjectRead> {
    const { entry } = info;
    const { size } = entry;
    const single = entry.payload;
    if (options.partNumber === undefined && (single !== undefined || size === 0)) {
      const { start, end } = options.range === undefined ? { start: 0, end: size } : resolveRange(options.range, size);
      if (single === undefined) return { info, start, end, body: NO_BYTES };
      const { reader } = this.#engine;
      if (options.acceptZstd === true && isFrame(info, single)) return this.#readFrame(info, single);
      const read = end - start === single.size ? reader.read(single) : reader.readRange(single, start, end);
      return { info, start, end, body: read instanceof Promise ? await read : read };
    }
    const manifest = await manifestOf(this.#engine, entry);
    const { start, end } = rangeOf(options, info, () =>
      entry.partCount === 0 ? undefined : partRange(manifest, options.partNumber ?? 0),
    );
    const renew = async () => manifestOf(this.#engine, this.#sameVersion(state, key, entry));
    const body = extentBody(this.#engine.reader, manifest, start, end, renew, `/${state.name}/${key}`, signal);
    return { info, start, end, body: start === end ? NO_BYTES : body };
  }

  /** Stored bytes, without the CRC-32 before them. */
  async #readFrame(info: EntryInfo, location: Location): Promise<ObjectRead> {
    const stored = await this.#engine.reader.readStored(location);
    return { info, start: 0, end: info.size, body: stored.subarray(PAYLOAD_CRC_BYTES), encoding: 'zstd' };
  }

  /** The entry of the same version after a move. */
  #sameVersion(state: BucketState, key: ObjectKey, entry: Entry): Entry {
    this.#engine.index.refresh();
    const current = findEntry(this.#engine, state.id, key);
    if (current?.versionId.equals(entry.versionId)) return current;
    throw new GatewayError(
      'ConditionalRequestConflict',
      'The object was replaced while it was read, and its old bytes were compacted away.',
    );
  }

  getBatch(refs: readonly BatchRef[], options: BatchOptions): BatchRead {
    return new LocalBatch(this.#engine, this, refs, options);
  }

  readAhead(refs: readonly BatchRef[]): void {
    this.#engine.ahead?.advise(refs);
  }

  async put(
    bucket: BucketName,
    key: ObjectKey,
    source: PutSource,
    conditions: WriteConditions,
    signal?: AbortSignal,
  ): Promise<ObjectInfo> {
    const state = this.#engine.buckets.get(bucket);
    const keyBytes = Buffer.from(key);
    objectIndexKey(state.id, keyBytes); // refuses here what the index could not take
    const conditional = conditions.ifMatch !== undefined || conditions.ifNoneMatch !== undefined;
    if (conditional) checkWriteConditions(conditions, findEntry(this.#engine, state.id, key)?.etag);
    if (source.kind === 'copy') return this.#copy(state, key, keyBytes, source, conditions, signal);
    const owner: ExtentOwner = { bucketId: state.id, key: keyBytes, attributes: NO_BYTES };
    const expected = source.kind === 'bytes' ? source.bytes.length : (source.sizeHint ?? Number.MAX_SAFE_INTEGER);
    return withBodyMemory(
      this.#engine,
      async (pins) => {
        const body = isOneRecord(source) ? bodyOf(source) : await this.#take(owner, source, pins, signal);
        signal?.throwIfAborted();
        const stored = source.kind === 'bytes' ? source.stored : source.seal();
        return conditional
          ? this.#decide(owner, body, stored, conditions, [], pins)
          : this.#append(owner, body, stored, []);
      },
      expected,
    );
  }

  /** An unconditional write: its record is its own commit. */
  #take(
    owner: ExtentOwner,
    source: Exclude<PutSource, CopySource>,
    pins: Pins,
    signal: AbortSignal | undefined,
  ): Promise<TakenBody> {
    const chunks = source.kind === 'bytes' ? [source.bytes] : source.chunks;
    return takeBody(this.#engine, owner, chunks, LIMITS.putBytesMax, pins, signal);
  }

  async #append(
    owner: ExtentOwner,
    body: TakenBody,
    stored: StoredAttributes,
    parts: readonly ManifestPart[],
  ): Promise<ObjectInfo> {
    const payload =
      body.inline !== undefined && parts.length === 0
        ? body.inline.buffers
        : [encodeManifest({ extents: body.extents, parts })];
    const isManifest = body.inline === undefined || parts.length > 0;
    const { digest, parts: etagParts } = parseEtag(stored.etag);
    const head = recordHead({
      kind: isManifest ? RECORD_KIND.manifest : RECORD_KIND.object,
      class: body.class,
      payloadLength: isManifest ? (payload[0] as Buffer).length : body.size,
      payloadCrc: isManifest || body.inline === undefined ? crcOf(payload) : body.inline.crc,
      size: body.size,
      modifiedMs: this.#engine.clock.now(),
      bucketId: owner.bucketId,
      digest,
      etagParts,
      versionId: this.#engine.random.fill(Buffer.allocUnsafe(8)),
      key: owner.key,
      attributes: encodeStored(stored),
    });
    this.#engine.space.admit(head.payloadLength);
    const { location } = await this.#engine.appender.append({ head, payload, commit: true });
    const single = isManifest && body.extents.length === 1 ? body.extents[0] : undefined;
    return new EntryInfo(new EntryView(encodeEntry(head, location, parts.length, single)));
  }

  /** A conditional write: the bytes become extents, and the keeper decides. */
  async #decide(
    owner: ExtentOwner,
    body: TakenBody,
    stored: StoredAttributes,
    conditions: WriteConditions,
    parts: readonly ManifestPart[],
    pins: Pins,
  ): Promise<ObjectInfo> {
    const extents = await asExtents(this.#engine, owner, body, pins);
    return this.#decideExtents(owner, body.size, extents, parts, stored, {
      class: body.class,
      conditions,
      ifVersion: undefined,
      modifiedMs: undefined,
    });
  }

  async #decideExtents(
    owner: ExtentOwner,
    size: number,
    extents: readonly Location[],
    parts: readonly ManifestPart[],
    stored: StoredAttributes,
    how: {
      class: number;
      conditions: WriteConditions;
      ifVersion: Buffer | undefined;
      modifiedMs: number | undefined;
    },
  ): Promise<ObjectInfo> {
    const { digest, parts: etagParts } = parseEtag(stored.etag);
    const manifest = encodeManifest({ extents, parts });
    const versionId = this.#engine.random.fill(Buffer.allocUnsafe(8));
    const attributes = encodeStored(stored);
    const version = {
      bucketId: owner.bucketId,
      key: owner.key,
      size,
      digest,
      etagParts,
      versionId,
      attributes,
      manifest,
    };
    const { class: contentClass, ...rest } = how;
    const { modifiedMs } = await this.#engine.pipe.decide({
      kind: 'put',
      version: { ...version, class: contentClass },
      ...rest,
    });
    const single = extents.length === 1 ? extents[0] : undefined;
    return {
      ...stored,
      size,
      modifiedMs,
      crc32: parts.length > 0 ? undefined : size === 0 ? 0 : single?.crc,
      partCount: parts.length,
    };
  }

  async #copy(
    state: BucketState,
    key: ObjectKey,
    keyBytes: Buffer,
    source: CopySource,
    conditions: WriteConditions,
    signal: AbortSignal | undefined,
  ): Promise<ObjectInfo> {
    const owner: ExtentOwner = { bucketId: state.id, key: keyBytes, attributes: NO_BYTES };
    for (let attempt = 1; ; attempt++) {
      const found = findSource(this.#engine, source);
      const stored = source.seal(found.info);
      if (found.bucketId !== state.id || source.key !== key)
        return this.#copyBytes(owner, source, found, stored, conditions, signal);
      try {
        const { extents, parts } = await manifestOf(this.#engine, found.entry);
        const modifiedMs = source.keepModified === true ? found.entry.modifiedMs : undefined;
        return await this.#decideExtents(owner, found.entry.size, extents, parts, stored, {
          class: found.entry.class,
          conditions,
          ifVersion: found.entry.versionId,
          modifiedMs,
        });
      } catch (error) {
        const again =
          error instanceof VolumeGone || (error instanceof GatewayError && error.code === 'ConditionalRequestConflict');
        if (!again || attempt === ATTEMPTS) throw dataLossOf(error, `/${source.bucket}/${source.key}`);
      }
    }
  }

  async #copyBytes(
    owner: ExtentOwner,
    source: CopySource,
    found: ReturnType<typeof findSource>,
    stored: StoredAttributes,
    conditions: WriteConditions,
    signal: AbortSignal | undefined,
  ): Promise<ObjectInfo> {
    return withBodyMemory(
      this.#engine,
      async (pins) => {
        const { chunks, manifest } = await copiedChunks(this.#engine, source, found, 0, found.entry.size, signal);
        const body = await takeBody(this.#engine, owner, chunks, LIMITS.objectBytesMax, pins, signal);
        if (manifest.parts.length > 0 || conditions.ifMatch !== undefined || conditions.ifNoneMatch !== undefined) {
          return this.#decide(owner, body, stored, conditions, manifest.parts, pins);
        }
        return this.#append(owner, body, stored, []);
      },
      found.entry.size,
    );
  }

  async remove(bucket: BucketName, key: ObjectKey, conditions: WriteConditions = {}): Promise<void> {
    const state = this.#engine.buckets.get(bucket);
    const keyBytes = Buffer.from(key);
    if (conditions.ifMatch !== undefined || conditions.ifNoneMatch !== undefined) {
      await this.#engine.pipe.decide({ kind: 'remove', bucketId: state.id, key: keyBytes, conditions });
      return;
    }
    // Also where there is no object: one whose writer got no answer may still come out of the tail of a volume, and must be older.
    const head = recordHead({
      kind: RECORD_KIND.tombstone,
      bucketId: state.id,
      key: keyBytes,
      modifiedMs: this.#engine.clock.now(),
    });
    await this.#engine.appender.append({ head, payload: [], commit: true });
  }

  async list(bucket: BucketName, options: ListOptions): Promise<ListPage> {
    return listPage(this.#engine.index, this.#engine.buckets.get(bucket).id, options);
  }
}

/** What a client said, without what only the store says (the upload of a completed object does not follow its copies). */
function encodeStored(stored: StoredAttributes): Buffer {
  const { upload: _, ...attributes } = stored.attributes as StoredAttributes['attributes'] & { upload?: string };
  return encodeAttributes(stored.contentType, attributes);
}

type BytesSource = Extract<PutSource, { kind: 'bytes' }>;

function isOneRecord(source: PutSource): source is BytesSource {
  return source.kind === 'bytes' && source.bytes.length <= LIMITS.extentBytes;
}

/** HOT PATH (bench/put-batch.ts): bytes that are here already, and become the payload of one record. */
function bodyOf({ bytes, crc32: known }: BytesSource): TakenBody {
  const buffers = bytes.length === 0 ? [] : [bytes];
  return {
    size: bytes.length,
    class: magicClass(bytes),
    inline: { buffers, crc: known ?? crcOf(buffers) },
    extents: [],
  };
}
