/** Store and keeper in this process, without any front: to fill a store fast, and to time what lies below the fronts. */
import { systemClock, systemRandom } from '../../src/base/clock.ts';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import { CachedReader } from '../../src/cache/cached-reader.ts';
import type { StoreLog } from '../../src/store/committer.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { type LocalStore, openLocalStore } from '../../src/store/local-store.ts';

const log: StoreLog = {
  info: () => {},
  warn: (facts, message) => void process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
  error: (facts, message) => void process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
};

export interface Embedded {
  readonly store: LocalStore;
  /** Another store of the same folder, with a cache of so many bytes, or none. It only reads. */
  reader(session: string, cacheBytes: number | undefined): LocalStore;
  close(): Promise<void>;
}

export async function openEmbedded(root: string): Promise<Embedded> {
  const keeper = await Keeper.open({ root, clock: systemClock, log });
  const stores: LocalStore[] = [];
  const open = (session: string, cacheBytes: number | undefined): LocalStore => {
    const cache = cacheBytes === undefined ? {} : { cache: cacheOf(cacheBytes) };
    const committer = keeper.session(session);
    const store = openLocalStore({ root, committer, clock: systemClock, random: systemRandom, log, ...cache });
    stores.push(store);
    return store;
  };
  return {
    store: open('writer', undefined),
    reader: open,
    close: async () => {
      for (const store of stores) await store.stop();
      await keeper.stop();
    },
  };
}

function cacheOf(cacheBytes: number): (reader: ConstructorParameters<typeof CachedReader>[0]) => CachedReader {
  return (reader) => new CachedReader(reader, cacheBytes);
}

export interface NewObject {
  readonly key: ObjectKey;
  readonly bytes: Buffer;
  /** MD5 in hex. */
  readonly etag: string;
}

/** Puts `count` objects, so many at once that groups are big. */
export async function putMany(
  store: LocalStore,
  bucket: BucketName,
  count: number,
  objectAt: (position: number) => NewObject,
  tell: (done: number) => void = () => {},
): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let position = next++; position < count; position = next++) {
      const { key, bytes, etag } = objectAt(position);
      const stored = { etag, contentType: 'application/octet-stream', attributes: {} };
      await store.objects.put(bucket, key, { kind: 'bytes', bytes, stored }, {});
      if (position % 10_000 === 0) tell(position);
    }
  };
  await Promise.all(Array.from({ length: 1024 }, writer));
}
