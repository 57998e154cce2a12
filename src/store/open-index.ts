/** The index of a store, for its keeper: made anew from the volumes when it is missing, or empty where there are volumes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreLog } from './committer.ts';
import { IndexDatabase } from './index-database.ts';
import { rebuildIndex, volumeFiles } from './rebuild.ts';
import { indexFolder } from './store-root.ts';

export async function openIndex(root: string, log: StoreLog): Promise<IndexDatabase> {
  const folder = indexFolder(root);
  const volumes = volumeFiles(root).length;
  if (volumes > 0) {
    const old = existsSync(join(folder, 'data.mdb')) ? IndexDatabase.open(folder, 'write') : undefined;
    if (old !== undefined && old.volumes().length > 0) return old;
    await old?.close();
    log.warn({ root, volumes }, 'the index is missing or empty; it is made anew from the volumes');
    await rebuildIndex(root, log);
  }
  return IndexDatabase.open(folder, 'write');
}
