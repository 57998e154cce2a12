/**
 * The index on LMDB: the only importer of lmdb. One process (the keeper) opens it for writing; workers read it through shared
 * memory. Every commit is flushed: on the machines measured a flushed transaction costs 7 % more than lmdb's overlapping sync,
 * and a power cut then never leaves the index behind an acknowledged write (docs/adr/0002-who-commits.md).
 *
 * HOT PATH (bench/index.ts): `object` renews the read transaction for every look-up (0.8 µs), because lmdb keeps a snapshot for
 * a whole turn of the event loop, and a write acknowledged by another worker inside that turn must be seen.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { BucketSettings } from '../base/bucket-store.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { Entry } from '../format/index-entry.ts';
import { afterPrefix } from '../format/index-key.ts';
import { type Location, locationLength, readLocation, writeLocation } from '../format/manifest.ts';
import { ClassAccounts } from './class-accounts.ts';
import type { EntryArena } from './entry-arena.ts';
import { mustBeLmdb, unusable } from './index-file.ts';
import { IndexGate } from './index-gate.ts';

export const INDEX_FORMAT = 1;

export interface BucketState {
  readonly id: number;
  readonly name: string;
  readonly createdMs: number;
  readonly ownerId: string;
  readonly settings: BucketSettings;
  readonly timestamp: number;
}

export interface VolumeState {
  readonly id: number;
  readonly uuid: string;
  /** Session that appends to it; empty when none does. */
  readonly owner: string;
  /** Everything before this offset is in the index; the file may be longer, by what was never acknowledged. */
  readonly end: number;
  /** Bytes of records that something still needs. */
  readonly live: number;
  /** Oldest timestamp in it: a tombstone newer than every other volume's oldest record can be forgotten. */
  readonly oldest: number;
  readonly sealed: boolean;
  /** A write to it failed: it is read, never appended to. */
  readonly damaged: boolean;
  /** Nothing needs it: its file is being removed. */
  readonly dropped?: boolean;
  /** What lies before was looked at for coding; absent: nothing was. */
  readonly codedTo?: number;
}

/** lmdb's own type leaves out what a reader without copies needs. */
type Bytes = Database<Buffer, Buffer> & {
  /** A buffer that the next call overwrites, and only `lastSize` bytes of it are the value's. */
  getBinaryFast(key: Buffer): Buffer | undefined;
  readonly lastSize: number;
};

/** A pair as the ranges give it. Key and value are copies that the caller may keep. */
export interface Pair {
  readonly key: Buffer;
  readonly value: Buffer;
}

const RAW = { encoding: 'binary', keyEncoding: 'binary' } as const;

export class IndexDatabase {
  readonly #gate: IndexGate;
  readonly #env: RootDatabase;
  readonly objects: Bytes;
  readonly graves: Bytes;
  readonly uploads: Bytes;
  readonly parts: Bytes;
  readonly #buckets: Bytes;
  readonly #volumes: Bytes;
  readonly #sessions: Bytes;
  readonly #meta: Bytes;
  /** Absent where a store of a release without it is only read. */
  readonly #dictionaries: Bytes | undefined;
  #isInTransaction = false;
  readonly #prefetching = new Set<Promise<unknown>>();
  /** Hears of every transaction that failed, before its caller does. */
  onFailure: (error: unknown) => void = () => {};

  private constructor(gate: IndexGate, env: RootDatabase) {
    const table = (name: string): Bytes => env.openDB<Buffer, Buffer>({ name, ...RAW }) as Bytes;
    this.#gate = gate;
    this.#env = env;
    this.objects = table('objects');
    this.graves = table('graves');
    this.uploads = table('uploads');
    this.parts = table('parts');
    this.#buckets = table('buckets');
    this.#volumes = table('volumes');
    this.#sessions = table('sessions');
    this.#meta = table('meta');
    this.#dictionaries = table('dictionaries') as Bytes | undefined;
  }

