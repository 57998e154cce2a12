/**
 * Codes what was stored raw. Every PUT stores its bytes as they come; this pass walks the records of all volumes behind it, looks at what the
 * index has no class for, and leaves coded copies in output volumes. Volumes say how far it came (`codedTo`), so no record is walked twice.
 *
 * Promises: what is stored and its order in time do not change; a crash at any point leaves copies that nothing points to; the reserve
 * of the disk is not touched. It runs in turns, never while compaction does, in steps of bounded bytes.
 *
 * The hardest decision is the pace. The work is done by threads of the lowest priority, so on an idle machine there is no reason to wait, and
 * whatever needs the cores has them. What such threads cannot give way in is the disk and this event loop; so after a step in which workers
 * wanted commits the pass rests three times as long as the step took, as compaction does.
 */
import { closeSync, openSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Coder, Profile } from '../codec/object-coding.ts';
import type { Entry } from '../format/index-entry.ts';
import { indexKey } from '../format/index-key.ts';
import { type Location, locationOf } from '../format/manifest.ts';
import { RECORD_KIND } from '../format/record.ts';
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import { SeriesDictionaries } from './coding-dictionaries.ts';
import { codePieces } from './coding-pieces.ts';
import { type Candidate, codeObjects, extentsIfIntact } from './coding-step.ts';
import type { CodingStats, CodingTools } from './coding-tools.ts';
import type { VolumeState } from './index-database.ts';
import type { KeeperHost } from './keeper-host.ts';
import { OUTPUT_SESSIONS, OutputVolume } from './output-volume.ts';
import { placeId, type RelocationTools } from './relocator.ts';
import { type DiskSpace, diskSpace, reserveBytes } from './store-root.ts';
import { volumePath, type WalkedRecord, walkVolume } from './volume-file.ts';

/** A step ends at so many bytes of originals, or a quarter of a volume, at so many objects, or records looked at. */
const STEP_BYTES = 8 * 1024 * 1024;
const STEP_OBJECTS = 512;
const STEP_SEEN = 2048;
/** Not begun with less, beyond what is kept for deletes and compaction. */
const ROOM_BYTES = 4 * STEP_BYTES;
/** Compaction gets a turn after this long. */
const TURN_MS = 10_000;
/** After a failure, or on a full disk. */
const RETRY_MS = 60_000;
const REST_MS_MAX = 1000;

interface Step {
  readonly candidates: Candidate[];
  bytes: number;
  seen: number;
  /** Records before this were looked at. */
  to: number;
  readonly startedMs: number;
}

class Stopped extends Error {}

/** Nothing is wrong: copies need room, and the disk has none to spare. */
class NoRoom extends Error {}

export class CodingPass {
  readonly #keeper: KeeperHost;
  readonly #tools: CodingTools;
  readonly #measure: (root: string) => DiskSpace;
  readonly #stopping = new AbortController();
  #output: OutputVolume | undefined;
  #transactions = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Of the whole pass, or of single volumes. */
  #tryAgainMs = 0;
  #isShort = false;
  readonly #unusable = new Set<number>();
  readonly stats: CodingStats = { objects: 0, coded: 0, bytesIn: 0, bytesOut: 0, mismatches: 0, unreadable: 0 };

