/** Local stores in temporary folders, for the tests of the store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../src/base/clock.ts';
import { CachedReader } from '../../src/cache/cached-reader.ts';
import type { StoreLog } from '../../src/store/committer.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { KeeperClient } from '../../src/store/keeper-client.ts';
import { serveKeeper } from '../../src/store/keeper-server.ts';
import { type LocalStore, openLocalStore } from '../../src/store/local-store.ts';

export const silentLog: StoreLog = { info: () => {}, warn: () => {}, error: () => {} };

export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'penstock-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface OpenStore {
  readonly store: LocalStore;
  readonly keeper: Keeper;
  close(): Promise<void>;
}

/** Store and keeper in this process, without a cache unless asked. */
export async function openEmbedded(
  root: string,
  options: { cacheBytes?: number; log?: StoreLog; session?: string } = {},
): Promise<OpenStore> {
  const log = options.log ?? silentLog;
  const keeper = await Keeper.open({ root, clock: systemClock, log });
  const { cacheBytes } = options;
  const store = openLocalStore({
    root,
    committer: keeper.session(options.session ?? 'embedded'),
    clock: systemClock,
    random: systemRandom,
    log,
    ...(cacheBytes === undefined ? {} : { cache: (reader) => new CachedReader(reader, cacheBytes) }),
  });
  return {
    store,
    keeper,
    close: async () => {
      await store.stop();
      await keeper.stop();
    },
  };
}

/** The store speaks to its keeper over a unix socket, as a worker does. */
export async function openOverSocket(root: string, session = 'worker-1'): Promise<OpenStore> {
  const keeper = await Keeper.open({ root, clock: systemClock, log: silentLog });
  const sockets = temporaryFolder();
  const socketPath = join(sockets.path, 'keeper.sock');
  const server = await serveKeeper(keeper, socketPath);
  const client = await KeeperClient.connect({ socketPath, session, log: silentLog });
  const store = openLocalStore({ root, committer: client, clock: systemClock, random: systemRandom, log: silentLog });
  return {
    store,
    keeper,
    close: async () => {
      await store.stop();
      client.stop();
      await server.stop();
      await keeper.stop();
      sockets.remove();
    },
  };
}
