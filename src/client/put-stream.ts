/**
 * One stream of PutBatch: packs what is ready into frames and hands each result on. Promises: frames of at most a MiB of payload; a frame
 * is sent when it is full or when nothing more is ready; a stream on which nothing happens for a minute is given up.
 */
import { LIMITS } from '../base/limits.ts';
import { BatchesService, PutResult } from '../format/messages.ts';
import type { Connection } from './connection.ts';
import { type ObjectInfo, objectInfoOf } from './object-info.ts';
import { errorOfRpcStatus, PenstockError } from './penstock-error.ts';
import { brokenProtocol, decodeAnswer } from './protocol-error.ts';
import { encodePutFrame } from './put-frame.ts';
import type { PendingPut, PutQueue } from './put-queue.ts';
import type { StreamCall } from './stream-call.ts';

const PATH = BatchesService.putBatch.path;
const STALL_CHECKS = 4;

export interface PutStreamOptions {
  readonly bucket: string;
  readonly remainingMs: number;
  readonly signal: AbortSignal;
  /** Runs before the next result is read, and is not waited for. */
  readonly onResult: (pending: PendingPut, outcome: ObjectInfo | PenstockError) => void;
}

export interface PutStreamEnd {
  /** Items that were taken and have no result. */
  readonly unanswered: readonly PendingPut[];
  /** How the stream failed; `undefined` when it ended well. */
  readonly error: PenstockError | undefined;
}

export class PutStream {
  readonly #call: StreamCall;
  readonly #queue: PutQueue<unknown>;
  readonly #options: PutStreamOptions;
  /** By their number in this stream. */
  readonly #unanswered = new Map<number, PendingPut>();
  #sent = 0;
  #answeredMs = performance.now();

  /** @throws PenstockError when no call can be made */
  constructor(connection: Connection, queue: PutQueue<unknown>, options: PutStreamOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#call = connection.open(PATH, options.remainingMs, options.signal);
  }

  /** Sends this item and what becomes ready meanwhile. @throws what is no PenstockError */
  async run(first: PendingPut): Promise<PutStreamEnd> {
    const stall = setInterval(() => this.#checkStall(), LIMITS.clientPutStallMs / STALL_CHECKS);
    const ends = await Promise.allSettled([this.#receive(), this.#send(first)]);
    clearInterval(stall);
    this.#call.cancel();
    const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    for (const failure of failures) if (!(failure instanceof PenstockError)) throw failure;
    const missing =
      this.#unanswered.size === 0 ? undefined : brokenProtocol(`left ${this.#unanswered.size} puts unanswered`);
    const error = (failures[0] as PenstockError | undefined) ?? missing;
    return { unanswered: [...this.#unanswered.values()], error };
  }

  async #send(first: PendingPut): Promise<void> {
    try {
      for (let next: PendingPut | undefined = first; next !== undefined; next = await this.#nextItem()) {
        await this.#call.write(await this.#nextFrame(next));
      }
      this.#call.halfClose();
    } catch (error) {
      this.#call.cancel(); // ends the receiving half as well
      throw error;
    }
  }

  /** A frame that begins with this item. Looks a second time, a turn later, before it is content with less than a full one. */
  async #nextFrame(first: PendingPut): Promise<Buffer> {
    const items = [first];
    let bytes = first.item.body.length;
    for (let looks = 0; looks < 2 && items.length < LIMITS.clientPutFrameEntriesMax; ) {
      const more = this.#queue.takeReady(LIMITS.clientPutFrameBytes - bytes);
      if (more === undefined) {
        looks += 1;
        if (looks < 2 && bytes < LIMITS.clientPutFrameBytes) await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      items.push(more);
      bytes += more.item.body.length;
    }
    const firstNumber = this.#sent;
    for (const item of items) this.#unanswered.set(this.#sent++, item);
    this.#answeredMs = performance.now();
    return encodePutFrame(items, firstNumber, this.#options.bucket);
  }

  /** Waits while something on this stream is not answered: by then more may be ready. */
  async #nextItem(): Promise<PendingPut | undefined> {
    while (!this.#call.hasEnded && this.#sent < LIMITS.clientPutStreamItems) {
      const next = this.#queue.takeReady(LIMITS.clientPutFrameBytes);
      if (next !== undefined) return next;
      if (this.#unanswered.size === 0) return undefined;
      await this.#queue.changed();
    }
    return undefined;
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#call.next();
        if (message === undefined) return;
        this.#takeResult(message);
      }
    } finally {
      this.#queue.touch(); // the sending half may wait for more to send
    }
  }

  #takeResult(message: Buffer): void {
    const result = decodeAnswer(PutResult, message);
    const { slot } = result;
    const pending = this.#unanswered.get(slot);
    if (pending === undefined) throw brokenProtocol(`sent a result of slot ${slot}, which has none to come`);
    const outcome = outcomeOf(result);
    this.#unanswered.delete(slot);
    this.#answeredMs = performance.now();
    this.#options.onResult(pending, outcome);
    this.#queue.touch();
  }

  #checkStall(): void {
    const silentMs = performance.now() - this.#answeredMs;
    if (this.#unanswered.size === 0 || silentMs < LIMITS.clientPutStallMs) return;
    this.#call.giveUp(`no put was answered for ${Math.round(silentMs / 1000)} s`);
  }
}

function outcomeOf({ slot, info, error }: PutResult): ObjectInfo | PenstockError {
  if (error !== undefined) return errorOfRpcStatus(error);
  if (info !== undefined) return objectInfoOf(info);
  throw brokenProtocol(`sent a result of slot ${slot} without an outcome`);
}
