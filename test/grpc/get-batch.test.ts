/** GetBatch over the wire, on the memory store and on volumes: what comes, what is said of what does not, and how it ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { BatchRead, BatchRef } from '../../src/base/batch-read.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { Order } from '../../src/format/messages.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { bytesSource, KiB, key, MiB, noise, storedFor } from '../contract/scene.ts';
import { ALT, MAIN } from '../s3/users.ts';
import { openEmbedded, temporaryFolder } from '../store/local-scene.ts';
import { BatchScene, slotsOf } from './batch-scene.ts';
import { reasonOf } from './services-scene.ts';

const BUCKET = 'images' as BucketName;
const OTHER = 'other' as BucketName;
const SIZES = [0, 1, 700, 10 * KiB, 40 * KiB, 300 * KiB, MiB, 5 * MiB + 3];

interface World {
  readonly storage: Storage;
  close(): Promise<void>;
}

async function embedded(slowDisk: boolean): Promise<World> {
  const folder = temporaryFolder();
  const { store, close } = await openEmbedded(folder.path, { slowDisk });
  return { storage: store, close: () => close().finally(() => folder.remove()) };
}

const WORLDS: Readonly<Record<string, () => Promise<World>>> = {
  'the memory store': async () => ({ storage: createMemoryStorage(), close: async () => {} }),
  volumes: () => embedded(false),
  'volumes on a slow disk': () => embedded(true),
};

/** Two buckets of MAIN; in the first an object of each size, one of them public. */
async function furnish({ buckets, objects }: Storage): Promise<Map<string, Buffer>> {
  for (const bucket of [BUCKET, OTHER]) await buckets.create(bucket, MAIN.ownerId, { acl: 'private' });
  const things = new Map(SIZES.map((size) => [`s${size}`, noise(size)]));
  for (const [name, bytes] of things) await objects.put(BUCKET, key(name), bytesSource(bytes), {});
  const open = Buffer.from('open to all');
  const stored = { ...storedFor(open), attributes: { acl: 'public-read' as const } };
  await objects.put(BUCKET, key('open'), { kind: 'bytes', bytes: open, stored }, {});
  await objects.put(OTHER, key('else'), bytesSource(Buffer.from('elsewhere')), {});
  return things;
}

for (const [name, open] of Object.entries(WORLDS)) {
  describe(`GetBatch on ${name}`, () => {
    let world: World;
    let scene: BatchScene;
    let things: Map<string, Buffer>;
    before(async () => {
      world = await open();
      things = await furnish(world.storage);
      scene = await BatchScene.open(world.storage);
    });
    after(async () => {
      await scene.close();
      await world.close();
    });

    for (const order of [Order.ORDER_COMPLETION, Order.ORDER_STRICT]) {
      it(`brings every object whole, order ${order}`, async () => {
        const keys = [...things.keys(), ...things.keys()].reverse();
        const slots = slotsOf(await scene.ask({ bucket: BUCKET, keys, order }), keys.length);
        for (const [i, each] of keys.entries()) {
          const expected = things.get(each) as Buffer;
          assert.ok(slots[i]?.bytes.equals(expected), each);
          assert.equal(slots[i]?.entries[0]?.objectSize, expected.length);
          assert.equal(slots[i]?.entries[0]?.etag, storedFor(expected).etag);
        }
      });
    }

    it('says of each slot what is wrong with it, and brings the others', async () => {
      const refs = [
        { key: 's10240' },
        { key: 'absent' },
        { key: '' },
        { key: 'x'.repeat(1025) },
        { key: 'else', bucket: OTHER },
        { key: 'else', bucket: 'nowhere' },
        { key: 's10240', range: { start: 10, end: 20 } },
        { key: 's10240', range: { start: 10_240, end: undefined } },
        { key: 's10240', range: { start: 20, end: 20 } },
      ];
      const slots = slotsOf(await scene.ask({ bucket: BUCKET, refs }), refs.length);
      const reasons = slots.map(({ entries }) => reasonOf(entries[0]?.error));
      assert.deepEqual(reasons, [
        undefined,
        'NoSuchKey',
        'InvalidURI',
        'KeyTooLongError',
        undefined,
        'NoSuchBucket',
        undefined,
        'InvalidRange',
        'InvalidArgument',
      ]);
      assert.equal(slots[4]?.bytes.toString(), 'elsewhere');
      assert.ok(slots[6]?.bytes.equals((things.get('s10240') as Buffer).subarray(10, 20)));
      assert.equal(slots[6]?.entries[0]?.objectOffset, 10);
    });

    it('keeps frames as small as it is asked to', async () => {
      const keys = [...things.keys()];
      const answer = await scene.ask({ bucket: BUCKET, keys, maxFrameBytes: 64 * KiB });
      slotsOf(answer, keys.length);
      for (const { payload } of answer.frames) assert.ok(payload.length <= 64 * KiB, `${payload.length} bytes`);
    });

    it('lets others read what is open to them, and tells them of nothing else', async () => {
      const keys = ['open', 's700', 'absent'];
      for (const user of [ALT, null]) {
        const slots = slotsOf(await scene.ask({ bucket: BUCKET, keys }, { user }), keys.length);
        assert.equal(slots[0]?.bytes.toString(), 'open to all');
        for (const slot of [1, 2]) assert.equal(reasonOf(slots[slot]?.entries[0]?.error), 'AccessDenied');
      }
    });
  });
}

