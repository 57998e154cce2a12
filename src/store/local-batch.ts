// HOT PATH (bench/batch.ts)
/**
 * A batch of the local store: look-ups by window, a read plan for each, and bytes read straight into the buffer of who sends them.
 * Whole small objects, which are nearly all, take that way; those that are stored coded land as slow reads do, when they were decoded;
 * ranges, and objects of more than one record or one buffer, are read by `get`.
 *
 * The hardest decision: reads that the page cache answers are done synchronously, where each costs a third, and one that is slow
 * sends everything that is planned to the thread pool at once, bounded in bytes. `VolumeReader` decides which it is at the moment.
 */
import { crc32 } from '@node-rs/crc32';
import type { BatchEntry, BatchOptions, BatchRead, BatchRef, FillRoom } from '../base/batch-read.ts';
import { asGatewayError, type GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { ObjectStore } from '../base/object-store.ts';
import type { EntryInfo } from '../format/index-entry.ts';
import type { Location } from '../format/manifest.ts';
import { Filling } from './batch-filling.ts';
import { BatchFlights, type Landed, type Passenger } from './batch-flights.ts';
import { BatchLookup, type Looked, type LookedWindow, resourceOf } from './batch-lookup.ts';
import { BatchOverGet } from './batch-over-get.ts';
import { planByPlace, planStrict, type RunStep, type Step } from './batch-steps.ts';
import { BatchTrace } from './batch-trace.ts';
import { dataLossOf } from './data-loss.ts';
import type { LocalEngine } from './local-engine.ts';
import { PlainReads } from './plain-reads.ts';
import type { PlainWindow } from './plain-window.ts';
import type { Run, Wanted } from './read-plan.ts';
import { VolumeGone } from './record-reader.ts';
import { checkedIn, readBuffers, runStart } from './run-read.ts';
import { isFrame, PAYLOAD_CRC_BYTES } from './stored-frame.ts';

/** How often a slot is looked up again when compaction came between. */
const ATTEMPTS = 5;

/** A payload in memory, handed out up to `at`. */
interface Partial {
  readonly landed: Landed;
  at: number;
}

interface Other {
  readonly slot: number;
  readonly batch: BatchRead;
}

const NOTHING = Buffer.alloc(0);
/** What lies between payloads of a run is read into it. */
const DROPPED = Buffer.allocUnsafeSlow(LIMITS.batchGapBytesMax);

export class LocalBatch implements BatchRead {
  readonly #engine: LocalEngine;
  readonly #objects: Pick<ObjectStore, 'head' | 'get'>;
  readonly #refs: readonly BatchRef[];
  readonly #options: BatchOptions;
  readonly #isStrict: boolean;
  readonly #lookup: BatchLookup;
  readonly #flights: BatchFlights;
  readonly #served: Uint8Array;
  #servedCount = 0;
  #steps: Step[] = [];
  #stepAt = 0;
  /** Completion order: runs to decode, which take off whenever there is room, so that threads work while raw ones are read. */
  #coded: Run<Passenger>[] = [];
  /** A look-up that waits for pages of the index. */
  #looking: Promise<void> | undefined;
  /** The slot that is read by `get`. */
  #other: Other | undefined;
  #partial: Partial | undefined;
  readonly #attempts = new Map<number, number>();
  #isClosed = false;
  readonly #trace: BatchTrace | undefined;
  cacheHits = 0;

  constructor(
    engine: LocalEngine,
    objects: Pick<ObjectStore, 'head' | 'get'>,
    refs: readonly BatchRef[],
    options: BatchOptions,
  ) {
    this.#engine = engine;
    this.#objects = objects;
    this.#refs = refs;
    this.#options = options;
    this.#isStrict = options.order === 'strict';
    this.#flights = new BatchFlights(engine.reader, this.#isStrict);
    this.#served = new Uint8Array(refs.length);
    this.#trace = engine.reader.isSlow && engine.ahead !== undefined ? new BatchTrace() : undefined;
    const { admit } = options;
    this.#lookup = new BatchLookup(engine, refs, { admit, trace: this.#trace, takesPlain: !this.#isStrict });
  }

  fillNow(into: FillRoom, entriesMax: number): readonly BatchEntry[] | undefined {
    const filling = new Filling(into, entriesMax, this.#options);
    this.#advance(filling);
    return filling.entries.length > 0 || this.#isDone ? filling.entries : undefined;
  }

  fill(into: Buffer, entriesMax: number, signal?: AbortSignal): Promise<readonly BatchEntry[]> | readonly BatchEntry[] {
    const room = { length: into.length, bytes: into };
    return this.fillNow(room, entriesMax) ?? this.#fillSlowly(new Filling(room, entriesMax, this.#options), signal);
  }

  unserved(): readonly number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#served.length; slot++) if (this.#served[slot] === 0) slots.push(slot);
    return slots;
  }

  close(): void {
    if (!this.#isClosed && this.#trace !== undefined) this.#engine.ahead?.ended(this.#trace);
    this.#isClosed = true;
    this.#other?.batch.close();
    this.#flights.forget();
  }

  get #isDone(): boolean {
    return this.#isClosed || this.#servedCount === this.#refs.length;
  }

  async #fillSlowly(filling: Filling, signal: AbortSignal | undefined): Promise<readonly BatchEntry[]> {
    while (filling.entries.length === 0 && !this.#isDone) {
      signal?.throwIfAborted();
      if (this.#other !== undefined && !this.#mayLand) await this.#fillByGet(filling, signal);
      else await this.#untilSomethingCame(signal);
      this.#advance(filling);
    }
    return filling.entries;
  }

  async #untilSomethingCame(signal: AbortSignal | undefined): Promise<void> {
    const coming = (this.#looking ?? this.#flights.next()).then(endOfTurn);
    if (signal === undefined) return coming;
    let stop: () => void = () => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
      signal.addEventListener('abort', stop, { once: true });
    });
    await Promise.race([coming, stopped]);
    signal.removeEventListener('abort', stop);
  }

  /** In strict order what landed comes after the slot that is read by `get`. */
  get #mayLand(): boolean {
    return this.#flights.hasLanded && !(this.#isStrict && this.#other !== undefined);
  }

  /** Everything that can be had without waiting, until the buffer is full. */
  #advance(filling: Filling): void {
    while (!filling.isFull && !this.#isDone) {
      if (this.#partial !== undefined) {
        if (!this.#handOut(filling)) return;
      } else if (this.#mayLand) this.#land(this.#flights.take());
      else if (!this.#step(filling)) return;
    }
  }

  /** Begins the next step. False: nothing can be done now, or it does not fit into what is left of the buffer. */
  #step(filling: Filling): boolean {
    this.#launchCoded();
    const step = this.#steps[this.#stepAt];
    if (step === undefined) return this.#coded.length === 0 && this.#planNext();
    const mustWait = this.#isStrict && (this.#flights.isBusy || this.#other !== undefined);
    if (step.kind === 'run') return this.#run(step, filling, mustWait);
    if (step.kind === 'plain') return this.#readPlain(step.reads, filling);
    if (mustWait || (step.kind === 'other' && this.#other !== undefined)) return false;
    this.#stepAt++;
    if (step.kind === 'failed') this.#fail(step.slot, step.error, filling);
    else if (step.kind === 'bytes') this.#partial = { landed: { ...step, isFrame: false, error: undefined }, at: 0 };
    else {
      const batch = new BatchOverGet(this.#objects, [this.#refs[step.slot] as BatchRef], {
        ...this.#options,
        ...(this.#options.admit !== undefined && {
          admit: (_, info) => this.#options.admit?.(step.slot, info) ?? true,
        }),
      });
      this.#other = { slot: step.slot, batch };
      return filling.entries.length === 0; // who waits for it has nothing else
    }
    return true;
  }

  #launchCoded(): void {
    while (this.#coded.length > 0 && this.#flights.beginCoded(this.#coded[0] as Run<Passenger>)) this.#coded.shift();
  }

  // --- planning ---

  #planNext(): boolean {
    if (this.#looking !== undefined || this.#lookup.isDone) return false;
    const looked = this.#lookup.next();
    if (!(looked instanceof Promise)) {
      this.#plan(looked);
      return true;
    }
    this.#looking = looked.then((found) => {
      this.#looking = undefined;
      this.#plan(found);
    });
    return false;
  }

  #plan({ plain, others }: LookedWindow): void {
    const wanted = others.map((each) => this.#stepOf(each));
    const { steps, coded } = this.#isStrict ? planStrict(wanted) : planByPlace(wanted, this.#plainReads(plain));
    this.#steps = steps;
    this.#stepAt = 0;
    this.#coded = coded;
  }

  #plainReads(window: PlainWindow): PlainReads | undefined {
    if (window.count === 0) return undefined;
    window.sortByPlace();
    return new PlainReads(this.#engine.reader, window, {
      served: (slot, isHit) => {
        if (isHit) this.cacheHits++;
        this.#serve(slot);
      },
      failed: (slot, error, filling) => this.#failRead(slot, error, filling),
    });
  }

  #stepOf({ slot, info, error }: Looked): Step | Wanted<Passenger> {
    if (info === undefined) return { kind: 'failed', slot, error: error as GatewayError };
    const location = info.entry.payload;
    if ((this.#refs[slot] as BatchRef).range !== undefined) return { kind: 'other', slot };
    if (location === undefined) {
      return info.size === 0 ? { kind: 'bytes', slot, info, bytes: NOTHING, crc: 0 } : { kind: 'other', slot };
    }
    if (location.codec !== 0 && this.#isWantedAsFrame(info, location))
      return { location, who: { slot, info, asFrame: true } };
    const bytes = this.#engine.reader.cached(location);
    if (bytes !== undefined) {
      this.cacheHits++;
      return { kind: 'bytes', slot, info, bytes, crc: location.crc };
    }
    if (location.size > LIMITS.batchWholeBytesMax) return { kind: 'other', slot };
    return { location, who: { slot, info, asFrame: false } };
  }

  #isWantedAsFrame(info: EntryInfo, location: Location): boolean {
    const { acceptZstdBytesMax: max } = this.#options;
    return max !== undefined && location.length - PAYLOAD_CRC_BYTES <= max && isFrame(info, location);
  }

  // --- runs ---

  #readPlain(reads: PlainReads, filling: Filling): boolean {
    const end = reads.advance(filling);
    if (end === 'full') return false;
    const rest = end === 'stuck' ? planByPlace(reads.rest().map((each) => this.#stepOf(each))).steps : [];
    this.#steps.splice(this.#stepAt, 1, ...rest);
    return true;
  }

  #run(step: RunStep, filling: Filling, mustWait: boolean): boolean {
    const { run } = step;
    if (mustWait || step.isCoded) return this.#takeOff(step);
    const fitting = filling.fitting(run);
    if (fitting === 0) {
      if (filling.entries.length > 0) return false;
      return this.#takeOff(step); // larger than the whole buffer: read apart, handed out in slices
    }
    const done = this.#readNow(fitting === run.items.length ? run : firstOf(run, fitting), filling);
    if (done === undefined) return this.#takeOff(step);
    if (done === run.items.length) this.#stepAt++;
    else this.#steps[this.#stepAt] = { ...step, run: { ...run, items: run.items.slice(done) } };
    return true;
  }

  #takeOff({ run, isCoded }: RunStep): boolean {
    if (!(isCoded ? this.#flights.beginCoded(run) : this.#flights.begin(run))) return false;
    this.#stepAt++;
    return true;
  }

  /** How many items are done with; `undefined` when the disk is slow at the moment. Ends at a damaged one, whose bytes nobody gets. */
  #readNow(run: Run<Passenger>, filling: Filling): number | undefined {
    const { reader } = this.#engine;
    const payloads = filling.payloads(run);
    let have: number | undefined;
    try {
      have = reader.readAcrossNow(run.volume, runStart(run), readBuffers(run, payloads, DROPPED));
    } catch (error) {
      for (const { who } of run.items) this.#failRead(who.slot, error, filling);
      return run.items.length;
    }
    if (have === undefined) return undefined;
    for (let i = 0; i < run.items.length; i++) {
      const { location, who } = run.items[i] as Wanted<Passenger>;
      try {
        checkedIn(run, location, payloads[i] as Buffer, have);
      } catch (error) {
        this.#failRead(who.slot, error, filling);
        return i + 1;
      }
      filling.add(who.slot, who.info, location.length, 0, true, location.crc);
      this.#serve(who.slot);
    }
    return run.items.length;
  }

  #land(landed: Landed): void {
    const { slot, error } = landed;
    if (error === undefined) this.#partial = { landed, at: 0 };
    else if (!this.#lookAgain(slot, error)) {
      const failure = asGatewayError(dataLossOf(error, resourceOf(this.#refs, slot)));
      this.#partial = { landed: { ...landed, error: failure }, at: 0 };
    }
  }

  // --- handing out ---

  /** False: it waits for the next buffer. */
  #handOut(filling: Filling): boolean {
    const partial = this.#partial as Partial;
    const { slot, info, bytes, crc, isFrame, error } = partial.landed;
    if (error !== undefined) {
      this.#partial = undefined;
      this.#fail(slot, error as GatewayError, filling);
      return true;
    }
    if (partial.at === 0 && filling.isForNext(bytes.length)) return false;
    if (partial.at === 0 && !isFrame && filling.fits(bytes.length)) {
      filling.addWhole(slot, info, bytes, crc);
      this.#partial = undefined;
      this.#serve(slot);
      return true;
    }
    const from = partial.at;
    const length = bytes.copy(filling.room, 0, from);
    partial.at += length;
    const isLast = partial.at === bytes.length;
    const isWhole = from === 0 && isLast; // its CRC is known
    if (isFrame)
      filling.addEntry({ slot, length, offset: 0, isLast, crc32: crc, info, encoding: 'zstd' }); // it fits: see `asFrame`
    else filling.add(slot, info, length, from, isLast, isWhole ? crc : crc32(filling.room.subarray(0, length)));
    if (isLast) {
      this.#partial = undefined;
      this.#serve(slot);
    }
    return true;
  }

  async #fillByGet(filling: Filling, signal: AbortSignal | undefined): Promise<void> {
    const { slot, batch } = this.#other as Other;
    const entries = await batch.fill(filling.room, filling.entriesLeft, signal);
    for (const entry of entries) {
      filling.addEntry({ ...entry, slot });
      if (!entry.isLast) continue;
      this.#other = undefined;
      this.#serve(slot);
    }
  }

  #failRead(slot: number, error: unknown, filling: Filling): void {
    if (this.#lookAgain(slot, error)) return;
    this.#fail(slot, asGatewayError(dataLossOf(error, resourceOf(this.#refs, slot))), filling);
  }

  #fail(slot: number, error: GatewayError, filling: Filling): void {
    filling.addEntry({ slot, length: 0, offset: 0, isLast: true, crc32: 0, error });
    this.#serve(slot);
  }

  #serve(slot: number): void {
    this.#served[slot] = 1;
    this.#servedCount++;
  }

  /** True: compaction moved the object, and it is looked up again. */
  #lookAgain(slot: number, error: unknown): boolean {
    if (!(error instanceof VolumeGone)) return false;
    const attempts = (this.#attempts.get(slot) ?? 0) + 1;
    if (attempts >= ATTEMPTS) return false;
    this.#attempts.set(slot, attempts);
    this.#lookup.again(slot);
    return true;
  }
}

/** Reads that end together are told of one by one in one turn of the event loop: whoever waits for it gets them all at once. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function firstOf<T>(run: Run<T>, count: number): Run<T> {
  return { ...run, items: run.items.slice(0, count) };
}
