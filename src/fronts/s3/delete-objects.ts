/**
 * DeleteObject and DeleteObjects. Promises: deleting what is not there succeeds; in DeleteObjects every key has its own outcome,
 * and one that fails does not stop the others.
 */
import { asGatewayError, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseObjectKey } from '../../base/names.ts';
import type { WriteConditions } from '../../base/object-store.ts';
import { type DeleteEntry, parseDelete } from '../../format/s3-xml-read.ts';
import { type DeleteOutcome, writeDelete } from '../../format/s3-xml-write.ts';
import { requireBucketAction } from '../../service/access.ts';
import { readDocument } from './body.ts';
import { stripEtag, writeConditions } from './conditions.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';

export async function deleteObject(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  requireBucketAction(x.credential, bucket, 'write');
  const { store, ifNoneMatchEtag } = writeConditions(x);
  if (store.ifNoneMatch !== undefined || ifNoneMatchEtag !== undefined) {
    throw new GatewayError('NotImplemented', 'If-None-Match is not implemented for deletes.');
  }
  await x.front.storage.objects.remove(bucket.name, key, store);
  return empty(204);
}

/** Deletes of one request that run at once. */
const LANES = 16;

export async function deleteObjects(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'write');
  const { quiet, objects } = parseDelete(await readDocument(x, LIMITS.xmlBytesMax));
  const outcomes: DeleteOutcome[] = new Array(objects.length);
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < objects.length; i = next++) outcomes[i] = await deleteEntry(x, objects[i] as DeleteEntry);
  };
  await Promise.all(Array.from({ length: Math.min(LANES, objects.length) }, lane));
  return xml(writeDelete(outcomes, quiet));
}

async function deleteEntry(x: Exchange, entry: DeleteEntry): Promise<DeleteOutcome> {
  const { key, versionId } = entry;
  try {
    if (versionId !== undefined && versionId !== 'null') {
      throw new GatewayError('NotImplemented', 'Versioning is not implemented; the only version is "null".');
    }
    await x.front.storage.objects.remove(x.bucket.name, parseObjectKey(key), entryConditions(entry));
    return { key, versionId };
  } catch (error) {
    const { code, message } = asGatewayError(error);
    if (code === 'InternalError')
      x.front.log.error(
        { requestId: x.id, operation: x.operation, key, err: error },
        'A delete failed in a way that nobody foresaw.',
      );
    return { key, versionId, code, message };
  }
}

/** @throws GatewayError NotImplemented */
function entryConditions(entry: DeleteEntry): WriteConditions {
  if (entry.lastModifiedTime !== undefined || entry.size !== undefined) {
    throw new GatewayError(
      'NotImplemented',
      'Deletes take the condition ETag; LastModifiedTime and Size are not implemented.',
    );
  }
  return entry.etag === undefined ? {} : { ifMatch: stripEtag(entry.etag) };
}
