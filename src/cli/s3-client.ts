/**
 * A small S3 client for the verbs: objects, listings and buckets. Promises: what is read is checked against the checksum of the
 * object (`checked-body.ts`), a body that breaks off is taken up where it stopped, and what is written carries a CRC-32 that
 * the gateway verifies before it acknowledges.
 */
import { createHash } from 'node:crypto';
import type { CannedAcl } from '../base/bucket-store.ts';
import { crc32Base64, crc32Of } from '../format/crc32.ts';
import { type BodyPromise, bodyCheck } from './checked-body.ts';
import { CliError, S3ReplyError } from './exit.ts';
import { ATTEMPTS_MAX, isRetryFailure } from './retry.ts';
import {
  type BucketRow,
  type DeleteFailure,
  deleteRequestBody,
  fitsInXml,
  type ListReply,
  readBuckets,
  readDeleteFailures,
  readListReply,
  unquote,
} from './s3-replies.ts';
import type { S3Reply, S3Request, S3Transport } from './s3-transport.ts';
import type { RemoteObject } from './sync-plan.ts';

/** What a HEAD says. */
export interface RemoteHead extends BodyPromise {
  readonly modifiedMs: number;
  readonly contentType: string | undefined;
  /** Names of the headers with user metadata, in lower case. */
  readonly metadataNames: readonly string[];
  /** Any header of the answer, by lower-case name. */
  readonly header: (name: string) => string | undefined;
}

export interface RemoteBody {
  readonly head: RemoteHead;
  /** Fails after its last byte when the bytes are not those of the object. Must be read to its end or broken off. */
  readonly chunks: AsyncIterable<Buffer>;
}

export interface ByteRange {
  readonly first: number;
  /** Inclusive. */
  readonly last?: number;
}

export interface PutHeaders {
  readonly contentType: string;
}

const PAGE = '1000';

export class S3Client {
  readonly transport: S3Transport;

  constructor(transport: S3Transport) {
    this.transport = transport;
  }

  close(): void {
    this.transport.close();
  }

  /** `undefined` when there is no such object. @param more headers of the request */
  async head(bucket: string, key: string, more: Record<string, string> = {}): Promise<RemoteHead | undefined> {
    try {
      const headers = { 'x-amz-checksum-mode': 'ENABLED', ...more };
      return headOf(await this.transport.sendForHeaders({ method: 'HEAD', bucket, key, headers }));
    } catch (error) {
      if (error instanceof S3ReplyError && error.status === 404) return undefined;
      throw error;
    }
  }

