/**
 * Appends records to this worker's own volume, in groups: while one group is written and flushed, the next one gathers. Then
 * the heads of the group go to the index (`CommitPipe`), and only then is a write acknowledged.
 *
 * The hardest decision: a failed write or flush is never retried on the same file, because after a failed fdatasync the kernel
 * may have dropped the pages and still call them clean. The volume is cut back to its last good end, sealed as damaged, and a
 * new one begins; everybody in the failed group gets the error, and none of it can reappear.
 */
import { close, fdatasync, ftruncate, openSync, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '../base/clock.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Location } from '../format/manifest.ts';
import { encodeRecordHead, headLength, type RecordHead, recordLength } from '../format/record.ts';
import type { CommitPipe } from './commit-pipe.ts';
import { HEAD_OUTCOME, type HeadOutcome, type IndexCommitter, type StoreLog, type VolumeGrant } from './committer.ts';
import { createVolumeFile, volumePath } from './volume-file.ts';

const writevAsync = promisify(writev);
const fdatasyncAsync = promisify(fdatasync);
const ftruncateAsync = promisify(ftruncate);
const closeAsync = promisify(close);

/** Linux takes at most this many buffers in one writev (IOV_MAX). */
const IOV_MAX = 1024;
/** A write that lost its place to newer ones this often in a row is given up. */
const REWRITES_MAX = 32;
/** After this many bytes of extents the keeper hears where the volume ends, so that a restart has little to search. */
const TELL_BYTES = 64 * 1024 * 1024;
const PADDING = Buffer.alloc(16);

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
  end: number;
  /** Offset behind the last record that the keeper was told of. */
  told: number;
  /** Where the first group begins that the index refused as a whole. */
  refusedFrom: number | undefined;
}

/** Volumes that hold extents of a write under way; they must not be compacted before it ends. */
export interface Pins {
  readonly volumes: Set<number>;
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
  #queue: Pending[] = [];
  #busy = false;
  #active: ActiveVolume | undefined;
  #lastTimestamp = 0;
  /** Volumes that are full but still pinned, with their ends. */
  readonly #closing = new Map<number, { end: number; damaged: boolean }>();
  readonly #pinned = new Map<number, number>();
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly stats: GroupStats = { groups: 0, records: 0, bytes: 0, syncMs: 0 };

  constructor(options: {
    root: string;
    committer: IndexCommitter;
    pipe: CommitPipe;
    clock: Clock;
    log: StoreLog;
    volumeBytesMax: number;
  }) {
    this.#root = options.root;
    this.#committer = options.committer;
    this.#pipe = options.pipe;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#volumeBytesMax = options.volumeBytesMax;
  }

  /**
   * Appends a record and resolves when it is durable, and, for `commit`, in the index. `head.payloadLength` and `payloadCrc`
   * must be right; timestamp is assigned here.
   *
   * @throws GatewayError NoSuchBucket, NoSuchUpload, StorageFull, StoreFailure (nothing is there), StoreBusy (outcome unknown)
   */
  append(record: NewRecord, pins?: Pins): Promise<Appended> {
    return new Promise<Appended>((resolve, reject) => {
      const length = recordLength(
        headLength(record.head.key.length, record.head.attributes.length),
        record.head.payloadLength,
      );
      const done = (appended: Appended): void => {
        if (pins !== undefined) this.#pin(pins, appended.location.volume);
        resolve(appended);
      };
      this.#queue.push({ ...record, length, rewrites: 0, resolve: done, reject });
      void this.#run();
    });
  }

  unpin(pins: Pins): void {
    for (const volume of pins.volumes) {
      const left = (this.#pinned.get(volume) ?? 1) - 1;
      if (left > 0) this.#pinned.set(volume, left);
      else this.#pinned.delete(volume);
      if (left <= 0) void this.#sealIfIdle(volume);
    }
    pins.volumes.clear();
  }

  #pin(pins: Pins, volume: number): void {
    if (pins.volumes.has(volume)) return;
    pins.volumes.add(volume);
    this.#pinned.set(volume, (this.#pinned.get(volume) ?? 0) + 1);
  }

