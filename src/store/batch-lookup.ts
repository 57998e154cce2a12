// HOT PATH (bench/batch.ts)
/**
 * The index look-ups of a batch: window after window, each in one snapshot of the index. Says for each slot what there is to do.
 *
 * The hardest decision: a look-up on a page that is not in memory is a page fault on the event loop, and nobody can know before. So
 * look-ups are timed in small groups; after a slow one the rest of the window, and windows for a while after it, have their pages
 * read by the thread pool first. No knob, and nothing is paid while the index is in memory.
 */

import type { BatchOptions, BatchRef } from '../base/batch-read.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { Entry, EntryInfo, isPlainAt, payloadLengthAt } from '../format/index-entry.ts';
import { INDEX_KEY_SCRATCH_BYTES, writeObjectIndexKey } from '../format/index-key.ts';
import type { BatchTrace } from './batch-trace.ts';
import { EntryArena } from './entry-arena.ts';
import type { LocalEngine } from './local-engine.ts';
import { PLAIN_WINDOW_MAX, PlainWindow } from './plain-window.ts';

/** Small enough for a first frame at once, big enough to find neighbours. */
const WINDOW = PLAIN_WINDOW_MAX;
/** An entry of an ordinary object, with some metadata. */
const ENTRY_BYTES = 192;
/** Look-ups between two looks at the clock. */
const GROUP = 8;
/** A group in memory takes 15 µs; one page from flash 100. */
const SLOW_GROUP_MS = 0.2;

export interface Looked {
  readonly slot: number;
  /** Absent: there is no such object, or it may not be read: see `error`. */
  readonly info: EntryInfo | undefined;
  readonly error: GatewayError | undefined;
}

export interface LookedWindow {
  /** Whole objects that lie raw in one record each, where they may be told apart. */
  readonly plain: PlainWindow;
  /** All others, in the order of their slots. */
  readonly others: Looked[];
}

export interface LookupOptions {
  readonly admit?: BatchOptions['admit'];
  /** Hears of every slot, in order. */
  readonly trace?: BatchTrace | undefined;
  /** Tell plain objects apart, whose order is then that of their places. */
  readonly takesPlain: boolean;
}

export class BatchLookup {
  readonly #engine: LocalEngine;
  readonly #refs: readonly BatchRef[];
  readonly #admit: BatchOptions['admit'];
  readonly #scratch = Buffer.allocUnsafe(INDEX_KEY_SCRATCH_BYTES);
  /** The beginning of the scratch by its length: a view costs a tenth of a look-up, and keys of one batch have few lengths. */
  readonly #scratchViews: Buffer[] = [];
  readonly #trace: BatchTrace | undefined;
  readonly #takesPlain: boolean;
  #next = 0;
  /** Slots to look up once more. */
  readonly #again: number[] = [];

  constructor(engine: LocalEngine, refs: readonly BatchRef[], { admit, trace, takesPlain }: LookupOptions) {
    this.#engine = engine;
    this.#refs = refs;
    this.#admit = admit;
    this.#trace = trace;
    this.#takesPlain = takesPlain && admit === undefined; // to be asked about one takes its info
  }

  get isDone(): boolean {
    return this.#next >= this.#refs.length && this.#again.length === 0;
  }

  /** The object has moved since. */
  again(slot: number): void {
    this.#again.push(slot);
  }

  /** What there is for the next slots, at most a window of them. */
  next(): LookedWindow | Promise<LookedWindow> {
    const slots = this.#takeSlots();
    const window = { plain: new PlainWindow(new EntryArena(slots.length * ENTRY_BYTES)), others: [] };
    const { warmth } = this.#engine;
    if (warmth.coldWindows > 0) {
      warmth.coldWindows--;
      this.#refresh(slots);
      return this.#afterPrefetch(slots, window);
    }
    const count = this.#lookWhileWarm(slots, window);
    if (count === slots.length) {
      warmth.wasFast();
      return window;
    }
    warmth.wasSlow();
    return this.#afterPrefetch(slots.slice(count), window);
  }

