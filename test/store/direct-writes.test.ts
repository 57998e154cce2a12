/** Large groups of what is compressed already go past the page cache: in blocks of their own, and read like any other. */
import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import fc from 'fast-check';
import { systemClock, systemRandom } from '../../src/base/clock.ts';
import type { BucketName } from '../../src/base/names.ts';
import { headLength, recordHead, recordLength } from '../../src/format/record.ts';
import { SUPERBLOCK_BYTES } from '../../src/format/superblock.ts';
import { DirectWriter } from '../../src/store/direct-writer.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { openLocalStore } from '../../src/store/local-store.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { volumePath, walkVolume } from '../../src/store/volume-file.ts';
import { BLOCK_BYTES, FILLER_BYTES_MAX, type GroupRecord, placeGroup } from '../../src/store/volume-group.ts';
import { allKeys, bytesOf, bytesSource, KiB, key, noise, sameBytes } from '../contract/scene.ts';
import { nothingIsWrong } from './coding-scene.ts';
import { dumpIndex, sameIndex } from './index-dump.ts';
import { newBucket, snapshot } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const BUCKET = 'bucket' as BucketName;
const LEAST = 64 * KiB;

/** Counts what it wrote. */
class CountingWriter extends DirectWriter {
  groups = 0;
  bytes = 0;

  override async write(fd: number, buffers: readonly Buffer[], position: number): Promise<boolean> {
    assert.equal(position % BLOCK_BYTES, 0);
    const isWritten = await super.write(fd, buffers, position);
    if (!isWritten) return false;
    this.groups++;
    for (const { length } of buffers) this.bytes += length;
    return true;
  }
}

function jpeg(size: number, seed: number): Buffer {
  const bytes = noise(size, seed);
  Buffer.from('ffd8ffe0', 'hex').copy(bytes);
  return bytes;
}

interface Scene {
  readonly root: string;
  readonly keeper: Keeper;
  readonly writer: CountingWriter;
  put(names: Readonly<Record<string, Buffer>>): Promise<void>;
  same(all: Readonly<Record<string, Buffer>>): Promise<void>;
  names(): Promise<string[]>;
  close(): Promise<void>;
}

async function open(root: string, writer = new CountingWriter(LEAST)): Promise<Scene> {
  const keeper = await Keeper.open({ root, clock: systemClock, log: silentLog });
  const committer = keeper.session('first');
  const tools = { clock: systemClock, random: systemRandom, log: silentLog };
  const store = openLocalStore({ root, committer, ...tools, direct: writer });
  if (store.buckets.list().length === 0) await newBucket(store, BUCKET);
  return {
    root,
    keeper,
    writer,
    put: async (names) => {
      const puts = Object.entries(names).map(([name, bytes]) =>
        store.objects.put(BUCKET, key(name), bytesSource(bytes), {}),
      );
      await Promise.all(puts);
    },
    same: async (all) => {
      assert.deepEqual((await allKeys(store, BUCKET)).sort(), Object.keys(all).sort());
      for (const [name, bytes] of Object.entries(all))
        sameBytes(await bytesOf(await store.objects.get(BUCKET, key(name), {})), bytes);
    },
    names: () => allKeys(store, BUCKET),
    close: async () => {
      await store.stop();
      await keeper.stop();
    },
  };
}

/** Bodies of one group each time: those behind the first wait for it. */
function many(prefix: string, count: number, make: (i: number) => Buffer): Record<string, Buffer> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, make(i)]));
}

async function isSound(root: string, all: Readonly<Record<string, Buffer>>): Promise<void> {
  const scene = await open(root);
  await scene.same(all);
  await nothingIsWrong(root, scene.keeper);
  await scene.close();
  const old = await dumpIndex(root);
  await rebuildIndex(root, silentLog);
  sameIndex(await dumpIndex(root), old);
}

