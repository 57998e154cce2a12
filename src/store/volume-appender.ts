/**
 * Appends records to this worker's own volume, in groups: while one group is written and flushed, the next one gathers. Then
 * the heads of the group go to the index (`CommitPipe`), and only then is a write acknowledged.
 *
 * The hardest decision: a failed flush is never retried on the same file, because after a failed fdatasync the kernel may have
 * dropped the pages and still call them clean. The volume is cut back to its last good end, sealed as damaged, and a new one
 * begins; everybody in the failed group gets the error. A record that the index refused stays where it is, since bytes of others
 * may follow it, but becomes an extent that nothing names. A client hears "nothing was stored" only when that was made durable.
 */
import { close, fdatasync, openSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type Location, locationOf } from '../format/manifest.ts';
import { headLength, type RecordHead, recordLength } from '../format/record.ts';
import type { CommitPipe } from './commit-pipe.ts';
import { HEAD_OUTCOME, type HeadOutcome, type IndexCommitter, type StoreLog, type VolumeGrant } from './committer.ts';
import type { DirectWriter } from './direct-writer.ts';
import { diskFailure, isDiskFull, unknownOutcome } from './disk-trouble.ts';
import { createVolumeFile, volumePath } from './volume-file.ts';
import { FILLER_BYTES_MAX, type PlacedGroup, type PlacedRecord, placeGroup } from './volume-group.ts';
import { type Pins, VolumeSeals } from './volume-seals.ts';
import { cutBack, voidRecords, writeAll } from './volume-write.ts';
import { isLost, refusal } from './write-refusal.ts';

const fdatasyncAsync = promisify(fdatasync);
const closeAsync = promisify(close);

/** A write that lost its place to newer ones this often in a row is given up. */
const REWRITES_MAX = 32;
/** After this many bytes of extents the keeper hears where the volume ends, so that a restart has little to search. */
const TELL_BYTES = 64 * 1024 * 1024;

/** A record to append. Payload buffers must not change until the append settled. */
export interface NewRecord {
  /** Timestamp, payload length and CRC are set by the appender's caller or the appender; see `append`. */
  readonly head: RecordHead;
  readonly payload: readonly Buffer[];
  /** False for extents: they mean nothing until a manifest names them, and the index is not asked. */
  readonly commit: boolean;
}

interface Pending extends NewRecord {
  readonly length: number;
  rewrites: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

export interface Appended {
  readonly location: Location;
  readonly timestamp: number;
}

interface ActiveVolume {
  readonly grant: VolumeGrant;
  readonly fd: number;
  /** For writes past the page cache, once there was one. */
  directFd: number | undefined;
  end: number;
  /** Offset behind the last record that the keeper was told of. */
  told: number;
  /** The keeper wants to compact it: no further group goes there. */
  isUnwanted: boolean;
}

export interface GroupStats {
  groups: number;
  records: number;
  bytes: number;
  syncMs: number;
}

export class VolumeAppender {
  readonly #root: string;
  readonly #committer: IndexCommitter;
  readonly #pipe: CommitPipe;
  readonly #clock: Clock;
  readonly #log: StoreLog;
  readonly #volumeBytesMax: number;
  /** Half a volume at most, so that volumes are nearly filled. */
  readonly #groupBytesMax: number;
  #queue: Pending[] = [];
  #busy = false;
  #active: ActiveVolume | undefined;
  #lastTimestamp = 0;
  /** Bytes that were taken and are not on the disk yet. */
  #unwrittenBytes = 0;
  readonly #seals: VolumeSeals;
  readonly #direct: DirectWriter;
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #retiring = new Set<Promise<unknown>>();
  readonly stats: GroupStats = { groups: 0, records: 0, bytes: 0, syncMs: 0 };

  constructor(options: {
    root: string;
    committer: IndexCommitter;
    pipe: CommitPipe;
    clock: Clock;
    log: StoreLog;
    volumeBytesMax: number;
    direct: DirectWriter;
  }) {
    this.#root = options.root;
    this.#committer = options.committer;
    this.#pipe = options.pipe;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#direct = options.direct;
    this.#seals = new VolumeSeals(options.committer, options.log);
    this.#volumeBytesMax = options.volumeBytesMax;
    this.#groupBytesMax = Math.min(LIMITS.groupBytesMax, Math.floor(options.volumeBytesMax / 2));
  }

