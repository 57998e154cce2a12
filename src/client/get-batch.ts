/**
 * GetBatch until every slot has its result. Promises: a stream that is reset, or ends without `BatchEnd`, is never taken for whole; only
 * slots that were not served, or failed in a way that passes, are asked for again; when nothing helps, each of them gets its error.
 *
 * Hardest decision: what throws and what is a result. A refusal of the whole call that asking again cannot mend (credential, bucket
 * name, arguments) throws, as does the caller's own abort. Everything else is said slot by slot, so that one bad object or a short
 * deadline does not cost the others.
 */
import { status } from '@grpc/grpc-js';
import { LIMITS } from '../base/limits.ts';
import { BatchesService, BatchFrame, GetBatchRequest, Order as WireOrder } from '../format/messages.ts';
import { type BatchRef, type BatchResult, BatchSlots, type Order } from './batch-slots.ts';
import type { CallOptions, Connection } from './connection.ts';
import type { Pacing } from './pacing.ts';
import { PenstockError } from './penstock-error.ts';
import { brokenProtocol, decodeAnswer } from './protocol-error.ts';
import type { StreamCall } from './stream-call.ts';

export interface GetBatchOptions extends CallOptions {
  readonly bucket?: string;
  /** `completion` (default): as the bytes come to hand. `strict`: in the order of the list. */
  readonly order?: Order;
  /** Payload of one message in bytes, 64 KiB to 4 MiB; 1 MiB by default. */
  readonly maxFrameBytes?: number;
  /** Advice: what will be asked for next, so that the gateway can read ahead. */
  readonly nextKeys?: readonly string[];
}

const PATH = BatchesService.getBatch.path;

/** Results, as many at a time as one frame brings; empty lists do not occur. */
export async function* batchResults(
  connection: Connection,
  refs: readonly (string | BatchRef)[],
  options: GetBatchOptions,
): AsyncGenerator<readonly BatchResult[]> {
  const pacing = connection.pacing(options);
  const batch = new BatchSlots(refs, options.order ?? 'completion');
  const round = { connection, batch, options, bucket: connection.bucketOf(options), pacing };
  for (let isFirst = true; batch.open > 0; isFirst = false) {
    const openBefore = batch.open;
    const failure = yield* oneCall(round, isFirst);
    if (batch.open === 0) return;
    if (batch.open < openBefore) pacing.progressed();
    if (failure === undefined) continue; // a list of more slots than one request takes
    if (!failure.retryable && !isOfSlot(failure)) throw failure;
    if (await pacing.again(failure.retryAfterMs)) continue;
    const last: BatchResult[] = [];
    batch.giveUp(failure, last);
    yield last;
  }
}

interface Round {
  readonly connection: Connection;
  readonly batch: BatchSlots;
  readonly options: GetBatchOptions;
  readonly bucket: string;
  readonly pacing: Pacing;
}

/** Damage on the way is DATA_LOSS, and yet asked for once more. */
function isOfSlot(error: PenstockError): boolean {
  return error.code === status.DATA_LOSS;
}

/** One call, yielding what it brings. @returns why open slots must be asked for again; `undefined`: it was served in full */
async function* oneCall(
  { connection, batch, options, bucket, pacing }: Round,
  isFirst: boolean,
): AsyncGenerator<readonly BatchResult[], PenstockError | undefined> {
  const openBefore = batch.open;
  const slots = batch.beginCall();
  const call = connection.open(PATH, pacing.remainingMs, options.signal);
  try {
    const request = encodeRequest(batch, slots, bucket, isFirst ? options : { ...options, nextKeys: [] });
    await sendRequest(call, request);
    for (;;) {
      const step = await nextResults(call, batch, slots);
      if (step.results.length > 0) yield step.results;
      if (step.end === 'whole') {
        await endOf(call);
        return batch.lastFailure ?? missingSlots(slots.length - (openBefore - batch.open));
      }
      if (step.end !== undefined) return step.end;
      if (batch.heldBytes > LIMITS.clientHeldBytesMax) return batch.lastFailure; // strict: first the slot that they wait for
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof PenstockError)) throw error;
    return error;
  } finally {
    call.cancel();
  }
}

async function sendRequest(call: StreamCall, request: Buffer): Promise<void> {
  await call.write(request);
  call.halfClose();
}

/** Everything is here: a reset would only be one that the gateway counts. How the call ends does not matter any more. */
async function endOf(call: StreamCall): Promise<void> {
  try {
    await call.next();
  } catch {
    // a deadline, or a connection that broke
  }
}

interface Step {
  readonly results: readonly BatchResult[];
  readonly end: 'whole' | PenstockError | undefined;
}

/** @throws PenstockError how the call failed */
async function nextResults(call: StreamCall, batch: BatchSlots, slots: Uint32Array): Promise<Step> {
  const results: BatchResult[] = [];
  const message = await call.next();
  if (message === undefined) return { results, end: brokenProtocol('ended a batch without saying that it is whole') };
  try {
    const frame = decodeAnswer(BatchFrame, message);
    batch.take(frame, slots, results);
    return { results, end: frame.end && (unserved(frame.end.unservedSlots.length) ?? 'whole') };
  } catch (error) {
    // What was taken before the fault is good: each entry had its own CRC.
    if (error instanceof PenstockError) return { results, end: error };
    throw error;
  }
}

function missingSlots(count: number): PenstockError | undefined {
  return count === 0
    ? undefined
    : brokenProtocol(`said that a batch is whole, and had not served ${count} of its slots`);
}

function unserved(count: number): PenstockError | undefined {
  if (count === 0) return undefined;
  return new PenstockError(`the deadline passed before the gateway had come to ${count} of the slots`, {
    code: status.DEADLINE_EXCEEDED,
    retryable: true,
  });
}

function encodeRequest(batch: BatchSlots, slots: Uint32Array, bucket: string, options: GetBatchOptions): Buffer {
  const refs: BatchRef[] = [];
  let isPlain = true;
  for (const slot of slots) {
    const ref = batch.refOf(slot);
    if (ref.bucket !== undefined || ref.range !== undefined) isPlain = false;
    refs.push(ref);
  }
  return GetBatchRequest.encode({
    bucket,
    ...(isPlain ? { keys: refs.map((ref) => ref.key) } : { refs }),
    order: options.order === 'strict' ? WireOrder.ORDER_STRICT : WireOrder.ORDER_COMPLETION,
    maxFrameBytes: options.maxFrameBytes,
    nextKeys: options.nextKeys,
  });
}
