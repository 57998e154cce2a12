/**
 * GetBatch, Penstock's own: many objects of one POST, as one TAR stream; the twin of the gRPC call for who speaks only HTTP. Promises: each
 * slot is answered as a GET of the same object by the same requester would be; a failed slot fails alone; the buffers and lists of all
 * batches of a worker are bounded, and beyond the bound a request is told to slow down.
 *
 * Hardest decision: slots are read in strict order whatever order was asked for, since a member of an archive is one piece and the store
 * may put other slots between the slices of a large object. "As the bytes come to hand" allows that, too.
 */

import type { BatchOptions, BatchRef } from '../../base/batch-read.ts';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { BucketName } from '../../base/names.ts';
import { mayReadObject, mayUseBucket } from '../../service/access.ts';
import { parseBatch } from './batch-request.ts';
import { BatchSender } from './batch-sender.ts';
import { readDocument, releaseDocument } from './body.ts';
import type { BatchBuffers, FrontState } from './front.ts';
import type { Answer } from './reply.ts';
import type { Exchange } from './request.ts';

/** @throws GatewayError NoSuchBucket, InvalidArgument, SlowDown, and as `readDocument` does */
export async function getBatch(x: Exchange): Promise<Answer> {
  const bucket = x.bucket.name;
  const { refs, next } = parseBatch(await readDocument(x, LIMITS.batchBodyBytesMax), bucket);
  releaseDocument(x);
  const bytes = LIMITS.batchFillBytes + LIMITS.batchOutBytes + refs.length * LIMITS.batchRefBytes;
  claimRoom(x, bytes);
  const buffers = takeBuffers(x.front);
  const body = new BatchSender({
    x,
    bucket,
    refs,
    batch: x.front.storage.objects.getBatch(refs, optionsFor(x, refs)),
    refusal: (slot, error) => refusalFor(x, refs[slot] as BatchRef, error),
    buffers,
    ended: (isClean) => {
      x.front.batchBytes -= bytes;
      if (isClean && x.front.batchBuffers.length < LIMITS.batchBuffersKept) x.front.batchBuffers.push(buffers);
    },
  });
  if (next.length > 0) x.front.storage.objects.readAhead?.(next);
  return { status: 200, headers: ['Content-Type', 'application/x-tar'], body, length: undefined };
}

/** New ones cost 0.25 ms, as much as 40 objects (2026-11-25): the kernel clears their pages at the first touch. */
function takeBuffers(front: FrontState): BatchBuffers {
  const kept = front.batchBuffers.pop();
  if (kept !== undefined) return kept;
  return {
    fill: Buffer.allocUnsafeSlow(LIMITS.batchFillBytes),
    out: Buffer.allocUnsafeSlow(LIMITS.batchOutBytes),
  };
}

function claimRoom(x: Exchange, bytes: number): void {
  if (x.front.batchBytes + bytes > LIMITS.batchesBytesMax)
    throw new GatewayError('SlowDown', 'Too many batches are being sent at once; try again in a moment.');
  x.front.batchBytes += bytes;
}

/** The bucket is looked up for each object: in the minutes that a batch may take it can change its owner. */
function optionsFor(x: Exchange, refs: readonly BatchRef[]): BatchOptions {
  const { credential } = x;
  if (credential?.root === true) return { order: 'strict' };
  return {
    order: 'strict',
    admit: (slot, info) => {
      const bucket = x.front.storage.buckets.get((refs[slot] as BatchRef).bucket);
      return bucket !== undefined && mayReadObject(credential, bucket, info.attributes.acl);
    },
  };
}

/** As `noSuchKey` of a GET: who may not list a bucket may not learn which keys are free either. What we must know of is logged. */
function refusalFor(x: Exchange, { bucket, key }: BatchRef, error: GatewayError): GatewayError {
  const { code } = error;
  if (code === 'AccessDenied' || (code === 'NoSuchKey' && !mayList(x, bucket))) return new GatewayError('AccessDenied');
  const facts = { requestId: x.id, operation: x.operation, resource: `/${bucket}/${key}` };
  if (code === 'DataLoss')
    x.front.log.error({ ...facts, reason: error.message }, 'Stored bytes are damaged and were not served.');
  else if (code === 'InternalError')
    x.front.log.error({ ...facts, err: error.cause ?? error }, 'A read failed in a way that nobody foresaw.');
  return error;
}

function mayList(x: Exchange, name: BucketName): boolean {
  const bucket = x.front.storage.buckets.get(name);
  return bucket !== undefined && mayUseBucket(x.credential, bucket, 'list');
}
