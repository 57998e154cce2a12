/**
 * A batch for stores that have nothing better than `get`: slot after slot, in strict order, whatever order was asked for.
 */
import { crc32 } from '@node-rs/crc32';
import type { BatchEntry, BatchOptions, BatchRead, BatchRef } from '../base/batch-read.ts';
import { asGatewayError, GatewayError } from '../base/errors.ts';
import type { ObjectInfo } from '../base/object-info.ts';
import type { ObjectRead, ObjectStore } from '../base/object-store.ts';

type Getter = Pick<ObjectStore, 'head' | 'get'>;

/** The slot whose bytes are being handed out. */
interface Current {
  readonly slot: number;
  readonly info: ObjectInfo;
  readonly end: number;
  readonly chunks: AsyncIterator<Buffer>;
  /** Of the object: the first byte that was not handed out. */
  at: number;
  chunk: Buffer;
}

const NOTHING = Buffer.alloc(0);

export class BatchOverGet implements BatchRead {
  readonly #store: Getter;
  readonly #refs: readonly BatchRef[];
  readonly #admit: BatchOptions['admit'];
  #next = 0;
  #current: Current | undefined;
  readonly cacheHits = 0;

  constructor(store: Getter, refs: readonly BatchRef[], options: BatchOptions) {
    this.#store = store;
    this.#refs = refs;
    this.#admit = options.admit;
  }

  async fill(into: Buffer, entriesMax: number, signal?: AbortSignal): Promise<readonly BatchEntry[]> {
    const entries: BatchEntry[] = [];
    let used = 0;
    while (entries.length < entriesMax && used < into.length) {
      signal?.throwIfAborted();
      if (this.#current === undefined && this.#next === this.#refs.length) break;
      const entry = await this.#entry(into.subarray(used), signal);
      entries.push(entry);
      used += entry.length;
    }
    return entries;
  }

  unserved(): readonly number[] {
    const first = this.#current?.slot ?? this.#next;
    return Array.from({ length: this.#refs.length - first }, (_, i) => first + i);
  }

  close(): void {
    const open = this.#current;
    this.#current = undefined;
    this.#next = this.#refs.length;
    void open?.chunks.return?.();
  }

  async #entry(room: Buffer, signal: AbortSignal | undefined): Promise<BatchEntry> {
    const slot = this.#current?.slot ?? this.#next++;
    try {
      this.#current ??= await this.#open(slot, signal);
      return await this.#slice(this.#current, room);
    } catch (error) {
      signal?.throwIfAborted();
      this.#current = undefined;
      return { slot, length: 0, offset: 0, isLast: true, crc32: 0, error: asGatewayError(error) };
    }
  }

  async #open(slot: number, signal: AbortSignal | undefined): Promise<Current> {
    const { bucket, key, range, refused } = this.#refs[slot] as BatchRef;
    if (refused !== undefined) throw refused;
    const resource = `/${bucket}/${key}`;
    if (this.#admit !== undefined) {
      const info = await this.#store.head(bucket, key);
      if (info !== undefined && !this.#admit(slot, info))
        throw new GatewayError('AccessDenied', undefined, { resource });
    }
    const first = range?.start ?? 0;
    const wanted = range === undefined || range.end === undefined ? { first } : { first, last: range.end - 1 };
    const whole = range === undefined || (first === 0 && range.end === undefined);
    const read = await this.#store.get(bucket, key, whole ? {} : { range: wanted }, signal);
    if (read === undefined || 'kind' in read) throw new GatewayError('NoSuchKey', undefined, { resource });
    if (this.#admit !== undefined && !this.#admit(slot, read.info)) {
      // Replaced since it was looked at, by one that may not be read.
      if (!Buffer.isBuffer(read.body)) await read.body[Symbol.asyncIterator]().return?.();
      throw new GatewayError('AccessDenied', undefined, { resource });
    }
    return { slot, info: read.info, end: read.end, chunks: chunksOf(read.body), at: read.start, chunk: NOTHING };
  }

  async #slice(current: Current, room: Buffer): Promise<BatchEntry> {
    const offset = current.at;
    let length = 0;
    while (length < room.length && current.at < current.end) {
      if (current.chunk.length === 0) {
        const { value, done } = await current.chunks.next();
        if (done === true) throw new GatewayError('DataLoss', 'The object ended before its size.');
        current.chunk = value;
      }
      const taken = current.chunk.copy(room, length);
      current.chunk = current.chunk.subarray(taken);
      current.at += taken;
      length += taken;
    }
    const { slot, info } = current;
    const isLast = current.at === current.end;
    if (isLast) this.#current = undefined;
    return { slot, length, offset, isLast, crc32: crc32(room.subarray(0, length)), info };
  }
}

function chunksOf(body: ObjectRead['body']): AsyncIterator<Buffer> {
  const chunks = Buffer.isBuffer(body) ? one(body) : body;
  return chunks[Symbol.asyncIterator]();
}

async function* one(body: Buffer): AsyncGenerator<Buffer> {
  yield body;
}
