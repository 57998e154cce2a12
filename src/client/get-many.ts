/** Many objects as one list in the order of their keys, and what stands in the place of one that could not be had. */
import { status } from '@grpc/grpc-js';
import type { BatchRef, BatchResult } from './batch-slots.ts';
import type { Connection } from './connection.ts';
import { batchResults, type GetBatchOptions } from './get-batch.ts';
import type { PenstockError } from './penstock-error.ts';

/** Stands for an object that is not there, or, where failures were asked for, that could not be had. */
export class Missing {
  readonly key: string;
  /** Why: NOT_FOUND, or any other code with `failures: 'return'`. */
  readonly error: PenstockError;

  constructor(key: string, error: PenstockError) {
    this.key = key;
    this.error = error;
  }
}

export interface GetManyOptions extends Omit<GetBatchOptions, 'order'> {
  /**
   * What becomes of objects that are there and could not be had (DATA_LOSS, PERMISSION_DENIED, a passed deadline): `throw` (default)
   * rejects with the first one's error, `return` puts a `Missing` in its place. One that does not exist is always a `Missing`.
   */
  readonly failures?: 'throw' | 'return';
}

export async function getMany(
  connection: Connection,
  refs: readonly (string | BatchRef)[],
  options: GetManyOptions,
): Promise<(Buffer | Missing)[]> {
  const found = new Array<Buffer | Missing>(refs.length);
  for await (const results of batchResults(connection, refs, options)) {
    for (const result of results) found[result.slot] = listItemOf(result, options.failures === 'return');
  }
  return found;
}

function listItemOf(result: BatchResult, returnsFailures: boolean): Buffer | Missing {
  if (result.ok) return result.body;
  if (returnsFailures || result.error.code === status.NOT_FOUND) return new Missing(result.key, result.error);
  throw result.error;
}

/** Result by result what comes in lists, without a promise of its own for each. */
export class FlatResults implements AsyncIterableIterator<BatchResult> {
  readonly #lists: AsyncGenerator<readonly BatchResult[]>;
  #list: readonly BatchResult[] = [];
  #at = 0;

  constructor(lists: AsyncGenerator<readonly BatchResult[]>) {
    this.#lists = lists;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<BatchResult, undefined>> {
    const value = this.#list[this.#at];
    if (value === undefined) return this.#nextOfList();
    this.#at += 1;
    return Promise.resolve({ done: false, value });
  }

  async return(): Promise<IteratorResult<BatchResult, undefined>> {
    this.#list = [];
    await this.#lists.return(undefined);
    return { done: true, value: undefined };
  }

  async #nextOfList(): Promise<IteratorResult<BatchResult, undefined>> {
    const next = await this.#lists.next();
    if (next.done === true) return { done: true, value: undefined };
    this.#list = next.value;
    this.#at = 1;
    return { done: false, value: next.value[0] as BatchResult };
  }
}
