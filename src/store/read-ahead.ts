/**
 * Reads what will be asked for next into the cache: what callers advise, and what follows where batches come in sequence, by key or
 * by place in a volume. Never in the way of anybody: nothing happens while the disk answers at page-cache speed, since then there is
 * nothing to win, and never more than the cache's window of unused bytes.
 *
 * The hardest decision: it pays or not is seen in the cache alone, where every byte that was read ahead is either used or thrown away;
 * the window follows these counts (`AheadWindow`), so that wrong guesses and wrong advice cost a megabyte now and then.
 */

import type { BatchRef } from '../base/batch-read.ts';
import { LIMITS } from '../base/limits.ts';
import { Entry } from '../format/index-entry.ts';
import { afterPrefix, keyOfIndexKey, objectIndexKey } from '../format/index-key.ts';
import { type Location, locationOf } from '../format/manifest.ts';
import { RECORD_KIND, storedPayloadIsIntact } from '../format/record.ts';
import { BatchLookup } from './batch-lookup.ts';
import type { BatchTrace } from './batch-trace.ts';
import type { Ahead, LocalEngine } from './local-engine.ts';
import type { StoredPayload } from './record-reader.ts';
import { recordsIn, type ScannedRecord } from './record-scan.ts';
import { Sequences } from './sequences.ts';

/** What the cache does for it. */
export interface AheadCache {
  /** Bytes that may be read ahead now. */
  readonly aheadRoom: number;
  has(location: Location): boolean;
  /** Takes a checked payload that nobody asked for yet; copied. */
  addAhead(location: Location, bytes: Buffer): void;
}

/** Jobs that wait; beyond it the oldest is forgotten, whose batch has long begun. */
const JOBS_MAX = 32;
const SCAN_BYTES = 1024 * 1024;
/** Entries of the index that are looked at to find what follows a key. */
const FOLLOWERS_MAX = 512;

type Job = () => Promise<void>;

export class ReadAhead implements Ahead {
  readonly #engine: LocalEngine;
  readonly #cache: AheadCache;
  readonly #sequences = new Sequences();
  readonly #jobs: Job[] = [];
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(engine: LocalEngine, cache: AheadCache) {
    this.#engine = engine;
    this.#cache = cache;
  }

  /** These will be asked for next, in this order. */
  advise(refs: readonly BatchRef[]): void {
    if (this.#pays) this.#enqueue(() => this.#readRefs(refs));
  }

  /** A batch has ended that asked in this order. */
  ended(trace: BatchTrace): void {
    if (!this.#pays) return;
    const { byKey, byPlace } = trace;
    if (byPlace !== undefined) this.#followPlace(byPlace);
    else if (byKey !== undefined) this.#followKey(byKey);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#jobs.length = 0;
    await this.#running;
  }

  get #pays(): boolean {
    return this.#engine.reader.isSlow && this.#cache.aheadRoom > 0;
  }

  #followKey({ first, last }: NonNullable<BatchTrace['byKey']>): void {
    const streak = this.#sequences.arrived(`${first.bucket}/${first.key}`);
    const followers = this.#followers(last, streak === 0 ? 1 : FOLLOWERS_MAX);
    const next = followers[0];
    if (next === undefined) return;
    this.#sequences.expect(`${next.ref.bucket}/${next.ref.key}`, streak + 1);
    if (streak > 0) this.#enqueue(() => this.#readLocations(followers.flatMap(({ location }) => location ?? [])));
  }

