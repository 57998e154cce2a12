/**
 * Files out of the page cache, so that they are read from the disk again. Any user can do this to files that he may read, and nothing
 * else on the machine suffers: the kernel is advised of one file after the other (posix_fadvise, POSIX_FADV_DONTNEED). Pages that are
 * not on disk yet, and pages that some process has mapped, stay.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BenchError } from '../measure/options.ts';

/** All files under a folder. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** dd's `nocache` with a count of 0 is that advice for the whole file. @throws BenchError */
export function dropFile(path: string): void {
  const { status, stderr } = spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { encoding: 'utf8' });
  if (status !== 0) throw new BenchError(`dd could not drop ${path}: ${stderr}`);
}

/** Bytes of the files that are in the page cache; `undefined` where fincore (util-linux) is not installed. */
export function residentBytes(paths: readonly string[]): number | undefined {
  const { status, stdout } = spawnSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', ...paths], {
    encoding: 'utf8',
  });
  if (status !== 0) return undefined;
  return stdout.split('\n').reduce((sum, line) => sum + Number(line), 0);
}
