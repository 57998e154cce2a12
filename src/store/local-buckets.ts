/** The buckets of the local store: read from the index, changed by decisions of the keeper. */

import type { BucketInfo, BucketSettings, BucketStore } from '../base/bucket-store.ts';
import type { BucketName } from '../base/names.ts';
import type { BucketState } from './index-database.ts';
import type { LocalEngine } from './local-engine.ts';

export class LocalBuckets implements BucketStore {
  readonly #engine: LocalEngine;

  constructor(engine: LocalEngine) {
    this.#engine = engine;
  }

  async create(name: BucketName, ownerId: string, settings: BucketSettings): Promise<BucketInfo> {
    await this.#engine.pipe.decide({ kind: 'createBucket', name, ownerId, settings });
    return infoOf(this.#engine.buckets.get(name));
  }

  get(name: BucketName): BucketInfo | undefined {
    const state = this.#engine.buckets.find(name);
    return state === undefined ? undefined : infoOf(state);
  }

  list(): readonly BucketInfo[] {
    return this.#engine.buckets.all().map(infoOf);
  }

  async update(
    name: BucketName,
    change: { readonly [K in keyof BucketSettings]?: BucketSettings[K] | undefined },
  ): Promise<BucketInfo> {
    await this.#engine.pipe.decide({ kind: 'updateBucket', name, change });
    return infoOf(this.#engine.buckets.get(name));
  }

  async remove(name: BucketName): Promise<void> {
    await this.#engine.pipe.decide({ kind: 'removeBucket', name });
  }
}

function infoOf(state: BucketState): BucketInfo {
  return {
    name: state.name as BucketName,
    createdMs: state.createdMs,
    ownerId: state.ownerId,
    settings: state.settings,
  };
}