  #takeSlots(): number[] {
    if (this.#again.length > 0) return this.#again.splice(0, WINDOW).sort((a, b) => a - b);
    const count = Math.min(WINDOW, this.#refs.length - this.#next);
    const first = this.#next;
    this.#next += count;
    return Array.from({ length: count }, (_, i) => first + i);
  }

  /** @returns how many slots were looked up: all, or up to a slow one */
  #lookWhileWarm(slots: readonly number[], window: LookedWindow): number {
    this.#refresh(slots);
    let before = performance.now();
    for (let i = 0; i < slots.length; i++) {
      this.#look(slots[i] as number, window);
      if (i % GROUP !== GROUP - 1) continue;
      const now = performance.now();
      if (now - before > SLOW_GROUP_MS) return i + 1;
      before = now;
    }
    return slots.length;
  }

  async #afterPrefetch(slots: readonly number[], window: LookedWindow): Promise<LookedWindow> {
    await this.#engine.index.prefetch(slots.flatMap((slot) => this.#keyOf(slot) ?? []));
    this.#refresh(slots);
    for (const slot of slots) this.#look(slot, window);
    return window;
  }

  /** Index and buckets as they are now. */
  #refresh(slots: readonly number[]): void {
    this.#engine.buckets.find((this.#refs[slots[0] as number] as BatchRef).bucket);
  }

  /** A key of its own, or `undefined` when the slot cannot have one. */
  #keyOf(slot: number): Buffer | undefined {
    const { bucket, key, refused } = this.#refs[slot] as BatchRef;
    const state = this.#engine.buckets.known(bucket);
    if (state === undefined || refused !== undefined) return undefined;
    try {
      return Buffer.from(this.#scratch.subarray(0, writeObjectIndexKey(this.#scratch, state.id, key)));
    } catch {
      return undefined; // the look-up says what is wrong with it
    }
  }

  #look(slot: number, window: LookedWindow): void {
    const other = this.#lookAt(slot, window.plain);
    if (other !== undefined) window.others.push(other);
    if (this.#trace === undefined || this.#trace.isOver) return;
    const location = other === undefined ? window.plain.lastAdded.full.entry.record : other.info?.entry.payload;
    this.#trace.saw(this.#refs[slot] as BatchRef, location);
  }

  /** @returns `undefined` for a plain object, which is added to `plain` */
  #lookAt(slot: number, plain: PlainWindow): Looked | undefined {
    const { refused } = this.#refs[slot] as BatchRef;
    if (refused !== undefined) return { slot, info: undefined, error: refused };
    try {
      const at = this.#find(slot, plain.arena);
      if (at === -1) return failed(slot, 'NoSuchKey', this.#refs);
      if (!this.#isPlain(slot, plain.arena.bytes, at)) return this.#admitted(slot, plain.arena, at);
      plain.add(slot, at);
      return undefined;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return { slot, info: undefined, error };
    }
  }

  /** @returns where its entry lies in the arena; -1 when it has none @throws GatewayError */
  #find(slot: number, arena: EntryArena): number {
    const { bucket, key } = this.#refs[slot] as BatchRef;
    const state = this.#engine.buckets.known(bucket) ?? this.#engine.buckets.get(bucket);
    const length = writeObjectIndexKey(this.#scratch, state.id, key);
    this.#scratchViews[length] ??= this.#scratch.subarray(0, length);
    return this.#engine.index.look(this.#scratchViews[length] as Buffer, arena);
  }

  #isPlain(slot: number, bytes: Buffer, at: number): boolean {
    if (!this.#takesPlain || (this.#refs[slot] as BatchRef).range !== undefined || !isPlainAt(bytes, at)) return false;
    const length = payloadLengthAt(bytes, at);
    return length > 0 && length <= LIMITS.batchWholeBytesMax;
  }

  #admitted(slot: number, { bytes, end }: EntryArena, at: number): Looked {
    const info = new EntryInfo(new Entry(bytes.subarray(at, end)));
    if (this.#admit !== undefined && !this.#admit(slot, info)) return failed(slot, 'AccessDenied', this.#refs);
    return { slot, info, error: undefined };
  }
}

function failed(slot: number, code: 'NoSuchKey' | 'AccessDenied', refs: readonly BatchRef[]): Looked {
  return { slot, info: undefined, error: new GatewayError(code, undefined, { resource: resourceOf(refs, slot) }) };
}

export function resourceOf(refs: readonly BatchRef[], slot: number): string {
  const { bucket, key } = refs[slot] as BatchRef;
  return `/${bucket}/${key}`;
}
