/**
 * What a record means to the index: the one function behind live commits, the replay of tails after a crash, and the rebuild of
 * a lost index. Because all three apply the same records by the same rules, a rebuilt index equals the old one.
 *
 * Rules: the newest timestamp of a key wins; a tombstone leaves a grave, so that an older record that arrives later stays dead;
 * a manifest that names an upload ends that upload. In `rebuild` the records come in any order, so graves and ended uploads are
 * kept until `finishRebuild`, and parts may come before their upload.
 */
import { GatewayError } from '../base/errors.ts';
import { attributesOf } from '../format/attributes.ts';
import { Entry, encodeEntry } from '../format/index-entry.ts';
import { indexKey, partKey, uploadKey } from '../format/index-key.ts';
import { type Location, locationOf, type Manifest, recordBytes } from '../format/manifest.ts';
import { RECORD_KIND, type RecordHead, recordLength } from '../format/record.ts';
import { addEntry, ClassAccounts, DICTIONARY_ACCOUNT, placesOf } from './class-accounts.ts';
import { HEAD_OUTCOME, type HeadOutcome } from './committer.ts';
import type { BucketState, IndexDatabase, Pair } from './index-database.ts';

/** Entries that one transaction of a rebuild removes. */
const REMOVE_BATCH = 10_000;

export interface RecordPlace {
  readonly volume: number;
  readonly offset: number;
  readonly headLength: number;
}

/** Reads the manifest of a record, synchronously: it was just written, or is being replayed. */
export type ManifestReader = (location: Location) => Manifest;

export class Applier {
  readonly #index: IndexDatabase;
  readonly #readManifest: ManifestReader;
  readonly #mode: 'live' | 'rebuild';
  /** Deletes older than this may be forgotten: what is older and not there can not be judged. */
  readonly #horizon: () => number;
  /** Live bytes that changed, by volume, since the last `flush`. */
  #live = new Map<number, number>();
  #accounts = new ClassAccounts();
  #bucketIds: Set<number> | undefined;
  readonly #endedUploads = new Set<string>();
  readonly #endedBuckets = new Map<number, number>();

  constructor(
    index: IndexDatabase,
    readManifest: ManifestReader,
    mode: 'live' | 'rebuild',
    horizon: () => number = () => 0,
  ) {
    this.#index = index;
    this.#readManifest = readManifest;
    this.#mode = mode;
    this.#horizon = horizon;
  }

  /** Forgets what an aborted transaction told it. */
  reset(): void {
    this.#live = new Map();
    this.#accounts = new ClassAccounts();
    this.#bucketIds = undefined;
  }

