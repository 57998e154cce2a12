// HOT PATH (bench/batch.ts)
/**
 * The index look-ups of a batch: window after window, each in one snapshot of the index. Says for each slot what there is to do.
 *
 * The hardest decision: a look-up on a page that is not in memory is a page fault on the event loop, and nobody can know before. So
 * look-ups are timed in small groups; after a slow one the rest of the window, and windows for a while after it, have their pages
 * read by the thread pool first. No knob, and nothing is paid while the index is in memory.
 */
import { GatewayError } from '../base/errors.ts';
import type { BatchOptions, BatchRef } from '../base/object-store.ts';
import { EntryInfo } from '../format/index-entry.ts';
import { INDEX_KEY_SCRATCH_BYTES, writeObjectIndexKey } from '../format/index-key.ts';
import { EntryArena } from './index-database.ts';
import type { LocalEngine } from './local-engine.ts';

/** Small enough for a first frame at once, big enough to find neighbours. */
const WINDOW = 512;
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

export class BatchLookup {
  readonly #engine: LocalEngine;
  readonly #refs: readonly BatchRef[];
  readonly #admit: BatchOptions['admit'];
  readonly #scratch = Buffer.allocUnsafe(INDEX_KEY_SCRATCH_BYTES);
  /** The beginning of the scratch by its length: a view costs a tenth of a look-up, and keys of one batch have few lengths. */
  readonly #scratchViews: Buffer[] = [];
  readonly #arena = new EntryArena();
  #next = 0;
  /** Slots to look up once more. */
  readonly #again: number[] = [];

  constructor(engine: LocalEngine, refs: readonly BatchRef[], admit: BatchOptions['admit']) {
    this.#engine = engine;
    this.#refs = refs;
    this.#admit = admit;
  }

  get isDone(): boolean {
    return this.#next >= this.#refs.length && this.#again.length === 0;
  }

  /** The object has moved since. */
  again(slot: number): void {
    this.#again.push(slot);
  }

  /** What there is for the next slots, at most a window of them. */
  next(): Looked[] | Promise<Looked[]> {
    const slots = this.#takeSlots();
    const { warmth } = this.#engine;
    if (warmth.coldWindows > 0) {
      warmth.coldWindows--;
      this.#refresh(slots);
      return this.#afterPrefetch(slots, []);
    }
    const looked = this.#lookWhileWarm(slots);
    if (looked.length === slots.length) {
      warmth.wasFast();
      return looked;
    }
    warmth.wasSlow();
    return this.#afterPrefetch(slots.slice(looked.length), looked);
  }

  #takeSlots(): number[] {
    if (this.#again.length > 0) return this.#again.splice(0, WINDOW).sort((a, b) => a - b);
    const count = Math.min(WINDOW, this.#refs.length - this.#next);
    const first = this.#next;
    this.#next += count;
    return Array.from({ length: count }, (_, i) => first + i);
  }

  #lookWhileWarm(slots: readonly number[]): Looked[] {
    const looked: Looked[] = [];
    this.#refresh(slots);
    let before = performance.now();
    for (let i = 0; i < slots.length; i++) {
      looked.push(this.#look(slots[i] as number));
      if (i % GROUP !== GROUP - 1) continue;
      const now = performance.now();
      if (now - before > SLOW_GROUP_MS) break;
      before = now;
    }
    return looked;
  }

  async #afterPrefetch(slots: readonly number[], looked: Looked[]): Promise<Looked[]> {
    await this.#engine.index.prefetch(slots.flatMap((slot) => this.#keyOf(slot) ?? []));
    this.#refresh(slots);
    for (const slot of slots) looked.push(this.#look(slot));
    return looked;
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

  #look(slot: number): Looked {
    const { bucket, key, refused } = this.#refs[slot] as BatchRef;
    if (refused !== undefined) return { slot, info: undefined, error: refused };
    try {
      const state = this.#engine.buckets.known(bucket) ?? this.#engine.buckets.get(bucket);
      const length = writeObjectIndexKey(this.#scratch, state.id, key);
      this.#scratchViews[length] ??= this.#scratch.subarray(0, length);
      const entry = this.#engine.index.look(this.#scratchViews[length] as Buffer, this.#arena);
      if (entry === undefined) return failed(slot, 'NoSuchKey', this.#refs);
      const info = new EntryInfo(entry);
      if (this.#admit !== undefined && !this.#admit(slot, info)) return failed(slot, 'AccessDenied', this.#refs);
      return { slot, info, error: undefined };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return { slot, info: undefined, error };
    }
  }
}

function failed(slot: number, code: 'NoSuchKey' | 'AccessDenied', refs: readonly BatchRef[]): Looked {
  return { slot, info: undefined, error: new GatewayError(code, undefined, { resource: resourceOf(refs, slot) }) };
}

export function resourceOf(refs: readonly BatchRef[], slot: number): string {
  const { bucket, key } = refs[slot] as BatchRef;
  return `/${bucket}/${key}`;
}
