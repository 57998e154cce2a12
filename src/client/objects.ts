/** The calls that need few bytes: head, delete and list. Each is tried again as long as that may help; all of them are idempotent. */
import { status } from '@grpc/grpc-js';
import { LIMITS } from '../base/limits.ts';
import {
  DeleteRequest,
  DeleteResponse,
  HeadRequest,
  ListPage,
  ListRequest,
  ObjectsService,
  ObjectInfo as WireInfo,
} from '../format/messages.ts';
import type { CallOptions, Connection } from './connection.ts';
import { type ObjectInfo, objectInfoOf } from './object-info.ts';
import { errorOfRpcStatus, PenstockError } from './penstock-error.ts';
import { brokenProtocol, decodeAnswer } from './protocol-error.ts';
import type { StreamCall } from './stream-call.ts';

export interface ObjectOptions extends CallOptions {
  readonly bucket?: string;
}

export interface ListOptions extends ObjectOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string;
  /** Keys are gathered up to it, into prefixes. */
  readonly delimiter?: string;
  /** Only keys behind it, in the order of UTF-8 bytes. */
  readonly startAfter?: string;
}

/** An object, or a common prefix where a delimiter was given. */
export type ListItem =
  | ({ readonly kind: 'object' } & ObjectInfo)
  | { readonly kind: 'prefix'; readonly prefix: string };

/** `undefined` when there is no such object. A bucket that does not exist throws. */
export async function statObject(
  connection: Connection,
  key: string,
  options: ObjectOptions,
): Promise<ObjectInfo | undefined> {
  try {
    const request = HeadRequest.encode({ bucket: connection.bucketOf(options), key });
    return objectInfoOf(decodeAnswer(WireInfo, await unary(connection, ObjectsService.head.path, request, options)));
  } catch (error) {
    if (!(error instanceof PenstockError)) throw error;
    if (error.code === status.NOT_FOUND && error.reason !== 'NoSuchBucket') return undefined;
    throw error.about(key);
  }
}

/** @returns by place of its key, why an object could not be removed; `undefined` where no object has the key now */
export async function deleteObjects(
  connection: Connection,
  keys: readonly string[],
  options: ObjectOptions,
): Promise<(PenstockError | undefined)[]> {
  const bucket = connection.bucketOf(options);
  const outcomes: (PenstockError | undefined)[] = [];
  for (let at = 0; at < keys.length; at += LIMITS.deleteKeysMax) {
    const page = keys.slice(at, at + LIMITS.deleteKeysMax);
    const answer = await unary(
      connection,
      ObjectsService.delete.path,
      DeleteRequest.encode({ bucket, keys: page }),
      options,
    );
    outcomes.push(...readStatuses(answer, page));
  }
  return outcomes;
}

function readStatuses(answer: Buffer, keys: readonly string[]): (PenstockError | undefined)[] {
  const { statuses } = decodeAnswer(DeleteResponse, answer);
  if (statuses.length !== keys.length) throw brokenProtocol(`answered for ${statuses.length} keys of ${keys.length}`);
  return statuses.map((one, place) => (one.code === status.OK ? undefined : errorOfRpcStatus(one, keys[place])));
}

/** Objects in the order of their keys, as they come; a list that breaks is taken up behind the last page. */
export async function* listObjects(connection: Connection, options: ListOptions): AsyncGenerator<ListItem> {
  const bucket = connection.bucketOf(options);
  const pacing = connection.pacing(options, Number.POSITIVE_INFINITY);
  for (let token = ''; ; ) {
    const call = connection.open(ObjectsService.list.path, pacing.remainingMs, options.signal);
    let failure: PenstockError;
    try {
      const { prefix, delimiter, startAfter } = options;
      await ask(call, ListRequest.encode({ bucket, prefix, delimiter, startAfter, resumeToken: token }));
      for (;;) {
        const message = await call.next();
        if (message === undefined) throw brokenProtocol('ended a list without its last page');
        const page = decodeAnswer(ListPage, message);
        yield* itemsOf(page);
        pacing.progressed();
        token = page.resumeToken;
        if (token === '') return;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof PenstockError)) throw error;
      failure = error;
    } finally {
      call.cancel();
    }
    if (!failure.retryable || !(await pacing.again(failure.retryAfterMs))) throw failure;
  }
}

/** Both lists are in order; together they are in the order of the bucket. */
function* itemsOf({ objects, commonPrefixes }: ListPage): Generator<ListItem> {
  let at = 0;
  for (const object of objects) {
    const info = objectInfoOf(object);
    for (let prefix = commonPrefixes[at]; prefix !== undefined; prefix = commonPrefixes[++at]) {
      if (Buffer.compare(Buffer.from(prefix), Buffer.from(info.key)) > 0) break;
      yield { kind: 'prefix', prefix };
    }
    yield { kind: 'object', ...info };
  }
  for (const prefix of commonPrefixes.slice(at)) yield { kind: 'prefix', prefix };
}

async function ask(call: StreamCall, request: Buffer): Promise<void> {
  await call.write(request);
  call.halfClose();
}

/** The answer to one small message, asked for until it comes or that is hopeless. */
export async function unary(
  connection: Connection,
  path: string,
  request: Buffer,
  options: CallOptions,
): Promise<Buffer> {
  const pacing = connection.pacing(options);
  for (;;) {
    const call = connection.open(path, pacing.remainingMs, options.signal);
    let failure: PenstockError;
    try {
      await ask(call, request);
      return await call.only();
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof PenstockError)) throw error;
      failure = error;
    } finally {
      call.cancel();
    }
    if (!failure.retryable || !(await pacing.again(failure.retryAfterMs))) throw failure;
  }
}
