// HOT PATH: every entry of every frame goes through `take`.
/**
 * What has become of each slot of a batch, over all the calls that it takes. Promises: every slot gets one result, its bytes or its error;
 * bytes come out only when their CRC-32 held and all of them are there; what came of a slot in an attempt that failed is dropped.
 *
 * Hardest decision: the body of an object that fits into one entry is a view of the frame that it came in. It costs no copy, and keeps
 * a frame of a MiB alive while it is kept; who keeps few objects of a batch for long copies them.
 */
import { status } from '@grpc/grpc-js';
import { LIMITS } from '../base/limits.ts';
import { crc32Of } from '../format/crc32.ts';
import type { BatchFrame, Entry } from '../format/messages.ts';
import { errorOfRpcStatus, PenstockError } from './penstock-error.ts';
import { brokenProtocol } from './protocol-error.ts';

/** An object, or a range of it. */
export interface BatchRef {
  readonly key: string;
  /** Only where it is not the batch's. */
  readonly bucket?: string;
  /** Half-open, in bytes; no end: to the end of the object. */
  readonly range?: { readonly start: number; readonly end?: number };
}

export interface BatchInfo {
  /** Bytes of the whole object, also where a range was asked for. */
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  /** CRC-32 (IEEE) of `body`, computed here. */
  readonly crc32: number;
}

/** What came of one slot. `slot` is its place in the list that was asked for. */
export type BatchResult =
  | { readonly slot: number; readonly key: string; readonly ok: true; readonly body: Buffer; readonly info: BatchInfo }
  | { readonly slot: number; readonly key: string; readonly ok: false; readonly error: PenstockError };

export type Order = 'completion' | 'strict';

/** A slot whose bytes come in several entries. */
interface Partial {
  readonly body: Buffer;
  readonly etag: string;
  filled: number;
  crc32: number;
}

const CRC_FAILURES_MAX = 2;

export class BatchSlots {
  readonly #refs: readonly (string | BatchRef)[];
  readonly #isStrict: boolean;
  /** 1: has its result. */
  readonly #settled: Uint8Array;
  readonly #partials = new Map<number, Partial>();
  /** Slots that failed in the present call and are to be asked for again: the rest of what comes of them is dropped. */
  readonly #again = new Map<number, PenstockError>();
  readonly #crcFailures = new Map<number, number>();
  /** Strict order: results that came before their turn. */
  readonly #held = new Map<number, BatchResult>();
  #turn = 0;
  #heldBytes = 0;
  #open: number;

  constructor(refs: readonly (string | BatchRef)[], order: Order) {
    this.#refs = refs;
    this.#isStrict = order === 'strict';
    this.#settled = new Uint8Array(refs.length);
    this.#open = refs.length;
  }

  /** Slots without a result. */
  get open(): number {
    return this.#open;
  }

