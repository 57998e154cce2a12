/** Uploads of one key, started or completed, for the sections of the contract about uploads. */
import { type BucketName, parseUploadId, type UploadId } from '../../src/base/names.ts';
import type { ObjectInfo, StoredAttributes } from '../../src/base/object-info.ts';
import type { NewUpload, PutSource } from '../../src/base/object-store.ts';
import { bytesSource, key, noise, type Scene } from './scene.ts';

export const K = key('folder/made of parts');
export const NEW: NewUpload = { contentType: undefined, attributes: {}, checksum: undefined };
export const SEALED: StoredAttributes = {
  etag: `${'c'.repeat(32)}-3`,
  contentType: 'image/x',
  attributes: { tags: { a: 'b' } },
};
export const seal = () => SEALED;
export const UNKNOWN_ID = parseUploadId('0'.repeat(32));

export async function started(
  { storage, freshBucket }: Scene,
  parts: Record<number, PutSource> = {},
): Promise<[BucketName, UploadId]> {
  const bucket = await freshBucket();
  const id = await storage.uploads.create(bucket, K, NEW);
  for (const [number, source] of Object.entries(parts))
    await storage.uploads.putPart(bucket, K, id, Number(number), source);
  return [bucket, id];
}

/** A bucket with an object completed from three small parts. */
export async function completed(scene: Scene): Promise<[BucketName, UploadId, ObjectInfo]> {
  const [bucket, id] = await started(scene, {
    1: bytesSource(noise(10, 1)),
    2: bytesSource(noise(20, 2)),
    3: bytesSource(noise(5, 3)),
  });
  return [bucket, id, await scene.storage.uploads.complete(bucket, K, id, [1, 2, 3], seal, {})];
}
