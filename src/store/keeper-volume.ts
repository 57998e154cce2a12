/**
 * The keeper's own volume, for the records of its decisions. Appends inside a transaction gather in memory; `flush` writes and
 * syncs them before that transaction commits. Synchronous throughout: the keeper has nothing else to do meanwhile.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, rmSync, writevSync } from 'node:fs';
import { encodeRecordHead, type RecordHead, recordLength } from '../format/record.ts';
import type { RecordPlace } from './applier.ts';
import type { VolumeGrant } from './committer.ts';
import { KEEPER_SESSION, type KeeperHost } from './keeper-host.ts';
import { createVolumeFile, volumePath } from './volume-file.ts';

interface Active {
  readonly grant: VolumeGrant;
  readonly fd: number;
  end: number;
}

export class KeeperVolume {
  readonly #keeper: KeeperHost;
  #active: Active | undefined;
  #buffers: Buffer[] = [];
  #pendingEnd = 0;
  #oldest = Number.MAX_SAFE_INTEGER;

  constructor(keeper: KeeperHost) {
    this.#keeper = keeper;
  }

  /** Places a record; it is durable after `flush`. */
  append(head: RecordHead, payload: Buffer): RecordPlace {
    const active = this.#open();
    const offset = Math.max(active.end, this.#pendingEnd);
    const bytes = encodeRecordHead(head, active.grant.uuid, offset);
    const length = recordLength(bytes.length, payload.length);
    this.#buffers.push(bytes, payload, Buffer.alloc(length - bytes.length - payload.length));
    this.#pendingEnd = offset + length;
    this.#oldest = Math.min(this.#oldest, head.timestamp);
    return { volume: active.grant.id, offset, headLength: bytes.length };
  }

  flush(): void {
    const active = this.#active;
    if (active === undefined || this.#buffers.length === 0) return;
    writeAllSync(active.fd, this.#buffers, active.end);
    fdatasyncSync(active.fd);
    active.end = this.#pendingEnd;
    this.#buffers = [];
    const { index } = this.#keeper;
    const state = index.volume(active.grant.id);
    if (state !== undefined)
      index.setVolume({ ...state, end: active.end, oldest: Math.min(state.oldest, this.#oldest) });
  }

  /** The transaction failed: what it appended must not come back. A new volume follows. */
  abandon(): void {
    const active = this.#active;
    const known = active === undefined ? undefined : this.#keeper.index.volume(active.grant.id);
    this.#buffers = [];
    this.#pendingEnd = 0;
    this.#active = undefined;
    if (active === undefined) return;
    const end = known?.end ?? active.end;
    try {
      ftruncateSync(active.fd, end);
      closeSync(active.fd);
      // A volume that the failed transaction itself opened is unknown again.
      if (known === undefined) rmSync(volumePath(this.#keeper.root, active.grant.id), { force: true });
    } catch (error) {
      this.#keeper.log.warn(
        { volume: active.grant.id, error: String(error) },
        'a volume could not be cut back after a failed write',
      );
    }
    this.#keeper.sealVolume(active.grant.id, end, true);
  }

  seal(): void {
    const active = this.#active;
    if (active === undefined || this.#buffers.length > 0) return;
    this.#active = undefined;
    this.#pendingEnd = 0;
    closeSync(active.fd);
    this.#keeper.sealVolume(active.grant.id, active.end, false);
  }

  #open(): Active {
    if (this.#active !== undefined && (this.#active.end < this.#keeper.volumeBytesMax || this.#buffers.length > 0))
      return this.#active;
    this.seal();
    const grant = this.#keeper.openVolume(KEEPER_SESSION);
    const superblock = {
      volumeId: grant.id,
      volumeUuid: grant.uuid,
      storeUuid: grant.storeUuid,
      createdMs: this.#keeper.clock.now(),
    };
    const fd = grant.isNew
      ? createVolumeFile(this.#keeper.root, superblock)
      : openSync(volumePath(this.#keeper.root, grant.id), 'r+');
    this.#active = { grant, fd, end: grant.end };
    return this.#active;
  }
}

/** writev of many small buffers; Linux takes 1,024 at once and may write less. */
function writeAllSync(fd: number, buffers: readonly Buffer[], position: number): void {
  const bytes = buffers.length > 1000 ? [Buffer.concat(buffers)] : [...buffers];
  let at = position;
  while (bytes.length > 0) {
    let written = writevSync(fd, bytes, at);
    at += written;
    for (let first = bytes[0]; first !== undefined && written >= first.length; first = bytes[0]) {
      written -= first.length;
      bytes.shift();
    }
    if (written > 0) bytes[0] = (bytes[0] as Buffer).subarray(written);
  }
}
