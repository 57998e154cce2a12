// HOT PATH (bench: ingest)
/**
 * Batches.PutBatch. Promises: every slot gets exactly one result, when it is durable or refused, in the order of completion; one that
 * fails leaves the others and the call as they are; a malformed frame ends the call, after the results of everything before it; the
 * memory of a call and of all calls is bounded (`put-window.ts`): a sender who is faster than the disk waits, and so does one who does not read
 * results, until the transport ends a call whose client takes nothing.
 *
 * Objects are written side by side, so that the group commit of the store makes one flush of what came together. Two writes of one key
 * in one call may end in either order: who cares waits for the first result.
 *
 * Hardest decision: payloads are slices of the message that was received, from the wire to the disk. A slot that is larger than a frame
 * goes to the store as a stream, of which only one frame waits here.
 */
import { ByteGate } from '../../base/byte-gate.ts';
import { asGatewayError, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import type { PutSource } from '../../base/object-store.ts';
import { crc32Of } from '../../format/crc32.ts';
import type { PutEntry, PutHeader } from '../../format/messages.ts';
import type { Credential } from '../../service/credentials.ts';
import { callerOf, type DataPlane, type OpenBucket, openBucket, requireAction } from './access.ts';
import { BodyCheck, moreThanAnnounced, requireCrc, requireSize } from './body-check.ts';
import { limitCalls } from './call-limit.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { MessageMemory } from './message-memory.ts';
import { objectInfoOf } from './object-info.ts';
import { PacedMessages } from './paced-messages.ts';
import { decodePutFrame, followEntries } from './put-frame.ts';
import { type PutTarget, parsePutHeader } from './put-header.ts';
import { PutResults } from './put-results.ts';
import { type FrameLease, PutWindow } from './put-window.ts';
import type { GrpcMethod, ServerCall } from './server-call.ts';
import { statusOf } from './status.ts';

export function putBatchMethod(plane: DataPlane): GrpcMethod {
  const gate = new ByteGate(LIMITS.putBatchesBytesMax);
  const messageMemory = new MessageMemory();
  const method: GrpcMethod = {
    path: '/penstock.v1.Batches/PutBatch',
    kind: 'bidi-stream',
    messageBytesMax: LIMITS.putMessageBytesMax,
    messageMemory,
    handle: (call) => new PutBatch(plane, call, new PutWindow(gate, messageMemory)).run(),
  };
  return limitCalls([method], LIMITS.putCallsMax)[0] as GrpcMethod;
}

/** Then others have their turn on the event loop: a small object costs it some 20 µs, and a frame may hold thousands. */
const ENTRIES_PER_TURN = 128;

/** An object of which more is to come. `undefined` where it was refused: the rest of it is dropped. */
interface OpenSlot {
  readonly slot: number;
  missing: number;
  readonly body: { readonly check: BodyCheck; readonly queue: ChunkQueue } | undefined;
}

class PutBatch {
  readonly #plane: DataPlane;
  readonly #call: ServerCall;
  readonly #caller: Credential | undefined;
  readonly #messages: PacedMessages;
  readonly #window: PutWindow;
  readonly #results: PutResults;
  /** Without a result on the wire. */
  readonly #slots = new Set<number>();
  #open: OpenSlot | undefined;
  /** The bucket of the last entry: nearly always that of the next one. Looked up anew in each frame. */
  #bucket: OpenBucket | undefined;

  constructor(plane: DataPlane, call: ServerCall, window: PutWindow) {
    this.#plane = plane;
    this.#call = call;
    this.#caller = callerOf(plane, call);
    this.#messages = new PacedMessages(call);
    this.#window = window;
    this.#results = new PutResults(call, (slot) => {
      this.#slots.delete(slot);
      this.#window.leave();
    });
  }

  /** Ends when every result has left. @throws GatewayError for a malformed frame, or a sender who stopped in the middle of an object */
  async run(): Promise<void> {
    let failure: GatewayError | undefined;
    try {
      for (let message = await this.#next(); message !== undefined; message = await this.#next()) {
        await this.#takeFrame(message);
        if (this.#call.isOver) break;
      }
      this.#open?.body?.queue.fail(incomplete(this.#open.missing));
    } catch (error) {
      failure = asGatewayError(error);
      this.#open?.body?.queue.fail(failure);
    }
    await this.#window.empty();
    if (failure !== undefined) throw failure;
  }

  /** In the middle of an object the store waits with us, so that the sender must keep a pace. */
  #next(): Promise<Buffer | undefined> {
    return this.#open === undefined ? this.#messages.nextWhenever() : this.#messages.next();
  }

  async #takeFrame(message: Buffer): Promise<void> {
    const frame = decodePutFrame(message);
    followEntries(frame.entries, this.#open, this.#slots);
    const lease = await this.#admit(message);
    this.#bucket = undefined;
    let at = 0;
    let begun = 0;
    for (const entry of frame.entries) {
      if (++begun % ENTRIES_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      const bytes = frame.payload.subarray(at, at + entry.length);
      at += entry.length;
      if (this.#open === undefined) {
        const later = this.#window.enter();
        if (later !== undefined) await later;
        this.#begin(entry, entry.header as PutHeader, bytes, lease);
      } else this.#continue(this.#open, entry, bytes, lease);
    }
    lease.release();
  }

  async #admit(frame: Buffer): Promise<FrameLease> {
    if (this.#open === undefined) return this.#window.admit(frame);
    await this.#open.body?.queue.drained();
    return this.#window.admitAtOnce(frame);
  }

  #begin(entry: PutEntry, header: PutHeader, bytes: Buffer, lease: FrameLease): void {
    if (entry.length >= header.size) {
      lease.retain();
      void this.#putWhole(entry, header, bytes, lease);
      return;
    }
    this.#open = { slot: entry.slot, missing: header.size, body: this.#beginLarge(entry.slot, header) };
    this.#continue(this.#open, entry, bytes, lease);
  }

  /** Never rejects. What comes before its only `await` is done in the turn of the frame. */
  async #putWhole(entry: PutEntry, header: PutHeader, bytes: Buffer, lease: FrameLease): Promise<void> {
    const { slot } = entry;
    try {
      const bucket = this.#writable(header.bucket);
      const target = parsePutHeader(header);
      if (bytes.length > header.size) throw moreThanAnnounced(header.size, bytes.length);
      const crc32 = crc32Of(bytes, 0);
      requireCrc(entry.crc32, crc32);
      const { contentType, attributes } = target;
      const stored = { etag: this.#plane.hashes.etagOf(bytes), contentType, attributes };
      const info = await this.#put(bucket, target, { kind: 'bytes', bytes, stored, crc32 });
      this.#succeed(slot, bucket, target, info);
    } catch (error) {
      this.#fail(slot, header, error);
    }
    lease.release();
  }

  #beginLarge(slot: number, header: PutHeader): OpenSlot['body'] {
    try {
      requireSize(header.size);
      const bucket = this.#writable(header.bucket);
      const target = parsePutHeader(header);
      const body = { check: new BodyCheck(this.#plane.hashes, header.size), queue: new ChunkQueue() };
      void this.#putLarge(slot, header, bucket, target, body);
      return body;
    } catch (error) {
      this.#fail(slot, header, error);
      return undefined;
    }
  }

  /** Never rejects. */
  async #putLarge(
    slot: number,
    header: PutHeader,
    bucket: OpenBucket,
    target: PutTarget,
    { check, queue }: NonNullable<OpenSlot['body']>,
  ): Promise<void> {
    const { contentType, attributes } = target;
    const seal = () => ({ etag: check.settle(undefined), contentType, attributes });
    try {
      const source: PutSource = { kind: 'stream', chunks: queue, sizeHint: header.size, seal };
      this.#succeed(slot, bucket, target, await this.#put(bucket, target, source));
    } catch (error) {
      this.#fail(slot, header, error);
    }
    queue.close();
  }

  #continue(open: OpenSlot, entry: PutEntry, bytes: Buffer, lease: FrameLease): void {
    open.missing -= bytes.length;
    if (open.missing === 0) this.#open = undefined;
    if (open.body === undefined) return;
    const { check, queue } = open.body;
    try {
      if (entry.crc32 !== undefined) requireCrc(entry.crc32, crc32Of(bytes, 0));
      check.add(bytes);
    } catch (error) {
      queue.fail(asGatewayError(error));
    }
    lease.isKept = true; // the store gathers slices into extents
    lease.retain();
    queue.push(bytes, lease);
    if (open.missing === 0) queue.end();
  }

  /** @throws GatewayError NoSuchBucket, InvalidBucketName, AccessDenied */
  #writable(name: string): OpenBucket {
    if (this.#bucket?.name === name) return this.#bucket;
    const bucket = openBucket(this.#plane, this.#caller, name);
    requireAction(bucket, 'write');
    this.#bucket = bucket;
    return bucket;
  }

  #put(bucket: OpenBucket, { key, conditions }: PutTarget, source: PutSource): Promise<ObjectInfo> {
    return this.#plane.storage.objects.put(bucket.name, key, source, conditions, this.#call.signal);
  }

  #succeed(slot: number, bucket: OpenBucket, { key }: PutTarget, info: ObjectInfo): void {
    this.#results.add({ slot, info: objectInfoOf(bucket.name, key, info), error: undefined });
  }

  #fail(slot: number, { bucket, key }: PutHeader, error: unknown): void {
    const refusal = asGatewayError(error);
    if (refusal.code === 'InternalError' && !this.#call.isOver) {
      this.#plane.log.error(
        { method: this.#call.path, bucket, key, err: error },
        'A write of a batch failed in a way that nobody foresaw.',
      );
    }
    this.#results.add({ slot, info: undefined, error: statusOf(refusal) });
  }
}

function incomplete(missing: number): GatewayError {
  return new GatewayError(
    'IncompleteBody',
    `The sender ended the call ${missing} bytes before the end of the object; nothing was stored.`,
  );
}