  #followPlace({ first, next }: NonNullable<BatchTrace['byPlace']>): void {
    const streak = this.#sequences.arrived(`${first.volume}:${first.offset}`);
    this.#sequences.expect(`${next.volume}:${next.offset}`, streak + 1);
    if (streak > 0) this.#enqueue(() => this.#scan(next.volume, next.offset));
  }

  /** Objects behind a key, in order. */
  #followers(last: BatchRef, limit: number): { readonly ref: BatchRef; readonly location: Location | undefined }[] {
    const state = this.#engine.buckets.known(last.bucket);
    if (state === undefined) return [];
    const start = Buffer.concat([objectIndexKey(state.id, Buffer.from(last.key)), Buffer.from([0, 255])]);
    const end = afterPrefix(start.subarray(0, 4));
    const found = [];
    for (const { key, value } of this.#engine.index.range('objects', start, end, limit)) {
      const name = keyOfIndexKey(key).toString() as BatchRef['key'];
      found.push({ ref: { bucket: last.bucket, key: name }, location: new Entry(value).payload });
    }
    return found;
  }

  #enqueue(job: Job): void {
    if (this.#isStopped) return;
    this.#jobs.push(job);
    if (this.#jobs.length > JOBS_MAX) this.#jobs.shift();
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        await job();
      } catch (error) {
        // Whoever asks for the same bytes meets the same trouble, and is told.
        this.#engine.log.info({ error: String(error) }, 'reading ahead came to nothing');
      }
    }
    this.#running = undefined;
  }

  async #readRefs(refs: readonly BatchRef[]): Promise<void> {
    const lookup = new BatchLookup(this.#engine, refs, { takesPlain: false });
    while (!lookup.isDone && this.#pays) {
      const { others } = await lookup.next();
      await this.#readLocations(others.flatMap(({ info }) => info?.entry.payload ?? []));
    }
  }

  async #readLocations(locations: readonly Location[]): Promise<void> {
    const wanted = locations.filter((location) => location.size <= LIMITS.batchWholeBytesMax);
    let next = 0;
    const read = async (): Promise<void> => {
      for (let location = wanted[next++]; location !== undefined; location = wanted[next++]) {
        if (this.#isStopped || !this.#pays) return;
        if (this.#cache.has(location)) continue;
        this.#cache.addAhead(location, await this.#engine.reader.readCold(location));
      }
    };
    await Promise.all(Array.from({ length: LIMITS.aheadReadsMax }, read));
  }

  /** Records behind a place, as they lie there; those that are current or not: a volume in sequence is mostly alive. */
  async #scan(volume: number, from: number): Promise<void> {
    const state = this.#engine.index.volume(volume);
    if (state === undefined) return;
    const uuid = Buffer.from(state.uuid, 'hex');
    let at = from;
    while (!this.#isStopped && this.#pays && at < state.end) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(SCAN_BYTES, state.end - at));
      const have = await this.#engine.reader.readAcross(volume, at, [bytes]);
      let end = at;
      const coded: StoredPayload[] = [];
      let codedBytes = 0;
      for (const record of recordsIn(bytes.subarray(0, have), uuid, at)) {
        if (this.#cache.aheadRoom <= codedBytes) break;
        const payload = this.#addScanned(volume, record);
        if (payload !== undefined) coded.push(payload);
        codedBytes += payload?.location.size ?? 0;
        end = record.end;
      }
      await this.#addDecoded(coded);
      if (end === at) return; // a record larger than a scan, or damage
      at = end;
    }
  }

  /** Adds a record to the cache, or answers what must be decoded before. */
  #addScanned(volume: number, { head, offset, headLength, payload }: ScannedRecord): StoredPayload | undefined {
    const location = locationOf(head, { volume, offset, headLength });
    if (payload.length === 0 || head.kind === RECORD_KIND.dictionary) return undefined;
    if (location.size > LIMITS.batchWholeBytesMax && location.codec !== 0) return undefined;
    if (this.#cache.has(location) || !storedPayloadIsIntact(head, payload)) return undefined;
    if (location.codec !== 0) return { location, stored: payload };
    this.#cache.addAhead(location, payload);
    return undefined;
  }

  async #addDecoded(coded: readonly StoredPayload[]): Promise<void> {
    if (coded.length === 0) return;
    const decoded = await this.#engine.reader.decode(coded);
    for (let i = 0; i < decoded.length; i++) {
      const bytes = decoded[i] as Buffer | Error;
      if (Buffer.isBuffer(bytes)) this.#cache.addAhead((coded[i] as StoredPayload).location, bytes);
    }
  }
}
