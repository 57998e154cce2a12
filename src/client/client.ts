/**
 * The client of a Penstock gateway over gRPC: `import { PenstockClient } from 'penstock-gateway/client'`.
 *
 *     const client = new PenstockClient({ endpoint: '127.0.0.1:9002', accessKeyId, secretKey, bucket: 'train' });
 *     const images = await client.getMany(keys); // Buffer, or Missing, in the order of keys
 *     client.close();
 *
 * Promises: what comes back was checked by CRC-32 and is whole; what can be had by asking again was asked for again; everything else is a
 * `PenstockError` that says what, why, and whether trying again may help. Everything can be aborted and has a deadline.
 */
import { crc32Of } from '../format/crc32.ts';
import type { BatchRef, BatchResult } from './batch-slots.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { batchResults, type GetBatchOptions } from './get-batch.ts';
import { FlatResults, type GetManyOptions, getMany, type Missing } from './get-many.ts';
import { type GetOptions, getObject, type ObjectBody } from './get-object.ts';
import type { ObjectInfo } from './object-info.ts';
import {
  deleteObjects,
  type ListItem,
  type ListOptions,
  listObjects,
  type ObjectOptions,
  statObject,
} from './objects.ts';
import type { PenstockError } from './penstock-error.ts';
import { type PutBatchOptions, type PutResult, putBatch } from './put-batch.ts';
import { type PutAttributes, putObject } from './put-object.ts';
import type { PutItem } from './put-queue.ts';

export type { BatchInfo, BatchRef, BatchResult, Order } from './batch-slots.ts';
export type { CallOptions, ConnectionOptions } from './connection.ts';
export type { GetBatchOptions } from './get-batch.ts';
export { type GetManyOptions, Missing } from './get-many.ts';
export type { GetOptions, ObjectBody } from './get-object.ts';
export type { ObjectInfo } from './object-info.ts';
export type { ListItem, ListOptions, ObjectOptions } from './objects.ts';
export { GrpcCode, PenstockError } from './penstock-error.ts';
export type { PutBatchOptions, PutResult } from './put-batch.ts';
export type { PutAttributes } from './put-object.ts';
export type { PutItem } from './put-queue.ts';

export class PenstockClient {
  readonly #connection: Connection;

  /** Connects when the first call is made. @throws RangeError for options that cannot be */
  constructor(options: ConnectionOptions) {
    this.#connection = new Connection(options);
  }

  /** Calls under way end with CANCELLED. Idempotent. */
  close(): void {
    this.#connection.close();
  }

  /**
   * Reads many objects, or ranges of them; one result for each, as they come to hand. Nothing is asked for before the first result is; a slow
   * reader stops the gateway. `body` is a view of a frame of about 1 MiB: copy what is kept for long.
   * @throws PenstockError when the call as a whole is refused; the trouble of one object is its result
   */
  getBatch(
    refs: readonly (string | BatchRef)[],
    options: GetBatchOptions = {},
  ): AsyncIterableIterator<BatchResult, undefined> {
    return new FlatResults(batchResults(this.#connection, refs, options));
  }

  /** The same in one list, in the order of `refs`. @throws PenstockError see `failures` */
  getMany(refs: readonly (string | BatchRef)[], options: GetManyOptions = {}): Promise<(Buffer | Missing)[]> {
    return getMany(this.#connection, refs, options);
  }

  /** One object, streamed. @throws PenstockError NOT_FOUND when there is none */
  get(key: string, options: GetOptions = {}): Promise<ObjectBody> {
    return getObject(this.#connection, key, options);
  }

  /** Writes one object of any size. The body is not to be changed meanwhile. @throws PenstockError */
  put(key: string, body: Buffer, options: ObjectOptions & PutAttributes = {}): Promise<ObjectInfo> {
    return putObject(this.#connection, key, body, options, crc32Of(body, 0) >>> 0);
  }

  /**
   * Writes many objects, taken from `items` while there is room: at most 64 MiB and 4,096 objects have no result that was fetched. One result
   * for each item, in the order of completion. A caller that stops early leaves what was sent to its fate.
   * @throws PenstockError when the calls as a whole are refused, and what `items` throws
   */
  putBatch(
    items: Iterable<PutItem> | AsyncIterable<PutItem>,
    options: PutBatchOptions = {},
  ): AsyncGenerator<PutResult, void> {
    return putBatch(this.#connection, items, options);
  }

  /** `undefined` when there is no such object. @throws PenstockError */
  stat(key: string, options: ObjectOptions = {}): Promise<ObjectInfo | undefined> {
    return statObject(this.#connection, key, options);
  }

  /**
   * Removes objects; the removal of an absent one succeeds.
   * @returns by place of its key, why an object could not be removed; `undefined` where no object has the key now
   */
  delete(keys: string | readonly string[], options: ObjectOptions = {}): Promise<(PenstockError | undefined)[]> {
    return deleteObjects(this.#connection, typeof keys === 'string' ? [keys] : keys, options);
  }

  /** Objects, and common prefixes where a delimiter is given, in the order of their keys' UTF-8 bytes. @throws PenstockError */
  list(options: ListOptions = {}): AsyncGenerator<ListItem, void> {
    return listObjects(this.#connection, options);
  }
}
