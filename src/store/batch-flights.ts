/**
 * Reads of a batch that are under way on the thread pool, and what they brought. Bounded in number and bytes: what was begun and not
 * yet taken.
 */
import { LIMITS } from '../base/limits.ts';
import type { EntryInfo } from '../format/index-entry.ts';
import type { Run } from './read-plan.ts';
import type { RecordReader } from './record-reader.ts';
import { checkedIn, readBuffers, runBytes, runStart } from './run-read.ts';

/** A payload that came, or why it did not. */
export interface Landed {
  readonly slot: number;
  readonly info: EntryInfo;
  readonly bytes: Buffer;
  readonly crc: number;
  readonly error: unknown;
}

interface Flight {
  readonly bytes: number;
  landed: readonly Landed[] | undefined;
}

type Passenger = { readonly slot: number; readonly info: EntryInfo };

const NOTHING = Buffer.alloc(0);
const DROPPED = Buffer.allocUnsafeSlow(LIMITS.batchGapBytesMax);

export class BatchFlights {
  readonly #reader: RecordReader;
  readonly #isStrict: boolean;
  /** Begun and not yet ready, in the order of their beginning. */
  #flights: Flight[] = [];
  /** Landed, in the order to be taken. */
  #ready: Landed[] = [];
  #readyAt = 0;
  #bytes = 0;
  #wake: () => void = () => {};
  #next: Promise<void> | undefined;

  constructor(reader: RecordReader, isStrict: boolean) {
    this.#reader = reader;
    this.#isStrict = isStrict;
  }

  /** True while something is under way or waits to be taken. */
  get isBusy(): boolean {
    return this.#flights.length > 0 || this.hasLanded;
  }

  get hasLanded(): boolean {
    return this.#readyAt < this.#ready.length;
  }

  /** False: enough is under way already. */
  begin(run: Run<Passenger>): boolean {
    const bytes = runBytes(run);
    const isRoom = this.#flights.length < LIMITS.batchReadsMax && this.#bytes + bytes <= LIMITS.batchReadBytesMax;
    if (!isRoom && this.isBusy) return false;
    const flight: Flight = { bytes, landed: undefined };
    this.#flights.push(flight);
    this.#bytes += bytes;
    void this.#fly(run, Buffer.allocUnsafeSlow(bytes)).then((landed) => this.#land(flight, landed));
    return true;
  }

  take(): Landed {
    const landed = this.#ready[this.#readyAt++] as Landed;
    if (this.#readyAt === this.#ready.length) {
      this.#ready = [];
      this.#readyAt = 0;
    }
    return landed;
  }

  /** Resolves at the next landing. */
  next(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#next;
  }

  /** What is under way lands nowhere. */
  forget(): void {
    this.#flights = [];
    this.#ready = [];
    this.#readyAt = 0;
    this.#wake();
  }

  async #fly(run: Run<Passenger>, room: Buffer): Promise<Landed[]> {
    try {
      const have = await this.#reader.readAcross(run.volume, runStart(run), readBuffers(run, room, DROPPED));
      return landedOf(run, room, have);
    } catch (error) {
      return run.items.map(({ who }) => ({ ...who, bytes: NOTHING, crc: 0, error }));
    }
  }

  #land(flight: Flight, landed: readonly Landed[]): void {
    flight.landed = landed;
    if (this.#isStrict) {
      while (this.#flights[0]?.landed !== undefined) this.#makeReady(this.#flights.shift() as Flight);
    } else {
      const at = this.#flights.indexOf(flight);
      if (at === -1) return; // forgotten
      this.#flights.splice(at, 1);
      this.#makeReady(flight);
    }
    this.#next = undefined;
    this.#wake();
  }

  #makeReady({ bytes, landed }: Flight): void {
    this.#bytes -= bytes;
    this.#ready.push(...(landed as readonly Landed[]));
  }
}

function landedOf(run: Run<Passenger>, room: Buffer, have: number): Landed[] {
  let at = 0;
  return run.items.map(({ location, who: { slot, info } }) => {
    const bytes = room.subarray(at, at + location.length);
    at += location.length;
    try {
      checkedIn(run, location, bytes, have);
      return { slot, info, bytes, crc: location.crc, error: undefined };
    } catch (error) {
      return { slot, info, bytes: NOTHING, crc: 0, error };
    }
  });
}
