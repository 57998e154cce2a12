/** What the keeper promises its sessions. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, cpSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import type { GatewayError } from '../../src/base/errors.ts';
import type { BucketName } from '../../src/base/names.ts';
import { encodeAttributes } from '../../src/format/attributes.ts';
import { encodeManifest } from '../../src/format/manifest.ts';
import { encodeRecordHead, RECORD_KIND, recordHead } from '../../src/format/record.ts';
import { type Decision, HEAD_OUTCOME, type Submission } from '../../src/store/committer.ts';
import { IndexDatabase, type VolumeState } from '../../src/store/index-database.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { Maintenance } from '../../src/store/maintenance.ts';
import { createVolumeFile, volumePath } from '../../src/store/volume-file.ts';
import { allKeys, bytesOf, bytesSource, key, noise, refused, sameBytes } from '../contract/scene.ts';
import { dumpIndex, sameIndex } from './index-dump.ts';
import { handClock, newBucket, openScene, sealAll, snapshot, withScene } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const LONG = process.env.PENSTOCK_LONG === '1';
const NEW_UPLOAD = { contentType: undefined, attributes: {}, checksum: undefined };

function putDecision(name: string, conditions: { ifNoneMatch?: '*'; ifMatch?: string }): Decision {
  const version = {
    bucketId: 1,
    key: Buffer.from(name),
    size: 0,
    digest: randomBytes(16),
    etagParts: 0,
    versionId: randomBytes(8),
    attributes: encodeAttributes(undefined, {}),
    manifest: encodeManifest({ extents: [], parts: [] }),
  };
  return { kind: 'put', version, conditions, ifVersion: undefined, modifiedMs: undefined };
}

const decide = (sequence: number, ...decisions: Decision[]): Submission => ({ sequence, group: undefined, decisions });

describe('a submission that is repeated', () => {
  it('is answered as the first time, and not applied again', () =>
    withScene(async ({ keeper, store }) => {
      const bucket = await newBucket(store, 'bucket');
      const session = keeper.session('worker');
      const createOnce = decide(1, putDecision('a', { ifNoneMatch: '*' }));
      const first = await session.submit(createOnce);
      assert.equal(first.decisions[0]?.ok, true);
      const { decisions } = keeper.stats;
      assert.deepEqual(await session.submit(createOnce), first);
      assert.equal(keeper.stats.decisions, decisions);
      // The next one is judged again.
      const second = await session.submit(decide(2, putDecision('a', { ifNoneMatch: '*' })));
      assert.equal(second.decisions[0]?.ok, false);
      assert.deepEqual(await allKeys(store, bucket), ['a']);
    }));

  it('is known to the next keeper while its session lives', async () => {
    const folder = temporaryFolder();
    const clock = handClock();
    const scene = await openScene(folder.path, clock);
    await newBucket(scene.store, 'bucket');
    const submission = decide(7, putDecision('a', { ifNoneMatch: '*' }), putDecision('a', { ifNoneMatch: '*' }));
    const first = await scene.keeper.session('worker').submit(submission);
    const copy = snapshot(folder.path);
    const next = await Keeper.open({ root: copy.path, clock, log: silentLog, aliveSessions: ['worker'] });
    assert.deepEqual(await next.session('worker').submit(submission), first);
    await next.stop();
    await scene.close();
    for (const done of [folder, copy]) done.remove();
  });
});

describe('a submission that cannot be applied', () => {
  it('is refused alone: those of others in the same transaction are stored', () =>
    withScene(async ({ keeper, store }) => {
      const bucket = await newBucket(store, 'bucket');
      const bad: Submission = { sequence: 1, group: { volume: 4711, end: 1, offsets: [], heads: [] }, decisions: [] };
      const damaged: Submission = {
        sequence: 1,
        group: { volume: 1, end: 9000, offsets: [8192], heads: [Buffer.alloc(100)] },
        decisions: [putDecision('never', {})],
      };
      const replies = await Promise.all([
        keeper.session('one').submit(decide(1, putDecision('a', {}))),
        keeper.session('two').submit(bad),
        keeper.session('three').submit(damaged),
        keeper.session('four').submit(decide(1, putDecision('b', {}))),
      ]);
      assert.deepEqual(
        replies.map(({ heads, decisions }) => [heads, decisions.map((d) => (d.ok ? 'ok' : d.code))]),
        [
          [[], ['ok']],
          [[], []],
          [[HEAD_OUTCOME.failed], ['StoreFailure']],
          [[], ['ok']],
        ],
      );
      assert.deepEqual(await allKeys(store, bucket), ['a', 'b']);
      // The keeper goes on: its own volume was cut back to what was committed.
      await store.objects.put(bucket, key('c'), bytesSource(noise(10)), { ifNoneMatch: '*' });
      assert.deepEqual(await allKeys(store, bucket), ['a', 'b', 'c']);
    }));
});

describe('writers of one key in two sessions', () => {
  it('have one winner in every round of conditional creation', () =>
    withScene(async ({ store, session }) => {
      const bucket = await newBucket(store, 'bucket');
      const other = session('other');
      const rounds = LONG ? 5000 : 1000;
      for (let from = 0; from < rounds; from += 100) {
        await Promise.all(
          Array.from({ length: 100 }, async (_, i) => {
            const name = key(`k${from + i}`);
            const outcomes = await Promise.allSettled(
              [store, other].map((each, n) =>
                each.objects.put(bucket, name, bytesSource(noise(20, n + 1)), { ifNoneMatch: '*' }),
              ),
            );
            const won = outcomes.flatMap((outcome, n) => (outcome.status === 'fulfilled' ? [n] : []));
            assert.equal(won.length, 1);
            for (const outcome of outcomes)
              if (outcome.status === 'rejected')
                assert.equal((outcome.reason as GatewayError).code, 'PreconditionFailed');
            sameBytes(await bytesOf(await store.objects.get(bucket, name, {})), noise(20, (won[0] as number) + 1));
          }),
        );
      }
    }));

  it('have one winner in every round of compare and swap', () =>
    withScene(async ({ store, session }) => {
      const bucket = await newBucket(store, 'bucket');
      const stores = [store, session('other')];
      await store.objects.put(bucket, key('a'), bytesSource(Buffer.from('0')), {});
      let done = 0;
      const count = async (each: typeof store): Promise<void> => {
        for (let i = 0; i < 100; i++) {
          for (;;) {
            const read = await each.objects.get(bucket, key('a'), {});
            const value = Number((await bytesOf(read)).toString());
            const etag = (read as { info: { etag: string } }).info.etag;
            const next = bytesSource(Buffer.from(String(value + 1)));
            const swapped = await each.objects
              .put(bucket, key('a'), next, { ifMatch: etag })
              .catch((error: GatewayError) => {
                assert.equal(error.code, 'PreconditionFailed');
              });
            if (swapped !== undefined) break;
          }
          done++;
        }
      };
      await Promise.all(stores.map(count));
      assert.equal((await bytesOf(await store.objects.get(bucket, key('a'), {}))).toString(), String(done));
    }));
});

describe('a worker that is gone', () => {
  it('leaves what it had written and not yet told of, and its volume to others', () =>
    withScene(async (scene) => {
      const { keeper, store } = scene;
      const bucket = await newBucket(store, 'bucket');
      const session = keeper.session('worker');
      const grant = await session.openVolume();
      // By hand, as a worker does it: a whole record, durable, and then nothing more is heard of it.
      const superblock = { volumeId: grant.id, volumeUuid: grant.uuid, storeUuid: grant.storeUuid, createdMs: 0 };
      closeSync(createVolumeFile(scene.root, superblock));
      const payload = noise(39);
      const head = recordHead({
        kind: RECORD_KIND.object,
        timestamp: grant.clock + 1024,
        payloadLength: payload.length,
        payloadCrc: crc32(payload),
        size: payload.length,
        bucketId: 1,
        key: Buffer.from('k'),
        attributes: encodeAttributes(undefined, {}),
      });
      const bytes = encodeRecordHead(head, grant.uuid, grant.end);
      const path = volumePath(scene.root, grant.id);
      appendFileSync(
        path,
        Buffer.concat([bytes, payload, Buffer.alloc((16 - ((bytes.length + payload.length) % 16)) % 16)]),
      );
      const whole = statSync(path).size;
      appendFileSync(path, 'torn');
      assert.deepEqual(await allKeys(store, bucket), []);
      keeper.workerExited('worker');
      sameBytes(await bytesOf(await store.objects.get(bucket, key('k'), {})), payload);
      assert.equal(statSync(path).size, whole);
      const state = keeper.index.volume(grant.id);
      assert.deepEqual([state?.owner, state?.sealed, state?.end], ['', true, whole]);
      // The next worker goes on in it.
      assert.equal((await keeper.session('next').openVolume()).id, grant.id);
    }));

  it('is forgotten: the first submission of a namesake is not taken for a repeated one', () =>
    withScene(async ({ keeper, store }) => {
      const bucket = await newBucket(store, 'bucket');
      await keeper.session('worker').submit(decide(1, putDecision('a', {})));
      keeper.workerExited('worker');
      await keeper.session('worker').submit(decide(1, putDecision('b', {})));
      assert.deepEqual(await allKeys(store, bucket), ['a', 'b']);
    }));
});

describe('uploads that nobody finishes', () => {
  it('end when their time has come, with their parts, and not before', async () => {
    const clock = handClock();
    await withScene(async ({ keeper, store }) => {
      const bucket = await newBucket(store, 'bucket');
      const old = await store.uploads.create(bucket, key('old'), NEW_UPLOAD);
      await store.uploads.putPart(bucket, key('old'), old, 1, bytesSource(noise(5000)));
      clock.ms += 1000;
      const young = await store.uploads.create(bucket, key('young'), NEW_UPLOAD);
      const maintenance = new Maintenance(keeper, 10_000);
      assert.equal(await maintenance.expireUploads(), 0);
      clock.ms += 9500;
      assert.equal(await maintenance.expireUploads(), 1);
      assert.equal(await maintenance.expireUploads(), 0);
      await refused(store.uploads.listParts(bucket, key('old'), old, 0, 10), 'NoSuchUpload');
      await refused(store.uploads.putPart(bucket, key('old'), old, 1, bytesSource(noise(5))), 'NoSuchUpload');
      assert.equal((await store.uploads.listParts(bucket, key('young'), young, 0, 10)).parts.length, 0);
      assert.equal([...keeper.index.range('parts', Buffer.from([0]), undefined)].length, 0);
    }, clock);
  });
});

describe('the next keeper', () => {
  it('takes in a volume file that its index does not know, as after a crash between file and commit', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    await newBucket(scene.store, 'bucket');
    const before = snapshot(folder.path);
    await sealAll(scene.keeper);
    const taken = scene.session('takes the volume of the keeper');
    await taken.objects.put('bucket' as BucketName, key('x'), bytesSource(noise(1)), {});
    await scene.store.buckets.create('second' as BucketName, 'owner-1', { acl: 'private' });
    await scene.close();
    // All volumes of later, with the index of before.
    cpSync(join(folder.path, 'volumes'), join(before.path, 'volumes'), { recursive: true });
    const next = await openScene(before.path);
    assert.deepEqual(
      next.store.buckets.list().map((b) => b.name),
      ['bucket', 'second'],
    );
    sameBytes(await bytesOf(await next.store.objects.get('bucket' as BucketName, key('x'), {})), noise(1));
    await next.close();
    const later = await dumpIndex(folder.path);
    sameIndex(await dumpIndex(before.path), later);
    for (const done of [folder, before]) done.remove();
  });

  it('cuts off what was refused when a write failed, and leaves what cannot be read', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    const bucket = await newBucket(scene.store, 'bucket');
    for (const name of ['a', 'refused']) await scene.store.objects.put(bucket, key(name), bytesSource(noise(1000)), {});
    const volume = scene.keeper.index.volumes().find((v) => v.owner === 'first') as VolumeState;
    await scene.close();
    const path = volumePath(folder.path, volume.id);
    const index = IndexDatabase.open(join(folder.path, 'index'), 'write');
    // Both records are of one length.
    const end = 8192 + (volume.end - 8192) / 2;
    index.transaction(() => {
      const state = index.volume(volume.id) as VolumeState;
      index.setVolume({ ...state, end, damaged: true });
    });
    await index.close();
    for (const [tail, expected] of [
      [undefined, end],
      ['no record', end + 9],
    ] as const) {
      if (tail !== undefined) appendFileSync(path, tail);
      await (await openScene(folder.path)).close();
      assert.equal(statSync(path).size, expected);
    }
    folder.remove();
  });

  it('makes an empty index anew from the volumes', async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    const bucket = await newBucket(scene.store, 'bucket');
    await scene.store.objects.put(bucket, key('a'), bytesSource(noise(9)), {});
    await scene.close();
    truncateSync(join(folder.path, 'index', 'data.mdb'), 0);
    const next = await openScene(folder.path);
    sameBytes(await bytesOf(await next.store.objects.get(bucket, key('a'), {})), noise(9));
    await next.close();
    folder.remove();
  });
});
