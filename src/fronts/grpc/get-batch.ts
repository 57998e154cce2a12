// HOT PATH (bench: every object of a batch)
/**
 * Batches.GetBatch. Promises: every slot of the request is served, failed by name, or named as unserved in BatchEnd, which is in the
 * last frame of every stream that ends with OK; a batch that cannot be finished is reset; a slow reader holds two frames.
 *
 * The hardest decision: a deadline is met with what is ready. The batch stops a little before it, so that BatchEnd with the
 * unserved slots reaches the client in time, and the client asks for these alone.
 */
import assert from 'node:assert/strict';
import type { BatchEntry, BatchRead } from '../../base/batch-read.ts';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { GetBatchRequest, Status } from '../../format/messages.ts';
import { callerOf, type DataPlane } from './access.ts';
import { batchFrameHead, type FrameEnd } from './batch-frame.ts';
import { AskedBatch } from './batch-request.ts';
import { decodeRequest } from './decode-request.ts';
import type { GrpcMethod, ServerCall } from './server-call.ts';
import type { Slab, SlabPool } from './slab-pool.ts';
import { statusOf } from './status.ts';
import type { TurnShare } from './turn-share.ts';

/** Totals over all batches of this process. */
export interface BatchStats {
  batches: number;
  ok: number;
  failed: number;
  unserved: number;
  bytes: number;
  cacheHits: number;
}

export interface GetBatchDeps {
  readonly plane: DataPlane;
  readonly slabs: SlabPool;
  readonly turns: TurnShare;
  readonly stats: BatchStats;
}

const NO_ERRORS: ReadonlyMap<number, Uint8Array> = new Map();

export function getBatchMethod(deps: GetBatchDeps): GrpcMethod {
  return {
    path: '/penstock.v1.Batches/GetBatch',
    kind: 'server-stream',
    messageBytesMax: LIMITS.batchRequestBytesMax,
    handle: async (call) => {
      const caller = callerOf(deps.plane, call);
      const asked = new AskedBatch(deps.plane, caller, decodeRequest(GetBatchRequest, await call.message()));
      const batch = deps.plane.storage.objects.getBatch(asked.refs, asked.options);
      try {
        await new Sending(deps, call, asked, batch).run();
        if (asked.next.length > 0) deps.plane.storage.objects.readAhead?.(asked.next);
      } finally {
        batch.close();
      }
    },
  };
}

class Sending {
  readonly #deps: GetBatchDeps;
  readonly #call: ServerCall;
  readonly #asked: AskedBatch;
  readonly #batch: BatchRead;
  /** Stops a fill that waits; made for the first that does. */
  #stop: AbortController | undefined;
  /** Writes under way; never rejects. */
  readonly #writing = new Set<Promise<void>>();
  #writeError: Error | undefined;
  #isLate = false;
  #ok = 0;
  #failed = 0;
  #bytes = 0;

  constructor(deps: GetBatchDeps, call: ServerCall, asked: AskedBatch, batch: BatchRead) {
    this.#deps = deps;
    this.#call = call;
    this.#asked = asked;
    this.#batch = batch;
  }

