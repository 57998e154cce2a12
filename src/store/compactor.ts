/**
 * Gives the space of deleted and overwritten records back. A volume that is mostly dead is walked; what something still needs
 * is copied to an output volume under its old timestamp and made durable; then the index is pointed at the copies. When nothing
 * of the volume is needed any more its file goes. Readers that hold it open are not disturbed; one that looked a location up
 * just before finds the file gone, and looks up again.
 *
 * Runs in the keeper, in small steps with rests in between, so that commits and foreground reads do not feel it. A crash at
 * any point leaves copies that nothing points to, which are dead bytes of the output volume.
 */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../base/limits.ts';
import { attributesOf } from '../format/attributes.ts';
import type { Entry } from '../format/index-entry.ts';
import { indexKey, partKey, uploadKey } from '../format/index-key.ts';
import { type Location, locationOf, recordBytes } from '../format/manifest.ts';
import { RECORD_KIND, type RecordHead, storedPayloadIsIntact } from '../format/record.ts';
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import type { VolumeState } from './index-database.ts';
import type { KeeperHost } from './keeper-host.ts';
import { OUTPUT_SESSIONS, OutputVolume } from './output-volume.ts';
import { keepsAlive, type MovedOwner, placeId, repointExtents, repointRecord } from './relocator.ts';
import { diskSpace, reserveBytes } from './store-root.ts';
import { readFully, volumePath, type WalkedRecord, walkVolume } from './volume-file.ts';

/** Compact at this share of dead bytes, or at less when the disk is nearly full. */
const DEAD_SHARE = 0.5;
const DEAD_SHARE_FULL = 0.05;
/** A volume that is still written to is worth interrupting for this much. */
const ACTIVE_DEAD_BYTES = 64 * 1024 * 1024;
/** A volume whose compaction failed, on a full disk perhaps, is left alone this long. */
const RETRY_MS = 60_000;
/** An active volume that nobody has written to for so long is sealed for less. */
const QUIET_MS = 30_000;
const QUIET_DEAD_BYTES = 1024 * 1024;
/** Bytes and records copied between two rests. Rests are three times as long as the work. */
const STEP_BYTES = 8 * 1024 * 1024;
const STEP_RECORDS = 512;
/** Records looked at, of which few may be needed. */
const STEP_SEEN = 2048;

/** A needed record and its copy. */
interface Move {
  readonly head: RecordHead;
  readonly from: Location;
  readonly to: Location;
}

/** Work between two rests. */
interface Step {
  readonly moves: Move[];
  /** Of the moves. */
  bytes: number;
  readonly started: number;
  /** Records looked at, needed or not. */
  seen: number;
}

export interface CompactionStats {
  volumes: number;
  bytesCopied: number;
  bytesFreed: number;
}

export class Compactor {
  readonly #keeper: KeeperHost;
  readonly #prepare: (volume: number) => Promise<void>;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Where the records of the volume under compaction go; opened for the first one. */
  #output: OutputVolume | undefined;
  /** Dictionaries that the output volume has. */
  readonly #brought = new Set<number>();
  /** Since when the end of a volume is where it is. */
  readonly #quiet = new Map<number, { readonly end: number; readonly sinceMs: number }>();
  /** When to try again with volumes that could not be compacted; never, for those that are damaged inside. */
  readonly #tryAgainMs = new Map<number, number>();
  /** Oldest record outside of the volume under compaction. */
  #oldestElsewhere = 0;
  readonly stats: CompactionStats = { volumes: 0, bytesCopied: 0, bytesFreed: 0 };

  /** @param prepare is called for a volume before what it still needs is copied, unless the disk is nearly full */
  constructor(keeper: KeeperHost, prepare: (volume: number) => Promise<void> = async () => {}) {
    this.#keeper = keeper;
    this.#prepare = prepare;
  }

  /** Compacts until nothing is worth it. Calls while one runs join it. */
  run(): Promise<void> {
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #loop(): Promise<void> {
    for (let volume = this.#next(); volume !== undefined && !this.#stopped; volume = this.#next()) {
      await this.#compact(volume);
    }
  }

