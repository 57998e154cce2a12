/**
 * Payloads of a batch that are under way, and what came of them: reads on the thread pool, and coded payloads, which are read as the
 * disk is at the moment and then decoded. Bounded in reads, and in bytes as they will be handed out: what was begun and not yet taken.
 *
 * The hardest decision: a run is decoded by itself, as soon as it is read. The coder gathers what comes in one turn of the event loop, of
 * this batch and all others, so that small runs cost no more than large ones, and no run waits for another.
 */
import { LIMITS } from '../base/limits.ts';
import type { EntryInfo } from '../format/index-entry.ts';
import type { Location } from '../format/manifest.ts';
import type { Run, Wanted } from './read-plan.ts';
import type { RecordReader, StoredPayload } from './record-reader.ts';
import { checkedIn, payloadViews, readBuffers, runBytes, runStart } from './run-read.ts';
import { PAYLOAD_CRC_BYTES } from './stored-frame.ts';

/** A payload that came, or why it did not. */
export interface Landed {
  readonly slot: number;
  readonly info: EntryInfo;
  readonly bytes: Buffer;
  /** Of the payload as it was written, also where `bytes` are its frame. */
  readonly crc: number;
  readonly isFrame: boolean;
  readonly error: unknown;
}

/** Who wants a payload. */
export interface Passenger {
  readonly slot: number;
  readonly info: EntryInfo;
  /** As the zstd frame that it is stored as. */
  readonly asFrame: boolean;
}

interface Flight {
  readonly bytes: number;
  landed: readonly Landed[] | undefined;
}

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
  #reads = 0;
  /** Of flights under way, and of what waits to be taken. */
  #bytes = 0;
  #readyBytes = 0;
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

  /** Reads a run of raw payloads on the thread pool. False: enough is under way already. */
  begin(run: Run<Passenger>): boolean {
    return this.#begin(runBytes(run), () => this.#fly(run));
  }

  /** Reads a run of coded payloads, and decodes it. False: enough is under way already. */
  beginCoded(run: Run<Passenger>): boolean {
    let bytes = 0;
    for (const { location } of run.items) bytes += Math.max(location.size, location.length);
    return this.#begin(bytes, () => this.#flyCoded(run));
  }

  #begin(bytes: number, fly: () => Promise<Landed[]>): boolean {
    const held = this.#bytes + this.#readyBytes;
    const isRoom = this.#reads < LIMITS.batchReadsMax && held + bytes <= LIMITS.batchReadBytesMax;
    if (!isRoom && this.isBusy) return false;
    const flight: Flight = { bytes, landed: undefined };
    this.#flights.push(flight);
    this.#bytes += bytes;
    void fly().then((landed) => this.#land(flight, landed));
    return true;
  }

  take(): Landed {
    const landed = this.#ready[this.#readyAt++] as Landed;
    this.#readyBytes -= landed.bytes.length;
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

  async #fly(run: Run<Passenger>): Promise<Landed[]> {
    const payloads = payloadViews(run, Buffer.allocUnsafeSlow(runBytes(run)));
    try {
      const have = await this.#read(run, readBuffers(run, payloads, DROPPED));
      return landedOf(run, payloads, have);
    } catch (error) {
      return run.items.map((item) => failed(item, error));
    }
  }

  async #flyCoded(run: Run<Passenger>): Promise<Landed[]> {
    const payloads = payloadViews(run, Buffer.allocUnsafeSlow(runBytes(run)));
    try {
      const buffers = readBuffers(run, payloads, DROPPED);
      // Not awaited where nothing is waited for: what is read in this turn is decoded together.
      const now = this.#reader.readAcrossNow(run.volume, runStart(run), buffers);
      const read = landedOf(run, payloads, now ?? (await this.#read(run, buffers)));
      return await this.#decoded(run, read);
    } catch (error) {
      return run.items.map((item) => failed(item, error));
    }
  }

  async #read(run: Run<Passenger>, buffers: readonly Buffer[]): Promise<number> {
    this.#reads++;
    try {
      return await this.#reader.readAcross(run.volume, runStart(run), buffers);
    } finally {
      this.#reads--;
    }
  }

  /** @param read what was read of each item: the stored payload, or an error */
  async #decoded(run: Run<Passenger>, read: Landed[]): Promise<Landed[]> {
    const payloads: StoredPayload[] = [];
    const places: number[] = [];
    for (let i = 0; i < read.length; i++) {
      const { location, who } = run.items[i] as Wanted<Passenger>;
      const { bytes, error } = read[i] as Landed;
      if (error !== undefined) continue;
      if (who.asFrame) read[i] = arrived(run.items[i] as Wanted<Passenger>, bytes.subarray(PAYLOAD_CRC_BYTES));
      else {
        payloads.push({ location, stored: bytes });
        places.push(i);
      }
    }
    if (payloads.length === 0) return read;
    const decoded = await this.#reader.decode(payloads);
    for (let k = 0; k < decoded.length; k++) {
      const i = places[k] as number;
      const item = run.items[i] as Wanted<Passenger>;
      const bytes = decoded[k] as Buffer | Error;
      if (Buffer.isBuffer(bytes)) this.#reader.keep(item.location, bytes);
      read[i] = Buffer.isBuffer(bytes) ? arrived(item, bytes) : failed(item, bytes);
    }
    return read;
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
    for (const each of landed as readonly Landed[]) {
      this.#ready.push(each);
      this.#readyBytes += each.bytes.length;
    }
  }
}

function arrived({ location, who }: { location: Location; who: Passenger }, bytes: Buffer): Landed {
  const { slot, info, asFrame: isFrame } = who;
  return { slot, info, bytes, crc: location.crc, isFrame, error: undefined };
}

function failed({ who: { slot, info } }: Wanted<Passenger>, error: unknown): Landed {
  return { slot, info, bytes: NOTHING, crc: 0, isFrame: false, error };
}

/** What was read, as it lies in the volume. */
function landedOf(run: Run<Passenger>, payloads: readonly Buffer[], have: number): Landed[] {
  return run.items.map((item, i) => {
    const bytes = payloads[i] as Buffer;
    try {
      checkedIn(run, item.location, bytes, have);
      return arrived(item, bytes);
    } catch (error) {
      return failed(item, error);
    }
  });
}
