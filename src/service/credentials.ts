/**
 * Who may speak to a gateway: the keys of `DIR/keys.json` and, above them, the root key of the environment. A key that was
 * created or revoked while the gateway serves counts within a second in every worker, without a message between processes:
 * each worker looks at the file's inode and time at most once a second, and at once (at most ten times a second) when it meets
 * a key id that it does not know.
 *
 * While PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY are set, they are the root key and the root keys of the file do not count,
 * so that a secret that was replaced by the environment is really replaced. The environment's secret is never written down.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import {
  ACCESS_KEY_ID,
  changeKeyFile,
  type FileStamp,
  KeyFileError,
  keyFilePath,
  OWNER_NAME,
  readKeyFile,
  SECRET_KEY,
  type StoredKey,
  stampOf,
} from './key-file.ts';

export interface Credential {
  readonly accessKeyId: string;
  readonly secretKey: string;
  /** 64 hex digits, the same for every key of one owner name and in every store. */
  readonly ownerId: string;
  readonly displayName: string;
  readonly createdMs: number;
  readonly root: boolean;
}

export interface CredentialSource {
  /** Synchronous, on the hot path of every request. */
  find(accessKeyId: string): Credential | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const ROOT_OWNER = 'root';
const STAT_INTERVAL_MS = 1000;
const UNKNOWN_KEY_STAT_INTERVAL_MS = 100;

/** The canonical id of an owner, in the form of an S3 canonical user id. */
export function ownerIdOf(owner: string): string {
  return createHash('sha256').update(`penstock owner ${owner}`).digest('hex');
}

function toCredential(key: StoredKey): Credential {
  return Object.freeze({
    accessKeyId: key.accessKeyId,
    secretKey: key.secretKey,
    ownerId: ownerIdOf(key.owner),
    displayName: key.owner,
    createdMs: key.createdMs,
    root: key.owner === ROOT_OWNER,
  });
}

/** The root key of the environment. @throws KeyFileError when one variable is set without the other, or is malformed */
export function environmentRoot(env: Environment): Credential | undefined {
  const accessKeyId = env.PENSTOCK_ACCESS_KEY ?? '';
  const secretKey = env.PENSTOCK_SECRET_KEY ?? '';
  if (accessKeyId === '' && secretKey === '') return undefined;
  if (accessKeyId === '' || secretKey === '') {
    const [set, missing] = accessKeyId === '' ? ['SECRET', 'ACCESS'] : ['ACCESS', 'SECRET'];
    throw new KeyFileError(`PENSTOCK_${set}_KEY is set but PENSTOCK_${missing}_KEY is not. Set both, or neither.`);
  }
  checkKeyPair('PENSTOCK_ACCESS_KEY', accessKeyId, 'PENSTOCK_SECRET_KEY', secretKey);
  return toCredential({ accessKeyId, secretKey, owner: ROOT_OWNER, createdMs: 0 });
}

function checkKeyPair(idName: string, accessKeyId: string, secretName: string, secretKey: string): void {
  if (!ACCESS_KEY_ID.test(accessKeyId)) {
    throw new KeyFileError(
      `${idName} is "${accessKeyId.slice(0, 128)}"; expected 3 to 128 letters, digits, ".", "_" or "-".`,
    );
  }
  if (!SECRET_KEY.test(secretKey)) {
    throw new KeyFileError(
      `${secretName} has ${secretKey.length} characters; expected 8 to 256 printable ones without spaces.`,
    );
  }
}

const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function newKey(owner: string, nowMs: number): StoredKey {
  const accessKeyId = Array.from({ length: 20 }, () => ID_ALPHABET.charAt(randomInt(ID_ALPHABET.length))).join('');
  return { accessKeyId, secretKey: randomBytes(30).toString('base64url'), owner, createdMs: nowMs };
}

/**
 * The root credential: of the environment, else of the file, else a new one (`created`: show it once).
 * @throws KeyFileError
 */
export function ensureRootCredential(
  root: string,
  env: Environment,
  clock: Clock = systemClock,
): { credential: Credential; created: boolean } {
  const ofEnvironment = environmentRoot(env);
  if (ofEnvironment !== undefined) return { credential: ofEnvironment, created: false };
  const isRoot = (key: StoredKey) => key.owner === ROOT_OWNER;
  const existing = readKeyFile(root)?.find(isRoot);
  if (existing !== undefined) return { credential: toCredential(existing), created: false };
  let outcome: { key: StoredKey; created: boolean } | undefined;
  changeKeyFile(root, (keys) => {
    const raced = keys.find(isRoot);
    outcome =
      raced === undefined ? { key: newKey(ROOT_OWNER, clock.now()), created: true } : { key: raced, created: false };
    return outcome.created ? [...keys, outcome.key] : undefined;
  });
  if (outcome === undefined) throw new KeyFileError(`${keyFilePath(root)}: no root key could be made.`);
  return { credential: toCredential(outcome.key), created: outcome.created };
}

/** A key pair that came from elsewhere and is kept as it is. */
export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretKey: string;
}

