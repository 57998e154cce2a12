/**
 * One object, streamed. Promises: a stream that breaks is taken up at the byte where it stopped, of the very same object (by its ETag);
 * the last chunk comes out only when the length, and the CRC-32 of a whole object, held.
 */
import { status } from '@grpc/grpc-js';
import { crc32Of } from '../format/crc32.ts';
import { GetChunk, GetRequest, ObjectsService, type ObjectInfo as WireInfo } from '../format/messages.ts';
import type { CallOptions, Connection } from './connection.ts';
import { type ObjectInfo, objectInfoOf } from './object-info.ts';
import type { Pacing } from './pacing.ts';
import { PenstockError } from './penstock-error.ts';
import { brokenProtocol, decodeAnswer } from './protocol-error.ts';
import type { StreamCall } from './stream-call.ts';

export interface GetOptions extends CallOptions {
  readonly bucket?: string;
  /** Half-open, in bytes; no end: to the end of the object. */
  readonly range?: { readonly start: number; readonly end?: number };
  /** Only an object with this ETag (FAILED_PRECONDITION), without quotes. */
  readonly ifMatch?: string;
}

const PATH = ObjectsService.get.path;

/** The bytes of one object. Read them once, by iteration or as a whole, or `cancel`. */
export class ObjectBody implements AsyncIterable<Buffer> {
  /** Of the whole object, also where a range was asked for. */
  readonly info: ObjectInfo;
  /** Bytes to come. */
  readonly length: number;
  readonly #chunks: AsyncGenerator<Buffer>;

  constructor(info: ObjectInfo, length: number, chunks: AsyncGenerator<Buffer>) {
    this.info = info;
    this.length = length;
    this.#chunks = chunks;
  }

  /** Chunks of up to 1 MiB, in order. @throws PenstockError when they cannot be had to the end, or are not those of the object */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    return this.#chunks;
  }

  async bytes(): Promise<Buffer> {
    const whole = Buffer.allocUnsafeSlow(this.length);
    let filled = 0;
    for await (const chunk of this.#chunks) filled += chunk.copy(whole, filled);
    return whole;
  }

  /** Ends it unread. */
  async cancel(): Promise<void> {
    await this.#chunks.return(undefined);
  }
}

/** Resolves when the first chunk is there. */
export async function getObject(connection: Connection, key: string, options: GetOptions): Promise<ObjectBody> {
  const bucket = connection.bucketOf(options);
  const reader = new ObjectReader(
    connection,
    bucket,
    key,
    options,
    connection.pacing(options, Number.POSITIVE_INFINITY),
  );
  const chunks = reader.chunks();
  const opened = await chunks.next(); // an empty buffer, when the object is known
  if (opened.done === true || reader.info === undefined)
    throw brokenProtocol('opened an object without saying what it is');
  return new ObjectBody(reader.info, reader.length, chunks);
}

class ObjectReader {
  readonly #connection: Connection;
  readonly #bucket: string;
  readonly #key: string;
  readonly #options: GetOptions;
  readonly #pacing: Pacing;
  info: ObjectInfo | undefined;
  #at: number;
  #end = 0;
  #crc32 = 0;

  constructor(connection: Connection, bucket: string, key: string, options: GetOptions, pacing: Pacing) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#key = key;
    this.#options = options;
    this.#pacing = pacing;
    this.#at = options.range?.start ?? 0;
  }

  get length(): number {
    return this.#end - (this.#options.range?.start ?? 0);
  }

  /** First an empty buffer, when `info` is known. */
  async *chunks(): AsyncGenerator<Buffer> {
    for (let isOpen = false; ; ) {
      const call = this.#connection.open(PATH, this.#pacing.remainingMs, this.#options.signal);
      let failure: PenstockError;
      try {
        await this.#ask(call);
        for (;;) {
          const chunk = await this.#nextChunk(call);
          if (!isOpen) {
            isOpen = true;
            yield Buffer.alloc(0);
          }
          if (chunk.length > 0) yield chunk;
          if (this.#at === this.#end) return;
        }
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (!(error instanceof PenstockError)) throw error;
        failure = error;
      } finally {
        call.cancel();
      }
      if (!failure.retryable || !(await this.#pacing.again(failure.retryAfterMs))) throw failure.about(this.#key);
    }
  }

  async #ask(call: StreamCall): Promise<void> {
    const ifMatch = this.info?.etag ?? this.#options.ifMatch;
    const isBegun = this.info !== undefined && this.#at > 0;
    const range = isBegun ? { start: this.#at, end: this.#end } : this.#options.range;
    await call.write(GetRequest.encode({ bucket: this.#bucket, key: this.#key, range, ifMatch }));
    call.halfClose();
  }

  /** The next bytes, checked against where they belong; the last ones only when the call ended well and the CRC held. */
  async #nextChunk(call: StreamCall): Promise<Buffer> {
    const message = await call.next();
    if (message === undefined) throw brokenProtocol(`ended ${this.#key} at byte ${this.#at} of ${this.#end}`);
    const { info, offset, data } = decodeAnswer(GetChunk, message);
    this.#meet(info);
    if (offset !== this.#at && data.length > 0)
      throw brokenProtocol(`sent byte ${offset} of ${this.#key} where ${this.#at} was next`);
    if (this.#at + data.length > this.#end) throw brokenProtocol(`sent more of ${this.#key} than was asked for`);
    const crc32 = crc32Of(data, this.#crc32) >>> 0;
    if (this.#at + data.length === this.#end) {
      if ((await call.next()) !== undefined) throw brokenProtocol(`sent more of ${this.#key} than was asked for`);
      this.#check(crc32);
    }
    this.#crc32 = crc32;
    this.#at += data.length;
    this.#pacing.progressed();
    return data;
  }

  #meet(info: WireInfo | undefined): void {
    if (info === undefined) {
      if (this.info === undefined) throw brokenProtocol('began an object without saying what it is');
      return;
    }
    if (this.info !== undefined) return;
    this.info = objectInfoOf(info);
    const { start = 0, end = info.size } = this.#options.range ?? {};
    this.#end = Math.max(start, Math.min(end, info.size));
  }

  #check(crc32: number): void {
    const expected = this.info?.crc32;
    if (this.#options.range !== undefined || expected === undefined || expected === crc32) return;
    const key = this.#key;
    const message = `${key}: the bytes that arrived do not have the CRC-32 of the object; read it again, and run \`penstock doctor\``;
    throw new PenstockError(message, { code: status.DATA_LOSS, reason: 'DataLoss', key });
  }
}
