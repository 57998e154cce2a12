// HOT PATH (bench: GetBatch over HTTP)
/**
 * The archive of a batch, on its way to the client. Promises: one member a slot, in the order in which the slots come, and the closing
 * member only when each had its own; memory is two buffers, filled again only when what they held has left; what cannot be told
 * in a member (a bug, damage in an object whose head has gone) breaks the connection off, so that the archive does not look whole.
 *
 * Hardest decision: small bodies are copied behind their heads. One write of 256 KiB then takes the place of two an object, each of which
 * node:http makes four of: 1.0 µs of CPU an object of 10 KiB against 2.4 (2026-11-25); from 64 KiB on the copy costs more.
 *
 * The CRC-32 of an object that comes in several slices is known before its bytes only where the store has kept it. Otherwise the closing
 * member has it, put together from those of the slices.
 */
import assert from 'node:assert/strict';
import type { BatchEntry, BatchRead, BatchRef } from '../../base/batch-read.ts';
import { asGatewayError, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import { paxRecord, TAR_END_BYTES, type TarMember, tarPadding, writeTarHead } from '../../format/tar-header.ts';
import { END_NAME, memberName } from './batch-names.ts';
import type { BatchBuffers } from './front.ts';
import { type BodyWriter, isGone } from './reply.ts';
import type { BusySocket, Exchange } from './request.ts';

export interface SenderPlan {
  readonly x: Exchange;
  /** Of the request: members of its objects are named by key alone. */
  readonly bucket: string;
  readonly refs: readonly BatchRef[];
  /** Slots come one after the other, never one between the slices of another. */
  readonly batch: BatchRead;
  /** What the client may hear of a slot's failure. */
  readonly refusal: (slot: number, error: GatewayError) => GatewayError;
  readonly buffers: BatchBuffers;
  /** Once. `isClean`: nothing uses the buffers any more, neither the store nor the kernel. */
  readonly ended: (isClean: boolean) => void;
}

/** A slot whose head has left and whose bytes are still coming. */
interface OpenSlot {
  readonly slot: number;
  readonly end: number;
  readonly crc32: number | undefined;
  at: number;
  /** Of the bytes so far. */
  digest: Buffer;
  length: number;
}

/** The largest head: an escaped key and a plain one of 1,024 bytes each, a message, and room. */
const HEAD_BYTES_MAX = 16 * 1024;

export class BatchSender implements BodyWriter {
  readonly #plan: SenderPlan;
  readonly #out: Buffer;
  /** What lies before it in `#out` was handed over. */
  #from = 0;
  /** What lies before it in `#out` is written. */
  #used = 0;
  /** The last of what the next write takes along: its callback says that everything has left. */
  #pending: Buffer | undefined;
  #wake: (() => void) | undefined;
  #open: OpenSlot | undefined;
  #ok = 0;
  #failed = 0;
  #bytes = 0;
  /** CRC-32 by slot, of those that could not have it in their head. */
  readonly #late: Record<number, string> = {};
  #isEnded = false;

  constructor(plan: SenderPlan) {
    this.#plan = plan;
    this.#out = plan.buffers.out;
  }

  discard(): void {
    this.#end(true);
  }

  #end(isClean: boolean): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#plan.batch.close();
    this.#plan.ended(isClean);
  }

  async writeTo(x: Exchange): Promise<void> {
    const abort = new AbortController();
    const leave = (): void => {
      abort.abort();
      this.#wake?.();
    };
    x.res.on('close', leave);
    x.req.socket.on('close', leave);
    try {
      await this.#sendAll(x, abort.signal);
      this.#end(!isGone(x));
    } catch (error) {
      if (!isGone(x)) throw error;
    } finally {
      x.res.off('close', leave);
      x.req.socket.off('close', leave);
      this.#end(false);
    }
  }

  async #sendAll(x: Exchange, signal: AbortSignal): Promise<void> {
    const { batch, refs, buffers } = this.#plan;
    const { fill } = buffers;
    const socket = x.req.socket as BusySocket;
    for (;;) {
      const filled = batch.fill(fill, LIMITS.batchFillEntries, signal);
      if (filled instanceof Promise) socket.s3Busy = true; // the client waits for us
      const entries = filled instanceof Promise ? await filled : filled;
      socket.s3Busy = false;
      if (isGone(x)) return;
      if (entries.length === 0) break;
      let at = 0;
      for (const entry of entries) {
        if (this.#out.length - this.#used < HEAD_BYTES_MAX) await this.#flush();
        this.#add(entry, fill.subarray(at, at + entry.length));
        at += entry.length;
      }
      await this.#flush();
      if (isGone(x)) return;
    }
    assert(this.#open === undefined && this.#ok + this.#failed === refs.length, 'every slot has its member');
    this.#addEnd();
    await this.#flush();
  }

  // --- members ---

  #add(entry: BatchEntry, bytes: Buffer): void {
    const open = this.#open;
    if (open !== undefined) {
      this.#continue(open, entry, bytes);
    } else if (entry.error !== undefined) {
      this.#addFailed(entry.slot, entry.error);
    } else {
      assert(entry.info !== undefined);
      if (entry.isLast) this.#addWhole(entry, entry.info, bytes);
      else this.#begin(entry, entry.info, bytes);
    }
  }

  #addWhole(entry: BatchEntry, info: ObjectInfo, bytes: Buffer): void {
    this.#head(entry, info, entry.length, entry.crc32);
    this.#body(bytes);
    this.#pad(entry.length);
    this.#ok++;
    this.#bytes += entry.length;
  }

  #begin(entry: BatchEntry, info: ObjectInfo, bytes: Buffer): void {
    const { range } = this.#plan.refs[entry.slot] as BatchRef;
    const start = range?.start ?? 0;
    const end = Math.min(range?.end ?? info.size, info.size);
    const length = end - start;
    const crc = length === info.size ? info.crc32 : undefined;
    const open = { slot: entry.slot, end, crc32: crc, at: start, digest: Buffer.alloc(4), length };
    this.#head(entry, info, length, crc);
    this.#open = open;
    this.#continue(open, entry, bytes);
  }

  #continue(open: OpenSlot, entry: BatchEntry, bytes: Buffer): void {
    assert(entry.slot === open.slot, `slot ${entry.slot} came between the slices of slot ${open.slot}`);
    if (entry.error !== undefined) throw entry.error; // what came before it is void, and cannot be taken back
    assert(entry.offset === open.at && open.at + entry.length <= open.end);
    const { checksums } = this.#plan.x.front;
    const digest = digestOf(entry.crc32);
    const before = open.length - (open.end - open.at);
    open.digest = checksums.combine('CRC32', [
      { digest: open.digest, length: before },
      { digest, length: entry.length },
    ]);
    open.at += entry.length;
    this.#body(bytes);
    if (entry.isLast) this.#finish(open);
  }

  #finish(open: OpenSlot): void {
    assert(open.at === open.end, 'the bytes of a slot are as many as its head says');
    const crc = open.digest.readUInt32BE();
    if (open.crc32 === undefined) this.#late[open.slot] = hexOf(crc);
    else if (open.crc32 !== crc) {
      const { bucket, key } = this.#plan.refs[open.slot] as BatchRef;
      throw new GatewayError('DataLoss', 'The bytes that were sent are not those that were stored.', {
        resource: `/${bucket}/${key}`,
      });
    }
    this.#open = undefined;
    this.#pad(open.length);
    this.#ok++;
    this.#bytes += open.length;
  }

  #head({ slot, offset }: BatchEntry, info: ObjectInfo, size: number, crc: number | undefined): void {
    const ref = this.#plan.refs[slot] as BatchRef;
    const name = memberName(ref, this.#plan.bucket, false);
    const records =
      this.#slotRecords(slot, ref, 'OK') +
      (crc === undefined ? '' : paxRecord('PENSTOCK.crc32', hexOf(crc))) +
      paxRecord('PENSTOCK.etag', info.etag) +
      paxRecord('PENSTOCK.size', String(info.size)) +
      (ref.range === undefined ? '' : paxRecord('PENSTOCK.offset', String(offset)));
    this.#put({ name, size, modifiedMs: info.modifiedMs, records });
  }

  #slotRecords(slot: number, { bucket, key }: BatchRef, status: string): string {
    return (
      paxRecord('PENSTOCK.slot', String(slot)) +
      paxRecord('PENSTOCK.status', status) +
      (bucket === this.#plan.bucket ? '' : paxRecord('PENSTOCK.bucket', bucket)) +
      paxRecord('PENSTOCK.key', key)
    );
  }

  #addFailed(slot: number, thrown: GatewayError): void {
    const { x, bucket, refs, refusal } = this.#plan;
    const ref = refs[slot] as BatchRef;
    const { code, message } = refusal(slot, asGatewayError(thrown));
    const records = this.#slotRecords(slot, ref, code) + paxRecord('PENSTOCK.message', message.slice(0, 1024));
    this.#put({ name: memberName(ref, bucket, true), size: 0, modifiedMs: x.startedMs, records });
    this.#failed++;
  }

  #addEnd(): void {
    const counts = { slots: this.#plan.refs.length, ok: this.#ok, failed: this.#failed, bytes: this.#bytes };
    const body = Buffer.from(`${JSON.stringify({ ...counts, crc32: this.#late })}\n`);
    const records = paxRecord('PENSTOCK.status', 'END');
    this.#put({ name: END_NAME, size: body.length, modifiedMs: this.#plan.x.startedMs, records });
    this.#queue(body);
    this.#queue(Buffer.alloc(tarPadding(body.length) + TAR_END_BYTES));
  }

  // --- bytes ---

  #put(member: TarMember): void {
    const end = writeTarHead(this.#out, this.#used, member);
    assert(end > 0, 'there is room for a head');
    this.#used = end;
  }

  #body(bytes: Buffer): void {
    const { length } = bytes;
    if (length <= LIMITS.batchCopyBytes && length <= this.#out.length - this.#used - HEAD_BYTES_MAX) {
      this.#used += bytes.copy(this.#out, this.#used);
    } else this.#queue(bytes);
  }

  #pad(size: number): void {
    const end = this.#used + tarPadding(size);
    this.#out.fill(0, this.#used, end);
    this.#used = end;
  }

  /** Hands over everything that came before, and keeps these bytes for the next time. */
  #queue(bytes: Buffer): void {
    this.#seal();
    if (this.#pending !== undefined) this.#write(this.#pending, undefined);
    this.#pending = bytes;
  }

  /** What was put into `#out` since the last time becomes what is kept. */
  #seal(): void {
    if (this.#from === this.#used) return;
    const piece = this.#out.subarray(this.#from, this.#used);
    this.#from = this.#used;
    if (this.#pending !== undefined) this.#write(this.#pending, undefined);
    this.#pending = piece;
  }

  #write(bytes: Buffer, left: (() => void) | undefined): void {
    const { x } = this.#plan;
    x.bytesOut += bytes.length;
    x.res.write(bytes, left);
  }

  /**
   * Resolves when both buffers are free: what was in them is the kernel's, or the connection is gone. At least one turn of the event loop
   * later, so that a fast reader does not keep all others waiting.
   */
  async #flush(): Promise<void> {
    this.#seal();
    const last = this.#pending;
    this.#pending = undefined;
    this.#from = 0;
    this.#used = 0;
    if (last === undefined || isGone(this.#plan.x)) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        setImmediate(resolve);
      };
      this.#wake = wake;
      this.#write(last, wake);
    });
  }
}

function digestOf(crc: number): Buffer {
  const digest = Buffer.allocUnsafe(4);
  digest.writeUInt32BE(crc >>> 0);
  return digest;
}

function hexOf(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, '0');
}
