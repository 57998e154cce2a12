/**
 * Keeps openings of the index and its commits apart. Opening an LMDB environment, be it to read, tells all others through shared
 * memory which transaction was the last one (mdb_env_open2, ITS#9496); when a commit comes between the opener's look and its word,
 * the next transaction begins from the older state, and the commit is gone (docs/adr/0002-who-commits.md has the measurement).
 *
 * The gate is an LMDB environment of its own that never holds anything: its write transaction is a lock among processes that the
 * kernel takes from a dead holder (a robust mutex). Nothing is ever committed to it, so its own openings can lose nothing.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';

const MAP_BYTES = 64 * 1024;

export class IndexGate {
  readonly #env: RootDatabase | undefined;

  private constructor(env: RootDatabase | undefined) {
    this.#env = env;
  }

  /** `folder` is that of the index, and exists. */
  static open(folder: string): IndexGate {
    const path = join(folder, 'gate');
    try {
      makeFolder(path);
      return new IndexGate(open({ path, noSubdir: false, mapSize: MAP_BYTES, overlappingSync: false, maxDbs: 0 }));
    } catch (error) {
      if (isReadOnlyDisk(error)) return new IndexGate(undefined); // nobody commits there
      throw error;
    }
  }

  /** Runs `work` while no other process is inside: it waits for its turn, and blocks. */
  pass<T>(work: () => T): T {
    return this.#env === undefined ? work() : this.#env.transactionSync(work);
  }

  async close(): Promise<void> {
    await this.#env?.close();
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function isReadOnlyDisk(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EROFS' || /read-only file system/i.test(String(error));
}
