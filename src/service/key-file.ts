/**
 * `DIR/keys.json`: the credentials of a store, readable by its owner alone. A reader sees the file before a change or after it,
 * never a half: a change writes a new file beside it, flushes it, renames it over the old one and flushes the folder. Two
 * changes at once are ordered by a lock file, so that neither `key create` loses the other's key.
 *
 * Everything here is synchronous: it runs at the start, in the command line, and when the file has changed, which is rare.
 */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export interface StoredKey {
  readonly accessKeyId: string;
  readonly secretKey: string;
  /** Keys with the same owner name own the same buckets. */
  readonly owner: string;
  readonly createdMs: number;
}

/** A refusal about keys that a person can act on; the message says what to do. */
export class KeyFileError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KeyFileError';
  }
}

const FILE_VERSION = 1;
const FILE_BYTES_MAX = 16 * 1024 * 1024;

export const ACCESS_KEY_ID = /^[A-Za-z0-9._-]{3,128}$/;
/** Printable ASCII without spaces, so that it survives environment variables, headers and terminals. */
export const SECRET_KEY = /^[\x21-\x7e]{8,256}$/;
export const OWNER_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

export function keyFilePath(root: string): string {
  return join(root, 'keys.json');
}

function damaged(path: string, what: string, cause?: unknown): KeyFileError {
  return new KeyFileError(
    `${path} is damaged: ${what}. Restore it from a backup, or move it away and start again to get a new root key ` +
      '(the buckets of the owners named in it come back when their keys are created again with the same names).',
    cause,
  );
}

function parseKey(path: string, value: unknown, position: number): StoredKey {
  const entry = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { accessKeyId, secretKey, owner, createdMs } = entry;
  const where = `keys[${position}]`;
  if (typeof accessKeyId !== 'string' || !ACCESS_KEY_ID.test(accessKeyId))
    throw damaged(path, `${where} has no access key id`);
  if (typeof secretKey !== 'string' || !SECRET_KEY.test(secretKey))
    throw damaged(path, `${where} has no usable secret`);
  if (typeof owner !== 'string' || !OWNER_NAME.test(owner)) throw damaged(path, `${where} has no owner name`);
  if (typeof createdMs !== 'number' || !Number.isSafeInteger(createdMs))
    throw damaged(path, `${where} has no time of creation`);
  return { accessKeyId, secretKey, owner, createdMs };
}

/** The cause of a parse error is left out on purpose: V8 quotes the text, and the text holds secrets. */
function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(path, text.length === 0 ? 'it is empty' : 'it is not JSON');
  }
}

export function parseKeyFile(path: string, text: string): StoredKey[] {
  const file = parseJson(path, text) as { version?: unknown; keys?: unknown } | null;
  if (typeof file !== 'object' || file === null || !Array.isArray(file.keys))
    throw damaged(path, 'it holds no list of keys');
  if (file.version !== FILE_VERSION) {
    throw new KeyFileError(
      `${path} has version ${JSON.stringify(file.version)}; this Penstock reads version ${FILE_VERSION}. Use the Penstock that wrote it, or a newer one.`,
    );
  }
  const keys = file.keys.map((value, position) => parseKey(path, value, position));
  if (new Set(keys.map((key) => key.accessKeyId)).size !== keys.length)
    throw damaged(path, 'an access key id is there twice');
  return keys;
}

/** What tells one content of the file from the next without reading it. */
export interface FileStamp {
  readonly inode: number;
  readonly modifiedMs: number;
  readonly size: number;
}

export function stampOf(root: string): FileStamp | undefined {
  const stat = statSync(keyFilePath(root), { throwIfNoEntry: false });
  return stat && { inode: stat.ino, modifiedMs: stat.mtimeMs, size: stat.size };
}

/** `undefined` when there is no file. @throws KeyFileError when it is damaged or cannot be read */
export function readKeyFile(root: string): StoredKey[] | undefined {
  const path = keyFilePath(root);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (stat.size > FILE_BYTES_MAX)
    throw damaged(path, `it has ${stat.size} bytes; at most ${FILE_BYTES_MAX} are expected`);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new KeyFileError(
      `${path} cannot be read (${code}). Run as the user that owns it, or set PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY.`,
      error,
    );
  }
  return parseKeyFile(path, text);
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function replaceKeyFile(root: string, keys: readonly StoredKey[]): void {
  const path = keyFilePath(root);
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    fchmodSync(fd, 0o600); // a left-over file keeps its own mode otherwise
    writeSync(fd, `${JSON.stringify({ version: FILE_VERSION, keys }, undefined, 2)}\n`);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(root);
}

function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const LOCK_TRIES = 100;
const LOCK_WAIT_MS = 20;
const LOCK_STALE_MS = 10_000;

/** Takes the lock, or waits for at most two seconds. A lock whose process is gone is taken over. */
function lock(root: string): string {
  const path = `${keyFilePath(root)}.lock`;
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(root, error);
    }
    if (isAbandoned(path)) rmSync(path, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
  }
  throw new KeyFileError(
    `${path} is held by process ${readLock(path)}, which is changing the keys. Wait for it, or delete the file if that process is not a Penstock.`,
  );
}

/** A change takes milliseconds; a container that was killed in one comes back with the same process id, hence the own id. */
function isAbandoned(path: string): boolean {
  const holder = Number(readLock(path));
  if (holder === process.pid || (holder > 0 && !processLives(holder))) return true;
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > LOCK_STALE_MS;
}

function readLock(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it was just given back
  }
}

function unwritable(root: string, error: unknown): KeyFileError {
  const code = (error as NodeJS.ErrnoException).code;
  const advice =
    code === 'ENOENT'
      ? 'Start the gateway on that folder first, or name another with --dir'
      : 'Run as the user that owns the folder';
  return new KeyFileError(`The keys in ${root} cannot be changed (${code}). ${advice}.`, error);
}

/**
 * Changes the keys: `change` gets the current ones (empty when there is no file) and answers the new ones, or `undefined` for
 * no change. @throws KeyFileError, or what `change` throws
 */
export function changeKeyFile(
  root: string,
  change: (keys: readonly StoredKey[]) => readonly StoredKey[] | undefined,
): void {
  const lockPath = lock(root);
  try {
    const keys = change(readKeyFile(root) ?? []);
    if (keys === undefined) return;
    replaceKeyFile(root, keys);
  } catch (error) {
    if (error instanceof KeyFileError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw unwritable(root, error);
  } finally {
    rmSync(lockPath, { force: true });
  }
}