describe('GetBatch', () => {
  let scene: BatchScene;
  const storage = createMemoryStorage();
  before(async () => {
    await furnish(storage);
    scene = await BatchScene.open(storage);
  });
  after(() => scene.close());

  const REFUSED: readonly [string, Parameters<BatchScene['ask']>[0], string, RegExp][] = [
    ['no reference', { bucket: BUCKET }, '3', /names no object/],
    ['keys and refs', { bucket: BUCKET, keys: ['a'], refs: [{ key: 'b' }] }, '3', /use one of them/],
    ['indices', { dataset: 'd@1', indices: [1] }, '12', /datasets/],
    ['a frame that is too small', { bucket: BUCKET, keys: ['a'], maxFrameBytes: 1 }, '3', /max_frame_bytes is 1;/],
    ['too many keys', { bucket: BUCKET, keys: new Array(100_001).fill('k') }, '3', /100001 objects/],
    ['a bucket that is not there', { bucket: 'nowhere', keys: ['a'] }, '5', /does not exist/],
  ];
  for (const [what, of, status, message] of REFUSED) {
    it(`refuses ${what}`, async () => {
      const answer = await scene.ask(of);
      assert.equal(answer.status, status);
      assert.match(decodeURIComponent(answer.message ?? ''), message);
      assert.deepEqual(answer.frames, []);
    });
  }

  it('refuses a token that is no good', async () => {
    const answer = await scene.ask({ bucket: BUCKET, keys: ['s1'] }, { user: { ...MAIN, secretKey: 'wrong-secret' } });
    assert.equal(answer.status, '16');
  });

  it('takes 100,000 references', async () => {
    const keys = new Array(100_000).fill('s1');
    keys[77_777] = 'absent';
    const answer = await scene.ask({ bucket: BUCKET, keys });
    assert.equal(answer.end?.ok, 99_999);
    assert.equal(answer.end?.failed, 1);
    slotsOf(answer, keys.length);
  });

  it('counts what became of the slots', async () => {
    const before = { ...scene.stats };
    await scene.ask({ bucket: BUCKET, keys: ['s700', 'absent', 's1'] });
    assert.equal(scene.stats.batches - before.batches, 1);
    assert.equal(scene.stats.ok - before.ok, 2);
    assert.equal(scene.stats.failed - before.failed, 1);
    assert.equal(scene.stats.bytes - before.bytes, 701);
  });
});

