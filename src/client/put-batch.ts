/**
 * Puts of many objects over a few streams of PutBatch. Promises: every item gets one result, in the order of completion; only items
 * without a result, or with one that passes, are sent again; memory is bounded (`put-queue.ts`); an object that is too large for a frame
 * goes by a call of its own.
 *
 * Hardest decision: streams are short-lived. One ends when nothing on it waits for an answer and nothing is ready to be sent, or after
 * so many objects; the next begins on the channel with the fewest calls. So a gateway that drains is left soon, and the load spreads.
 *
 * A put may be sent twice, since nobody knows what became of a stream that broke: the second writes the same bytes again. With `ifAbsent`
 * the second may be refused by what the first has stored; such a result says that it is not known (`mayBeStored`).
 */
import { setMaxListeners } from 'node:events';
import { status } from '@grpc/grpc-js';
import { LIMITS } from '../base/limits.ts';
import { crc32Of } from '../format/crc32.ts';
import type { CallOptions, Connection } from './connection.ts';
import type { ObjectInfo } from './object-info.ts';
import { backoffMs, type Pacing } from './pacing.ts';
import { PenstockError } from './penstock-error.ts';
import { putOne, unknownOutcome } from './put-object.ts';
import { type PendingPut, type PutItem, PutQueue } from './put-queue.ts';
import { PutStream } from './put-stream.ts';

export interface PutBatchOptions extends CallOptions {
  readonly bucket?: string;
  /** Streams at once; by default two a channel, so that one is filled while the other waits for the disk. */
  readonly streams?: number;
}

/** What became of one item. `slot` is its place among the items, from 0. */
export type PutResult =
  | { readonly slot: number; readonly key: string; readonly ok: true; readonly info: ObjectInfo }
  | {
      readonly slot: number;
      readonly key: string;
      readonly ok: false;
      readonly error: PenstockError;
      /** It is not known whether the object was stored: by this item, or by an earlier attempt at it. */
      readonly mayBeStored: boolean;
    };

const STREAMS_A_CHANNEL = 2;

export async function* putBatch(
  connection: Connection,
  items: Iterable<PutItem> | AsyncIterable<PutItem>,
  options: PutBatchOptions,
): AsyncGenerator<PutResult> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  setMaxListeners(0, signal); // a listener for each call and each pause
  const run = new PutRun(connection, connection.bucketOf(options), connection.pacing(options, Infinity), signal);
  const onAbort = (): void => run.queue.fail(options.signal?.reason);
  options.signal?.throwIfAborted();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const streams = options.streams ?? connection.channels * STREAMS_A_CHANNEL;
  void run.takeAll(items); // not waited for at the end: it may wait for a source that waits for us
  const sending = Array.from({ length: streams }, () => run.sendReady());
  try {
    for (let results = await run.queue.fetch(); results !== undefined; results = await run.queue.fetch())
      yield* results;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    run.queue.fail(new PenstockError('the results of the puts are not wanted any more', { code: status.CANCELLED }));
    stop.abort();
    await Promise.all(sending);
  }
}

class PutRun {
  readonly queue = new PutQueue<PutResult>();
  readonly #connection: Connection;
  readonly #bucket: string;
  readonly #pacing: Pacing;
  readonly #signal: AbortSignal;

  constructor(connection: Connection, bucket: string, pacing: Pacing, signal: AbortSignal) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#pacing = pacing;
    this.#signal = signal;
  }

  /** Takes from the source while there is room. Never rejects: what the source throws ends the run. */
  async takeAll(items: Iterable<PutItem> | AsyncIterable<PutItem>): Promise<void> {
    const { queue } = this;
    let slot = 0;
    try {
      for await (const item of items) {
        const crc32 = crc32Of(item.body, 0) >>> 0;
        queue.add({ slot, item, crc32, attempts: 0, mayBeStored: false, lastError: undefined });
        slot += 1;
        while (!queue.hasRoom && !queue.hasFailed) await queue.changed();
        if (queue.hasFailed) return;
      }
      queue.endSource();
    } catch (error) {
      queue.fail(error);
    }
  }

  /** One stream after the other, while there is anything to send. Never rejects. */
  async sendReady(): Promise<void> {
    const { queue } = this;
    try {
      while (!queue.isDone) {
        const first = queue.takeReady(Number.POSITIVE_INFINITY);
        if (first === undefined) await queue.changed();
        else if (first.item.body.length > LIMITS.clientPutFrameBytes) await this.#sendLarge(first);
        else await this.#sendStream(first);
      }
    } catch (error) {
      queue.fail(error);
    }
  }

  async #sendLarge(pending: PendingPut): Promise<void> {
    try {
      const { item } = pending;
      const remainingMs = this.#pacing.remainingMs;
      const call = { bucket: item.bucket ?? this.#bucket, remainingMs, signal: this.#signal };
      this.#stored(pending, await putOne(this.#connection, item.key, item.body, item, pending.crc32, call));
    } catch (error) {
      if (!(error instanceof PenstockError)) throw error;
      if (error.code === status.UNAUTHENTICATED) throw error;
      await this.#refused(pending, error);
    }
  }

  async #sendStream(first: PendingPut): Promise<void> {
    const stream = new PutStream(this.#connection, this.queue, {
      bucket: this.#bucket,
      remainingMs: this.#pacing.remainingMs,
      signal: this.#signal,
      onResult: (pending, outcome) => {
        if (outcome instanceof PenstockError) void this.#refused(pending, outcome);
        else this.#stored(pending, outcome);
      },
    });
    const { unanswered, error } = await stream.run(first);
    if (error === undefined) return;
    if (!error.retryable) throw error;
    for (const pending of unanswered) pending.mayBeStored = true;
    await Promise.all(unanswered.map((pending) => this.#refused(pending, error)));
  }

  #stored(pending: PendingPut, info: ObjectInfo): void {
    this.queue.settle(pending, { slot: pending.slot, key: pending.item.key, ok: true, info });
  }

  /** Sends it again after a pause, or ends it. */
  async #refused(pending: PendingPut, error: PenstockError): Promise<void> {
    const mayBeStored = pending.mayBeStored || leavesUnknown(error);
    pending.attempts += 1;
    const ms = backoffMs(pending.attempts, this.#connection.clock.random(), error.retryAfterMs);
    const isLast = pending.attempts >= LIMITS.clientAttemptsMax || ms >= this.#pacing.remainingMs;
    if (error.retryable && !isLast) {
      pending.mayBeStored = mayBeStored;
      await this.#connection.clock.sleep(ms, this.#signal).catch(() => {}); // an abort has failed the run already
      this.queue.addAgain(pending);
      return;
    }
    this.#end(pending, error, mayBeStored);
  }

  #end(pending: PendingPut, error: PenstockError, mayBeStored: boolean): void {
    const { slot, item } = pending;
    const isOwnDoing = item.ifAbsent === true && pending.mayBeStored && error.code === status.FAILED_PRECONDITION;
    const told = isOwnDoing ? unknownOutcome(item.key, error) : error.about(item.key);
    const isUnknown = isOwnDoing || (error.retryable && mayBeStored);
    this.queue.settle(pending, { slot, key: item.key, ok: false, error: told, mayBeStored: isUnknown });
  }
}

/** After these the gateway itself does not know, or nobody heard what it said. */
function leavesUnknown(error: PenstockError): boolean {
  return error.reason === undefined
    ? error.retryable
    : error.reason === 'StoreBusy' || error.reason === 'InternalError';
}
