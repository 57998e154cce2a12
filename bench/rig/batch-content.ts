/**
 * The objects of the batch benchmarks: random bytes of one size under keys like those of a training set. What S3 GETs read lies in another
 * bucket than what batches read, so that objects which GETs brought into the gateway's RAM cache do not serve batches.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import { ownerIdOf, ROOT_OWNER } from '../../src/service/credentials.ts';
import { openEmbedded, putMany } from './embedded-store.ts';

export const BATCH_BUCKET = 'batched' as BucketName;
export const SINGLE_BUCKET = 'single' as BucketName;
/** Read before the page cache is dropped, to warm a gateway up. */
export const WARM_BUCKET = 'warm' as BucketName;

/** Objects of one size. */
export interface ObjectSet {
  readonly kib: number;
  readonly bytes: number;
  readonly count: number;
}

export function setOf(kib: number, objects: number, bytesMax: number, batchMax: number): ObjectSet {
  const bytes = kib * 1024;
  return { kib, bytes, count: Math.max(batchMax, Math.min(objects, Math.floor(bytesMax / bytes))) };
}

export function keyOf({ kib }: Pick<ObjectSet, 'kib'>, position: number): ObjectKey {
  const group = String(position % 100).padStart(8, '0');
  return `${kib}k/n${group}/image_${String(position).padStart(6, '0')}.bin` as ObjectKey;
}

/** Bodies without keeping them: each begins at another byte of one random block. */
export class Bodies {
  readonly #block: Buffer;

  constructor(sets: readonly ObjectSet[]) {
    this.#block = randomBytes(Math.max(...sets.map(({ bytes, count }) => bytes + count)));
  }

  at({ bytes }: ObjectSet, position: number): Buffer {
    return this.#block.subarray(position, position + bytes);
  }
}

/** Makes the store of a gateway that does not run yet. */
export async function fillStore(
  folder: string,
  buckets: readonly BucketName[],
  sets: readonly ObjectSet[],
  bodies: Bodies,
): Promise<void> {
  const { store, close } = await openEmbedded(folder);
  for (const bucket of buckets) {
    await store.buckets.create(bucket, ownerIdOf(ROOT_OWNER), { acl: 'private' });
    for (const set of sets) {
      await putMany(store, bucket, set.count, (position) => {
        const bytes = bodies.at(set, position);
        return { key: keyOf(set, position), bytes, etag: createHash('md5').update(bytes).digest('hex') };
      });
    }
  }
  await close();
}

/** The same for a file server. */
export function writeFiles(folder: string, sets: readonly ObjectSet[], bodies: Bodies): void {
  for (const set of sets) {
    for (let position = 0; position < set.count; position += 1) {
      const path = join(folder, SINGLE_BUCKET, keyOf(set, position));
      if (position < 100) mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bodies.at(set, position));
    }
  }
}
