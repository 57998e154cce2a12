/**
 * Who may append to which volume. A volume has one owner at a time; sealed and small, it is given to the next who asks, unless
 * compaction has reserved it or its file is not what the index says.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync, truncateSync } from 'node:fs';
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import type { StoreLog, VolumeGrant } from './committer.ts';
import type { IndexDatabase, VolumeState } from './index-database.ts';
import { volumePath } from './volume-file.ts';

export interface VolumeGrantsOptions {
  readonly root: string;
  readonly storeUuid: Buffer;
  readonly index: IndexDatabase;
  readonly log: StoreLog;
  readonly volumeBytesMax: number;
  /** Newest timestamp that the index has seen. */
  readonly newest: () => number;
}

export class VolumeGrants {
  readonly #options: VolumeGrantsOptions;
  /** Volumes that compaction reads or writes: not granted. */
  readonly reserved = new Set<number>();

  constructor(options: VolumeGrantsOptions) {
    this.#options = options;
  }

  /** An old volume with room, or a new one. */
  open(session: string): VolumeGrant {
    const { index, storeUuid, newest } = this.#options;
    const reusable = index.volumes().find((v) => this.#isReusable(v));
    const state: VolumeState = reusable ?? {
      id: this.#freeId(),
      uuid: randomBytes(16).toString('hex'),
      owner: session,
      end: SUPERBLOCK_BYTES,
      live: 0,
      oldest: Number.MAX_SAFE_INTEGER,
      sealed: false,
      damaged: false,
    };
    index.transaction(() => {
      index.setVolume({ ...state, owner: session, sealed: false });
      if (reusable === undefined) index.setNumber('next-volume', state.id + 1);
    });
    return {
      id: state.id,
      uuid: Buffer.from(state.uuid, 'hex'),
      storeUuid,
      end: state.end,
      isNew: reusable === undefined,
      clock: newest(),
    };
  }

  /** What lies behind the end was refused to its writer; it is cut off, so that no rebuild finds it. */
  seal(id: number, end: number, damaged: boolean): void {
    const { root, index, log } = this.#options;
    const volume = index.volume(id);
    if (volume === undefined) return;
    const sealed = {
      ...volume,
      owner: '',
      sealed: true,
      end: Math.max(end, volume.end),
      damaged: volume.damaged || damaged,
    };
    index.transaction(() => index.setVolume(sealed));
    if (!damaged) return;
    try {
      truncateSync(volumePath(root, id), sealed.end);
    } catch (error) {
      log.warn({ volume: id, error: String(error) }, 'a volume could not be cut back after a failed write');
    }
  }

  /** A late request of a dead worker, whose volume may be another's by now, does nothing. */
  sealOwn(session: string, id: number, end: number, damaged: boolean): void {
    if (this.#options.index.volume(id)?.owner === session) this.seal(id, end, damaged);
  }

  /** Skips files of a crash between the making of a file and its commit. */
  #freeId(): number {
    const { root, index } = this.#options;
    let id = index.number('next-volume') ?? 1;
    while (existsSync(volumePath(root, id))) id++;
    return id;
  }

  #isReusable(volume: VolumeState): boolean {
    return (
      volume.sealed &&
      !volume.damaged &&
      volume.dropped !== true &&
      volume.end < this.#options.volumeBytesMax / 2 &&
      !this.reserved.has(volume.id) &&
      this.#endsAt(volume.id, volume.end)
    );
  }

  /** A file that is gone or of another length is for the doctor; nobody may append to it. */
  #endsAt(id: number, end: number): boolean {
    return statSync(volumePath(this.#options.root, id), { throwIfNoEntry: false })?.size === end;
  }
}
