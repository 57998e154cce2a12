/** Reading what is stored coded: batches with raw and damaged objects among it, ranges, dictionaries, the cache, and what is bounded. */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import type { BatchEntry, BatchOptions, BatchRef } from '../../src/base/batch-read.ts';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import type { Coder, DecodeItem } from '../../src/codec/object-coding.ts';
import { objectIndexKey } from '../../src/format/index-key.ts';
import type { Location } from '../../src/format/manifest.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import { bytesOf, bytesSource, found, KiB, key, MiB, noise, sameBytes } from '../contract/scene.ts';
import { alwaysCoding, codeAll } from './coded-storage.ts';
import { lines, realCoder, slice } from './coding-scene.ts';
import { newBucket, sealAll } from './keeper-scene.ts';
import { type OpenStore, openEmbedded, temporaryFolder } from './local-scene.ts';

const BUCKET = 'bucket' as BucketName;
const CACHED = { cacheBytes: 64 * MiB };

interface Scene extends OpenStore {
  readonly root: string;
  readonly objects: ObjectStore;
  /** Bytes by key. */
  readonly things: Map<string, Buffer>;
  put(name: string, bytes: Buffer, headers?: Record<string, string>): Promise<void>;
  /** Codes all that was put. */
  code(): Promise<void>;
}

async function withCoded(
  options: Parameters<typeof openEmbedded>[1],
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  const folder = temporaryFolder();
  const opened = await openEmbedded(folder.path, { coder: await realCoder(), ...options });
  const { objects } = opened.store;
  const things = new Map<string, Buffer>();
  try {
    await newBucket(opened.store, BUCKET);
    await work({
      ...opened,
      root: folder.path,
      objects,
      things,
      put: async (name, bytes, headers) => {
        things.set(name, bytes);
        await objects.put(BUCKET, key(name), bytesSource(bytes, headers === undefined ? {} : { headers }), {});
      },
      code: () => codeAll(opened.keeper),
    });
  } finally {
    await opened.close();
    folder.remove();
  }
}

/** Slices of a series, text, and noise that stays raw. */
async function putMixture({ put, code }: Scene): Promise<void> {
  for (let i = 0; i < 20; i++) {
    if (i % 4 === 3) await put(`k${i}`, noise(5 * KiB + i, i));
    else await put(`k${i}`, i % 4 === 2 ? lines(9 * KiB + i, i) : slice(i));
  }
  await code();
}

function refsOf(names: Iterable<string>): BatchRef[] {
  return [...names].map((name) => ({ bucket: BUCKET, key: key(name) }));
}

interface Answer {
  readonly bytes: Buffer;
  readonly entries: readonly BatchEntry[];
}

async function readAll(
  { objects }: Pick<Scene, 'objects'>,
  refs: readonly BatchRef[],
  options: BatchOptions = { order: 'completion' },
): Promise<{ answers: Answer[]; order: number[]; cacheHits: number }> {
  const batch = objects.getBatch(refs, options);
  const into = Buffer.alloc(64 * KiB);
  const slots = refs.map(() => ({ chunks: [] as Buffer[], entries: [] as BatchEntry[] }));
  const order: number[] = [];
  for (;;) {
    const entries = await batch.fill(into, 100);
    if (entries.length === 0) break;
    let at = 0;
    for (const entry of entries) {
      slots[entry.slot]?.entries.push(entry);
      slots[entry.slot]?.chunks.push(Buffer.from(into.subarray(at, at + entry.length)));
      at += entry.length;
      if (entry.isLast) order.push(entry.slot);
    }
  }
  batch.close();
  const answers = slots.map(({ chunks, entries }) => ({ bytes: Buffer.concat(chunks), entries }));
  return { answers, order, cacheHits: batch.cacheHits };
}

function errorOf({ entries }: Answer | undefined = { bytes: Buffer.alloc(0), entries: [] }): GatewayError | undefined {
  return entries.at(-1)?.error;
}

function placeOf({ keeper }: Scene, name: string): Location {
  const bucket = keeper.index.bucket(BUCKET)?.id ?? 0;
  keeper.index.refresh();
  const payload = keeper.index.object(objectIndexKey(bucket, Buffer.from(name)))?.payload;
  assert.ok(payload !== undefined, name);
  return payload;
}

function damage({ root }: Scene, { volume, offset, headLength, length }: Location): void {
  const fd = openSync(volumePath(root, volume), 'r+');
  writeSync(fd, Buffer.from('damage'), 0, 6, offset + headLength + (length >> 1));
  closeSync(fd);
}