  /** @throws GatewayError for a format version that this release does not know */
  static open(folder: string, access: 'write' | 'read'): IndexDatabase {
    if (access === 'write') mkdirSync(folder, { recursive: true });
    mustBeLmdb(folder);
    const options = {
      path: folder,
      ...RAW,
      noSubdir: false,
      mapSize: LIMITS.indexMapBytes,
      maxReaders: LIMITS.indexReadersMax,
      maxDbs: 16,
      overlappingSync: false,
      eventTurnBatching: false,
      readOnly: access === 'read',
    };
    const gate = IndexGate.open(folder);
    let index: IndexDatabase;
    try {
      index = gate.pass(() => new IndexDatabase(gate, open(options)));
    } catch (error) {
      void gate.close();
      const { message } = error as Error;
      throw /MDB_(INVALID|CORRUPTED|VERSION_MISMATCH|PAGE_NOTFOUND)/.test(message) ? unusable(folder, message) : error;
    }
    const format = index.number('format');
    if (format === undefined && access === 'write') index.transaction(() => index.setNumber('format', INDEX_FORMAT));
    if (format !== undefined && format !== INDEX_FORMAT) {
      void index.close();
      throw new GatewayError(
        'InvalidRequest',
        `The index in ${join(folder)} has format version ${format}; this Penstock reads version ${INDEX_FORMAT}. Use the release that wrote it, or run "penstock doctor --rebuild-index".`,
      );
    }
    return index;
  }

