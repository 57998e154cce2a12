/**
 * Composes the local store: the keeper in its own process, and in each worker a store that reaches it over a socket and keeps what
 * was read in a cache. A gateway on another kind of storage has another file like this one.
 */
import { systemRandom } from './base/clock.ts';
import { LIMITS } from './base/limits.ts';
import { CachedReader } from './cache/cached-reader.ts';
import { CodecPool } from './codec/codec-pool.ts';
import { classMetrics, codingMetrics } from './service/class-metrics.ts';
import { codecMetrics } from './service/codec-metrics.ts';
import { type Metric, metric } from './service/metrics.ts';
import type { StorageComposition } from './storage-composition.ts';
import { acquireFolderLock } from './store/folder-lock.ts';
import { Keeper } from './store/keeper.ts';
import { KeeperClient } from './store/keeper-client.ts';
import { serveKeeper } from './store/keeper-server.ts';
import { type LocalStore, openLocalStore } from './store/local-store.ts';
import { Maintenance } from './store/maintenance.ts';
import { usableCores } from './supervisor/machine.ts';

export const LOCAL_STORAGE: StorageComposition = {
  lockFolder: acquireFolderLock,

  async openKeeper(setup, clock, log, giveUp) {
    const coder = new CodecPool({ threads: codecThreads(), isBackground: true });
    const keeper = await Keeper.open({
      root: setup.config.data,
      clock,
      log,
      aliveSessions: setup.liveSessions,
      coder,
      onBroken: giveUp,
    });
    const server = await serveKeeper(keeper, setup.keeperSocket);
    const maintenance = new Maintenance(keeper);
    maintenance.start();
    return {
      metrics: () => [...keeperMetrics(keeper), ...codecMetrics(coder.stats)],
      workerExited: (session) => keeper.workerExited(session),
      stop: async () => {
        maintenance.stop();
        await server.stop();
        await keeper.stop();
        await coder.close();
      },
    };
  },

  async openStorage(setup, clock, log) {
    const { keeperSocket: socketPath, session, cacheBytes } = setup;
    const committer = await KeeperClient.connect({ socketPath, session, log });
    const coder = new CodecPool({ threads: codecThreads(), isBackground: false });
    let cache: CachedReader | undefined;
    const store = openLocalStore({
      root: setup.config.data,
      committer,
      clock,
      random: systemRandom,
      log,
      writers: setup.config.workers,
      coder,
      cache: (reader) => {
        cache = new CachedReader(reader, cacheBytes);
        return cache;
      },
    });
    return {
      storage: store,
      metrics: () => [
        ...storeMetrics(store),
        ...codecMetrics(coder.stats),
        ...(cache === undefined ? [] : cacheMetrics(cache, cacheBytes)),
      ],
      stop: async () => {
        await store.stop();
        await coder.close();
        committer.stop();
      },
    };
  },
};

/** One core is left to the event loop. Threads start when there is something for them, and end when there is nothing any more. */
function codecThreads(): number {
  return Math.max(1, Math.min(LIMITS.codecThreadsMax, usableCores() - 1));
}

/** What there is once for the whole store. */
function keeperMetrics(keeper: Keeper): Metric[] {
  const stats = keeper.storeStats();
  const { objects, volumes, liveBytes, deadBytes, indexBytes, totalBytes, freeBytes } = stats;
  const { transactions, heads, decisions, commitMs } = keeper.stats;
  const { volumes: compacted, bytesCopied, bytesFreed } = keeper.compactor.stats;
  return [
    ...classMetrics(stats),
    ...codingMetrics(keeper.coding?.stats),
    metric('counter', 'penstock_compaction_volumes_total', 'Volumes compacted away.', compacted),
    metric('counter', 'penstock_compaction_copied_bytes_total', 'Bytes that compaction copied.', bytesCopied),
    metric('counter', 'penstock_compaction_freed_bytes_total', 'Bytes of volumes that compaction removed.', bytesFreed),
    metric('gauge', 'penstock_store_volumes', 'Volume files.', volumes),
    metric('gauge', 'penstock_store_live_bytes', 'Bytes of volumes that objects need.', liveBytes),
    metric(
      'gauge',
      'penstock_store_dead_bytes',
      'Bytes of volumes that compaction can give back.',
      Math.max(0, deadBytes),
    ),
    metric('gauge', 'penstock_store_objects', 'Objects.', objects),
    metric('gauge', 'penstock_index_bytes', 'Bytes of the index that objects take.', indexBytes),
    metric('gauge', 'penstock_disk_bytes', 'Size of the disk that holds the store.', totalBytes),
    metric('gauge', 'penstock_disk_free_bytes', 'Bytes free on that disk.', freeBytes),
    metric('counter', 'penstock_index_transactions_total', 'Flushed transactions of the index.', transactions),
    metric('counter', 'penstock_index_commit_seconds_total', 'Time in transactions of the index.', commitMs / 1000),
    metric('counter', 'penstock_index_writes_total', 'Writes that the index took.', [
      { value: heads, labels: { kind: 'plain' } },
      { value: decisions, labels: { kind: 'conditional' } },
    ]),
  ];
}

function storeMetrics(store: LocalStore): Metric[] {
  const { groups, bytesInFlight, decoded } = store.stats();
  return [
    metric('counter', 'penstock_commit_groups_total', 'Groups of records that were flushed together.', groups.groups),
    metric('counter', 'penstock_commit_records_total', 'Records in those groups.', groups.records),
    metric('counter', 'penstock_commit_bytes_total', 'Bytes in those groups.', groups.bytes),
    metric('counter', 'penstock_commit_sync_seconds_total', 'Time in fdatasync.', groups.syncMs / 1000),
    metric('gauge', 'penstock_write_bytes_in_flight', 'Bytes of writes that are not on disk yet.', bytesInFlight),
    metric('counter', 'penstock_decoded_payloads_total', 'Payloads that were decoded for reads.', decoded.payloads),
    metric('counter', 'penstock_decoded_bytes_total', 'Bytes that came of them.', decoded.bytes),
  ];
}

function cacheMetrics({ stats }: CachedReader, bytesMax: number): Metric[] {
  return [
    metric('counter', 'penstock_cache_hits_total', 'Records found in the cache.', stats.hits),
    metric('counter', 'penstock_cache_misses_total', 'Records read from volumes.', stats.misses),
    metric('counter', 'penstock_read_ahead_bytes_total', 'Bytes that were read ahead, by what became of them.', [
      { value: stats.aheadUsedBytes, labels: { outcome: 'used' } },
      { value: stats.aheadWastedBytes, labels: { outcome: 'wasted' } },
    ]),
    metric('gauge', 'penstock_cache_bytes', 'Bytes that the caches hold.', stats.bytes),
    metric('gauge', 'penstock_cache_entries', 'Records that the caches hold.', stats.entries),
    metric('gauge', 'penstock_cache_limit_bytes', 'Bytes that the caches may hold.', bytesMax),
  ];
}