  constructor(keeper: KeeperHost, coder: Coder, profile: Profile, measure: (root: string) => DiskSpace = diskSpace) {
    this.#keeper = keeper;
    this.#measure = measure;
    this.#tools = {
      keeper,
      coder,
      profile,
      series: new SeriesDictionaries(coder, profile),
      stats: this.stats,
      output: () => this.#openOutput(),
      cancellable: (work) => this.#cancellable(work),
      commit: (work) => this.#commit(work),
      rest: (startedMs) => this.#rest(startedMs),
    };
  }

  /** Works for some seconds at most; true when there is more to do. */
  run(): Promise<boolean> {
    const until = performance.now() + TURN_MS;
    return this.#exclusively(async () => {
      for (let volume = this.#next(); volume !== undefined; volume = this.#next()) {
        if (!(await this.#volume(volume, until))) return true;
      }
      return false;
    });
  }

  /** All of one volume, which compaction is about to copy. */
  async volume(id: number): Promise<void> {
    await this.#exclusively(async () => {
      const volume = this.#keeper.index.volume(id);
      if (volume !== undefined && !this.#unusable.has(id)) await this.#volume(volume, Number.POSITIVE_INFINITY);
      return false;
    });
  }

  /** Does not wait for codings that are under way; what they give is dropped. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#turn;
  }

  /** One turn at a time; a failure ends it, and nothing is tried for a minute. */
  #exclusively(work: () => Promise<boolean>): Promise<boolean> {
    const turn = this.#turn.then(async () => {
      if (this.#stopping.signal.aborted || this.#keeper.clock.now() < this.#tryAgainMs) return false;
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Stopped)) this.#failed(error);
        return false;
      } finally {
        this.#closeOutput();
      }
    });
    this.#turn = turn;
    return turn;
  }

  #failed(error: unknown): void {
    this.#tryAgainMs = this.#keeper.clock.now() + RETRY_MS;
    const { log } = this.#keeper;
    if (!(error instanceof NoRoom))
      log.error({ error: String(error) }, 'objects could not be coded; they stay raw, and are tried again in a minute');
    else if (!this.#isShort) log.warn({ why: error.message }, 'objects stay raw until the disk has room to code them');
    this.#isShort = error instanceof NoRoom;
  }

  #next(): VolumeState | undefined {
    return this.#keeper.index
      .volumes()
      .find((v) => startOf(v) < v.end && v.dropped !== true && !this.#unusable.has(v.id) && v.id !== this.#output?.id);
  }

  /** False when time ran out before its end. */
  async #volume(volume: VolumeState, until: number): Promise<boolean> {
    let fd: number;
    try {
      fd = openSync(volumePath(this.#keeper.root, volume.id), 'r');
    } catch {
      this.#unusable.add(volume.id); // the doctor says what is wrong with it
      return true;
    }
    try {
      return await this.#records(fd, volume, until);
    } finally {
      closeSync(fd);
    }
  }

  async #records(fd: number, volume: VolumeState, until: number): Promise<boolean> {
    const start = startOf(volume);
    let step = newStep(start);
    const uuid = Buffer.from(volume.uuid, 'hex');
    for (const found of walkVolume(fd, { uuid, start, end: volume.end, payloads: false })) {
      if (found.kind === 'damage') {
        step.to = found.end;
        continue;
      }
      const pieces = this.#see(step, found, volume.id);
      step.to = found.offset + found.length;
      if (pieces === undefined && !this.#isFull(step)) continue;
      await this.#finish(step, volume.id, pieces === undefined ? step.to : found.offset);
      if (pieces !== undefined) await this.#pieces(pieces, volume.id, step.to);
      if (performance.now() > until) return false;
      step = newStep(step.to);
    }
    await this.#finish(step, volume.id, volume.end, true);
    return true;
  }

  #isFull(step: Step): boolean {
    return step.bytes >= this.#stepBytes || step.candidates.length >= STEP_OBJECTS || step.seen >= STEP_SEEN;
  }

  /** Adds an object of one piece to the step; answers one of several, which is a step of its own. */
  #see(step: Step, { head, offset, headLength }: WalkedRecord, volume: number): Candidate | undefined {
    step.seen++;
    if (head.kind !== RECORD_KIND.object && head.kind !== RECORD_KIND.manifest) return undefined;
    if (head.class !== 0) return undefined; // told when it was written: compressed already, or a coded copy
    const record = locationOf(head, { volume, offset, headLength });
    const key = indexKey(head.bucketId, head.key);
    const entry = this.#keeper.index.entry('objects', key);
    if (entry === undefined || entry.class !== 0 || placeId(entry.record) !== placeId(record)) return undefined;
    const kept = {
      ...head,
      key: Buffer.from(head.key),
      attributes: Buffer.from(head.attributes),
      digest: Buffer.from(head.digest),
      versionId: Buffer.from(head.versionId),
    };
    const owner = { table: 'objects', indexKey: key, bucketId: head.bucketId, key: kept.key } as const;
    const candidate = { owner, record, payload: payloadOf(entry), head: kept };
    if (candidate.payload === undefined && entry.size > 0) return candidate;
    step.candidates.push(candidate);
    step.bytes += candidate.payload?.length ?? 0;
    return undefined;
  }

  async #finish(step: Step, volume: number, to: number, isLast = false): Promise<void> {
    if (this.#stopping.signal.aborted) throw new Stopped();
    const { candidates } = step;
    if (candidates.length === 0 && !isLast) return void (await nextTurn());
    if (candidates.length > 0) this.#mustHaveRoom();
    const outcomes = candidates.length === 0 ? [] : await codeObjects(this.#tools, candidates);
    await this.#commit((relocation) => {
      for (const outcome of outcomes) outcome(relocation);
      setCodedTo(relocation, volume, to);
    });
    if (candidates.length > 0) await this.#rest(step.startedMs);
  }

  async #pieces(candidate: Candidate, volume: number, to: number): Promise<void> {
    this.#mustHaveRoom();
    const { owner } = candidate;
    const entry = this.#keeper.index.entry(owner.table, owner.indexKey);
    if (entry !== undefined && placeId(entry.record) === placeId(candidate.record)) {
      const extents = extentsIfIntact(this.#tools, entry.record);
      if (extents !== undefined) await codePieces(this.#tools, candidate, extents, entry.size);
    }
    await this.#commit((relocation) => setCodedTo(relocation, volume, to));
  }

  // --- the output ---

  /** An output is closed when the copies of one more step may be more than it has room for. */
  get #stepBytes(): number {
    return Math.min(STEP_BYTES, this.#keeper.volumeBytesMax / 4);
  }

  #openOutput(): OutputVolume {
    this.#output ??= OutputVolume.open(this.#keeper, OUTPUT_SESSIONS.coding);
    return this.#output;
  }

  #closeOutput(): void {
    const output = this.#output;
    this.#output = undefined;
    try {
      output?.close();
    } catch (error) {
      this.#keeper.log.warn(
        { volume: output?.id, error: String(error) },
        'a volume of coded objects could not be cut back',
      );
    }
  }

  async #commit(work: (relocation: RelocationTools) => void): Promise<void> {
    const output = this.#output;
    await output?.flush();
    if (this.#stopping.signal.aborted) throw new Stopped();
    this.#keeper.relocate(output, work);
    if (output?.hasRoom(this.#stepBytes) === false) this.#closeOutput();
  }

  // --- pace ---

  async #rest(startedMs: number): Promise<void> {
    const { transactions } = this.#keeper.stats;
    const isIdle = transactions === this.#transactions;
    this.#transactions = transactions;
    if (isIdle) return void (await nextTurn());
    const ms = Math.min(REST_MS_MAX, 3 * (performance.now() - startedMs));
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  async #cancellable<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stopping;
    work.catch(() => {}); // nobody waits for it any more once this is stopped
    if (signal.aborted) throw new Stopped();
    let onAbort = (): void => {};
    const stopped = new Promise<never>((_, reject) => {
      onAbort = () => reject(new Stopped());
      signal.addEventListener('abort', onAbort);
    });
    try {
      return await Promise.race([work, stopped]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** @throws when copies would eat into what is kept for deletes and compaction */
  #mustHaveRoom(): void {
    const { totalBytes, freeBytes } = this.#measure(this.#keeper.root);
    const spare = freeBytes - reserveBytes(totalBytes);
    if (spare < ROOM_BYTES)
      throw new NoRoom(
        `the disk of ${this.#keeper.root} can spare ${Math.max(0, spare)} bytes, copies need ${ROOM_BYTES}`,
      );
    this.#isShort = false;
  }
}

function newStep(to: number): Step {
  return { candidates: [], bytes: 0, seen: 0, to, startedMs: performance.now() };
}

function startOf({ codedTo }: VolumeState): number {
  return codedTo ?? SUPERBLOCK_BYTES;
}

/** Where all bytes of an object lie, if they lie in one raw record. */
function payloadOf(entry: Entry): Location | undefined {
  return entry.size === 0 ? undefined : entry.payload;
}

function setCodedTo({ index }: RelocationTools, id: number, to: number): void {
  const state = index.volume(id);
  if (state !== undefined) index.setVolume({ ...state, codedTo: Math.max(to, startOf(state)) });
}