  async close(): Promise<void> {
    await Promise.all(this.#prefetching); // they read the map that a close takes away
    await this.#env.close();
    await this.#gate.close();
  }

  /**
   * Runs `work` in one flushed transaction; a throw aborts it whole. Inside another one it is a part of that one: lmdb would make
   * it a child transaction, whose cost and machinery nobody here needs, since whatever fails inside fails the whole.
   */
  transaction<T>(work: () => T): T {
    if (this.#isInTransaction) return work();
    this.#isInTransaction = true;
    try {
      return this.#gate.pass(() => this.#env.transactionSync(work));
    } catch (error) {
      this.#isInTransaction = false; // before the failure is told: who hears of it may want to write
      this.onFailure(error);
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  /** Sees everything that was committed before the call. */
  refresh(): void {
    this.#env.resetReadTxn();
  }

  // --- objects, graves, parts: encoded keys ---

  object(key: Buffer): Entry | undefined {
    this.#env.resetReadTxn();
    const bytes = this.objects.getBinary(key);
    return bytes === undefined ? undefined : new Entry(bytes);
  }

  /**
   * HOT PATH (bench/batch.ts): copies the entry of an index key, as of the last refresh, into `arena`, which spares an allocation and half
   * of the time. @returns where it lies there; -1 when there is none
   */
  look(key: Buffer, arena: EntryArena): number {
    const shared = this.objects.getBinaryFast(key);
    return shared === undefined ? -1 : arena.keep(shared, this.objects.lastSize);
  }

  /** Reads pages that the look-ups of these keys will need on the thread pool, so that a cold index does not stop the event loop. */
  async prefetch(keys: readonly Buffer[]): Promise<void> {
    const reading = this.objects.prefetch(keys as Buffer[]);
    this.#prefetching.add(reading);
    await reading;
    this.#prefetching.delete(reading);
  }

  entry(table: 'objects' | 'parts', key: Buffer): Entry | undefined {
    const bytes = this[table].getBinary(key);
    return bytes === undefined ? undefined : new Entry(bytes);
  }

  grave(key: Buffer): number {
    return this.graves.getBinary(key)?.readDoubleLE(0) ?? 0;
  }

  setGrave(key: Buffer, timestamp: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(timestamp, 0);
    this.graves.putSync(key, bytes);
  }

  /** Timestamps below it may have been deleted by graves that are forgotten. */
  graveHorizon(): number {
    return this.number('grave-horizon') ?? 0;
  }

  setGraveHorizon(timestamp: number): void {
    this.setNumber('grave-horizon', timestamp);
  }

  /** Pairs from `start` (inclusive) up to `end` (exclusive), in order. */
  *range(
    table: 'objects' | 'graves' | 'uploads' | 'parts',
    start: Buffer,
    end: Buffer | undefined,
    limit?: number,
  ): IterableIterator<Pair> {
    const options: { start: Buffer; end?: Buffer; limit?: number } = { start };
    if (end !== undefined) options.end = end;
    if (limit !== undefined) options.limit = limit;
    yield* this[table].getRange(options) as Iterable<Pair>;
  }

  prefixed(table: 'objects' | 'uploads' | 'parts', prefix: Buffer, limit?: number): IterableIterator<Pair> {
    return this.range(table, prefix, afterPrefix(prefix), limit);
  }

  // --- buckets ---

  bucket(name: string): BucketState | undefined {
    return readJson<BucketState>(this.#buckets.getBinary(Buffer.from(name)));
  }

  buckets(): BucketState[] {
    this.#env.resetReadTxn();
    const all: BucketState[] = [];
    for (const { value } of this.#buckets.getRange({}) as Iterable<Pair>)
      all.push(JSON.parse(value.toString()) as BucketState);
    return all;
  }

  setBucket(state: BucketState): void {
    this.#buckets.putSync(Buffer.from(state.name), Buffer.from(JSON.stringify(state)));
    this.setNumber('buckets-revision', (this.number('buckets-revision') ?? 0) + 1);
  }

  removeBucket(name: string): void {
    this.#buckets.removeSync(Buffer.from(name));
    this.setNumber('buckets-revision', (this.number('buckets-revision') ?? 0) + 1);
  }

  // --- volumes ---

  volume(id: number): VolumeState | undefined {
    return readJson<VolumeState>(this.#volumes.getBinary(volumeKey(id)));
  }

  volumes(): VolumeState[] {
    this.#env.resetReadTxn();
    const all: VolumeState[] = [];
    for (const { value } of this.#volumes.getRange({}) as Iterable<Pair>)
      all.push(JSON.parse(value.toString()) as VolumeState);
    return all;
  }

  setVolume(state: VolumeState): void {
    this.#volumes.putSync(volumeKey(state.id), Buffer.from(JSON.stringify(state)));
  }

  removeVolume(id: number): void {
    this.#volumes.removeSync(volumeKey(id));
  }

  // --- dictionaries, by volume and id ---

  dictionary(volume: number, id: number): Location | undefined {
    const bytes = this.#dictionaries?.getBinary(dictionaryKey(volume, id));
    return bytes === undefined ? undefined : readLocation(bytes, 0);
  }

  /** Of a volume, or of all, in order. */
  *dictionaries(volume?: number): IterableIterator<{ readonly id: number; readonly location: Location }> {
    const range = volume === undefined ? {} : { start: dictionaryKey(volume, 0), end: dictionaryKey(volume + 1, 0) };
    for (const { key, value } of (this.#dictionaries?.getRange(range) ?? []) as Iterable<Pair>)
      yield { id: key.readUInt32BE(4), location: readLocation(value, 0) };
  }

  setDictionary(id: number, location: Location): void {
    const bytes = Buffer.alloc(locationLength(location));
    writeLocation(bytes, location, 0);
    this.#dictionaries?.putSync(dictionaryKey(location.volume, id), bytes);
  }

  removeDictionary(volume: number, id: number): void {
    this.#dictionaries?.removeSync(dictionaryKey(volume, id));
  }

  // --- accounts ---

  /** A copy; `undefined` where a release without them wrote last. */
  accounts(): ClassAccounts | undefined {
    const bytes = this.#meta.getBinary(ACCOUNTS);
    return bytes === undefined ? undefined : ClassAccounts.decode(bytes);
  }

  setAccounts(accounts: ClassAccounts): void {
    this.#meta.putSync(ACCOUNTS, accounts.encode());
  }

  // --- sessions: the last reply of each, to answer a repeated submission ---

  session(id: string): Buffer | undefined {
    return this.#sessions.getBinary(Buffer.from(id));
  }

  setSession(id: string, reply: Buffer): void {
    this.#sessions.putSync(Buffer.from(id), reply);
  }

  removeSession(id: string): void {
    this.#sessions.removeSync(Buffer.from(id));
  }

  sessions(): string[] {
    const all: string[] = [];
    for (const key of this.#sessions.getKeys({}) as Iterable<Buffer>) all.push(key.toString());
    return all;
  }

  // --- counters and facts ---

  number(name: string): number | undefined {
    return this.#meta.getBinary(Buffer.from(name))?.readDoubleLE(0);
  }

  setNumber(name: string, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value, 0);
    this.#meta.putSync(Buffer.from(name), bytes);
  }

  /** Entries and bytes of the object table. */
  objectStats(): { entries: number; bytes: number } {
    const stats = this.objects.getStats() as {
      entryCount: number;
      treeBranchPageCount: number;
      treeLeafPageCount: number;
      overflowPages: number;
      pageSize: number;
    };
    const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
    return { entries: stats.entryCount, bytes: pages * stats.pageSize };
  }
}

const ACCOUNTS = Buffer.from('accounts');

function dictionaryKey(volume: number, id: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeUInt32BE(volume, 0);
  key.writeUInt32BE(id, 4);
  return key;
}

function volumeKey(id: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(id, 0);
  return key;
}

function readJson<T>(bytes: Buffer | undefined): T | undefined {
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString()) as T);
}