/** A storage whose batches stop after their first fill, until they are told to go on, or to stop. */
function halting(storage: Storage): {
  storage: Storage;
  advised: BatchRef[];
  halted: Promise<void>;
  closed: Promise<void>;
} {
  const advised: BatchRef[] = [];
  let halt = () => {};
  let close = () => {};
  const halted = new Promise<void>((resolve) => {
    halt = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const objects: Storage['objects'] = Object.create(storage.objects);
  objects.getBatch = (refs, options) => {
    const batch = storage.objects.getBatch(refs, options);
    let fills = 0;
    return {
      fill: (into, _entriesMax, signal) => {
        if (++fills === 1) return batch.fill(into, 1, signal);
        halt();
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
      },
      unserved: () => batch.unserved(),
      cacheHits: 0,
      close: () => {
        batch.close();
        close();
      },
    } satisfies BatchRead;
  };
  objects.readAhead = (refs) => void advised.push(...refs);
  return { storage: { ...storage, objects }, advised, halted, closed };
}

describe('GetBatch of a store that is slow', () => {
  async function withHalting(
    work: (scene: BatchScene, of: ReturnType<typeof halting>) => Promise<void>,
  ): Promise<void> {
    const memory = createMemoryStorage();
    await furnish(memory);
    const of = halting(memory);
    const scene = await BatchScene.open(of.storage);
    try {
      await work(scene, of);
    } finally {
      await scene.close();
    }
  }

  it('ends before the deadline with what is ready, and names the rest', () =>
    withHalting(async (scene) => {
      const keys = ['s700', 's1', 's10240'];
      const answer = await scene.ask({ bucket: BUCKET, keys, order: Order.ORDER_STRICT }, { timeout: '1S' });
      const slots = slotsOf(answer, keys.length);
      assert.equal(slots[0]?.bytes.length, 700);
      assert.deepEqual(answer.end?.unservedSlots, [1, 2]);
      assert.equal(answer.end?.ok, 1);
    }));

  it('stops reading when the client goes away', () =>
    withHalting(async (scene, { halted, closed }) => {
      const stream = scene.begin({ bucket: BUCKET, keys: ['s700', 's1'] });
      stream.on('error', () => {});
      stream.resume();
      await halted;
      stream.close(8);
      await closed;
      await scene.front.assertAlive();
    }));

  it('resets the stream when the store fails, so that nobody takes it for whole', () =>
    withHalting(async (scene) => {
      const broken = createMemoryStorage();
      await furnish(broken);
      const objects: Storage['objects'] = Object.create(broken.objects);
      objects.getBatch = (refs, options) => {
        const batch = broken.objects.getBatch(refs, options);
        let fills = 0;
        const fill: BatchRead['fill'] = (into, max, signal) => {
          if (++fills > 1) throw new TypeError('a bug');
          return batch.fill(into, Math.min(max, 1), signal);
        };
        return { fill, unserved: () => batch.unserved(), cacheHits: 0, close: () => batch.close() };
      };
      const other = await BatchScene.open({ ...broken, objects });
      try {
        const answer = await other.ask({ bucket: BUCKET, keys: ['s700', 's1'] });
        assert.notEqual(answer.status, '0');
        assert.equal(answer.end, undefined);
      } finally {
        await other.close();
      }
      await scene.front.assertAlive();
    }));

  it('passes on what the owner of the bucket will ask for next, and nothing of others', async () => {
    const memory = createMemoryStorage();
    await furnish(memory);
    const advised: BatchRef[] = [];
    const objects: Storage['objects'] = Object.create(memory.objects);
    objects.readAhead = (refs) => void advised.push(...refs);
    const scene = await BatchScene.open({ ...memory, objects });
    try {
      await scene.ask({ bucket: BUCKET, keys: ['open'], nextKeys: ['s1'] }, { user: ALT });
      assert.equal(advised.length, 0);
      await scene.ask({ bucket: BUCKET, keys: ['open'], nextKeys: ['s1', '', 's700'] }, { user: MAIN });
      assert.deepEqual(
        advised.map((ref): string => ref.key),
        ['s1', 's700'],
      );
    } finally {
      await scene.close();
    }
  });

  it('holds two frames for a client that does not read', async () => {
    const memory = createMemoryStorage();
    await memory.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
    await memory.objects.put(BUCKET, key('big'), bytesSource(noise(MiB)), {});
    let fills = 0;
    const objects: Storage['objects'] = Object.create(memory.objects);
    objects.getBatch = (refs, options) => {
      const batch = memory.objects.getBatch(refs, options);
      const fill: BatchRead['fill'] = (...of) => {
        fills++;
        return batch.fill(...of);
      };
      return { fill, unserved: () => batch.unserved(), cacheHits: 0, close: () => batch.close() };
    };
    const scene = await BatchScene.open({ ...memory, objects });
    try {
      const stream = scene.begin({ bucket: BUCKET, keys: new Array(200).fill('big') });
      stream.on('error', () => {});
      await once(stream, 'response'); // and then nothing is read
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.ok(fills <= LIMITS.batchFramesInFlight, `${fills} frames were filled`);
      stream.close(8);
    } finally {
      await scene.close();
    }
  });
});
