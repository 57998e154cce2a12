/** Makes sure that the folder of a store is there and can be written, before anything else is tried in it. */
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderRefusal } from './start-refusal.ts';

/** @throws StartRefusal */
export function prepareFolder(path: string, pid: number): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (!statSync(path).isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    // Only a write shows what ACLs, read-only mounts and full disks allow; access(2) does not.
    const probe = join(path, `.write-probe-${pid}`);
    writeFileSync(probe, 'penstock', { mode: 0o600 });
    rmSync(probe);
  } catch (cause) {
    throw folderRefusal(path, cause);
  }
}
