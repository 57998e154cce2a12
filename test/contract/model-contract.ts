/** Random histories of writes against a plain `Map` that says what must be there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import type { WriteConditions } from '../../src/base/object-store.ts';
import { compareBytes } from './hostile-keys.ts';
import {
  allKeys,
  bytesOf,
  bytesSource,
  copyOf,
  key,
  noise,
  type Scene,
  sameBytes,
  storedFor,
  streamSource,
} from './scene.ts';

const KEYS = ['a', 'a/', 'a/b', '\uffff', '\u{10000}', 'long/'.repeat(200)].map(key);
const SIZES = [0, 1, 100, 5000, 70_000, LIMITS.extentBytes + 1];

/** Buckets and keys by their position. */
type Place = readonly [bucket: number, key: number];
type Guard = 'none' | 'absent' | 'current' | 'stale';
type Step =
  | {
      readonly kind: 'put';
      readonly at: Place;
      readonly size: number;
      readonly streamed: boolean;
      readonly guard: Guard;
    }
  | { readonly kind: 'copy'; readonly from: Place; readonly at: Place }
  | { readonly kind: 'remove'; readonly at: Place; readonly guard: Guard };

const place: fc.Arbitrary<Place> = fc.tuple(fc.nat(1), fc.nat(KEYS.length - 1));
const guard = fc.constantFrom<Guard[]>('none', 'none', 'none', 'absent', 'current', 'stale');
const size = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...SIZES.slice(0, -1)) },
  { weight: 1, arbitrary: fc.constant(SIZES.at(-1) as number) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), at: place, size, streamed: fc.boolean(), guard }),
  fc.record({ kind: fc.constant('copy' as const), from: place, at: place }),
  fc.record({ kind: fc.constant('remove' as const), at: place, guard }),
);

export function modelContract(scene: Scene): void {
  test('after any history of puts, copies and removals, the storage holds what a map would', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const history = new History(scene, [await scene.freshBucket(), await scene.freshBucket()]);
        for (const next of steps) await history.take(next);
        await history.check();
      }),
      { numRuns: 25 },
    );
  });
}

class History {
  readonly #scene: Scene;
  readonly #buckets: readonly BucketName[];
  readonly #model = new Map<string, Buffer>();
  #seed = 0;

  constructor(scene: Scene, buckets: readonly BucketName[]) {
    this.#scene = scene;
    this.#buckets = buckets;
  }

  async take(next: Step): Promise<void> {
    const { objects } = this.#scene.storage;
    const [bucket, at] = this.#names(next.at);
    const slot = next.at.join();
    switch (next.kind) {
      case 'put': {
        const bytes = noise(next.size, ++this.#seed);
        const source = next.streamed ? streamSource(bytes) : bytesSource(bytes);
        const holds = this.#holds(slot, next.guard);
        const done = await succeeded(objects.put(bucket, at, source, this.#conditions(slot, next.guard)));
        assert.equal(done, holds);
        if (done) this.#model.set(slot, bytes);
        break;
      }
      case 'copy': {
        const [from, fromKey] = this.#names(next.from);
        const bytes = this.#model.get(next.from.join());
        const done = await succeeded(objects.put(bucket, at, copyOf(from, fromKey), {}));
        assert.equal(done, bytes !== undefined);
        if (bytes !== undefined) this.#model.set(slot, bytes);
        break;
      }
      case 'remove': {
        const guarded = next.guard === 'stale' && this.#model.has(slot) ? next.guard : 'none';
        const done = await succeeded(objects.remove(bucket, at, this.#conditions(slot, guarded)));
        assert.equal(done, guarded === 'none');
        if (done) this.#model.delete(slot);
        break;
      }
    }
    const bytes = this.#model.get(slot);
    const info = await objects.head(bucket, at);
    assert.deepEqual(
      [info?.size, info?.etag],
      bytes === undefined ? [undefined, undefined] : [bytes.length, storedFor(bytes).etag],
    );
  }

  /** Compares every key of both buckets, and the lists of them. */
  async check(): Promise<void> {
    const { storage } = this.#scene;
    for (const [b, bucket] of this.#buckets.entries()) {
      const expected: string[] = [];
      for (const [k, at] of KEYS.entries()) {
        const bytes = this.#model.get(`${b},${k}`);
        const answer = await storage.objects.get(bucket, at, {});
        if (bytes === undefined) assert.equal(answer, undefined);
        else {
          expected.push(at);
          sameBytes(await bytesOf(answer), bytes);
        }
      }
      assert.deepEqual(await allKeys(storage, bucket), expected.sort(compareBytes));
    }
  }

  #names([bucket, at]: Place): [BucketName, ObjectKey] {
    return [this.#buckets[bucket] as BucketName, KEYS[at] as ObjectKey];
  }

  #conditions(slot: string, kind: Guard): WriteConditions {
    const current = this.#model.get(slot);
    if (kind === 'absent') return { ifNoneMatch: '*' };
    if (kind === 'current') return { ifMatch: current === undefined ? '*' : storedFor(current).etag };
    return kind === 'stale' ? { ifMatch: 'f'.repeat(32) } : {};
  }

  #holds(slot: string, kind: Guard): boolean {
    if (kind === 'absent') return !this.#model.has(slot);
    return kind === 'none' || (kind === 'current' && this.#model.has(slot));
  }
}

/** True when it resolved, false when a condition or an absent source refused it. */
async function succeeded(write: Promise<unknown>): Promise<boolean> {
  return write.then(
    () => true,
    (error: { code?: string }) => {
      if (error.code === 'PreconditionFailed' || error.code === 'NoSuchKey') return false;
      throw error;
    },
  );
}