  async run(): Promise<void> {
    const late = this.#watchDeadline();
    try {
      while (!(await this.#sendFrame()));
      while (this.#writing.size > 0) await Promise.race(this.#writing);
      if (this.#writeError !== undefined) throw this.#writeError;
    } finally {
      clearTimeout(late);
      if (this.#stop !== undefined) this.#call.signal.removeEventListener('abort', this.#gone);
      this.#count();
    }
  }

  readonly #gone = (): void => this.#stop?.abort(new GatewayError('InternalError', 'The call is over.'));

  #stopSignal(): AbortSignal {
    if (this.#stop === undefined) {
      this.#stop = new AbortController();
      this.#call.signal.addEventListener('abort', this.#gone, { once: true });
      if (this.#call.signal.aborted) this.#gone();
    }
    return this.#stop.signal;
  }

  #watchDeadline(): NodeJS.Timeout | undefined {
    const { deadlineMs, startedMs } = this.#call;
    if (deadlineMs === Number.POSITIVE_INFINITY) return undefined;
    const whole = deadlineMs - startedMs;
    const margin = Math.min(LIMITS.batchDeadlineMarginMs, whole * LIMITS.batchDeadlineMarginShare);
    return setTimeout(
      () => {
        this.#isLate = true;
        this.#stop?.abort();
      },
      Math.max(0, deadlineMs - margin - performance.now()),
    );
  }

  /** True when it was the last one. */
  async #sendFrame(): Promise<boolean> {
    while (this.#writing.size >= LIMITS.batchFramesInFlight) await Promise.race(this.#writing);
    if (this.#writeError !== undefined) throw this.#writeError;
    const turn = this.#deps.turns.enter();
    if (turn !== undefined) await turn;
    const taken = this.#deps.slabs.acquire(this.#asked.frameBytes);
    const slab = taken instanceof Promise ? await taken : taken;
    let entries: readonly BatchEntry[];
    try {
      entries = await this.#fill(slab);
    } catch (error) {
      this.#deps.slabs.abandon(slab);
      throw error;
    }
    this.#write(slab, entries);
    assert(entries.length > 0 || this.#isEnd, 'a batch came to its end before all its slots');
    return this.#isEnd;
  }

  get #isEnd(): boolean {
    return this.#isLate || this.#ok + this.#failed === this.#asked.refs.length;
  }

  async #fill(slab: Slab): Promise<readonly BatchEntry[]> {
    if (this.#isLate) return [];
    try {
      const now = this.#batch.fillNow?.(slab, LIMITS.batchFrameEntriesMax);
      return now ?? (await this.#batch.fill(slab.bytes, LIMITS.batchFrameEntriesMax, this.#stopSignal()));
    } catch (error) {
      if (this.#isLate) return [];
      throw error;
    }
  }

  #write(slab: Slab, entries: readonly BatchEntry[]): void {
    let errors: Map<number, Uint8Array> | undefined;
    let bytes = 0;
    for (let i = 0; i < entries.length; i++) {
      const { error, length, isLast, slot } = entries[i] as BatchEntry;
      bytes += length;
      if (error !== undefined) {
        this.#failed++;
        errors ??= new Map();
        errors.set(i, Status.encode(statusOf(this.#asked.asHeard(slot, error))));
      } else if (isLast) this.#ok++;
    }
    this.#bytes += bytes;
    const head = batchFrameHead(entries, errors ?? NO_ERRORS, this.#isEnd ? this.#end() : undefined);
    const { slabs } = this.#deps;
    const writing = this.#call.writeFramed(gather(head, slab, entries)).then(
      () => slabs.giveBack(slab),
      (error: unknown) => {
        slabs.abandon(slab);
        this.#writeError = error as Error;
      },
    );
    this.#writing.add(writing);
    void writing.then(() => this.#writing.delete(writing));
  }

  #end(): FrameEnd {
    return {
      ok: this.#ok,
      failed: this.#failed,
      unservedSlots: this.#isLate ? this.#batch.unserved() : [],
      bytes: this.#bytes,
      cacheHits: this.#batch.cacheHits,
      serverMs: performance.now() - this.#call.startedMs,
    };
  }

  #count(): void {
    const { stats } = this.#deps;
    stats.batches++;
    stats.ok += this.#ok;
    stats.failed += this.#failed;
    stats.unserved += this.#asked.refs.length - this.#ok - this.#failed;
    stats.bytes += this.#bytes;
    stats.cacheHits += this.#batch.cacheHits;
  }
}

/** The payloads in the order of their entries: runs of what lies in the slab, and between them what is lent. */
function gather(head: Buffer, slab: Slab, entries: readonly BatchEntry[]): Buffer[] {
  const buffers = [head];
  let from = 0;
  let to = 0;
  for (const { length, bytes } of entries) {
    if (bytes === undefined) {
      to += length;
      continue;
    }
    if (to > from) buffers.push(slab.bytes.subarray(from, to));
    buffers.push(bytes);
    from = to;
  }
  if (to > from) buffers.push(slab.bytes.subarray(from, to));
  return buffers;
}

export function newBatchStats(): BatchStats {
  return { batches: 0, ok: 0, failed: 0, unserved: 0, bytes: 0, cacheHits: 0 };
}
