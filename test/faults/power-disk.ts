/** A disk of its own that can lose its power, or fail; see power-disk.sh. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lacking } from './fault-scene.ts';

const SCRIPT = fileURLToPath(new URL('power-disk.sh', import.meta.url));
const run = promisify(execFile);
const TOOLS = ['/usr/bin/nbdkit', '/usr/bin/nbdfuse', '/usr/sbin/mkfs.ext4', '/dev/fuse', '/dev/loop-control'];

export class PowerDisk {
  readonly #dir: string;
  readonly #up: readonly string[];

  /** `mkfs` are further options of mkfs.ext4, in one word. */
  constructor(dir: string, size = '256M', mkfs = '') {
    this.#dir = dir;
    this.#up = [size, mkfs];
  }

  get mount(): string {
    return join(this.#dir, 'mnt');
  }

  async up(): Promise<void> {
    await run(SCRIPT, ['up', this.#dir, ...this.#up]);
  }

  /** What no flush has reached is gone. Whoever has files open there must be ended before the next `up`. */
  async cut(): Promise<void> {
    await run(SCRIPT, ['cut', this.#dir]);
  }

  async failWrites(on: boolean): Promise<void> {
    await run(SCRIPT, ['eio', this.#dir, on ? 'on' : 'off']);
  }

  async down(): Promise<void> {
    await run(SCRIPT, ['down', this.#dir]);
  }

  /** @throws when the file system is not sound */
  async check(): Promise<void> {
    await run(SCRIPT, ['fsck', this.#dir]);
  }
}

/** Options of a test that needs such a disk. */
export function needsPowerDisk(): { skip?: string } {
  const missing = TOOLS.filter((path) => !existsSync(path));
  if (process.getuid?.() !== 0) return lacking('it needs root, to mount a disk');
  return lacking(missing.length > 0 ? `${missing.join(', ')} is missing` : undefined);
}
