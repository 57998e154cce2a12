// HOT PATH (bench: every reference of a batch)
/**
 * What a GetBatch asks for: checked, and with who may read what. Promises: a reference that can name no object fails its slot, not the
 * call; what a failed slot hears is what its caller may know.
 */

import type { BatchOptions, BatchRef } from '../../base/batch-read.ts';
import { asGatewayError, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type BucketName, type ObjectKey, parseObjectKey } from '../../base/names.ts';
import { Encoding, type GetBatchRequest, Order, type SampleRef } from '../../format/messages.ts';
import type { Credential } from '../../service/credentials.ts';
import { absent, type DataPlane, mayRead, type OpenBucket, openBucket } from './access.ts';

const NO_KEY = '' as ObjectKey;

export class AskedBatch {
  readonly refs: readonly BatchRef[];
  readonly options: BatchOptions;
  /** What the caller will ask for next, where it may read all of it. */
  readonly next: readonly BatchRef[];
  /** Payload of a frame. */
  readonly frameBytes: number;
  readonly #open: (name: string) => OpenBucket | GatewayError;

  /** @throws GatewayError for what is wrong with the whole request */
  constructor(plane: DataPlane, caller: Credential | undefined, request: GetBatchRequest) {
    this.frameBytes = frameBytesOf(request);
    requireCount(request);
    const opened = new Map<string, OpenBucket | GatewayError>();
    this.#open = (name) => {
      const known = opened.get(name);
      if (known !== undefined) return known;
      const bucket = refusalOr(() => openBucket(plane, caller, name));
      opened.set(name, bucket);
      return bucket;
    };
    this.refs = request.keys.length > 0 ? this.#ofKeys(request) : request.refs.map((ref) => this.#ofRef(request, ref));
    this.next = this.#nextOf(request);
    const isAllOwned = [...opened.values()].every((bucket) => !(bucket instanceof GatewayError) && bucket.isOwned);
    this.options = {
      order: request.order === Order.ORDER_STRICT ? 'strict' : 'completion',
      enoughBytes: LIMITS.batchFrameBytesEnough,
      takesLoans: true,
      ...(request.acceptEncodings.includes(Encoding.ENCODING_ZSTD) && { acceptZstdBytesMax: this.frameBytes }),
      ...(!isAllOwned && {
        admit: (slot, info) => {
          const bucket = this.#open((this.refs[slot] as BatchRef).bucket);
          return !(bucket instanceof GatewayError) && mayRead(bucket, info);
        },
      }),
    };
  }

  /** Advice of somebody who may not read an object must not bring it into memory, which could be measured. */
  #nextOf({ bucket: name, nextKeys }: GetBatchRequest): BatchRef[] {
    if (nextKeys.length === 0) return [];
    const bucket = this.#open(name);
    if (bucket instanceof GatewayError || !bucket.isOwned) return [];
    return nextKeys.map((key) => refOf(bucket.name, key, undefined)).filter(({ refused }) => refused === undefined);
  }

  /** The failure of a slot as the caller may hear it: who may not list a bucket may not learn which keys are free. */
  asHeard(slot: number, error: GatewayError): GatewayError {
    if (error.code !== 'NoSuchKey') return error;
    const { bucket: name, key } = this.refs[slot] as BatchRef;
    const bucket = this.#open(name);
    return bucket instanceof GatewayError ? bucket : absent(bucket, key);
  }

  #ofKeys({ bucket: name, keys }: GetBatchRequest): BatchRef[] {
    const bucket = this.#open(name);
    if (bucket instanceof GatewayError) throw bucket;
    const refs: BatchRef[] = new Array(keys.length);
    for (let slot = 0; slot < keys.length; slot++) refs[slot] = refOf(bucket.name, keys[slot] as string, undefined);
    return refs;
  }

  #ofRef(request: GetBatchRequest, ref: SampleRef): BatchRef {
    const name = ref.bucket === '' ? request.bucket : ref.bucket;
    const bucket = this.#open(name);
    if (bucket instanceof GatewayError) return { bucket: name as BucketName, key: NO_KEY, refused: bucket };
    return refOf(bucket.name, ref.key, ref.range);
  }
}

function refOf(bucket: BucketName, keyName: string, range: SampleRef['range']): BatchRef {
  const key = refusalOr(() => parseObjectKey(keyName));
  if (key instanceof GatewayError) return { bucket, key: NO_KEY, refused: key };
  if (range === undefined) return { bucket, key };
  const { start, end } = range;
  if (end !== undefined && end <= start) {
    const message = `The range ends at ${end}, which is not behind its start ${start}.`;
    return { bucket, key, refused: new GatewayError('InvalidArgument', message, { resource: `/${bucket}/${key}` }) };
  }
  return { bucket, key, range: end === undefined ? { start } : { start, end } };
}

function refusalOr<T>(work: () => T): T | GatewayError {
  try {
    return work();
  } catch (error) {
    return asGatewayError(error);
  }
}

/** @throws GatewayError InvalidArgument, NotImplemented */
function requireCount({ keys, refs, indices, nextKeys }: GetBatchRequest): void {
  if (indices.length > 0)
    throw new GatewayError('NotImplemented', 'This gateway has no datasets; ask by keys or refs instead of indices.');
  const count = Math.max(keys.length, refs.length);
  if (keys.length > 0 && refs.length > 0)
    throw new GatewayError('InvalidArgument', 'The request has keys and refs; use one of them.');
  if (count === 0) throw new GatewayError('InvalidArgument', 'The request names no object; fill keys or refs.');
  if (Math.max(count, nextKeys.length) > LIMITS.batchRefsMax)
    throw new GatewayError(
      'InvalidArgument',
      `The request names ${count} objects and ${nextKeys.length} next keys; at most ${LIMITS.batchRefsMax} of each are allowed. Send several.`,
    );
}

/** @throws GatewayError InvalidArgument */
function frameBytesOf({ maxFrameBytes }: GetBatchRequest): number {
  if (maxFrameBytes === 0) return LIMITS.batchFrameBytes;
  if (maxFrameBytes >= LIMITS.batchFrameBytesMin && maxFrameBytes <= LIMITS.batchFrameBytesMax) return maxFrameBytes;
  throw new GatewayError(
    'InvalidArgument',
    `max_frame_bytes is ${maxFrameBytes}; expected 0 or ${LIMITS.batchFrameBytesMin} to ${LIMITS.batchFrameBytesMax}.`,
  );
}
