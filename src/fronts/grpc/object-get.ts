// HOT PATH (bench: Get of small and large objects)
/**
 * Objects.Head and Objects.Get. Promises: what is answered is one state of the object; the first chunk carries its description; bytes
 * are not copied on their way; a body that breaks off ends the call with an error, never with OK.
 *
 * Hardest decision: an object that matches `if_none_match` is FAILED_PRECONDITION, told apart by `Condition: If-None-Match` in its
 * ErrorInfo. gRPC has no "not modified"; ABORTED, the other candidate, means "try again", and generic retry policies do.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseObjectKey } from '../../base/names.ts';
import type { GetOptions, ObjectRead, RangeSpec, ReadConditions } from '../../base/object-store.ts';
import { GetChunk, GetRequest, HeadRequest, ObjectInfo } from '../../format/messages.ts';
import { callerOf, type DataPlane, getReadable, headReadable, openBucket } from './access.ts';
import { decodeRequest } from './decode-request.ts';
import { objectInfoOf } from './object-info.ts';
import { frameHead } from './payload-frame.ts';
import { bareEtag } from './put-header.ts';
import type { ServerCall } from './server-call.ts';

const PLAIN: GetOptions = Object.freeze({});

export async function headObject(plane: DataPlane, call: ServerCall): Promise<void> {
  const { bucket: name, key } = decodeRequest(HeadRequest, await call.message());
  call.resource = `/${name}/${key}`;
  const bucket = openBucket(plane, callerOf(plane, call), name);
  const info = await headReadable(plane, bucket, key);
  await call.write(ObjectInfo.encode(objectInfoOf(name, key, info)));
}

export async function getObject(plane: DataPlane, call: ServerCall): Promise<void> {
  const request = decodeRequest(GetRequest, await call.message());
  call.resource = `/${request.bucket}/${request.key}`;
  const bucket = openBucket(plane, callerOf(plane, call), request.bucket);
  const key = parseObjectKey(request.key);
  const read = await getReadable(plane, bucket, key, optionsOf(request), call.signal);
  if ('kind' in read) throw notModified(request, read.info.etag);
  const info = objectInfoOf(bucket.name, key, read.info);
  await sendChunks(call, read, GetChunk.encode({ info, offset: read.start }));
}

function notModified(request: GetRequest, etag: string): GatewayError {
  return new GatewayError('PreconditionFailed', 'The object has the ETag of if_none_match: it was not modified.', {
    resource: `/${request.bucket}/${request.key}`,
    details: { Condition: 'If-None-Match', ETag: etag },
  });
}

function optionsOf({ range, ifMatch, ifNoneMatch }: GetRequest): GetOptions {
  if (range === undefined && ifMatch === '' && ifNoneMatch === '') return PLAIN;
  const conditions: ReadConditions = {
    ...(ifMatch !== '' && { ifMatch: [bareEtag(ifMatch)] }),
    ...(ifNoneMatch !== '' && { ifNoneMatch: [bareEtag(ifNoneMatch)] }),
  };
  const spec = range === undefined ? undefined : rangeSpec(range.start, range.end);
  return { conditions, ...(spec !== undefined && { range: spec }) };
}

/** `undefined` for the whole object, which may be empty. @throws GatewayError InvalidArgument */
function rangeSpec(start: number, end: number | undefined): RangeSpec | undefined {
  if (end === undefined) return start === 0 ? undefined : { first: start };
  if (end > start) return { first: start, last: end - 1 };
  throw new GatewayError(
    'InvalidArgument',
    `The range ${start} to ${end} holds no byte: it is half-open, so its end must be above its start.`,
  );
}

/**
 * Sends a body in chunks, two of them on the way at once, so that the store reads while the wire is busy.
 *
 * @param info the description of the object, encoded as the field of the first chunk
 */
async function sendChunks(call: ServerCall, { start, body }: ObjectRead, info: Buffer): Promise<void> {
  let offset = start;
  let before: Promise<void> | undefined;
  const send = async (data: Buffer): Promise<void> => {
    const fields = offset === start ? info : GetChunk.encode({ offset });
    const head = frameHead(fields, data.length);
    offset += data.length;
    const last = before;
    before = call.writeFramed(data.length === 0 ? [head] : [head, data]);
    before.catch(() => {}); // it is awaited, but perhaps after the next read
    await last;
  };
  if (Buffer.isBuffer(body)) await sendSplit(body, send);
  else for await (const piece of body) if (piece.length > 0) await sendSplit(piece, send);
  await before;
}

/** An empty buffer is sent as it is. */
async function sendSplit(bytes: Buffer, send: (data: Buffer) => Promise<void>): Promise<void> {
  if (bytes.length <= LIMITS.getChunkBytes) {
    await send(bytes);
    return;
  }
  for (let at = 0; at < bytes.length; at += LIMITS.getChunkBytes) {
    await send(bytes.subarray(at, at + LIMITS.getChunkBytes));
  }
}
