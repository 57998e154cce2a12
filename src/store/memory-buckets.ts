/** The buckets of the memory store. */

import type { BucketInfo, BucketSettings, BucketStore } from '../base/bucket-store.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { BucketName } from '../base/names.ts';
import { findBucket, type MemoryState, newBucket } from './memory-state.ts';

export class MemoryBucketStore implements BucketStore {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async create(name: BucketName, ownerId: string, settings: BucketSettings): Promise<BucketInfo> {
    const { buckets, clock } = this.#state;
    const existing = buckets.get(name);
    if (existing !== undefined) {
      const code = existing.info.ownerId === ownerId ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists';
      throw new GatewayError(code, undefined, { resource: `/${name}`, details: { BucketName: name } });
    }
    if (buckets.size >= LIMITS.bucketsMax) {
      throw new GatewayError(
        'TooManyBuckets',
        `There are ${buckets.size} buckets; at most ${LIMITS.bucketsMax} are allowed.`,
      );
    }
    const info = { name, createdMs: clock.now(), ownerId, settings: structuredClone(settings) };
    buckets.set(name, newBucket(info));
    return info;
  }

  get(name: BucketName): BucketInfo | undefined {
    return this.#state.buckets.get(name)?.info;
  }

  list(): readonly BucketInfo[] {
    const { buckets } = this.#state;
    const found: BucketInfo[] = [];
    for (let i = 0, bucket = buckets.at(i); bucket !== undefined; i++, bucket = buckets.at(i))
      found.push(bucket.value.info);
    return found;
  }

  async update(
    name: BucketName,
    change: { readonly [K in keyof BucketSettings]?: BucketSettings[K] | undefined },
  ): Promise<BucketInfo> {
    const bucket = findBucket(this.#state, name);
    bucket.info = { ...bucket.info, settings: mergeSettings(bucket.info.settings, structuredClone(change)) };
    return bucket.info;
  }

  async remove(name: BucketName): Promise<void> {
    const bucket = findBucket(this.#state, name);
    if (bucket.objects.size > 0) throw new GatewayError('BucketNotEmpty', undefined, { resource: `/${name}` });
    this.#state.buckets.delete(name);
  }
}

/** A named setting replaces, `undefined` removes (an ACL falls back to private), the others stay. */
function mergeSettings(
  settings: BucketSettings,
  change: { readonly [K in keyof BucketSettings]?: BucketSettings[K] | undefined },
): BucketSettings {
  const { acl = 'private', ...optional } = { ...settings, ...change };
  const kept = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
  return { ...kept, acl };
}