  /** Stops appending to a volume that the keeper wants to compact. */
  rotate(volume: number): void {
    if (this.#active?.grant.id !== volume || this.#busy) return;
    void this.#retireActive(false);
  }

  /** Waits for what is queued, then seals the active volume. */
  async stop(): Promise<void> {
    while (this.#busy || this.#inFlight.size > 0)
      await Promise.allSettled([...this.#inFlight, new Promise((r) => setImmediate(r))]);
    await this.#retireActive(false);
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
    }
    this.#busy = false;
  }

  #takeGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const pending of this.#queue) {
      if (count > 0 && (bytes + pending.length > LIMITS.groupBytesMax || count >= LIMITS.groupRecordsMax)) break;
      bytes += pending.length;
      count++;
    }
    const group = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return group;
  }

  async #writeGroup(group: readonly Pending[]): Promise<void> {
    const volume = await this.#volumeWithRoom();
    const placed = this.#place(group, volume);
    const started = performance.now();
    try {
      await writeAll(volume.fd, placed.buffers, volume.end);
      await fdatasyncAsync(volume.fd);
    } catch (error) {
      await this.#abandon(volume, error);
      throw diskFailure(error, volumePath(this.#root, volume.grant.id));
    }
    const start = volume.end;
    volume.end = placed.end;
    this.stats.groups++;
    this.stats.records += group.length;
    this.stats.bytes += placed.bytes;
    this.stats.syncMs += performance.now() - started;
    this.#commit(group, placed, volume, start);
  }

  /** Timestamps, offsets and head bytes of a group, and the buffers to write. */
  #place(group: readonly Pending[], volume: ActiveVolume): Placed {
    const buffers: Buffer[] = [];
    const items: PlacedItem[] = [];
    let offset = volume.end;
    for (const pending of group) {
      const timestamp = this.#nextTimestamp();
      const bytes = encodeRecordHead({ ...pending.head, timestamp }, volume.grant.uuid, offset);
      buffers.push(bytes, ...pending.payload);
      const padding = pending.length - bytes.length - pending.head.payloadLength;
      if (padding > 0) buffers.push(PADDING.subarray(0, padding));
      items.push({ offset, timestamp, head: bytes });
      offset += pending.length;
    }
    return { buffers, items, end: offset, bytes: offset - volume.end };
  }

  #nextTimestamp(): number {
    this.#lastTimestamp = Math.max(this.#clock.now() * 1024, this.#lastTimestamp + 1, this.#pipe.clock + 1);
    return this.#lastTimestamp;
  }

  /** Tells the index, without holding up the next group. */
  #commit(group: readonly Pending[], placed: Placed, volume: ActiveVolume, start: number): void {
    const committed: number[] = [];
    group.forEach((pending, i) => {
      if (pending.commit) committed.push(i);
      else pending.resolve(appendedAt(pending, placed.items[i] as PlacedItem, volume));
    });
    if (committed.length === 0 && placed.end - volume.told < TELL_BYTES) return;
    volume.told = placed.end;
    const items = committed.map((i) => placed.items[i] as PlacedItem);
    const work = this.#pipe
      .group({
        volume: volume.grant.id,
        end: placed.end,
        offsets: items.map((p) => p.offset),
        heads: items.map((p) => p.head),
      })
      .then(
        (outcomes) => {
          if (outcomes.some((o) => o === HEAD_OUTCOME.storageFull || o === HEAD_OUTCOME.failed))
            this.#refused(volume, start);
          for (const [n, i] of committed.entries())
            this.#settle(group[i] as Pending, placed.items[i] as PlacedItem, volume, outcomes[n] as HeadOutcome);
        },
        (error: unknown) => {
          for (const i of committed) (group[i] as Pending).reject(error);
        },
      );
    this.#inFlight.add(work);
    void work.finally(() => this.#inFlight.delete(work));
  }

  /** The index could not take a group: its records must not come back, so the volume ends before them. */
  #refused(volume: ActiveVolume, start: number): void {
    volume.refusedFrom ??= start;
    if (this.#active === volume && !this.#busy) void this.#retireActive(true);
  }

