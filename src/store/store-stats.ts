/** Figures of the whole store, as the index has them at the moment. */
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import { type Account, ClassAccounts, DICTIONARY_ACCOUNT, PARTS_ACCOUNT } from './class-accounts.ts';
import type { IndexDatabase, VolumeState } from './index-database.ts';
import { diskSpace } from './store-root.ts';

/** Figures of the whole store, in bytes and pieces. */
export interface StoreStats {
  readonly objects: number;
  readonly volumes: number;
  readonly liveBytes: number;
  readonly deadBytes: number;
  readonly indexBytes: number;
  /** Objects by the number of their class (`CONTENT_CLASS`). */
  readonly classes: readonly Account[];
  /** Of uploads that are not completed. */
  readonly parts: Account;
  readonly dictionaries: Account;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export function storeStatsOf(index: IndexDatabase, root: string): StoreStats {
  const volumes = index.volumes();
  const sum = (of: (v: VolumeState) => number) => volumes.reduce((total, v) => total + of(v), 0);
  const { entries, bytes } = index.objectStats();
  const liveBytes = sum((v) => v.live);
  const accounts = index.accounts() ?? new ClassAccounts();
  return {
    objects: entries,
    volumes: volumes.length,
    liveBytes,
    deadBytes: sum((v) => v.end - SUPERBLOCK_BYTES) - liveBytes,
    indexBytes: bytes,
    classes: accounts.classes(),
    parts: accounts.of(PARTS_ACCOUNT),
    dictionaries: accounts.of(DICTIONARY_ACCOUNT),
    ...diskSpace(root),
  };
}