  /**
   * Appends a record and resolves when it is durable, and, for `commit`, in the index. `head.payloadLength` and `payloadCrc`
   * must be right; timestamp is assigned here.
   *
   * @throws GatewayError NoSuchBucket, NoSuchUpload, StorageFull, StoreFailure (nothing is there), StoreBusy (outcome unknown)
   */
  append(record: NewRecord, pins?: Pins): Promise<Appended> {
    return new Promise<Appended>((resolve, reject) => {
      this.#pipe.refuseWhileStuck();
      const length = recordLength(
        headLength(record.head.key.length, record.head.attributes.length),
        record.head.payloadLength,
      );
      const done = (appended: Appended): void => {
        if (pins !== undefined) this.#seals.pin(pins, appended.location.volume);
        resolve(appended);
      };
      this.#unwrittenBytes += length;
      this.#queue.push({ ...record, length, rewrites: 0, resolve: done, reject });
      void this.#run();
    });
  }

  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Ends the hold of a write on its volumes. */
  unpin(pins: Pins): void {
    this.#seals.unpin(pins);
  }

  /** Stops appending to a volume that the keeper wants to compact. */
  rotate(volume: number): void {
    if (this.#active?.grant.id !== volume) return;
    this.#active.isUnwanted = true;
    if (!this.#busy) void this.#retireActive(false);
  }

  /** Waits for what is queued, then seals the active volume. When the keeper is overdue, the next start does both. */
  async stop(): Promise<void> {
    const settled = () => Promise.allSettled([...this.#inFlight, new Promise((r) => setImmediate(r))]);
    while ((this.#busy || this.#inFlight.size > 0) && !this.#pipe.isStuck)
      await this.#pipe.bounded(settled()).catch(() => {});
    if (this.#pipe.isStuck) return;
    await this.#retireActive(false);
    await Promise.all(this.#retiring);
  }

  async #run(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#writeGroup(group);
      } catch (error) {
        for (const pending of group) pending.reject(error);
      }
      for (const { length } of group) this.#unwrittenBytes -= length;
    }
    this.#busy = false;
  }

  #takeGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const pending of this.#queue) {
      if (count > 0 && (bytes + pending.length > this.#groupBytesMax || count >= LIMITS.groupRecordsMax)) break;
      bytes += pending.length;
      count++;
    }
    const group = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return group;
  }

  async #writeGroup(group: readonly Pending[]): Promise<void> {
    const bytes = group.reduce((sum, { length }) => sum + length, 0);
    const isDirect = this.#direct.isFor(group, bytes);
    const volume = await this.#volumeWithRoom(bytes + (isDirect ? 2 * FILLER_BYTES_MAX : 0));
    const place = { uuid: volume.grant.uuid, end: volume.end, stamp: () => this.#nextTimestamp() };
    const placed = placeGroup(group, place, isDirect);
    const started = performance.now();
    try {
      await this.#write(volume, placed, isDirect);
      await fdatasyncAsync(volume.fd);
    } catch (error) {
      throw await this.#takeBack(volume, error);
    }
    this.stats.groups++;
    this.stats.records += group.length;
    this.stats.bytes += placed.end - volume.end;
    volume.end = placed.end;
    this.stats.syncMs += performance.now() - started;
    this.#commit(group, placed, volume);
  }

  /** Not flushed. */
  async #write(volume: ActiveVolume, { lead, start, buffers }: PlacedGroup, isDirect: boolean): Promise<void> {
    if (lead !== undefined) await writeAll(volume.fd, [lead], volume.end);
    if (isDirect) {
      volume.directFd ??= this.#direct.open(volumePath(this.#root, volume.grant.id));
      if (volume.directFd !== undefined && (await this.#direct.write(volume.directFd, buffers, start))) return;
    }
    await writeAll(volume.fd, buffers, start);
  }

  #nextTimestamp(): number {
    this.#lastTimestamp = Math.max(this.#clock.now() * 1024, this.#lastTimestamp + 1, this.#pipe.clock + 1);
    return this.#lastTimestamp;
  }

  /** Tells the index, without holding up the next group. */
  #commit(group: readonly Pending[], placed: PlacedGroup, volume: ActiveVolume): void {
    const committed: CommittedItem[] = [];
    group.forEach((pending, i) => {
      const item = placed.items[i] as PlacedRecord;
      if (pending.commit) committed.push({ pending, item });
      else pending.resolve(appendedAt(pending, item, volume));
    });
    if (committed.length === 0 && placed.end - volume.told < TELL_BYTES) return;
    volume.told = placed.end;
    const work = this.#submit(committed, placed.end, volume);
    this.#inFlight.add(work);
    void work.finally(() => this.#inFlight.delete(work));
  }

  /** Never rejects. Ends when the index has answered, which may be long after the writers were told that it did not. */
  async #submit(committed: readonly CommittedItem[], end: number, volume: ActiveVolume): Promise<void> {
    const answered = this.#pipe.group({
      volume: volume.grant.id,
      end,
      offsets: committed.map(({ item }) => item.offset),
      heads: committed.map(({ item }) => item.head),
    });
    let isLate = false;
    this.#pipe.bounded(answered).catch((error: unknown) => {
      isLate = true;
      for (const { pending } of committed) pending.reject(error);
    });
    let outcomes: readonly HeadOutcome[];
    try {
      outcomes = await answered;
    } catch {
      return; // `bounded` has told the writers
    }
    const lost = committed.filter((_, i) => isLost(outcomes[i] as HeadOutcome, isLate));
    const isVoid = lost.length === 0 || (await this.#void(lost, volume));
    for (const [i, { pending, item }] of committed.entries()) {
      const outcome = outcomes[i] as HeadOutcome;
      if (!isLate) this.#settle(pending, item, volume, outcome, isVoid);
    }
  }

  /** Records that the index refused must not come back by a replay or a rebuild. */
  async #void(lost: readonly CommittedItem[], volume: ActiveVolume): Promise<boolean> {
    const records = lost.map(({ item }) => item);
    const isVoid = await voidRecords(volume.fd, volume.grant.uuid, records);
    if (!isVoid)
      this.#log.error(
        { volume: volume.grant.id, records: records.length },
        'records that the index refused could not be taken back; a rebuild of the index may find them',
      );
    return isVoid;
  }

