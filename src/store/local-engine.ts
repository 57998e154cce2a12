/** What the parts of the local store share: index, volumes, and the way to commit. */

import type { BatchRef } from '../base/batch-read.ts';
import type { ByteGate } from '../base/byte-gate.ts';
import type { Clock, RandomSource } from '../base/clock.ts';
import { GatewayError } from '../base/errors.ts';
import type { BucketName, ObjectKey } from '../base/names.ts';
import { Entry } from '../format/index-entry.ts';
import { objectIndexKey } from '../format/index-key.ts';
import { decodeManifest, type Manifest } from '../format/manifest.ts';
import type { BatchTrace } from './batch-trace.ts';
import type { CommitPipe } from './commit-pipe.ts';
import type { StoreLog } from './committer.ts';
import type { BucketState, IndexDatabase } from './index-database.ts';
import type { RecordReader } from './record-reader.ts';
import type { SpaceGuard } from './space-guard.ts';
import type { VolumeAppender } from './volume-appender.ts';

export interface LocalEngine {
  readonly root: string;
  readonly index: IndexDatabase;
  readonly pipe: CommitPipe;
  readonly appender: VolumeAppender;
  readonly reader: RecordReader;
  readonly space: SpaceGuard;
  readonly gate: ByteGate;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: StoreLog;
  readonly buckets: BucketTable;
  readonly warmth: IndexWarmth;
  /** Absent without a cache to read into. */
  ahead: Ahead | undefined;
}

/** Reading ahead, as batches need it: see `ReadAhead`. */
export interface Ahead {
  advise(refs: readonly BatchRef[]): void;
  ended(trace: BatchTrace): void;
  stop(): Promise<void>;
}

/**
 * Whether the index answers from memory, as the batches of this worker found. A single slow look-up may be the machine's hiccup, so the
 * windows that are prefetched before the next attempt without are few at first, and doubled each time that it was slow again.
 */
export class IndexWarmth {
  coldWindows = 0;
  #next = COLD_WINDOWS_MIN;

  wasSlow(): void {
    this.coldWindows = this.#next;
    this.#next = Math.min(COLD_WINDOWS_MAX, this.#next * 2);
  }

  wasFast(): void {
    this.#next = COLD_WINDOWS_MIN;
  }
}

const COLD_WINDOWS_MIN = 1;
const COLD_WINDOWS_MAX = 64;

/** Buckets by name, read again whenever a bucket changed anywhere. HOT PATH: one index look-up of a number on every call. */
export class BucketTable {
  readonly #index: IndexDatabase;
  #revision = -1;
  #byName = new Map<string, BucketState>();

  constructor(index: IndexDatabase) {
    this.#index = index;
  }

  find(name: string): BucketState | undefined {
    this.#refresh();
    return this.#byName.get(name);
  }

  /** The bucket as the last `find` in this turn of the event loop saw it. */
  known(name: string): BucketState | undefined {
    return this.#byName.get(name);
  }

  /** @throws GatewayError NoSuchBucket */
  get(name: BucketName): BucketState {
    const bucket = this.find(name);
    if (bucket === undefined)
      throw new GatewayError('NoSuchBucket', undefined, { resource: `/${name}`, details: { BucketName: name } });
    return bucket;
  }

  all(): readonly BucketState[] {
    this.#refresh();
    return [...this.#byName.values()];
  }

  #refresh(): void {
    this.#index.refresh();
    const revision = this.#index.number('buckets-revision') ?? 0;
    if (revision === this.#revision) return;
    this.#byName = new Map(this.#index.buckets().map((b) => [b.name, b]));
    this.#revision = revision;
  }
}

/** The current entry of a key. The index must have been refreshed, which `BucketTable` does. */
export function findEntry(engine: LocalEngine, bucketId: number, key: ObjectKey): Entry | undefined {
  const bytes = engine.index.objects.getBinary(objectIndexKey(bucketId, Buffer.from(key)));
  return bytes === undefined ? undefined : new Entry(bytes);
}

/** The manifest of an entry; for one whose bytes lie in its own record, a list of that one. */
export async function manifestOf(engine: LocalEngine, entry: Entry): Promise<Manifest> {
  if (!entry.isManifest) return { extents: entry.size === 0 ? [] : [entry.record], parts: [] };
  return decodeManifest(await engine.reader.read(entry.record));
}