  #settle(pending: Pending, item: PlacedItem, volume: ActiveVolume, outcome: HeadOutcome): void {
    if (outcome === HEAD_OUTCOME.applied) {
      pending.resolve(appendedAt(pending, item, volume));
      return;
    }
    if (outcome === HEAD_OUTCOME.stale && pending.rewrites < REWRITES_MAX) {
      pending.rewrites++;
      this.#queue.push(pending);
      void this.#run();
      return;
    }
    pending.reject(refusal(outcome));
  }

  async #volumeWithRoom(): Promise<ActiveVolume> {
    const full = this.#active;
    if (full !== undefined && (full.end >= this.#volumeBytesMax || full.refusedFrom !== undefined))
      await this.#retireActive(full.refusedFrom !== undefined);
    if (this.#active !== undefined) return this.#active;
    const grant = await this.#committer.openVolume();
    this.#lastTimestamp = Math.max(this.#lastTimestamp, grant.clock);
    try {
      const fd = grant.isNew
        ? createVolumeFile(this.#root, {
            volumeId: grant.id,
            volumeUuid: grant.uuid,
            storeUuid: grant.storeUuid,
            createdMs: this.#clock.now(),
          })
        : openSync(volumePath(this.#root, grant.id), 'r+');
      this.#active = { grant, fd, end: grant.end, told: grant.end, refusedFrom: undefined };
      return this.#active;
    } catch (error) {
      await this.#committer.sealVolume(grant.id, grant.end, true);
      throw diskFailure(error, volumePath(this.#root, grant.id));
    }
  }

  async #abandon(volume: ActiveVolume, cause: unknown): Promise<void> {
    this.#log.error(
      { volume: volume.grant.id, end: volume.end, error: String(cause) },
      'a write to a volume failed; it is sealed and a new one begins',
    );
    await ftruncateAsync(volume.fd, volume.end).catch(() => {});
    await this.#retireActive(true);
  }

  async #retireActive(damaged: boolean): Promise<void> {
    const active = this.#active;
    if (active === undefined) return;
    this.#active = undefined;
    this.#closing.set(active.grant.id, { end: active.refusedFrom ?? active.end, damaged });
    await closeAsync(active.fd).catch(() => {});
    // What was written is committed before the seal: the pipe keeps its order.
    await Promise.allSettled([...this.#inFlight]);
    await this.#sealIfIdle(active.grant.id);
  }

  async #sealIfIdle(volume: number): Promise<void> {
    const closing = this.#closing.get(volume);
    if (closing === undefined || this.#pinned.has(volume)) return;
    this.#closing.delete(volume);
    await this.#committer
      .sealVolume(volume, closing.end, closing.damaged)
      .catch((error: unknown) =>
        this.#log.warn({ volume, error: String(error) }, 'a volume could not be sealed; the next start does it'),
      );
  }
}

interface PlacedItem {
  readonly offset: number;
  readonly timestamp: number;
  readonly head: Buffer;
}

interface Placed {
  readonly buffers: Buffer[];
  readonly items: readonly PlacedItem[];
  readonly end: number;
  readonly bytes: number;
}

function appendedAt(pending: Pending, item: PlacedItem, volume: ActiveVolume): Appended {
  return {
    timestamp: item.timestamp,
    location: {
      volume: volume.grant.id,
      offset: item.offset,
      headLength: item.head.length,
      length: pending.head.payloadLength,
      crc: pending.head.payloadCrc,
    },
  };
}

async function writeAll(fd: number, buffers: Buffer[], position: number): Promise<void> {
  for (let i = 0; i < buffers.length; i += IOV_MAX) {
    let batch = buffers.slice(i, i + IOV_MAX);
    while (batch.length > 0) {
      const { bytesWritten } = await writevAsync(fd, batch, position);
      position += bytesWritten;
      batch = unwritten(batch, bytesWritten);
    }
  }
}

/** What is left of `buffers` after `written` bytes of them. */
function unwritten(buffers: readonly Buffer[], written: number): Buffer[] {
  let left = written;
  for (let i = 0; i < buffers.length; i++) {
    const buffer = buffers[i] as Buffer;
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(i + 1)];
    left -= buffer.length;
  }
  return [];
}

/** ENOSPC is for the client to act on; everything else is for the operator. */
export function diskFailure(error: unknown, path: string): GatewayError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof GatewayError) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GatewayError('StorageFull', `The disk of ${path} is full; delete objects or add space.`, {
      cause: error,
    });
  }
  return new GatewayError('StoreFailure', `Writing ${path} failed: ${message}`, { cause: error });
}

function refusal(outcome: HeadOutcome): GatewayError {
  switch (outcome) {
    case HEAD_OUTCOME.noSuchBucket:
      return new GatewayError('NoSuchBucket');
    case HEAD_OUTCOME.noSuchUpload:
      return new GatewayError('NoSuchUpload');
    case HEAD_OUTCOME.storageFull:
      return new GatewayError('StorageFull');
    case HEAD_OUTCOME.stale:
      return new GatewayError('ConditionalRequestConflict', 'Too many writers of the same key at once; try again.');
    default:
      return new GatewayError('StoreFailure', 'The index could not commit the write; nothing was stored.');
  }
}
