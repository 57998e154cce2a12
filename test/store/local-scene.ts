/** Local stores in temporary folders, for the tests of the store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../src/base/clock.ts';
import { CachedReader } from '../../src/cache/cached-reader.ts';
import type { Coder } from '../../src/codec/object-coding.ts';
import type { Location } from '../../src/format/manifest.ts';
import type { StoreLog } from '../../src/store/committer.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { KeeperClient } from '../../src/store/keeper-client.ts';
import { serveKeeper } from '../../src/store/keeper-server.ts';
import { IndexWarmth } from '../../src/store/local-engine.ts';
import { type LocalStore, openLocalStore } from '../../src/store/local-store.ts';
import type { RecordReader, StoredPayload } from '../../src/store/record-reader.ts';

export const silentLog: StoreLog = { info: () => {}, warn: () => {}, error: () => {} };

export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'penstock-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A disk that is always slow: every read takes the way of the thread pool, and they come back in another order. */
export class SlowDisk implements RecordReader {
  readonly #reader: RecordReader;
  #reads = 0;

  constructor(reader: RecordReader) {
    this.#reader = reader;
  }

  async read(location: Location): Promise<Buffer> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.#reader.read(location);
  }

  /** What is at hand is no read of the disk. */
  tryRead(location: Location): Buffer | undefined {
    return this.#reader.tryRead(location);
  }

  cached(): undefined {
    return undefined;
  }

  readAcrossNow(): undefined {
    return undefined;
  }

  offer(): void {}

  readIntoNow(): undefined {
    return undefined;
  }

  async readAcross(volume: number, position: number, buffers: readonly Buffer[]): Promise<number> {
    const turns = (this.#reads++ * 7) % 5;
    const count = await this.#reader.readAcross(volume, position, buffers);
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    return count;
  }

  async readRange(location: Location, start: number, end: number): Promise<Buffer> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.#reader.readRange(location, start, end);
  }

  async readStored(location: Location): Promise<Buffer> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.#reader.readStored(location);
  }

  decode(payloads: readonly StoredPayload[]): Promise<readonly (Buffer | Error)[]> {
    return this.#reader.decode(payloads);
  }

  keep(location: Location, bytes: Buffer): void {
    this.#reader.keep(location, bytes);
  }

  readCold(location: Location): Promise<Buffer> {
    return this.#reader.readCold(location);
  }

  get isSlow(): boolean {
    return true;
  }

  drop(volume: number): void {
    this.#reader.drop(volume);
  }

  close(): void {
    this.#reader.close();
  }
}

export interface OpenStore {
  readonly store: LocalStore;
  readonly keeper: Keeper;
  /** Where one was asked for. */
  readonly cache?: CachedReader | undefined;
  close(): Promise<void>;
}

/** Store and keeper in this process, without a cache unless asked. With a coder the keeper codes when it is told to. */
export async function openEmbedded(
  root: string,
  options: { cacheBytes?: number; slowDisk?: boolean; log?: StoreLog; session?: string; coder?: Coder } = {},
): Promise<OpenStore> {
  const log = options.log ?? silentLog;
  const coding = options.coder === undefined ? {} : { coder: options.coder };
  const keeper = await Keeper.open({ root, clock: systemClock, log, ...coding });
  const { cacheBytes } = options;
  let cache: CachedReader | undefined;
  const store = openLocalStore({
    root,
    committer: keeper.session(options.session ?? 'embedded'),
    clock: systemClock,
    random: systemRandom,
    log,
    cache: (reader) => {
      const disk = options.slowDisk === true ? new SlowDisk(reader) : reader;
      if (cacheBytes === undefined) return disk;
      cache = new CachedReader(disk, cacheBytes);
      return cache;
    },
    ...coding,
    ...(options.slowDisk === true && { warmth: alwaysCold() }),
  });
  return {
    store,
    keeper,
    cache,
    close: async () => {
      await store.stop();
      await keeper.stop();
    },
  };
}

function alwaysCold(): IndexWarmth {
  const warmth = new IndexWarmth();
  warmth.coldWindows = Number.POSITIVE_INFINITY;
  return warmth;
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
