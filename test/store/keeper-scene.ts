/** A keeper with several sessions in this process, each with its own clock, for the tests that look behind the store. */
import { cpSync, rmSync } from 'node:fs';
import { type Clock, systemClock, systemRandom } from '../../src/base/clock.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { PutSource, Storage } from '../../src/base/object-store.ts';
import type { Coder } from '../../src/codec/object-coding.ts';
import type { IndexCommitter } from '../../src/store/committer.ts';
import type { VolumeState } from '../../src/store/index-database.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { type LocalStore, openLocalStore } from '../../src/store/local-store.ts';
import { indexFolder } from '../../src/store/store-root.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

/** A clock that goes only when it is told to. */
export interface HandClock extends Clock {
  ms: number;
}

export function handClock(ms = 1_800_000_000_000): HandClock {
  return {
    ms,
    now() {
      return this.ms;
    },
  };
}

export interface KeeperScene {
  readonly root: string;
  readonly keeper: Keeper;
  /** The first session's. */
  readonly store: LocalStore;
  /** Opens one more session; it ends with the scene. `wrap` may stand between store and keeper. */
  session(id: string, clock?: Clock, wrap?: (committer: IndexCommitter) => IndexCommitter): LocalStore;
  close(): Promise<void>;
}

export async function openScene(root: string, clock: Clock = systemClock, coder?: Coder): Promise<KeeperScene> {
  const coding = coder === undefined ? {} : { coder };
  const keeper = await Keeper.open({ root, clock, log: silentLog, ...coding });
  const stores: LocalStore[] = [];
  const session: KeeperScene['session'] = (id, ownClock = clock, wrap = (committer) => committer) => {
    const committer = wrap(keeper.session(id));
    const store = openLocalStore({
      root,
      committer,
      clock: ownClock,
      random: systemRandom,
      log: silentLog,
      ...coding,
    });
    stores.push(store);
    return store;
  };
  return {
    root,
    keeper,
    store: session('first'),
    session,
    close: async () => {
      for (const store of stores) await store.stop();
      await keeper.stop();
    },
  };
}

/** Runs `work` on a store in a folder that goes away afterwards. */
export async function withScene(
  work: (scene: KeeperScene) => Promise<void>,
  clock?: Clock,
  coder?: Coder,
): Promise<void> {
  const folder = temporaryFolder();
  const scene = await openScene(folder.path, clock, coder);
  try {
    await work(scene);
    await scene.close();
  } finally {
    folder.remove();
  }
}

/** Seals every volume that somebody writes to, as compaction asks for. */
export async function sealAll(keeper: Keeper): Promise<void> {
  const open = (): VolumeState[] => keeper.index.volumes().filter((volume) => !volume.sealed);
  for (const volume of open()) keeper.wantSealed(volume);
  for (let turn = 0; open().length > 0; turn++) {
    if (turn === 100_000) throw new Error(`volumes ${open().map((v) => v.id)} were not sealed`);
    for (const volume of open()) keeper.wantSealed(volume);
    await new Promise(setImmediate);
  }
}

/** A copy of the store's folder as it is on the disk at this moment: what a power cut would leave, were everything flushed. */
export function snapshot(root: string): { path: string; remove(): void } {
  const copy = temporaryFolder();
  cpSync(root, copy.path, { recursive: true });
  return copy;
}

export function dropIndex(root: string): void {
  rmSync(indexFolder(root), { recursive: true, force: true });
}

/** A new bucket of one owner. */
export async function newBucket(storage: Storage, name: string): Promise<BucketName> {
  return (await storage.buckets.create(name as BucketName, 'owner-1', { acl: 'private' })).name;
}

/** Writes the attributes anew over the same bytes, as tagging does. */
export function withTags(bucket: BucketName, key: string, tags: Record<string, string>): PutSource {
  return {
    kind: 'copy',
    bucket,
    key: key as never,
    keepModified: true,
    seal: (info) => ({ etag: info.etag, contentType: info.contentType, attributes: { ...info.attributes, tags } }),
  };
}
