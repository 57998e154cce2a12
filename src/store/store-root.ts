/** The folder of a store: `penstock.json` says what it is, `volumes/` holds the truth, `index/` what can be rebuilt from it. */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { readSuperblock, syncFolder, volumeIdOf, volumesFolder } from './volume-file.ts';

export const STORE_FORMAT = 1;
const FILE = 'penstock.json';

export interface StoreRoot {
  readonly root: string;
  /** 16 bytes. */
  readonly uuid: Buffer;
}

export function indexFolder(root: string): string {
  return join(root, 'index');
}

/** Opens the folder of a store, making it when it is absent or empty. @throws GatewayError that says what is wrong with it */
export function openStoreRoot(root: string): StoreRoot {
  try {
    mkdirSync(volumesFolder(root), { recursive: true, mode: 0o750 });
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK);
    accessSync(volumesFolder(root), constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw folderFailure(root, error);
  }
  const path = join(root, FILE);
  return existsSync(path) ? readStoreFile(root, path) : createStoreFile(root, path);
}

/**
 * Writes a lost or damaged store file anew from the superblock of a volume. Answers what was done, `undefined` when the file
 * was well. The caller holds the folder.
 */
export function repairStoreFile(root: string): string | undefined {
  const path = join(root, FILE);
  try {
    readStoreFile(root, path);
    return undefined;
  } catch {
    const uuid = uuidFromVolumes(root);
    if (uuid === undefined) return undefined;
    writeStoreFile(root, path, uuid);
    return `${path} was made anew from the volumes.`;
  }
}

function uuidFromVolumes(root: string): Buffer | undefined {
  for (const name of readdirSync(volumesFolder(root))) {
    if (volumeIdOf(name) === undefined) continue;
    const fd = openSync(join(volumesFolder(root), name), 'r');
    try {
      const found = readSuperblock(fd, name);
      if (found !== undefined) return found.superblock.storeUuid;
    } finally {
      closeSync(fd);
    }
  }
  return undefined;
}

function createStoreFile(root: string, path: string): StoreRoot {
  // The file was lost, perhaps; volumes know whose they are.
  const uuid = uuidFromVolumes(root) ?? randomBytes(16);
  writeStoreFile(root, path, uuid);
  return { root, uuid };
}

function writeStoreFile(root: string, path: string, uuid: Buffer): void {
  const temporary = `${path}.new`;
  try {
    writeFileSync(
      temporary,
      `${JSON.stringify({ format: STORE_FORMAT, uuid: uuid.toString('hex'), created: new Date().toISOString() }, undefined, 2)}\n`,
    );
    const fd = openSync(temporary, 'r');
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, path);
    syncFolder(root);
  } catch (error) {
    throw folderFailure(root, error);
  }
}

function readStoreFile(root: string, path: string): StoreRoot {
  let facts: { format?: unknown; uuid?: unknown };
  try {
    facts = JSON.parse(readFileSync(path, 'utf8')) as typeof facts;
  } catch (error) {
    throw new GatewayError(
      'InvalidRequest',
      `${path} is damaged (${(error as Error).message}). It names the store's format and uuid; restore it from a backup or run "penstock doctor ${root} --rebuild-index".`,
      { cause: error },
    );
  }
  if (facts.format !== STORE_FORMAT) {
    throw new GatewayError(
      'InvalidRequest',
      `${root} has store format ${String(facts.format)}; this Penstock reads format ${STORE_FORMAT}. Use the release that wrote it, or a newer one.`,
    );
  }
  if (typeof facts.uuid !== 'string' || !/^[0-9a-f]{32}$/.test(facts.uuid)) {
    throw new GatewayError(
      'InvalidRequest',
      `${path} has no valid "uuid"; restore it from a backup or run "penstock doctor ${root} --rebuild-index".`,
    );
  }
  return { root, uuid: Buffer.from(facts.uuid, 'hex') };
}

function folderFailure(root: string, error: unknown): GatewayError {
  const { code, message } = error as NodeJS.ErrnoException;
  const user = userInfo().uid;
  const advice: Record<string, string> = {
    EACCES: `user ${user} has no permission; run "chown -R ${user} ${root}" or name another folder`,
    EPERM: `user ${user} has no permission; run "chown -R ${user} ${root}" or name another folder`,
    EROFS: 'the file system is read-only; mount it writable or name another folder',
    ENOTDIR: 'a part of the path is a file and not a folder; name another folder',
    EEXIST: 'a part of the path is a file and not a folder; name another folder',
    ENOSPC: 'the disk is full; make room first',
  };
  return new GatewayError('StoreFailure', `The folder ${root} cannot be used: ${advice[code ?? ''] ?? message}.`, {
    cause: error,
  });
}

export interface DiskSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export function diskSpace(root: string): DiskSpace {
  const stats = statfsSync(root);
  return { totalBytes: stats.blocks * stats.bsize, freeBytes: stats.bavail * stats.bsize };
}

/**
 * Free bytes that writes must leave: room to compact one whole volume, whatever of it is still needed, and for tombstones and the
 * growth of the index.
 */
export function reserveBytes(totalBytes: number): number {
  return volumeBytesFor(totalBytes) + Math.min(LIMITS.reserveBytes, Math.floor(totalBytes * LIMITS.reserveShare));
}

/** Volumes are smaller on a small disk, so that the reserve, which can hold one, does not take much of it. */
export function volumeBytesFor(totalBytes: number): number {
  return Math.max(2 * LIMITS.extentBytes, Math.min(LIMITS.volumeBytesMax, Math.floor(totalBytes / 32)));
}