  /** Bytes of results that wait for an earlier slot. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  refOf(slot: number): BatchRef {
    const ref = this.#refs[slot] as string | BatchRef;
    return typeof ref === 'string' ? { key: ref } : ref;
  }

  /** Begins a call: forgets what the last one left unfinished. @returns the slots to ask for, ascending, as many as one request takes */
  beginCall(): Uint32Array {
    this.#partials.clear();
    this.#again.clear();
    const slots = new Uint32Array(Math.min(this.#open, LIMITS.clientBatchSlotsMax));
    let count = 0;
    let chars = 0;
    for (let slot = 0; count < slots.length && chars < LIMITS.clientBatchKeyCharsMax; slot += 1) {
      if (this.#settled[slot] === 1) continue;
      slots[count++] = slot;
      chars += this.#keyOf(slot).length;
    }
    return slots.subarray(0, count);
  }

  /**
   * Adds to `out` the results that are ready by this frame.
   * @param slots what `beginCall` returned
   * @throws PenstockError when the gateway breaks the protocol
   */
  take(frame: BatchFrame, slots: Uint32Array, out: BatchResult[]): void {
    let at = 0;
    for (const entry of frame.entries) {
      const end = at + entry.length;
      if (end > frame.payload.length) throw brokenProtocol('described more bytes than a frame holds');
      const slot = slots[entry.slot];
      if (slot === undefined) throw brokenProtocol(`sent an entry of slot ${entry.slot}, which it was not asked for`);
      if (!this.#again.has(slot)) this.#takeEntry(slot, entry, frame.payload.subarray(at, end), out);
      at = end;
    }
    if (at !== frame.payload.length) throw brokenProtocol('described fewer bytes than a frame holds');
  }

  /** Why slots of this call are to be asked for again; `undefined` when none is. */
  get lastFailure(): PenstockError | undefined {
    let last: PenstockError | undefined;
    for (const error of this.#again.values()) last = error;
    return last;
  }

  /** Ends every open slot: with its own error, else with this one. */
  giveUp(error: PenstockError, out: BatchResult[]): void {
    for (let slot = 0; slot < this.#settled.length; slot += 1) {
      if (this.#settled[slot] === 1) continue;
      this.#fail(slot, this.#again.get(slot) ?? error.about(this.#keyOf(slot)), out);
    }
  }

  #keyOf(slot: number): string {
    const ref = this.#refs[slot] as string | BatchRef;
    return typeof ref === 'string' ? ref : ref.key;
  }

  #takeEntry(slot: number, entry: Entry, bytes: Buffer, out: BatchResult[]): void {
    if (this.#settled[slot] === 1)
      throw brokenProtocol(`sent an entry of slot ${entry.slot}, which was served already`);
    if (entry.error !== undefined) {
      this.#refuse(slot, errorOfRpcStatus(entry.error, this.#keyOf(slot)), out);
      return;
    }
    const crc32 = crc32Of(bytes, 0) >>> 0;
    if (crc32 !== entry.crc32) {
      this.#refuseCrc(slot, entry, crc32, out);
      return;
    }
    const partial = this.#partials.get(slot);
    if (partial !== undefined) {
      this.#join(slot, partial, entry, bytes, out);
      return;
    }
    const { start, length } = this.#span(slot, entry);
    if (entry.objectOffset !== start) throw brokenProtocol(`began slot ${entry.slot} at byte ${entry.objectOffset}`);
    if (entry.length === length) this.#serve(slot, bytes, entry, crc32, out);
    else this.#begin(slot, entry, bytes, length, crc32, out);
  }

  /** The bytes of the object that were asked for. */
  #span(slot: number, entry: Entry): { start: number; length: number } {
    const ref = this.#refs[slot] as string | BatchRef;
    if (typeof ref === 'string' || ref.range === undefined) return { start: 0, length: entry.objectSize };
    const { start, end } = ref.range;
    return { start, length: Math.max(0, Math.min(end ?? entry.objectSize, entry.objectSize) - start) };
  }

  #begin(slot: number, entry: Entry, bytes: Buffer, length: number, crc32: number, out: BatchResult[]): void {
    if (entry.length > length) throw brokenProtocol(`sent more bytes of slot ${entry.slot} than the object has`);
    if (length > LIMITS.clientObjectBytesMax) {
      const advice = `is larger than ${LIMITS.clientObjectBytesMax} bytes; read it with get()`;
      const key = this.#keyOf(slot);
      this.#again.set(slot, new PenstockError(`${key} ${advice}`, { code: status.OUT_OF_RANGE, key })); // drops the rest of it
      this.#fail(slot, this.#again.get(slot) as PenstockError, out);
      return;
    }
    const body = Buffer.allocUnsafeSlow(length);
    bytes.copy(body);
    this.#partials.set(slot, { body, etag: entry.etag, filled: bytes.length, crc32 });
  }

  #join(slot: number, partial: Partial, entry: Entry, bytes: Buffer, out: BatchResult[]): void {
    const { start } = this.#span(slot, entry);
    const fits = partial.filled + bytes.length <= partial.body.length;
    const isSame = entry.etag === '' || entry.etag === partial.etag;
    if (!fits || !isSame || entry.objectOffset !== start + partial.filled)
      throw brokenProtocol(`sent entries of slot ${entry.slot} that do not follow each other`);
    bytes.copy(partial.body, partial.filled);
    partial.filled += bytes.length;
    partial.crc32 = crc32Of(bytes, partial.crc32) >>> 0;
    if (partial.filled < partial.body.length) return;
    this.#partials.delete(slot);
    this.#serve(slot, partial.body, { etag: partial.etag, objectSize: entry.objectSize }, partial.crc32, out);
  }

  #serve(
    slot: number,
    body: Buffer,
    { etag, objectSize: size }: { readonly etag: string; readonly objectSize: number },
    crc32: number,
    out: BatchResult[],
  ): void {
    this.#settle({ slot, key: this.#keyOf(slot), ok: true, body, info: { size, etag, crc32 } }, out);
  }

  #refuse(slot: number, error: PenstockError, out: BatchResult[]): void {
    this.#partials.delete(slot);
    if (error.retryable) this.#again.set(slot, error);
    else this.#fail(slot, error, out);
  }

  /** Once may be the network's doing; twice is damage that asking again does not mend. */
  #refuseCrc(slot: number, entry: Entry, crc32: number, out: BatchResult[]): void {
    const failures = (this.#crcFailures.get(slot) ?? 0) + 1;
    this.#crcFailures.set(slot, failures);
    const key = this.#keyOf(slot);
    const sums = `CRC-32 ${hex(crc32)} and not ${hex(entry.crc32)}`;
    const message = `${key}: the bytes that arrived have ${sums}; they were damaged after the gateway had read them`;
    const error = new PenstockError(message, { code: status.DATA_LOSS, reason: 'DataLoss', key });
    this.#partials.delete(slot);
    this.#again.set(slot, error); // drops the rest of it
    if (failures >= CRC_FAILURES_MAX) this.#fail(slot, error, out);
  }

  #fail(slot: number, error: PenstockError, out: BatchResult[]): void {
    this.#settle({ slot, key: this.#keyOf(slot), ok: false, error }, out);
  }

  #settle(result: BatchResult, out: BatchResult[]): void {
    this.#settled[result.slot] = 1;
    this.#open -= 1;
    if (!this.#isStrict) {
      out.push(result);
      return;
    }
    if (result.slot !== this.#turn) {
      this.#held.set(result.slot, result);
      if (result.ok) this.#heldBytes += result.body.length;
      return;
    }
    out.push(result);
    this.#turn += 1;
    this.#release(out);
  }

  #release(out: BatchResult[]): void {
    for (let next = this.#held.get(this.#turn); next !== undefined; next = this.#held.get(this.#turn)) {
      this.#held.delete(this.#turn);
      if (next.ok) this.#heldBytes -= next.body.length;
      out.push(next);
      this.#turn += 1;
    }
  }
}

function hex(crc32: number): string {
  return crc32.toString(16).padStart(8, '0');
}