  /** The sealed volume with the largest dead share; asks for the seal of active ones that are worth it. */
  #next(): VolumeState | undefined {
    const isTight = isNearlyFull(this.#keeper.root);
    const least = isTight ? DEAD_SHARE_FULL : DEAD_SHARE;
    const nowMs = this.#keeper.clock.now();
    let best: VolumeState | undefined;
    for (const volume of this.#keeper.index.volumes()) {
      if (deadShare(volume) < least || volume.dropped === true) continue;
      if ((this.#tryAgainMs.get(volume.id) ?? 0) > nowMs) continue;
      if (!volume.sealed) {
        if (isTight || this.#isWorthSealing(volume, nowMs)) this.#keeper.wantSealed(volume);
      } else if (best === undefined || deadShare(volume) > deadShare(best)) {
        best = volume;
      }
    }
    return best;
  }

  /** Much is dead, or something is and nobody writes any more. */
  #isWorthSealing(volume: VolumeState, nowMs: number): boolean {
    if (deadBytes(volume) >= Math.min(ACTIVE_DEAD_BYTES, this.#keeper.volumeBytesMax / 4)) return true;
    const quiet = this.#quiet.get(volume.id);
    if (quiet?.end !== volume.end) {
      this.#quiet.set(volume.id, { end: volume.end, sinceMs: nowMs });
      return false;
    }
    return nowMs - quiet.sinceMs >= QUIET_MS && deadBytes(volume) >= QUIET_DEAD_BYTES;
  }

  async #compact(found: VolumeState): Promise<void> {
    const keeper = this.#keeper;
    keeper.reserved.add(found.id);
    try {
      if (!isNearlyFull(keeper.root)) await this.#prepare(found.id);
      const volume = keeper.index.volume(found.id);
      if (volume === undefined || this.#stopped) return;
      if (!(await this.#copyLive(volume))) {
        this.#tryAgainMs.set(volume.id, Number.POSITIVE_INFINITY);
        return;
      }
      keeper.dropVolume(keeper.index.volume(volume.id) ?? volume);
      this.#quiet.delete(volume.id);
      this.stats.volumes++;
      this.stats.bytesFreed += volume.end;
      keeper.log.info({ volume: volume.id, bytes: volume.end, live: volume.live }, 'compacted a volume');
    } catch (error) {
      // The disk may be full for the moment.
      this.#tryAgainMs.set(found.id, keeper.clock.now() + RETRY_MS);
      keeper.log.error(
        { volume: found.id, error: String(error) },
        'a volume could not be compacted; it stays as it is, and is tried again in a minute',
      );
    } finally {
      keeper.reserved.delete(found.id);
    }
  }

  /**
   * Copies what is needed, also where the count says that nothing is: a count can be wrong, a look at every record cannot.
   * False when the volume must stay: something that is needed is damaged, or the keeper stops.
   */
  async #copyLive(volume: VolumeState): Promise<boolean> {
    const fd = openSync(volumePath(this.#keeper.root, volume.id), 'r');
    try {
      return await this.#copyFrom(fd, volume);
    } finally {
      closeSync(fd);
      const output = this.#output;
      this.#output = undefined;
      this.#brought.clear();
      output?.close();
    }
  }

  async #copyFrom(fd: number, volume: VolumeState): Promise<boolean> {
    const { index } = this.#keeper;
    this.#oldestElsewhere = Math.min(
      ...index.volumes().map((v) => (v.id === volume.id ? Number.MAX_SAFE_INTEGER : v.oldest)),
    );
    const uuid = Buffer.from(volume.uuid, 'hex');
    let eventBytes = 0;
    let step = newStep();
    for (const found of walkVolume(fd, { uuid, start: SUPERBLOCK_BYTES, end: volume.end, payloads: false })) {
      if (this.#stopped) return false;
      if (found.kind === 'damage') continue;
      const { head, offset, headLength, length } = found;
      if (isEvent(head) || this.#isKeptDictionary(volume.id, found)) eventBytes += length;
      const from = locationOf(head, { volume: volume.id, offset, headLength });
      const need = this.#needOf(head, from);
      const move = need === undefined ? undefined : this.#copy(fd, found, from, need.class);
      if (move !== undefined) {
        step.moves.push(move);
        step.bytes += length;
      }
      step.seen++;
      if (step.bytes < STEP_BYTES && step.moves.length < STEP_RECORDS && step.seen < STEP_SEEN) continue;
      await this.#finishStep(step);
      step = newStep();
    }
    await this.#finishStep(step);
    // What is still counted is needed and damaged. What is damaged and not needed any more goes with the volume.
    return (index.volume(volume.id)?.live ?? 0) <= eventBytes;
  }

  #isKeptDictionary(volume: number, { head, offset }: WalkedRecord): boolean {
    if (head.kind !== RECORD_KIND.dictionary) return false;
    return this.#keeper.index.dictionary(volume, head.dictionaryId)?.offset === offset;
  }

  /** `undefined` when nothing needs the record, else the class that the index knows of its content. */
  #needOf(head: RecordHead, at: Location): { readonly class: number } | undefined {
    if (isEvent(head)) return this.#isEventNeeded(head) ? head : undefined;
    if (head.kind === RECORD_KIND.dictionary) return undefined; // comes with what needs it
    for (const owner of this.#owners(head)) {
      const entry: Entry | undefined = this.#keeper.index.entry(owner.table, owner.indexKey);
      if (entry !== undefined && keepsAlive(entry, at, this.#keeper.readManifest)) return entry;
    }
    return undefined;
  }

  #isEventNeeded(head: RecordHead): boolean {
    const { index } = this.#keeper;
    switch (head.kind) {
      case RECORD_KIND.tombstone:
      case RECORD_KIND.uploadGone:
        return this.#endsSomething(head);
      case RECORD_KIND.bucketGone:
        // The id of the newest bucket must stay known, or a rebuilt index would give it away again.
        return this.#endsSomething(head) || head.bucketId + 1 === index.number('next-bucket');
      case RECORD_KIND.bucket:
        return index.bucket(head.key.toString())?.timestamp === head.timestamp;
      case RECORD_KIND.upload:
        return (
          index.uploads.getBinary(uploadKey(head.bucketId, head.key, uploadOf(head) ?? Buffer.alloc(16))) !== undefined
        );
      default:
        return false;
    }
  }

  /** Another volume may hold an older record of what it ended, or a write may still be under way that it must end. */
  #endsSomething(head: RecordHead): boolean {
    const underWay = (this.#keeper.clock.now() - LIMITS.graveTtlMs) * 1024;
    return this.#oldestElsewhere < head.timestamp || head.timestamp > underWay;
  }

  /** Entries that may point at a record: the object of its key, and the parts of its upload. */
  *#owners(head: RecordHead): Generator<MovedOwner> {
    const { bucketId } = head;
    const key = Buffer.from(head.key);
    yield { table: 'objects', indexKey: indexKey(bucketId, key), bucketId, key };
    const upload = uploadOf(head);
    if (upload === undefined) return;
    if (head.part > 0) return yield { table: 'parts', indexKey: partKey(upload, head.part), bucketId, key };
    for (const pair of this.#keeper.index.prefixed('parts', upload))
      yield { table: 'parts', indexKey: pair.key, bucketId, key };
  }

  /** `undefined` for a damaged payload, or one whose dictionary is, which stays where it is. */
  #copy(fd: number, found: WalkedRecord, from: Location, contentClass: number): Move | undefined {
    const payload = readFully(fd, from.offset + from.headLength, from.length);
    if (payload.length !== from.length || !storedPayloadIsIntact(found.head, payload)) return undefined;
    this.#output ??= OutputVolume.open(this.#keeper, OUTPUT_SESSIONS.compaction);
    if (!this.#bringDictionary(fd, found.head, from.volume, this.#output)) return undefined;
    // The walk's window moves on; what the head points into must not.
    const head = {
      ...found.head,
      class: contentClass,
      key: Buffer.from(found.head.key),
      attributes: Buffer.from(found.head.attributes),
    };
    const to = this.#output.append(head, payload);
    this.stats.bytesCopied += found.length;
    return { head, from, to };
  }

  #bringDictionary(fd: number, { dictionaryId }: RecordHead, volume: number, output: OutputVolume): boolean {
    if (dictionaryId === 0 || this.#brought.has(dictionaryId)) return true;
    const location = this.#keeper.index.dictionary(volume, dictionaryId);
    if (location === undefined) return false;
    const stored = readFully(fd, location.offset + location.headLength, location.length);
    const { codec, size, crc } = location;
    if (stored.length !== location.length || !storedPayloadIsIntact({ codec, payloadCrc: crc }, stored)) return false;
    if (!output.addDictionary({ id: dictionaryId, codec, stored, size, crc })) return false;
    this.#brought.add(dictionaryId);
    return true;
  }

  async #finishStep({ moves, started }: Step): Promise<void> {
    const output = this.#output;
    if (moves.length > 0 && output !== undefined) {
      await output.flush();
      this.#repoint(output, moves);
    }
    await sleep(Math.min(1000, 3 * (performance.now() - started)));
  }

  #repoint(output: OutputVolume, moves: readonly Move[]): void {
    this.#keeper.relocate(output, (tools) => {
      const moved = new Map(moves.map(({ from, to }) => [placeId(from), to]));
      const owners = new Map<string, MovedOwner>();
      for (const { head, from, to } of moves) {
        if (isEvent(head)) {
          tools.addLive(to.volume, recordBytes(to));
          continue;
        }
        for (const owner of this.#owners(head)) {
          repointRecord(tools, owner, from, to);
          owners.set(`${owner.table}:${owner.indexKey.toString('latin1')}`, owner);
        }
      }
      for (const owner of owners.values()) repointExtents(tools, owner, moved);
    });
  }
}

function newStep(): Step {
  return { moves: [], bytes: 0, started: performance.now(), seen: 0 };
}

function isEvent(head: RecordHead): boolean {
  const { kind } = head;
  return (
    kind === RECORD_KIND.tombstone ||
    kind === RECORD_KIND.bucket ||
    kind === RECORD_KIND.bucketGone ||
    kind === RECORD_KIND.upload ||
    kind === RECORD_KIND.uploadGone
  );
}

function uploadOf(head: RecordHead): Buffer | undefined {
  const { upload } = attributesOf(head.attributes);
  return upload === undefined ? undefined : Buffer.from(upload, 'hex');
}

function isNearlyFull(root: string): boolean {
  const { totalBytes, freeBytes } = diskSpace(root);
  return freeBytes < 2 * reserveBytes(totalBytes);
}

export function deadBytes(volume: VolumeState): number {
  return volume.end - SUPERBLOCK_BYTES - volume.live;
}

function deadShare(volume: VolumeState): number {
  const bytes = volume.end - SUPERBLOCK_BYTES;
  return bytes <= 0 ? 0 : deadBytes(volume) / bytes;
}
