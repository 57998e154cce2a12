/**
 * Brings the index up to date with the volumes, when the keeper starts and when a worker is gone. Behind the end that the index
 * knows of a volume there may be records that nobody acknowledged: whole ones are applied, what is torn is cut off, and the
 * volume is free for others. A volume that the index does not know (the keeper died between its making and the commit) is taken
 * in the same way: what is in a volume must never wait there for the next rebuild to come to light. Of copies that compaction or the coding
 * pass had not committed the originals are still there: they are cut off.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs';
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import type { Applier } from './applier.ts';
import type { StoreLog } from './committer.ts';
import type { IndexDatabase, VolumeState } from './index-database.ts';
import { isOutput } from './output-volume.ts';
import { volumeFiles } from './rebuild.ts';
import { readSuperblock, volumePath, walkVolume } from './volume-file.ts';

export interface RecoveryTools {
  readonly root: string;
  readonly storeUuid: Buffer;
  readonly index: IndexDatabase;
  readonly applier: Applier;
  readonly log: StoreLog;
  readonly transact: <T>(work: () => T) => T;
  /** A timestamp that later ones must be above. */
  readonly saw: (timestamp: number) => void;
  readonly dropVolume: (volume: VolumeState) => void;
}

export class Recovery {
  readonly #tools: RecoveryTools;

  constructor(tools: RecoveryTools) {
    this.#tools = tools;
  }

  /** At the start: all volumes but those of sessions that are alive. */
  run(alive: ReadonlySet<string>): void {
    const { index, dropVolume } = this.#tools;
    this.#adoptUnknown();
    for (const volume of index.volumes()) {
      if (volume.dropped === true) dropVolume(volume);
      else if (!volume.sealed && !alive.has(volume.owner)) this.#volume(volume.id);
      else if (volume.sealed && volume.damaged) this.#cutBack(volume);
      else if (volume.sealed && this.#isLonger(volume)) this.#volume(volume.id);
    }
    index.transaction(() => {
      for (const session of index.sessions()) if (!alive.has(session)) index.removeSession(session);
    });
  }

  /** The keeper died between appending to an old volume and the commit that would have said that it had taken it. */
  #isLonger({ id, end }: VolumeState): boolean {
    return (statSync(volumePath(this.#tools.root, id), { throwIfNoEntry: false })?.size ?? 0) > end;
  }

  /** A worker is gone. */
  session(session: string): void {
    const { index } = this.#tools;
    for (const volume of index.volumes()) if (!volume.sealed && volume.owner === session) this.#volume(volume.id);
    index.transaction(() => index.removeSession(session));
  }

  #adoptUnknown(): void {
    const { root, storeUuid, index, log } = this.#tools;
    for (const { id, path } of volumeFiles(root)) {
      if (index.volume(id) !== undefined) continue;
      const fd = openSync(path, 'r');
      try {
        const found = readSuperblock(fd, path);
        if (found?.superblock.volumeId !== id || !found.superblock.storeUuid.equals(storeUuid)) {
          log.error({ path }, 'a volume file that the index does not know is not of this store; it is left alone');
          continue;
        }
        log.warn({ path }, 'a volume file that the index does not know is taken in');
        const uuid = found.superblock.volumeUuid.toString('hex');
        index.transaction(() => {
          index.setVolume({ ...NEW_VOLUME, id, uuid });
          index.setNumber('next-volume', Math.max(index.number('next-volume') ?? 1, id + 1));
        });
      } finally {
        closeSync(fd);
      }
    }
  }

  #volume(id: number): void {
    // As it is now: the tail of another volume may just have changed what lives in this one.
    const volume = this.#tools.index.volume(id) as VolumeState;
    const path = volumePath(this.#tools.root, id);
    let fd: number;
    try {
      fd = openSync(path, 'r+');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#missing(volume, path);
      return;
    }
    try {
      this.#replayTail(fd, volume, path);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Nothing in the tail was acknowledged: an acknowledged write is in the index, and the index is flushed.
   */
  #replayTail(fd: number, volume: VolumeState, path: string): void {
    const { index, log, transact } = this.#tools;
    const length = fstatSync(fd).size;
    if (volume.end <= SUPERBLOCK_BYTES && (length < SUPERBLOCK_BYTES || readSuperblock(fd, path) === undefined)) {
      // Its making was cut short, so nothing was ever written to it.
      rmSync(path, { force: true });
      index.transaction(() => index.removeVolume(volume.id));
      return;
    }
    if (length < volume.end) {
      log.error(
        { volume: volume.id, path, bytes: length, expected: volume.end },
        'a volume is shorter than the index says; the objects behind its end are lost; run "penstock doctor"',
      );
      index.transaction(() => index.setVolume({ ...volume, owner: '', sealed: true, damaged: true }));
      return;
    }
    // A copy beside its original would make a rebuilt index point to another place than this one.
    const end = isOutput(volume.owner) ? volume.end : transact(() => this.#replay(fd, volume, length));
    if (end < length) ftruncateSync(fd, end);
    const current = index.volume(volume.id) as VolumeState;
    index.transaction(() => index.setVolume({ ...current, owner: '', sealed: true, end }));
    if (length > volume.end)
      log.info({ volume: volume.id, replayed: end - volume.end, cut: length - end }, 'replayed the tail of a volume');
  }

  #replay(fd: number, volume: VolumeState, length: number): number {
    const { index, applier, saw } = this.#tools;
    let end = volume.end;
    let oldest = volume.oldest;
    for (const step of walkVolume(fd, {
      uuid: Buffer.from(volume.uuid, 'hex'),
      start: volume.end,
      end: length,
      payloads: true,
    })) {
      if (step.kind === 'damage' || step.payloadIntact === false) break;
      oldest = Math.min(oldest, step.head.timestamp);
      saw(step.head.timestamp);
      applier.apply(step.head, { volume: volume.id, offset: step.offset, headLength: step.headLength });
      end = step.offset + step.length;
    }
    index.setVolume({ ...volume, end, oldest });
    return end;
  }

  /**
   * A write failed, its records were refused, and the disk would not let them be cut off at that time. What is no whole record
   * stays for those who want to save what can be saved.
   */
  #cutBack({ id, uuid, end }: VolumeState): void {
    try {
      const fd = openSync(volumePath(this.#tools.root, id), 'r+');
      try {
        const tail = walkVolume(fd, {
          uuid: Buffer.from(uuid, 'hex'),
          start: end,
          end: fstatSync(fd).size,
          payloads: true,
        });
        for (const step of tail) {
          if (step.kind !== 'record' || step.payloadIntact !== true) continue;
          ftruncateSync(fd, end);
          return;
        }
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      this.#tools.log.warn({ volume: id, error: String(error) }, 'a damaged volume could not be cut back');
    }
  }

  #missing(volume: VolumeState, path: string): void {
    const { index, log } = this.#tools;
    if (volume.end > SUPERBLOCK_BYTES) {
      log.error(
        { volume: volume.id, path, live: volume.live },
        'a volume file is missing; its objects answer DataLoss; restore the file, or run "penstock doctor"',
      );
      index.transaction(() => index.setVolume({ ...volume, owner: '', sealed: true, damaged: true }));
      return;
    }
    index.transaction(() => index.removeVolume(volume.id));
  }
}

const NEW_VOLUME: Omit<VolumeState, 'id' | 'uuid'> = {
  owner: '',
  end: SUPERBLOCK_BYTES,
  live: 0,
  oldest: Number.MAX_SAFE_INTEGER,
  sealed: false,
  damaged: false,
};