/** A file system may have no such thing. */
function takesDirect(root: string): boolean {
  try {
    closeSync(openSync(`${root}/probe`, constants.O_CREAT | constants.O_WRONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  }
}

async function inFolder(work: (root: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  try {
    await work(folder.path);
  } finally {
    folder.remove();
  }
}

describe('groups past the page cache', () => {
  it('are read as they were written, beside others, by the next process, and from a rebuilt index', () =>
    inFolder(async (root) => {
      const scene = await open(root);
      const all: Record<string, Buffer> = {};
      for (const [round, make] of [
        (i: number) => jpeg(20_000 + 7 * i, i),
        (i: number) => noise(333 + i, i),
        (i: number) => jpeg(50_001 - i, i),
        (i: number) => jpeg(100_000, i),
      ].entries()) {
        const batch = many(`${round}/`, 40, make);
        await scene.put(batch);
        Object.assign(all, batch);
        await scene.same(all);
      }
      if (takesDirect(root)) assert(scene.writer.groups >= 3 && scene.writer.bytes > 5_000_000, 'few of them');
      await scene.close();
      await isSound(root, all);
    }));

  it('are not those of what the coding pass will read, nor small ones', () =>
    inFolder(async (root) => {
      const scene = await open(root);
      await scene.put(many('a', 30, (i) => noise(20_000, i)));
      await scene.put(many('b', 3, (i) => jpeg(20_000, i)));
      assert.equal(scene.writer.groups, 0);
      await scene.close();
    }));

  it('are written as before where the file system refuses it, when it is opened or when it is written to', () =>
    inFolder(async (root) => {
      class Refused extends CountingWriter {
        override open(): undefined {}
      }
      class RefusedLater extends CountingWriter {
        override write(fd: number, buffers: readonly Buffer[], position: number): Promise<boolean> {
          return DirectWriter.prototype.write.call(this, fd, buffers, position + 1);
        }
      }
      let all: Record<string, Buffer> = {};
      for (const [prefix, writer] of [
        ['a', new Refused(LEAST)],
        ['b', new RefusedLater(LEAST)],
      ] as const) {
        const scene = await open(root, writer);
        const batch = many(prefix, 30, (i) => jpeg(20_000, i));
        await scene.put(batch);
        all = { ...all, ...batch };
        await scene.same(all);
        assert.equal(writer.groups, 0);
        await scene.close();
      }
      await isSound(root, all);
    }));

  it('that the disk has no room for are told of, leave nothing, and the next one is stored', () =>
    inFolder(async (root) => {
      class Full extends CountingWriter {
        override async write(fd: number, buffers: readonly Buffer[], position: number): Promise<boolean> {
          if (this.groups > 0) return super.write(fd, buffers, position);
          await super.write(fd, buffers, position);
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        }
      }
      const scene = await open(root, new Full(LEAST));
      const first = { first: jpeg(1000, 1) };
      await scene.put(first);
      await assert.rejects(scene.put(many('lost', 30, (i) => jpeg(20_000, i))), { code: 'StorageFull' });
      const kept = many('kept', 30, (i) => jpeg(20_000, i));
      await scene.put(kept);
      await scene.close();
      const again = await open(root);
      const lost0 = { lost0: jpeg(20_000, 0) }; // was a group of its own, before the others
      await again.same({ ...first, ...lost0, ...kept });
      await again.close();
    }));
});

describe('a crash in a group past the page cache', () => {
  it('leaves what was acknowledged, and of the group whole objects', () =>
    inFolder(async (root) => {
      const scene = await open(root);
      const kept = { ...many('a', 20, (i) => jpeg(10_000, i)), b: noise(777) };
      await scene.put(kept);
      const before = snapshot(root);
      const volume = scene.keeper.index.volumes().find(({ owner }) => owner === 'first');
      assert(volume !== undefined);
      const { id, end } = volume;
      const lost = many('c', 20, (i) => jpeg(10_000, 100 + i));
      await scene.put(lost);
      const bytes = readFileSync(volumePath(root, id));
      assert(bytes.length > end + 200_000);
      const cuts = [end, end + 50, end + 4096, end + 20_000, end + 99_999, bytes.length - 1, bytes.length];
      for (const cut of cuts) {
        for (const hole of [undefined, Math.ceil(end / BLOCK_BYTES + 2) * BLOCK_BYTES]) {
          const copy = snapshot(before.path);
          const torn = Buffer.from(bytes.subarray(0, cut));
          // Blocks reach the disk in any order.
          if (hole !== undefined) torn.fill(0, Math.min(cut, hole), Math.min(cut, hole + 2 * BLOCK_BYTES));
          writeFileSync(volumePath(copy.path, id), torn);
          const again = await open(copy.path);
          const names = await again.names();
          await again.same({ ...kept, ...pick(lost, names) });
          await nothingIsWrong(copy.path, again.keeper);
          const more = many('d', 20, (i) => jpeg(10_000, 200 + i));
          await again.put(more);
          await again.same({ ...kept, ...pick(lost, names), ...more });
          await again.close();
          copy.remove();
        }
      }
      await scene.close();
      before.remove();
    }));
});

describe('a placed group', () => {
  it('is records without a gap, in blocks of its own where that was asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 * BLOCK_BYTES }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9000 })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.boolean(),
        (past, sizes, inBlocks) => {
          const end = SUPERBLOCK_BYTES + 16 * Math.floor(past / 16);
          let clock = 0;
          const records = sizes.map(([keyLength, size]): GroupRecord => {
            const payload = noise(size, keyLength);
            const head = recordHead({
              kind: 1,
              key: Buffer.alloc(keyLength, 'k'),
              payloadLength: size,
              payloadCrc: crc32(payload),
              size,
            });
            return { head, payload: [payload], length: recordLength(headLength(keyLength, 0), size) };
          });
          const placed = placeGroup(records, { uuid: UUID, end, stamp: () => ++clock }, inBlocks);
          const written = Buffer.concat([placed.lead ?? Buffer.alloc(0), ...placed.buffers]);
          assert.equal(written.length, placed.end - end);
          assert.equal(placed.start, end + (placed.lead?.length ?? 0));
          if (inBlocks) assert.deepEqual([placed.start % BLOCK_BYTES, placed.end % BLOCK_BYTES], [0, 0]);
          else
            assert.equal(
              placed.end - end,
              records.reduce((sum, { length }) => sum + length, 0),
            );
          const found = walked(Buffer.concat([Buffer.alloc(end), written]), end);
          assert.deepEqual(
            found.filter(({ kind }) => kind === 1).map(({ offset }) => offset),
            placed.items.map(({ offset }) => offset),
          );
          for (const { kind, length } of found) assert(kind === 1 || (kind === 2 && length <= FILLER_BYTES_MAX));
        },
      ),
    );
  });
});

const UUID = Buffer.alloc(16, 7);

/** The records of a volume of these bytes, all of them intact and one behind the other. */
function walked(bytes: Buffer, start: number): { kind: number; offset: number; length: number }[] {
  const folder = temporaryFolder();
  const path = `${folder.path}/v`;
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    return [...walkVolume(fd, { uuid: UUID, start, end: bytes.length, payloads: true })].map((step) => {
      assert(step.kind === 'record' && step.payloadIntact === true);
      return { kind: step.head.kind, offset: step.offset, length: step.length };
    });
  } finally {
    closeSync(fd);
    folder.remove();
  }
}

function pick(all: Readonly<Record<string, Buffer>>, names: readonly string[]): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}