/** @throws KeyFileError when the name or the given pair is malformed, or the id is taken */
export function createCredential(root: string, owner: string, clock: Clock, pair?: KeyPair): Credential {
  if (!OWNER_NAME.test(owner)) {
    throw new KeyFileError(
      `The owner name "${owner.slice(0, 80)}" is not valid: use 1 to 64 letters, digits, ".", "_", "@" or "-", and start with a letter or digit.`,
    );
  }
  if (pair !== undefined) checkKeyPair('The access key id', pair.accessKeyId, 'The secret key', pair.secretKey);
  const made = newKey(owner, clock.now());
  const key = pair === undefined ? made : { ...made, accessKeyId: pair.accessKeyId, secretKey: pair.secretKey };
  changeKeyFile(root, (keys) => {
    if (keys.some((other) => other.accessKeyId === key.accessKeyId)) {
      throw new KeyFileError(
        `The access key id ${key.accessKeyId} exists already. Revoke it first, or choose another.`,
      );
    }
    return [...keys, key];
  });
  return toCredential(key);
}

/** Oldest first. @throws KeyFileError */
export function listCredentials(root: string): Credential[] {
  return (readKeyFile(root) ?? []).map(toCredential);
}

/** @throws KeyFileError when the id is unknown, or is the last root key */
export function revokeCredential(root: string, accessKeyId: string): Credential {
  let revoked: StoredKey | undefined;
  changeKeyFile(root, (keys) => {
    revoked = keys.find((key) => key.accessKeyId === accessKeyId);
    if (revoked === undefined) {
      throw new KeyFileError(
        `No key in ${keyFilePath(root)} has the id "${accessKeyId.slice(0, 128)}". See \`penstock key list\`.`,
      );
    }
    const others = keys.filter((key) => key !== revoked);
    if (revoked.owner === ROOT_OWNER && !others.some((key) => key.owner === ROOT_OWNER)) {
      throw new KeyFileError(
        `${accessKeyId} is the only root key. Create the next one first: penstock key create ${ROOT_OWNER}`,
      );
    }
    return others;
  });
  if (revoked === undefined) throw new KeyFileError(`${keyFilePath(root)} did not change.`);
  return toCredential(revoked);
}

export interface CredentialOptions {
  readonly clock: Clock;
  readonly env: Environment;
  /** Told when a changed file cannot be read; the keys that were read last stay in force. */
  readonly onError?: (error: unknown) => void;
}

class FileCredentials implements CredentialSource {
  readonly #root: string;
  readonly #options: CredentialOptions;
  readonly #environmentRoot: Credential | undefined;
  #keys: ReadonlyMap<string, Credential> = new Map();
  #stamp: FileStamp | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(root: string, options: CredentialOptions) {
    this.#root = root;
    this.#options = options;
    this.#environmentRoot = environmentRoot(options.env);
    this.#stamp = stampOf(root);
    this.#load();
    this.#checkedMs = options.clock.now();
  }

  find(accessKeyId: string): Credential | undefined {
    const now = this.#options.clock.now();
    // A clock that was set back must not stop the checks, hence the distance.
    if (Math.abs(now - this.#checkedMs) >= STAT_INTERVAL_MS) this.#refresh(now);
    const known = this.#keys.get(accessKeyId);
    if (known !== undefined || Math.abs(now - this.#checkedMs) < UNKNOWN_KEY_STAT_INTERVAL_MS) return known;
    this.#refresh(now);
    return this.#keys.get(accessKeyId);
  }

  #refresh(now: number): void {
    this.#checkedMs = now;
    try {
      const stamp = stampOf(this.#root);
      const before = this.#stamp;
      if (stamp?.inode === before?.inode && stamp?.modifiedMs === before?.modifiedMs && stamp?.size === before?.size)
        return;
      this.#stamp = stamp; // also when the load fails: one report for each change, not one a second
      this.#load();
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  #load(): void {
    const stored = readKeyFile(this.#root);
    if (stored === undefined && this.#keys.size > 0) {
      throw new KeyFileError(
        `${keyFilePath(this.#root)} is gone; the keys that were read from it stay in force until the gateway stops.`,
      );
    }
    const keys = new Map<string, Credential>();
    for (const key of stored ?? []) {
      if (this.#environmentRoot === undefined || key.owner !== ROOT_OWNER) keys.set(key.accessKeyId, toCredential(key));
    }
    if (this.#environmentRoot !== undefined) keys.set(this.#environmentRoot.accessKeyId, this.#environmentRoot);
    this.#keys = keys;
  }
}

/** @throws KeyFileError when the file or the environment is malformed */
export function openCredentials(root: string, options: CredentialOptions): CredentialSource {
  return new FileCredentials(root, options);
}