/** Counts what is under way, and can keep it from ending. */
function watched(
  coder: Coder,
): Coder & { items: DecodeItem[]; heldBytes: number; mostBytes: number; gate: Promise<void> } {
  const self = {
    items: [] as DecodeItem[],
    heldBytes: 0,
    mostBytes: 0,
    gate: Promise.resolve(),
    examine: (items: readonly Buffer[]) => coder.examine(items),
    encode: (...of: Parameters<Coder['encode']>) => coder.encode(...of),
    decode: async (items: readonly DecodeItem[]) => {
      self.items.push(...items);
      const bytes = items.reduce((sum, { size }) => sum + size, 0);
      self.heldBytes += bytes;
      self.mostBytes = Math.max(self.mostBytes, self.heldBytes);
      await self.gate;
      await new Promise((resolve) => setImmediate(resolve));
      self.heldBytes -= bytes;
      return coder.decode(items);
    },
    close: () => coder.close(),
  };
  return self;
}

describe('a batch of coded objects', () => {
  for (const slowDisk of [false, true]) {
    for (const order of ['completion', 'strict'] as const) {
      it(`brings them with raw ones, and says which are damaged, ${order}, ${slowDisk ? 'slow' : 'fast'} disk`, () =>
        withCoded({ slowDisk }, async (scene) => {
          await putMixture(scene);
          for (const name of ['k0', 'k2', 'k3']) damage(scene, placeOf(scene, name));
          const names = [...scene.things.keys(), 'absent', ...scene.things.keys()];
          const { answers, order: came } = await readAll(scene, refsOf(names), { order });
          for (const [slot, name] of names.entries()) {
            const error = errorOf(answers[slot]);
            if (['k0', 'k2', 'k3'].includes(name)) {
              assert.equal(error?.code, 'DataLoss', name);
              assert.equal(error?.resource, `/${BUCKET}/${name}`);
            } else if (name === 'absent') assert.equal(error?.code, 'NoSuchKey');
            else {
              assert.equal(error, undefined, name);
              sameBytes(answers[slot]?.bytes as Buffer, scene.things.get(name) as Buffer);
            }
          }
          if (order === 'strict') assert.deepEqual(came, [...names.keys()]);
        }));
    }
  }

  it('keeps in the cache what was decoded and what was read raw, as many bytes as the objects have', () =>
    withCoded(CACHED, async (scene) => {
      await putMixture(scene);
      const coded = [...scene.things].filter(([name]) => placeOf(scene, name).codec !== 0);
      assert.equal(coded.length, 15);
      assert.equal((await readAll(scene, refsOf(scene.things.keys()))).cacheHits, 0);
      const bytes = [...scene.things.values()].reduce((sum, { length }) => sum + length, 0);
      const { stats } = scene.cache ?? assert.fail('no cache');
      assert.equal(stats.entries, scene.things.size);
      assert.ok(stats.bytes >= bytes && stats.bytes < bytes + scene.things.size * 300, `${stats.bytes} for ${bytes}`);
      const again = await readAll(scene, refsOf(scene.things.keys()));
      assert.equal(again.cacheHits, scene.things.size);
      assert.equal(scene.store.stats().decoded.payloads, coded.length, 'nothing is decoded twice');
      for (const [slot, bytes] of [...scene.things.values()].entries())
        sameBytes(again.answers[slot]?.bytes as Buffer, bytes);
    }));

  it('goes on where compaction has moved what it looked up, and the dictionary with it', () =>
    withCoded({}, async (scene) => {
      await putMixture(scene);
      await scene.put('ballast', lines(16 * MiB));
      await scene.code();
      const names = [...scene.things.keys()].filter((name) => name !== 'ballast');
      const batch = scene.objects.getBatch(refsOf(names), { order: 'strict' });
      const into = Buffer.alloc(64 * KiB);
      const seen: number[] = [];
      const see = (entries: readonly BatchEntry[]): void => {
        let at = 0;
        for (const { slot, length, error } of entries) {
          assert.equal(error, undefined);
          sameBytes(into.subarray(at, at + length), scene.things.get(names[slot] as string) as Buffer);
          at += length;
          seen.push(slot);
        }
      };
      const before = placeOf(scene, 'k19').volume;
      see([...(await batch.fill(into, 1))]); // all are looked up now
      for (const name of ['ballast', ...names.slice(1, 15)]) await scene.objects.remove(BUCKET, key(name));
      for (let turn = 0; turn < 3; turn++) {
        await sealAll(scene.keeper);
        await scene.keeper.compactor.run();
      }
      assert.notEqual(placeOf(scene, 'k19').volume, before, 'it was moved');
      const left: (BatchEntry['error'] | undefined)[] = [];
      for (;;) {
        const entries = await batch.fill(into, 100);
        if (entries.length === 0) break;
        left.push(...entries.filter(({ slot }) => slot >= 15).map(({ error }) => error));
        see(entries.filter(({ error }) => error === undefined));
      }
      assert.deepEqual(left, [undefined, undefined, undefined, undefined, undefined]);
    }));

  it('holds no more decoded bytes than its bound, however slowly it is read', async () => {
    const coder = watched(alwaysCoding(await realCoder()));
    await withCoded({ coder }, async (scene) => {
      for (let i = 0; i < 30; i++) await scene.put(`m${i}`, noise(MiB, i + 1));
      await scene.code();
      coder.mostBytes = 0;
      const batch = scene.objects.getBatch(refsOf(scene.things.keys()), { order: 'completion' });
      const into = Buffer.alloc(64 * KiB);
      let served = 0;
      for (;;) {
        const entries = await batch.fill(into, 100);
        if (entries.length === 0) break;
        served += entries.filter(({ isLast, error }) => isLast && error === undefined).length;
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(served, 30);
      assert.ok(coder.mostBytes > MiB, 'several at a time');
      assert.ok(coder.mostBytes <= LIMITS.batchReadBytesMax, `${coder.mostBytes} bytes`);
    });
  });

  it('is ended while threads decode, and says what it did not serve', async () => {
    const coder = watched(await realCoder());
    await withCoded({ coder }, async (scene) => {
      await putMixture(scene);
      let open = (): void => {};
      coder.gate = new Promise((resolve) => {
        open = resolve;
      });
      const names = ['k0', 'k3', 'k1'];
      const batch = scene.objects.getBatch(refsOf(names), { order: 'completion' });
      const into = Buffer.alloc(64 * KiB);
      assert.deepEqual(
        [...(await batch.fill(into, 100))].map(({ slot }) => slot),
        [1],
        'raw ones do not wait for threads',
      );
      const stop = new AbortController();
      const filling = batch.fill(into, 100, stop.signal) as Promise<readonly BatchEntry[]>;
      stop.abort(new Error('enough'));
      await assert.rejects(filling, /enough/);
      assert.deepEqual(batch.unserved(), [0, 2]);
      batch.close();
      open();
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(await batch.fill(into, 100), []);
    });
  });

  it('does not say that bytes are lost when a thread was', async () => {
    const coder = await realCoder();
    let isLost = false;
    const losing: Coder = {
      ...coder,
      decode: async (items) =>
        isLost ? items.map(() => new GatewayError('InternalError', 'The thread was lost.')) : coder.decode(items),
    };
    await withCoded({ coder: losing }, async (scene) => {
      await putMixture(scene);
      isLost = true;
      const { answers } = await readAll(scene, refsOf(['k0', 'k3']));
      assert.equal(errorOf(answers[0])?.code, 'InternalError');
      assert.equal(errorOf(answers[1]), undefined);
      await assert.rejects(scene.objects.get(BUCKET, key('k0'), {}), { code: 'InternalError' });
    });
  });
});

describe('ranges of coded objects', () => {
  const read = async ({ objects, things }: Scene, name: string, first: number, last: number): Promise<void> => {
    const answer = await objects.get(BUCKET, key(name), { range: { first, last } });
    sameBytes(await bytesOf(answer), (things.get(name) as Buffer).subarray(first, last + 1));
  };

  it('decode only the sections that they touch of a large one, and then keep nothing', async () => {
    const coder = watched(alwaysCoding(await realCoder(), 64 * KiB));
    await withCoded({ coder, ...CACHED }, async (scene) => {
      await scene.put('large', noise(3 * MiB));
      await scene.code();
      coder.items.length = 0;
      await read(scene, 'large', MiB + 5, MiB + 10_000);
      assert.deepEqual(
        coder.items.map(({ range }) => range),
        [{ start: MiB + 5, end: MiB + 10_001 }],
      );
      assert.equal(scene.store.stats().decoded.bytes, 9996);
      assert.equal(scene.cache?.stats.entries, 0);
      await read(scene, 'large', 0, 2 * MiB); // most of it
      assert.equal(scene.store.stats().decoded.bytes, 9996 + 3 * MiB);
      assert.equal(scene.cache?.stats.entries, 1);
      await read(scene, 'large', MiB + 5, MiB + 10_000);
      assert.equal(scene.store.stats().decoded.payloads, 2, 'the third was answered by the cache');
    });
  });

  it('decode a small one whole, once for all who come at the same time', async () => {
    const coder = watched(await realCoder());
    await withCoded({ coder, ...CACHED }, async (scene) => {
      await scene.put('small', lines(200 * KiB));
      await scene.code();
      coder.items.length = 0;
      await Promise.all([1, 2, 3].map((i) => read(scene, 'small', i * 1000, i * 1000 + 50)));
      await scene.objects.get(BUCKET, key('small'), {});
      assert.deepEqual([coder.items.length, scene.cache?.stats.entries], [1, 1]);
      assert.equal(coder.items[0]?.range, undefined);
    });
  });

  it('go over the pieces of an object, and of a copied part', async () => {
    await withCoded({ coder: alwaysCoding(await realCoder()) }, async (scene) => {
      await scene.put('pieces', noise(9 * MiB + 7));
      await scene.code();
      await read(scene, 'pieces', 4 * MiB - 3, 4 * MiB + 2);
      await read(scene, 'pieces', 10, 9 * MiB + 1);
      const { uploads } = scene.store;
      const target = key('copy');
      const id = await uploads.create(BUCKET, target, { contentType: undefined, attributes: {}, checksum: undefined });
      const seal = (info: { etag: string }) => ({ etag: info.etag, contentType: undefined, attributes: {} });
      const source = { kind: 'copy', bucket: BUCKET, key: key('pieces'), seal } as const;
      await uploads.putPart(BUCKET, target, id, 1, { ...source, range: { first: 1, last: 6 * MiB } });
      const [part] = (await uploads.listParts(BUCKET, target, id, 0, 10)).parts;
      assert.equal(part?.size, 6 * MiB);
      const sealed = { etag: `${'0'.repeat(32)}-1`, contentType: undefined, attributes: {} };
      await uploads.complete(BUCKET, target, id, [1], () => sealed, {});
      await scene.code();
      const copy = await bytesOf(await scene.objects.get(BUCKET, target, {}));
      sameBytes(copy, (scene.things.get('pieces') as Buffer).subarray(1, 6 * MiB + 1));
    });
  });
});

describe('a dictionary', () => {
  it('that is missing is named, by reads and by batches, and what needs none is served', () =>
    withCoded({}, async (scene) => {
      await putMixture(scene);
      const dictionaries = [...scene.keeper.index.dictionaries()];
      assert.equal(dictionaries.length, 1);
      const { id, location } = dictionaries[0] ?? assert.fail();
      scene.keeper.index.transaction(() => scene.keeper.index.removeDictionary(location.volume, id));
      const message = new RegExp(`dictionary ${id.toString(16).padStart(8, '0')} of volume ${location.volume}`);
      await assert.rejects(scene.objects.get(BUCKET, key('k4'), {}), { code: 'DataLoss', message });
      const { answers } = await readAll(scene, refsOf(['k4', 'k2', 'k3']));
      assert.equal(errorOf(answers[0])?.code, 'DataLoss');
      assert.match(errorOf(answers[0])?.message ?? '', message);
      assert.deepEqual([errorOf(answers[1]), errorOf(answers[2])], [undefined, undefined]);
    }));

  it('that is damaged is no other failure than damage of the object', () =>
    withCoded({}, async (scene) => {
      await putMixture(scene);
      const [dictionary] = [...scene.keeper.index.dictionaries()];
      damage(scene, dictionary?.location ?? assert.fail());
      const { answers } = await readAll(scene, refsOf(['k4', 'k2']));
      assert.equal(errorOf(answers[0])?.code, 'DataLoss');
      assert.equal(errorOf(answers[1]), undefined);
    }));
});

describe('stored frames', () => {
  async function putFrames({ put, code }: Scene): Promise<void> {
    await put('text', lines(40 * KiB));
    await put('gzipped, it says', lines(40 * KiB, 2), { 'content-encoding': 'gzip' });
    await put('image', slice(1));
    await put('noise', noise(3000));
    await code();
  }

  it('come from a read that takes them, and from no other', async () => {
    const coder = await realCoder();
    await withCoded({ ...CACHED, coder }, async (scene) => {
      await putFrames(scene);
      const whole = lines(40 * KiB);
      const read = found(await scene.objects.get(BUCKET, key('text'), { acceptZstd: true }));
      assert.equal(read.encoding, 'zstd');
      const frame = read.body as Buffer;
      assert.equal(frame.readUInt32LE(0), 0xfd2fb528, 'the magic number of RFC 8878');
      const { size, crc } = placeOf(scene, 'text');
      const item = { codec: 1, size, crc, dictionary: undefined } as const;
      sameBytes((await coder.decode([{ ...item, stored: withCrc(frame) }]))[0] as Buffer, whole);
      for (const name of ['gzipped, it says', 'image', 'noise']) {
        const other = found(await scene.objects.get(BUCKET, key(name), { acceptZstd: true }));
        assert.equal(other.encoding, undefined, name);
        sameBytes(await bytesOf(other), scene.things.get(name) as Buffer);
      }
      assert.equal(found(await scene.objects.get(BUCKET, key('text'), {})).encoding, undefined);
    });
  });

  it('come from a batch that takes them, whole and with the CRC-32 of the object', () =>
    withCoded(CACHED, async (scene) => {
      await putFrames(scene);
      const refs = [
        ...refsOf(scene.things.keys()),
        { bucket: BUCKET, key: key('text'), range: { start: 0, end: 100 } },
      ];
      for (const order of ['completion', 'strict'] as const) {
        const { answers } = await readAll(scene, refs, { order, acceptZstdBytesMax: 64 * KiB });
        const [entry] = answers[0]?.entries ?? [];
        assert.equal(answers[0]?.entries.length, 1);
        assert.equal(entry?.encoding, 'zstd');
        assert.equal(entry?.crc32, placeOf(scene, 'text').crc);
        assert.equal(entry?.info?.size, 40 * KiB);
        const read = found(await scene.objects.get(BUCKET, key('text'), { acceptZstd: true }));
        sameBytes(answers[0]?.bytes as Buffer, read.body as Buffer);
        for (const [i, bytes] of [...scene.things.values()].slice(1).entries()) {
          assert.equal(answers[i + 1]?.entries[0]?.encoding, undefined);
          sameBytes(answers[i + 1]?.bytes as Buffer, bytes);
        }
        assert.equal(answers[4]?.entries[0]?.encoding, undefined);
        sameBytes(answers[4]?.bytes as Buffer, lines(40 * KiB).subarray(0, 100));
      }
      const { answers } = await readAll(scene, refs.slice(0, 1), { order: 'strict', acceptZstdBytesMax: 1000 });
      assert.equal(answers[0]?.entries[0]?.encoding, undefined, 'a frame that does not fit is decoded');
      sameBytes(answers[0]?.bytes as Buffer, lines(40 * KiB));
    }));

  it('that are damaged are not given away', () =>
    withCoded({}, async (scene) => {
      await putFrames(scene);
      damage(scene, placeOf(scene, 'text'));
      await assert.rejects(scene.objects.get(BUCKET, key('text'), { acceptZstd: true }), { code: 'DataLoss' });
      const { answers } = await readAll(scene, refsOf(['text']), { order: 'strict', acceptZstdBytesMax: MiB });
      assert.equal(errorOf(answers[0])?.code, 'DataLoss');
    }));
});

describe('reading ahead of coded objects', () => {
  for (const how of ['advice', 'place'] as const) {
    it(`has them decoded when they are asked for, by ${how}`, () =>
      withCoded({ slowDisk: true, ...CACHED }, async (scene) => {
        for (let i = 0; i < 40; i++) await scene.put(`s${i}`, slice(i, 32));
        await scene.code();
        const byPlace = [...scene.things.keys()].sort((a, b) => placeOf(scene, a).offset - placeOf(scene, b).offset);
        const next = refsOf(byPlace.slice(20, 30));
        if (how === 'advice') scene.objects.readAhead?.(next);
        else
          for (const from of [0, 10]) await readAll(scene, refsOf(byPlace.slice(from, from + 10)), { order: 'strict' });
        const { cache } = scene;
        for (let turn = 0; next.some(({ key: name }) => cache?.has(placeOf(scene, name)) !== true); turn++) {
          assert.ok(turn < 100_000, `${cache?.stats.entries} entries came`);
          await new Promise((resolve) => setImmediate(resolve));
        }
        const { answers, cacheHits } = await readAll(scene, next);
        assert.equal(cacheHits, 10);
        for (const [slot, { key: name }] of next.entries())
          sameBytes(answers[slot]?.bytes as Buffer, scene.things.get(name) as Buffer);
        assert.ok((cache?.stats.aheadUsedBytes ?? 0) >= 10 * 32 * 32 * 2);
      }));
  }
});

/** As it lies in a volume. */
function withCrc(frame: Buffer): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(frame));
  return Buffer.concat([crc, frame]);
}