  /** Writes to the index what changed since the last call: live bytes of volumes, and the accounts. Inside a transaction. */
  settle(): void {
    for (const [id, bytes] of this.#live) {
      const volume = this.#index.volume(id);
      if (volume !== undefined) this.#index.setVolume({ ...volume, live: volume.live + bytes });
    }
    if (!this.#accounts.isZero) {
      const accounts = this.#index.accounts() ?? new ClassAccounts();
      accounts.addAll(this.#accounts);
      this.#index.setAccounts(accounts);
    }
    this.#live = new Map();
    this.#accounts = new ClassAccounts();
  }

  knowsBucket(id: number): boolean {
    this.#bucketIds ??= new Set(this.#index.buckets().map((b) => b.id));
    return this.#bucketIds.has(id);
  }

  /** Must run inside a transaction. `manifest` spares the reading of one that the caller has at hand. */
  apply(head: RecordHead, at: RecordPlace, manifest?: Manifest): HeadOutcome {
    switch (head.kind) {
      case RECORD_KIND.extent:
        return HEAD_OUTCOME.applied;
      case RECORD_KIND.object:
      case RECORD_KIND.manifest:
        return this.#object(head, at, manifest);
      case RECORD_KIND.part:
      case RECORD_KIND.partManifest:
        return this.#part(head, at, manifest);
      case RECORD_KIND.tombstone:
        return this.#tombstone(head, at);
      case RECORD_KIND.bucket:
        return this.#bucket(head, at);
      case RECORD_KIND.bucketGone:
        return this.#bucketGone(head, at);
      case RECORD_KIND.upload:
        return this.#upload(head, at);
      case RECORD_KIND.uploadGone:
        this.#endUpload(head.bucketId, head.key, uploadIdOf(head));
        this.#keep(at, head);
        return HEAD_OUTCOME.applied;
      case RECORD_KIND.dictionary:
        this.keepDictionary(head.dictionaryId, locationOf(head, at));
        return HEAD_OUTCOME.applied;
      default:
        // A kind of a later release: harmless to skip, since its writer would have raised the format version otherwise.
        return HEAD_OUTCOME.applied;
    }
  }

  #object(head: RecordHead, at: RecordPlace, manifest: Manifest | undefined): HeadOutcome {
    if (this.#mode === 'live' && !this.knowsBucket(head.bucketId)) return HEAD_OUTCOME.noSuchBucket;
    const key = indexKey(head.bucketId, head.key);
    const current = this.#index.entry('objects', key);
    const upload = head.kind === RECORD_KIND.manifest ? attributesOf(head.attributes).upload : undefined;
    if (upload !== undefined) this.#endUpload(head.bucketId, head.key, Buffer.from(upload, 'hex'));
    if (current !== undefined && !isNewer(head, current))
      return sameRecord(current, at) ? HEAD_OUTCOME.applied : HEAD_OUTCOME.stale;
    if (current === undefined && head.timestamp < this.#horizon()) return HEAD_OUTCOME.stale;
    if (this.#index.grave(key) >= head.timestamp) return HEAD_OUTCOME.stale;
    if (current !== undefined) this.#count('objects', current, -1);
    const entry = this.#entry(head, at, manifest);
    this.#count('objects', entry, 1, manifest);
    this.#index.objects.putSync(key, entry.bytes);
    return HEAD_OUTCOME.applied;
  }

  #part(head: RecordHead, at: RecordPlace, manifest: Manifest | undefined): HeadOutcome {
    const uploadId = uploadIdOf(head);
    if (this.#endedUploads.has(uploadId.toString('hex'))) return HEAD_OUTCOME.noSuchUpload;
    const known = this.#index.uploads.getBinary(uploadKey(head.bucketId, head.key, uploadId)) !== undefined;
    if (!known && this.#mode === 'live') return HEAD_OUTCOME.noSuchUpload;
    const key = partKey(uploadId, head.part);
    const current = this.#index.entry('parts', key);
    if (current !== undefined && !isNewer(head, current))
      return sameRecord(current, at) ? HEAD_OUTCOME.applied : HEAD_OUTCOME.stale;
    if (current !== undefined) this.#count('parts', current, -1);
    const entry = this.#entry(head, at, manifest);
    this.#count('parts', entry, 1, manifest);
    this.#index.parts.putSync(key, entry.bytes);
    return HEAD_OUTCOME.applied;
  }

  #tombstone(head: RecordHead, at: RecordPlace): HeadOutcome {
    const key = indexKey(head.bucketId, head.key);
    const current = this.#index.entry('objects', key);
    // Also one that comes too late: a rebuild may read it before the write that it came too late for, and must count alike.
    this.#keep(at, head);
    if (current !== undefined && current.timestamp > head.timestamp) return HEAD_OUTCOME.stale;
    if (current !== undefined) {
      this.#count('objects', current, -1);
      this.#index.objects.removeSync(key);
    }
    if (this.#index.grave(key) < head.timestamp) this.#index.setGrave(key, head.timestamp);
    return HEAD_OUTCOME.applied;
  }

  #bucket(head: RecordHead, at: RecordPlace): HeadOutcome {
    const name = head.key.toString();
    const state = {
      ...(JSON.parse(head.attributes.toString()) as BucketState),
      id: head.bucketId,
      name,
      timestamp: head.timestamp,
    };
    const current = this.#index.bucket(name);
    this.#keep(at, head);
    if ((this.#endedBuckets.get(head.bucketId) ?? 0) > head.timestamp) return HEAD_OUTCOME.applied;
    if (current !== undefined && current.timestamp >= head.timestamp) return HEAD_OUTCOME.applied;
    this.#index.setBucket(state);
    this.#raise('next-bucket', head.bucketId + 1);
    this.#bucketIds?.add(head.bucketId);
    return HEAD_OUTCOME.applied;
  }

  #bucketGone(head: RecordHead, at: RecordPlace): HeadOutcome {
    const name = head.key.toString();
    const current = this.#index.bucket(name);
    if (current?.id === head.bucketId) this.#index.removeBucket(name);
    this.#raise('next-bucket', head.bucketId + 1);
    this.#bucketIds?.delete(head.bucketId);
    if (this.#mode === 'rebuild') this.#endedBuckets.set(head.bucketId, head.timestamp);
    this.#keep(at, head);
    return HEAD_OUTCOME.applied;
  }

  #upload(head: RecordHead, at: RecordPlace): HeadOutcome {
    this.#keep(at, head);
    const uploadId = uploadIdOf(head);
    if (this.#endedUploads.has(uploadId.toString('hex'))) return HEAD_OUTCOME.applied;
    const value = Buffer.alloc(8 + head.attributes.length);
    value.writeDoubleLE(head.modifiedMs, 0);
    head.attributes.copy(value, 8);
    this.#index.uploads.putSync(uploadKey(head.bucketId, head.key, uploadId), value);
    return HEAD_OUTCOME.applied;
  }

  /** Removes an upload and its parts; what the object made of them needs is counted by its own entry. */
  #endUpload(bucketId: number, key: Buffer, uploadId: Buffer): void {
    if (this.#mode === 'rebuild') this.#endedUploads.add(uploadId.toString('hex'));
    this.#index.uploads.removeSync(uploadKey(bucketId, key, uploadId));
    for (const { key: part, value } of [...this.#index.prefixed('parts', uploadId)]) {
      this.#count('parts', new Entry(value), -1);
      this.#index.parts.removeSync(part);
    }
  }

  #entry(head: RecordHead, at: RecordPlace, manifest: Manifest | undefined): Entry {
    if (head.kind !== RECORD_KIND.manifest && head.kind !== RECORD_KIND.partManifest)
      return new Entry(encodeEntry(head, at, head.part, undefined));
    const list = manifest ?? this.#readManifestIfIntact(locationOf(head, at));
    const single = list.extents.length === 1 ? list.extents[0] : undefined;
    return new Entry(encodeEntry(head, at, head.kind === RECORD_KIND.manifest ? list.parts.length : head.part, single));
  }

  /** Of an entry's manifest; none where it cannot be read. */
  extentsOf(entry: Entry): readonly Location[] {
    return this.#readManifestIfIntact(entry.record).extents;
  }

  /** Adds or takes away the bytes that an entry keeps alive. */
  #count(table: 'objects' | 'parts', entry: Entry, sign: 1 | -1, manifest?: Manifest): void {
    let total = 0;
    for (const place of placesOf(entry, () => manifest?.extents ?? this.extentsOf(entry))) {
      const bytes = recordBytes(place);
      this.#add(place.volume, sign * bytes);
      total += bytes;
    }
    addEntry(this.#accounts, table, entry, sign, total);
  }

  /** A damaged manifest must not keep its object from being deleted or replaced; its extents are then counted too high. */
  #readManifestIfIntact(location: Location): Manifest {
    try {
      return this.#readManifest(location);
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'DataLoss') return { extents: [], parts: [] };
      throw error;
    }
  }

  /** Records that the index does not point to, but a rebuild needs: tombstones, buckets, uploads. */
  #keep(at: RecordPlace, head: RecordHead): void {
    this.#add(at.volume, recordLength(at.headLength, head.payloadLength));
  }

  /** Puts an entry in the place of another one of the same object, with the same extents: its record moved, or its class is known. */
  replace(table: 'objects' | 'parts', key: Buffer, before: Entry, after: Entry): void {
    const manifest =
      before.isManifest && before.payload === undefined ? this.#readManifestIfIntact(before.record) : undefined;
    this.#count(table, before, -1, manifest);
    this.#count(table, after, 1, manifest);
    this.#index[table].putSync(key, after.bytes);
  }

  /** The first one of an id in a volume is the one. Like the events, it lives as long as its volume. */
  keepDictionary(id: number, location: Location): void {
    if (this.#index.dictionary(location.volume, id) !== undefined) return;
    this.#index.setDictionary(id, location);
    const bytes = recordBytes(location);
    this.#accounts.add(DICTIONARY_ACCOUNT, 1, location.size, bytes);
    this.#add(location.volume, bytes);
  }

  /** With their volume. */
  dropDictionaries(volume: number): void {
    for (const { id, location } of [...this.#index.dictionaries(volume)]) {
      this.#index.removeDictionary(volume, id);
      this.#accounts.add(DICTIONARY_ACCOUNT, -1, -location.size, -recordBytes(location));
    }
  }

  /** Compaction moved a record that the index keeps without pointing to it. */
  addLive(volume: number, bytes: number): void {
    this.#add(volume, bytes);
  }

  #add(volume: number, bytes: number): void {
    this.#live.set(volume, (this.#live.get(volume) ?? 0) + bytes);
  }

  #raise(counter: string, atLeast: number): void {
    if ((this.#index.number(counter) ?? 1) < atLeast) this.#index.setNumber(counter, atLeast);
  }

  /** After all records of a rebuild: drops what has no bucket or upload, and forgets the graves. `transact` runs one transaction. */
  finishRebuild(transact: (work: () => void) => void): void {
    const buckets = new Set(this.#index.buckets().map((b) => b.id));
    const uploads = new Set<string>();
    this.#removeWhere('graves', transact, () => true);
    this.#removeWhere('objects', transact, (key) => !buckets.has(key.readUInt32BE(0)));
    this.#removeWhere('uploads', transact, (key) => !buckets.has(key.readUInt32BE(0)));
    for (const { key } of this.#index.range('uploads', Buffer.from([0]), undefined))
      uploads.add(key.toString('hex', key.length - 16));
    this.#removeWhere('parts', transact, (key) => !uploads.has(key.toString('hex', 0, 16)));
  }

  #removeWhere(
    table: 'objects' | 'graves' | 'uploads' | 'parts',
    transact: (work: () => void) => void,
    isLost: (key: Buffer) => boolean,
  ): void {
    let start: Buffer | undefined = Buffer.from([0]);
    while (start !== undefined) {
      const lost: Pair[] = [];
      let next: Buffer | undefined;
      for (const pair of this.#index.range(table, start, undefined)) {
        if (lost.length === REMOVE_BATCH) {
          next = pair.key;
          break;
        }
        if (isLost(pair.key)) lost.push(pair);
      }
      transact(() => {
        for (const { key, value } of lost) {
          if (table === 'objects' || table === 'parts') this.#count(table, new Entry(value), -1);
          this.#index[table].removeSync(key);
        }
      });
      start = next;
    }
  }
}

/**
 * Two workers can give the same timestamp to one key. Then version and digest decide, so that the winner is the same in whatever
 * order, and wherever, the two records are read; the loser of a live race is written again with a newer timestamp. Of one record and its
 * copy, coding has more to say than what it was made from, so a rebuilt index does not go back to what compaction is about to remove.
 */
function isNewer(head: RecordHead, current: Entry): boolean {
  if (head.timestamp !== current.timestamp) return head.timestamp > current.timestamp;
  const order = head.versionId.compare(current.versionId) || head.digest.compare(current.digest);
  return order !== 0
    ? order > 0
    : knowledgeOf(head) > knowledgeOf({ codec: current.record.codec, class: current.class });
}

function knowledgeOf(record: { readonly codec: number; readonly class: number }): number {
  return (record.codec === 0 ? 0 : 2) + (record.class === 0 ? 0 : 1);
}

function sameRecord(entry: Entry, at: RecordPlace): boolean {
  const { volume, offset } = entry.record;
  return volume === at.volume && offset === at.offset;
}

/** Parts, uploads and their ends carry the upload id in their attributes. */
export function uploadIdOf(head: RecordHead): Buffer {
  return Buffer.from(attributesOf(head.attributes).upload ?? '', 'hex');
}
