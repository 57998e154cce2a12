/**
 * Bytes of this machine into objects: small ones in one request, large ones in parts that travel side by side. The CRC-32 of
 * the whole is computed on the way and given to the gateway, so that a large object can be verified by any reader later.
 * An upload that fails is aborted, so that its parts take no space.
 */
import { crc32Base64, crc32Of } from '../format/crc32.ts';
import type { BatchSender } from './batch-sender.ts';
import { CliError } from './exit.ts';
import { fileParts } from './file-parts.ts';
import type { S3Client } from './s3-client.ts';
import { type CompletedPart, completeRequestBody, readUploadId, unquote } from './s3-replies.ts';
import { partSizeFor, SINGLE_PUT_BYTES_MAX } from './sync-plan.ts';
import { type ByteBudget, forEachConcurrent } from './work-queue.ts';

const PARTS_AT_ONCE = 4;

export interface Target {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly contentType: string;
  /** Takes what is small enough. */
  readonly sender?: BatchSender | undefined;
}

/** Called with the number of bytes that arrived. */
export type OnSent = (bytes: number) => void;

/** Sends a file of `size` bytes. Memory is lent by the budget. @throws CliError when the file changes meanwhile */
export async function uploadFile(
  target: Target,
  path: string,
  size: number,
  budget: ByteBudget,
  onSent: OnSent,
): Promise<void> {
  if (size > SINGLE_PUT_BYTES_MAX) {
    const partSize = partSizeFor(size);
    await uploadParts(target, fileParts(path, size, partSize), budget, partSize, onSent);
    return;
  }
  const giveBack = await budget.take(size);
  try {
    for await (const bytes of fileParts(path, size, Math.max(size, 1))) {
      if (target.sender?.takes(size) === true) await target.sender.put(target.key, bytes, target.contentType);
      else await target.client.put(target.bucket, target.key, bytes, target);
      onSent(bytes.length);
    }
  } finally {
    giveBack();
  }
}

/** Sends a stream of unknown length, such as standard input. */
export async function uploadStream(
  target: Target,
  stream: AsyncIterable<Buffer>,
  budget: ByteBudget,
  onSent: OnSent,
): Promise<void> {
  const parts = streamParts(stream, SINGLE_PUT_BYTES_MAX);
  const first = await parts.next();
  const head = first.done ? Buffer.alloc(0) : first.value;
  if (head.length < SINGLE_PUT_BYTES_MAX) {
    await target.client.put(target.bucket, target.key, head, target);
    onSent(head.length);
    return;
  }
  await uploadParts(target, prepend(head, parts), budget, SINGLE_PUT_BYTES_MAX, onSent);
}

async function* prepend(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  yield* rest;
}

/** A stream in pieces of exactly `partSize` bytes, but for the last. */
export async function* streamParts(stream: AsyncIterable<Buffer>, partSize: number): AsyncGenerator<Buffer> {
  let part: Buffer | undefined;
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      part ??= Buffer.allocUnsafeSlow(partSize);
      const copied = chunk.copy(part, filled, at);
      at += copied;
      filled += copied;
      if (filled < partSize) continue;
      yield part;
      part = undefined;
      filled = 0;
    }
  }
  if (part !== undefined && filled > 0) yield part.subarray(0, filled);
}

interface NumberedPart {
  readonly number: number;
  readonly bytes: Buffer;
  readonly giveBack: () => void;
}

async function* numbered(
  parts: AsyncIterable<Buffer>,
  budget: ByteBudget,
  partSize: number,
  onCrc: (crc: number) => void,
): AsyncGenerator<NumberedPart> {
  let number = 0;
  let crc = 0;
  const iterator = parts[Symbol.asyncIterator]();
  try {
    for (;;) {
      const giveBack = await budget.take(partSize);
      const next = await iterator.next();
      if (next.done) {
        giveBack();
        return;
      }
      crc = crc32Of(next.value, crc);
      onCrc(crc);
      number += 1;
      yield { number, bytes: next.value, giveBack };
    }
  } finally {
    await iterator.return?.();
  }
}

async function uploadParts(
  target: Target,
  parts: AsyncIterable<Buffer>,
  budget: ByteBudget,
  partSize: number,
  onSent: OnSent,
): Promise<void> {
  const uploadId = await beginUpload(target);
  const completed: CompletedPart[] = [];
  let whole = 0;
  try {
    const pieces = numbered(parts, budget, partSize, (crc) => {
      whole = crc;
    });
    await forEachConcurrent(pieces, PARTS_AT_ONCE, async ({ number, bytes, giveBack }) => {
      try {
        completed.push(await sendPart(target, uploadId, number, bytes));
        onSent(bytes.length);
      } finally {
        giveBack();
      }
    });
    await completeUpload(target, uploadId, completed, whole);
  } catch (error) {
    await abortUpload(target, uploadId);
    throw error;
  }
}

async function beginUpload({ client, bucket, key, contentType }: Target): Promise<string> {
  const headers = {
    'content-type': contentType,
    'x-amz-checksum-algorithm': 'CRC32',
    'x-amz-checksum-type': 'FULL_OBJECT',
  };
  const { bytes } = await client.transport.sendForBytes({
    method: 'POST',
    bucket,
    key,
    query: [['uploads', '']],
    headers,
  });
  return readUploadId(bytes);
}

async function sendPart(
  { client, bucket, key }: Target,
  uploadId: string,
  number: number,
  body: Buffer,
): Promise<CompletedPart> {
  const crc32 = crc32Base64(crc32Of(body, 0));
  const query = [
    ['partNumber', String(number)],
    ['uploadId', uploadId],
  ] as const;
  const headers = { 'x-amz-checksum-crc32': crc32 };
  const reply = await client.transport.sendForHeaders({ method: 'PUT', bucket, key, query, headers, body });
  return { number, etag: unquote(reply.header('etag')), crc32 };
}

async function completeUpload(
  { client, bucket, key }: Target,
  uploadId: string,
  parts: CompletedPart[],
  crc: number,
): Promise<void> {
  parts.sort((a, b) => a.number - b.number);
  const body = Buffer.from(completeRequestBody(parts));
  const headers = {
    'content-type': 'application/xml',
    'x-amz-checksum-crc32': crc32Base64(crc),
    'x-amz-checksum-type': 'FULL_OBJECT',
  };
  const request = { method: 'POST', bucket, key, query: [['uploadId', uploadId]], headers, body } as const;
  const { bytes } = await client.transport.sendForBytes(request);
  // S3 may answer 200 and put an error into the body, when it began to answer before it was done.
  if (bytes.includes('<Error>'))
    throw new CliError(`${bucket}/${key}: completing the upload failed: ${bytes.toString('utf8')}`);
}

async function abortUpload({ client, bucket, key }: Target, uploadId: string): Promise<void> {
  try {
    const request = { method: 'DELETE', bucket, key, query: [['uploadId', uploadId]] } as const;
    await client.transport.sendForHeaders(request, AbortSignal.timeout(5000));
  } catch {
    // The gateway expires uploads by itself; the error that led here is the one to report.
  }
}
