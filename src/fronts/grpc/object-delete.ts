/**
 * Objects.Delete. Promises: every key has its own outcome, in the order of the request, and one that fails does not stop the others;
 * the removal of what is not there succeeds.
 */
import { asGatewayError, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseObjectKey } from '../../base/names.ts';
import { DeleteRequest, DeleteResponse, type Status } from '../../format/messages.ts';
import { callerOf, type DataPlane, type OpenBucket, openBucket, requireAction } from './access.ts';
import { decodeRequest } from './decode-request.ts';
import type { ServerCall } from './server-call.ts';
import { OK_STATUS, statusOf } from './status.ts';

export async function deleteObjects(plane: DataPlane, call: ServerCall): Promise<void> {
  const { bucket: name, keys } = decodeRequest(DeleteRequest, await call.message());
  call.resource = `/${name}`;
  const bucket = openBucket(plane, callerOf(plane, call), name);
  requireAction(bucket, 'write');
  if (keys.length === 0 || keys.length > LIMITS.deleteKeysMax) {
    throw new GatewayError(
      'InvalidArgument',
      `The call names ${keys.length} keys; 1 to ${LIMITS.deleteKeysMax} are allowed.`,
    );
  }
  const statuses: Status[] = new Array(keys.length);
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < keys.length && !call.isOver; i = next++)
      statuses[i] = await deleteOne(plane, call, bucket, keys[i] as string);
  };
  await Promise.all(Array.from({ length: Math.min(LIMITS.deleteLanes, keys.length) }, lane));
  if (!call.isOver) await call.write(DeleteResponse.encode({ statuses }));
}

async function deleteOne(plane: DataPlane, call: ServerCall, bucket: OpenBucket, key: string): Promise<Status> {
  try {
    await plane.storage.objects.remove(bucket.name, parseObjectKey(key));
    return OK_STATUS;
  } catch (error) {
    const refusal = asGatewayError(error);
    if (refusal.code === 'InternalError')
      plane.log.error(
        { method: call.path, bucket: bucket.name, key, err: error },
        'A delete failed in a way that nobody foresaw.',
      );
    return statusOf(refusal);
  }
}
