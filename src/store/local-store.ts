/**
 * The local store: objects, uploads and buckets on volumes and an index. Every worker has one; they share the folder, each
 * appends to its own volume, and all commits go through one `IndexCommitter`.
 */

import { ByteGate } from '../base/byte-gate.ts';
import type { Clock, RandomSource } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Storage } from '../base/object-store.ts';
import { CodecPool } from '../codec/codec-pool.ts';
import type { Coder } from '../codec/object-coding.ts';
import { CommitPipe } from './commit-pipe.ts';
import type { IndexCommitter, StoreLog } from './committer.ts';
import { DecodingReader, type DecodingStats } from './decoding-reader.ts';
import { DictionaryCache, type DictionaryPlaces } from './dictionary-cache.ts';
import { DirectWriter } from './direct-writer.ts';
import { IndexDatabase } from './index-database.ts';
import { LocalBuckets } from './local-buckets.ts';
import { BucketTable, IndexWarmth, type LocalEngine } from './local-engine.ts';
import { LocalObjects } from './local-objects.ts';
import { LocalUploads } from './local-uploads.ts';
import { type AheadCache, ReadAhead } from './read-ahead.ts';
import type { RecordReader } from './record-reader.ts';
import { SpaceGuard } from './space-guard.ts';
import { diskSpace, indexFolder, volumeBytesFor } from './store-root.ts';
import { type GroupStats, VolumeAppender } from './volume-appender.ts';
import { VolumeReader } from './volume-reader.ts';

export interface LocalStoreOptions {
  readonly root: string;
  readonly committer: IndexCommitter;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: StoreLog;
  /** How many stores write to the folder, this one included; one when absent. */
  readonly writers?: number;
  /** Puts a cache around the reader of volumes; one that can is also read ahead into. */
  readonly cache?: (reader: RecordReader) => RecordReader & Partial<AheadCache>;
  readonly warmth?: IndexWarmth;
  /** Decodes what is stored coded; it stays the caller's. Absent: a thread of the store's own, which starts when it is needed. */
  readonly coder?: Coder;
  /** For tests: which groups are written past the page cache, and how. */
  readonly direct?: DirectWriter;
}

export interface LocalStoreStats {
  /** Groups of records written and flushed by this worker. */
  readonly groups: Readonly<GroupStats>;
  readonly bytesInFlight: number;
  readonly decoded: Readonly<DecodingStats>;
}

export interface LocalStore extends Storage {
  stats(): LocalStoreStats;
  /** Finishes what is queued and seals the volume. */
  stop(): Promise<void>;
}

/** The keeper must have opened the folder before: it makes the index and brings it up to date. */
export function openLocalStore(options: LocalStoreOptions): LocalStore {
  const { root, committer, clock, random, log } = options;
  const index = IndexDatabase.open(indexFolder(root), 'read');
  const pipe = new CommitPipe(committer);
  const volumeBytesMax = volumeBytesFor(diskSpace(root).totalBytes);
  const direct = options.direct ?? new DirectWriter();
  const appender = new VolumeAppender({ root, committer, pipe, clock, log, volumeBytesMax, direct });
  const volumes = new VolumeReader(root);
  const coder = options.coder ?? new CodecPool({ threads: 1, isBackground: false });
  const dictionaries = new DictionaryCache(volumes, placesIn(index), coder);
  const decoding = new DecodingReader(volumes, dictionaries, coder);
  const cache = options.cache?.(decoding);
  const reader = cache ?? decoding;
  committer.subscribe({
    volumeDropped: (volume) => reader.drop(volume),
    sealWanted: (volume) => appender.rotate(volume),
  });
  const engine: LocalEngine = {
    root,
    index,
    pipe,
    appender,
    reader,
    space: new SpaceGuard({
      root,
      clock,
      unwrittenBytes: () => appender.unwrittenBytes,
      writers: options.writers ?? 1,
    }),
    gate: new ByteGate(LIMITS.writeQueueBytesMax),
    clock,
    random,
    log,
    buckets: new BucketTable(index),
    ahead: undefined,
    warmth: options.warmth ?? new IndexWarmth(),
  };
  if (cache !== undefined && isAheadCache(cache)) engine.ahead = new ReadAhead(engine, cache);
  return {
    objects: new LocalObjects(engine),
    uploads: new LocalUploads(engine),
    buckets: new LocalBuckets(engine),
    stats: () => ({ groups: appender.stats, bytesInFlight: engine.gate.held, decoded: decoding.stats }),
    stop: async () => {
      await engine.ahead?.stop();
      await appender.stop();
      if (options.coder === undefined) await coder.close();
      reader.close();
      await index.close();
    },
  };
}

function placesIn(index: IndexDatabase): DictionaryPlaces {
  return {
    placeOf: (volume, id) => index.dictionary(volume, id),
    hasVolume: (volume) => {
      const state = index.volume(volume);
      return state !== undefined && state.dropped !== true;
    },
  };
}

function isAheadCache(cache: RecordReader & Partial<AheadCache>): cache is RecordReader & AheadCache {
  return cache.addAhead !== undefined;
}
