/** A crash in the middle of a write: the volume ends anywhere inside its last record. PENSTOCK_LONG=1 cuts at every byte of all kinds. */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { BucketName, UploadId } from '../../src/base/names.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { SUPERBLOCK_BYTES } from '../../src/format/superblock.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import { bytesOf, bytesSource, key, MiB, noise, sameBytes, storedFor } from '../contract/scene.ts';
import { dumpIndex, type IndexDump, sameIndex } from './index-dump.ts';
import { handClock, newBucket, openScene, snapshot, withTags } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const LONG = process.env.PENSTOCK_LONG === '1';
const BUCKET = 'bucket' as BucketName;

interface Prepared {
  readonly uploadId: UploadId;
}

interface Case {
  readonly name: string;
  /** Cut at one byte in so many. */
  readonly every: number;
  readonly write: (store: Storage, prepared: Prepared, round: number) => Promise<unknown>;
}

/** Each is done twice: the first time so that its volume is open, the second time to be cut. */
const CASES: Case[] = [
  {
    name: 'a put',
    every: 1,
    write: (store, _, round) => store.objects.put(BUCKET, key('k'), bytesSource(noise(25 + round)), {}),
  },
  {
    name: 'an empty put',
    every: 11,
    write: (store, _, round) => store.objects.put(BUCKET, key(`e${round}`), bytesSource(Buffer.alloc(0)), {}),
  },
  {
    name: 'a delete',
    every: 11,
    write: (store, _, round) => store.objects.remove(BUCKET, key(`base${round}`)),
  },
  {
    name: 'a put of several extents',
    every: 1_000_003,
    write: (store, _, round) => store.objects.put(BUCKET, key('big'), bytesSource(noise(4 * MiB + 99, round)), {}),
  },
  {
    name: 'a conditional put',
    every: 17,
    write: (store, _, round) =>
      store.objects.put(BUCKET, key(`c${round}`), bytesSource(noise(9)), { ifNoneMatch: '*' }),
  },
  {
    name: 'a change of tags',
    every: 23,
    write: (store, _, round) =>
      store.objects.put(BUCKET, key('base5'), withTags(BUCKET, 'base5', { r: `${round}` }), {}),
  },
  {
    name: 'a part',
    every: 13,
    write: (store, { uploadId }, round) =>
      store.uploads.putPart(BUCKET, key('up'), uploadId, 5 + round, bytesSource(noise(30))),
  },
  {
    name: 'the end of an upload',
    every: 29,
    write: async (store, { uploadId }, round) => {
      if (round === 0) return store.buckets.update(BUCKET, { acl: 'public-read' });
      return store.uploads.complete(BUCKET, key('up'), uploadId, [1, 2], () => storedFor(noise(1)), {});
    },
  },
  {
    name: 'a new bucket',
    every: 19,
    write: (store, _, round) => newBucket(store, `new-${round}`),
  },
];

/** A store with something of everything. */
async function prepare(store: Storage): Promise<Prepared> {
  await newBucket(store, BUCKET);
  for (let i = 0; i < 8; i++) await store.objects.put(BUCKET, key(`base${i}`), bytesSource(noise(50 + i, i)), {});
  const upload = { contentType: undefined, attributes: {}, checksum: undefined };
  const uploadId = await store.uploads.create(BUCKET, key('up'), upload);
  for (const number of [1, 2]) await store.uploads.putPart(BUCKET, key('up'), uploadId, number, bytesSource(noise(40)));
  return { uploadId };
}

/** Where the last write went: volumes and their ends before and after. */
function grown(before: IndexDump, after: IndexDump): { id: number; from: number; to: number } {
  const ends = new Map((before.volumes as { id: number; end: number }[]).map((v) => [v.id, v.end]));
  const changed = (after.volumes as { id: number; end: number }[]).filter((v) => v.end !== ends.get(v.id));
  const last = changed.at(-1) as { id: number; end: number };
  return { id: last.id, from: ends.get(last.id) ?? SUPERBLOCK_BYTES, to: last.end };
}

const stateOf = ({ objects, parts, uploads, buckets }: IndexDump): string =>
  JSON.stringify({ objects, parts, uploads, buckets });

/** Opens the folder as the next keeper does, and lets go of it again. */
async function recover(root: string): Promise<IndexDump> {
  const keeper = await Keeper.open({ root, clock: handClock(), log: silentLog });
  await keeper.stop();
  return dumpIndex(root);
}

async function writesWork(root: string): Promise<void> {
  const scene = await openScene(root);
  for (const name of ['after', 'k']) await scene.store.objects.put(BUCKET, key(name), bytesSource(noise(33)), {});
  await scene.store.objects.put(BUCKET, key('after2'), bytesSource(noise(33)), { ifNoneMatch: '*' });
  for (const name of ['after', 'k', 'after2'])
    sameBytes(await bytesOf(await scene.store.objects.get(BUCKET, key(name), {})), noise(33));
  for (const i of [2, 3, 7])
    sameBytes(await bytesOf(await scene.store.objects.get(BUCKET, key(`base${i}`), {})), noise(50 + i, i));
  await scene.close();
  const old = await dumpIndex(root);
  await rebuildIndex(root, silentLog);
  sameIndex(await dumpIndex(root), old);
}

describe('a crash in the middle of', () => {
  for (const { name, every, write } of CASES) {
    it(`${name} leaves it whole or not at all`, async () => {
      const folder = temporaryFolder();
      const scene = await openScene(folder.path);
      const prepared = await prepare(scene.store);
      await write(scene.store, prepared, 0);
      const before = snapshot(folder.path);
      const dumpBefore = await dumpIndex(before.path);
      await write(scene.store, prepared, 1);
      const after = snapshot(folder.path);
      const dumpAfter = await dumpIndex(after.path);
      const { id, from, to } = grown(dumpBefore, dumpAfter);
      assert(to > from);
      const bytes = readFileSync(volumePath(after.path, id));
      const seen = new Set<string>();
      for (
        let cut = from;
        cut <= to;
        cut = cut === to ? to + 1 : Math.min(to, cut + (LONG && to - from < 5000 ? 1 : every))
      ) {
        const copy = snapshot(before.path);
        for (const { id: other } of dumpAfter.volumes as { id: number }[])
          if (other !== id) writeFileSync(volumePath(copy.path, other), readFileSync(volumePath(after.path, other)));
        writeFileSync(volumePath(copy.path, id), bytes);
        truncateSync(volumePath(copy.path, id), cut);
        const state = stateOf(await recover(copy.path));
        assert(state === stateOf(dumpBefore) || state === stateOf(dumpAfter), `cut at ${cut}`);
        assert(cut < to || state === stateOf(dumpAfter), 'the whole record is not there');
        seen.add(state);
        // The last cuts lie in the padding of the record.
        if (every === 1 ? cut > to - 18 || cut === from + 40 : cut !== from && cut + every >= to)
          await writesWork(copy.path);
        copy.remove();
      }
      assert(seen.size >= 2, 'no cut took the write away');
      await scene.close();
      for (const done of [folder, before, after]) done.remove();
    });
  }
});