  async get(bucket: string, key: string, range?: ByteRange): Promise<RemoteBody> {
    const headers: Record<string, string> = { 'x-amz-checksum-mode': 'ENABLED' };
    if (range !== undefined) headers.range = `bytes=${range.first}-${range.last ?? ''}`;
    const request: S3Request = { method: 'GET', bucket, key, headers };
    const reply = await this.transport.send(request);
    const head = headOf(reply);
    const first = range?.first ?? 0;
    return { head, chunks: this.#chunks(request, reply, head, first, reply.status === 206) };
  }

  /** The bytes of a small object, checked. */
  async getBytes(bucket: string, key: string): Promise<Buffer> {
    const { chunks } = await this.get(bucket, key);
    const parts: Buffer[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** Hands on the body; when the connection breaks, asks for the rest of the very same object. */
  async *#chunks(
    request: S3Request,
    first: S3Reply,
    head: RemoteHead,
    offset: number,
    partial: boolean,
  ): AsyncGenerator<Buffer> {
    const name = `${request.bucket}/${request.key}`;
    // A part cannot be checked by the checksum of the whole, but its length can.
    const check = bodyCheck(name, partial ? { size: head.size, etag: '', crc32: undefined } : head);
    let seen = 0;
    let reply = first;
    for (let attempt = 1; ; attempt += 1) {
      try {
        for await (const chunk of reply.body as AsyncIterable<Buffer>) {
          check.update(chunk);
          seen += chunk.length;
          yield chunk;
        }
        break;
      } catch (error) {
        if (attempt >= ATTEMPTS_MAX || !isRetryFailure(error) || this.transport.signal.aborted)
          throw this.transport.explain(error);
        if (seen === head.size) break;
      }
      await this.transport.waitBefore(attempt, undefined);
      const range = `bytes=${offset + seen}-${offset + head.size - 1}`;
      reply = await this.transport.send({ ...request, headers: { range, 'if-match': `"${head.etag}"` } });
      if (reply.status !== 206) throw new CliError(`${name}: the gateway ignored the range ${range}. Read it again.`);
    }
    check.finish();
  }

  /** Stores bytes as one object; the ETag comes back. The buffer must not change until then. */
  async put(bucket: string, key: string, body: Buffer, options: PutHeaders): Promise<string> {
    const headers = { 'content-type': options.contentType, 'x-amz-checksum-crc32': crc32Base64(crc32Of(body, 0)) };
    const reply = await this.transport.sendForHeaders({ method: 'PUT', bucket, key, headers, body });
    return unquote(reply.header('etag'));
  }

  async remove(bucket: string, key: string): Promise<void> {
    await this.transport.sendForHeaders({ method: 'DELETE', bucket, key });
  }

  /** At most 1,000 keys. Answers those that were not removed, and why. */
  async removeMany(bucket: string, keys: readonly string[]): Promise<DeleteFailure[]> {
    const named = keys.filter(fitsInXml);
    for (const key of keys) if (!fitsInXml(key)) await this.remove(bucket, key);
    if (named.length === 0) return [];
    const body = Buffer.from(deleteRequestBody(named));
    const headers = {
      'content-md5': createHash('md5').update(body).digest('base64'),
      'content-type': 'application/xml',
    };
    const { bytes } = await this.transport.sendForBytes({
      method: 'POST',
      bucket,
      query: [['delete', '']],
      headers,
      body,
    });
    return readDeleteFailures(bytes);
  }

  async listPage(bucket: string, prefix: string, delimiter: string, token: string | undefined): Promise<ListReply> {
    const query: [string, string][] = [
      ['list-type', '2'],
      ['encoding-type', 'url'],
      ['max-keys', PAGE],
      ['prefix', prefix],
    ];
    if (delimiter !== '') query.push(['delimiter', delimiter]);
    if (token !== undefined) query.push(['continuation-token', token]);
    const { bytes } = await this.transport.sendForBytes({ method: 'GET', bucket, query });
    return readListReply(bytes);
  }

  /** Pages, the next one asked for while the present one is used. */
  async *pages(bucket: string, prefix: string, delimiter = ''): AsyncGenerator<ListReply> {
    let next: Promise<ListReply> | undefined = this.listPage(bucket, prefix, delimiter, undefined);
    while (next !== undefined) {
      const page: ListReply = await next;
      next = page.next === undefined ? undefined : this.listPage(bucket, prefix, delimiter, page.next);
      next?.catch(() => {}); // it is awaited above, unless the reader stops here
      yield page;
    }
  }

  /** Every object below a prefix, in the order of keys. */
  async *objects(bucket: string, prefix: string): AsyncGenerator<RemoteObject> {
    for await (const page of this.pages(bucket, prefix)) yield* page.objects;
  }

  async buckets(): Promise<BucketRow[]> {
    const { bytes } = await this.transport.sendForBytes({ method: 'GET' });
    return readBuckets(bytes);
  }

  async bucketExists(bucket: string): Promise<boolean> {
    try {
      await this.transport.sendForHeaders({ method: 'HEAD', bucket });
      return true;
    } catch (error) {
      if (error instanceof S3ReplyError && error.status === 404) return false;
      throw error;
    }
  }

  /** False when the bucket was there already and is one's own. */
  async createBucket(bucket: string, acl?: CannedAcl): Promise<boolean> {
    if (await this.bucketExists(bucket)) return false;
    try {
      const headers: Record<string, string> = acl === undefined ? {} : { 'x-amz-acl': acl };
      await this.transport.sendForHeaders({ method: 'PUT', bucket, headers, body: Buffer.alloc(0) });
      return true;
    } catch (error) {
      if (error instanceof S3ReplyError && error.code === 'BucketAlreadyOwnedByYou') return false;
      throw error;
    }
  }

  async removeBucket(bucket: string): Promise<void> {
    await this.transport.sendForHeaders({ method: 'DELETE', bucket });
  }
}

function headOf(reply: S3Reply): RemoteHead {
  const modified = Date.parse(reply.header('last-modified') ?? '');
  return {
    size: Number(reply.header('content-length') ?? 0),
    etag: unquote(reply.header('etag')),
    crc32: reply.header('x-amz-checksum-crc32'),
    modifiedMs: Number.isNaN(modified) ? 0 : modified,
    contentType: reply.header('content-type'),
    metadataNames: reply.headerNames.filter((name) => name.startsWith('x-amz-meta-')),
    header: (name) => reply.header(name),
  };
}
