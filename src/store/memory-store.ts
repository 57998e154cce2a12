/**
 * A whole `Storage` in maps: what tests of the fronts run on, and the second implementation that keeps the contract honest. It holds
 * every byte in memory until it is removed, so it is for tests and trials. "Durable" means here: for the life of the process.
 */
import { type Clock, type RandomSource, systemClock, systemRandom } from '../base/clock.ts';
import type { Storage } from '../base/object-store.ts';
import { MemoryBucketStore } from './memory-buckets.ts';
import { MemoryObjectStore } from './memory-objects.ts';
import type { MemoryState } from './memory-state.ts';
import { MemoryUploadStore } from './memory-uploads.ts';
import { SortedMap } from './sorted-map.ts';

export interface MemoryStorageOptions {
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export function createMemoryStorage(options: MemoryStorageOptions = {}): Storage {
  const { clock = systemClock, random = systemRandom } = options;
  const state: MemoryState = { clock, random, buckets: new SortedMap() };
  return {
    objects: new MemoryObjectStore(state),
    uploads: new MemoryUploadStore(state),
    buckets: new MemoryBucketStore(state),
  };
}
