/**
 * Changes what is stored beside an object (tags, ACL) without touching its bytes, its ETag or its headers. It is a copy onto
 * itself under the ETag that was seen, so it is atomic against other writes; a write in between makes it start again.
 */
import { GatewayError } from '../../base/errors.ts';
import type { ObjectAttributes, ObjectInfo } from '../../base/object-info.ts';
import { noSuchKey } from './get-object.ts';
import type { Exchange } from './request.ts';

/** Writers that overtake us more often than this are a storm; the client may try again. */
const ATTEMPTS = 5;

/** @throws GatewayError NoSuchKey, ConditionalRequestConflict */
export async function rewriteAttributes(
  x: Exchange,
  change: (source: ObjectInfo) => ObjectAttributes,
): Promise<ObjectInfo> {
  const { bucket, key } = x;
  const { objects } = x.front.storage;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const seen = await objects.head(bucket.name, key);
    if (seen === undefined) throw noSuchKey(x, bucket);
    const seal = (source: ObjectInfo) => ({
      etag: source.etag,
      contentType: source.contentType,
      attributes: change(source),
    });
    try {
      return await objects.put(
        bucket.name,
        key,
        { kind: 'copy', bucket: bucket.name, key, seal, conditions: { ifMatch: [seen.etag] }, keepModified: true },
        { ifMatch: seen.etag },
      );
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'PreconditionFailed') throw error;
    }
  }
  throw new GatewayError('ConditionalRequestConflict');
}