  #settle(pending: Pending, item: PlacedRecord, volume: ActiveVolume, outcome: HeadOutcome, isVoid: boolean): void {
    if (outcome === HEAD_OUTCOME.applied) {
      pending.resolve(appendedAt(pending, item, volume));
      return;
    }
    if (outcome === HEAD_OUTCOME.stale && pending.rewrites < REWRITES_MAX) {
      pending.rewrites++;
      this.#unwrittenBytes += pending.length;
      this.#queue.push(pending);
      void this.#run();
      return;
    }
    const error = refusal(outcome);
    pending.reject(
      isVoid || !isLost(outcome, false) ? error : unknownOutcome(error, volumePath(this.#root, volume.grant.id)),
    );
  }

  /** A volume does not grow past its maximum, so that the reserve of the disk can hold its copy; but one record always fits. */
  async #volumeWithRoom(bytes: number): Promise<ActiveVolume> {
    const last = this.#active;
    if (last !== undefined && (last.end + bytes > this.#volumeBytesMax || last.isUnwanted))
      void this.#retireActive(false);
    if (this.#active !== undefined) return this.#active;
    const grant = await this.#committer.openVolume();
    this.#lastTimestamp = Math.max(this.#lastTimestamp, grant.clock);
    try {
      const fd = grant.isNew ? this.#create(grant) : openSync(volumePath(this.#root, grant.id), 'r+');
      this.#active = { grant, fd, directFd: undefined, end: grant.end, told: grant.end, isUnwanted: false };
      return this.#active;
    } catch (error) {
      await this.#seals.seal(grant.id, grant.end, true);
      throw diskFailure(error, volumePath(this.#root, grant.id));
    }
  }

  #create(grant: VolumeGrant): number {
    const superblock = {
      volumeId: grant.id,
      volumeUuid: grant.uuid,
      storeUuid: grant.storeUuid,
      createdMs: this.#clock.now(),
    };
    try {
      return createVolumeFile(this.#root, superblock);
    } catch (error) {
      rmSync(volumePath(this.#root, grant.id), { force: true });
      throw error;
    }
  }

  /** After a failed write: cuts the volume back, and says what the writers are to hear. */
  async #takeBack(volume: ActiveVolume, cause: unknown): Promise<GatewayError> {
    const path = volumePath(this.#root, volume.grant.id);
    const isCut = await cutBack(volume.fd, volume.end);
    // A full disk took what it could and broke nothing: the volume can be used again when there is room.
    if (isCut && isDiskFull(cause)) return diskFailure(cause, path);
    this.#log.error(
      { volume: volume.grant.id, end: volume.end, isCut, error: String(cause) },
      'a write to a volume failed; it is sealed and a new one begins',
    );
    void this.#retireActive(true);
    return isCut ? diskFailure(cause, path) : unknownOutcome(cause, path);
  }

  #retireActive(damaged: boolean): Promise<void> {
    const active = this.#active;
    if (active === undefined) return Promise.resolve();
    this.#active = undefined;
    const work = this.#retire(active, damaged);
    this.#retiring.add(work);
    return work.finally(() => this.#retiring.delete(work));
  }

  async #retire(active: ActiveVolume, damaged: boolean): Promise<void> {
    // What was written is committed before the seal: the pipe keeps its order. Refused records are voided through the descriptor.
    await Promise.allSettled([...this.#inFlight]);
    await closeAsync(active.fd).catch(() => {});
    if (active.directFd !== undefined) await closeAsync(active.directFd).catch(() => {});
    await this.#seals.sealWhenFree(active.grant.id, active.end, damaged);
  }
}

interface CommittedItem {
  readonly pending: Pending;
  readonly item: PlacedRecord;
}

function appendedAt(pending: Pending, item: PlacedRecord, volume: ActiveVolume): Appended {
  return {
    timestamp: item.timestamp,
    location: locationOf(pending.head, {
      volume: volume.grant.id,
      offset: item.offset,
      headLength: item.head.length,
    }),
  };
}
