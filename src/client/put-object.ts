/** One object over a call of its own, in chunks, with the CRC-32 of the whole in the last one. */
import { status } from '@grpc/grpc-js';
import type { Input } from '../format/message-type.ts';
import { ObjectsService, PutChunk, type PutHeader, ObjectInfo as WireInfo } from '../format/messages.ts';
import type { Connection } from './connection.ts';
import { type ObjectInfo, objectInfoOf } from './object-info.ts';
import type { ObjectOptions } from './objects.ts';
import { PenstockError } from './penstock-error.ts';
import { decodeAnswer } from './protocol-error.ts';
import type { StreamCall } from './stream-call.ts';

const PATH = ObjectsService.put.path;
const CHUNK_BYTES = 1024 * 1024;

export interface PutAttributes {
  readonly contentType?: string;
  /** Names in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Write only where the key has no object. */
  readonly ifAbsent?: boolean;
  /** Write only over an object with this ETag, without quotes. */
  readonly ifMatch?: string;
}

export interface PutTarget {
  readonly bucket: string;
  readonly remainingMs: number;
  readonly signal: AbortSignal | undefined;
}

/** One attempt. @throws PenstockError */
export async function putOne(
  connection: Connection,
  key: string,
  body: Buffer,
  attributes: PutAttributes,
  crc32: number,
  target: PutTarget,
): Promise<ObjectInfo> {
  const call = connection.open(PATH, target.remainingMs, target.signal);
  try {
    const { contentType, metadata, ifAbsent, ifMatch } = attributes;
    const header = { bucket: target.bucket, key, size: body.length, contentType, metadata, ifAbsent, ifMatch };
    // A refusal comes while the body is still being sent: the answer, not the broken-off write, says why.
    const [answer] = await Promise.allSettled([call.only(), sendBody(call, header, body, crc32)]);
    if (answer.status === 'rejected') throw answer.reason;
    return objectInfoOf(decodeAnswer(WireInfo, answer.value));
  } finally {
    call.cancel();
  }
}

/** As often as it takes. @throws PenstockError */
export async function putObject(
  connection: Connection,
  key: string,
  body: Buffer,
  options: ObjectOptions & PutAttributes,
  crc32: number,
): Promise<ObjectInfo> {
  const bucket = connection.bucketOf(options);
  const pacing = connection.pacing(options, Number.POSITIVE_INFINITY);
  const { signal } = options;
  for (let isRepeated = false; ; isRepeated = true) {
    try {
      return await putOne(connection, key, body, options, crc32, { bucket, remainingMs: pacing.remainingMs, signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PenstockError)) throw error;
      if (isRepeated && error.code === status.FAILED_PRECONDITION) throw unknownOutcome(key, error);
      if (!error.retryable || !(await pacing.again(error.retryAfterMs))) throw error.about(key);
    }
  }
}

/** A condition that an earlier attempt of the same put may itself have made false. */
export function unknownOutcome(key: string, cause: PenstockError): PenstockError {
  const message = `${key} is not as the condition wants it; whether by an earlier attempt at this put is not known`;
  return new PenstockError(message, { code: cause.code, reason: cause.reason, retryable: false, key, cause });
}

async function sendBody(call: StreamCall, header: Input<PutHeader>, body: Buffer, crc32: number): Promise<void> {
  for (let at = 0; at === 0 || at < body.length; at += CHUNK_BYTES) {
    const end = Math.min(body.length, at + CHUNK_BYTES);
    const chunk = PutChunk.encode({
      header: at === 0 ? header : undefined,
      crc32: end === body.length ? crc32 : undefined,
      data: body.subarray(at, end),
    });
    await call.write(chunk);
  }
  call.halfClose();
}
