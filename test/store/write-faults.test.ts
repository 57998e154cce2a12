/** What becomes of bytes around a write that fails, is given up, or is refused by the index: its own must not come back, others' stay. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import type { ObjectRead, PutSource, Storage } from '../../src/base/object-store.ts';
import { HEAD_OUTCOME, type IndexCommitter, type Submission } from '../../src/store/committer.ts';
import { indexFolder } from '../../src/store/store-root.ts';
import { volumesFolder } from '../../src/store/volume-file.ts';
import { dropIndex, newBucket, openScene, snapshot } from './keeper-scene.ts';
import { temporaryFolder } from './local-scene.ts';

const MiB = 1024 * 1024;
const KEY = 'key' as ObjectKey;
const isCode = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;

function sourceOf(bytes: Buffer): PutSource {
  return { kind: 'bytes', bytes, stored: { etag: '0'.repeat(32), contentType: undefined, attributes: {} } };
}

async function bytesOf(storage: Storage, bucket: BucketName, key: string): Promise<Buffer | undefined> {
  const read = (await storage.objects.get(bucket, key as ObjectKey, {})) as ObjectRead | undefined;
  if (read === undefined || Buffer.isBuffer(read.body)) return read?.body as Buffer | undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of read.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Answers submissions that hold a head of `key` as if their transaction had failed; the keeper never sees those. */
function refusing(key: string, outcome: number): (committer: IndexCommitter) => IndexCommitter {
  const holdsKey = ({ group }: Submission) => group?.heads.some((head) => head.includes(key)) === true;
  return (committer) => ({
    ...committer,
    submit: async (submission) => {
      if (!holdsKey(submission)) return committer.submit(submission);
      const { clock } = await committer.submit({ ...submission, group: undefined });
      return { heads: (submission.group?.heads ?? []).map(() => outcome as 4), decisions: [], clock };
    },
  });
}

for (const [name, outcome, code] of [
  ['full', HEAD_OUTCOME.storageFull, 'StorageFull'],
  ['failed', HEAD_OUTCOME.failed, 'StoreFailure'],
] as const) {
  test(`a record that the index refused (${name}) stays away, also after a rebuild, and extents behind it stay there`, async () => {
    const folder = temporaryFolder();
    const scene = await openScene(folder.path);
    const bucket = await newBucket(scene.store, 'images');
    const store = scene.session('second', undefined, refusing('refused', outcome));
    const big = Buffer.alloc(9 * MiB, 'extents');
    await store.objects.put(bucket, 'before' as ObjectKey, sourceOf(Buffer.from('before')), {});
    const refused = store.objects.put(bucket, 'refused' as ObjectKey, sourceOf(Buffer.from('x')), {});
    // Its extents are appended behind the refused record, into the same volume.
    const written = store.objects.put(bucket, 'big' as ObjectKey, sourceOf(big), {});
    await assert.rejects(refused, isCode(code));
    await written;
    await store.objects.put(bucket, 'behind' as ObjectKey, sourceOf(Buffer.from('behind')), {});
    await scene.close();
    for (const isRebuilt of [false, true]) {
      if (isRebuilt) dropIndex(folder.path);
      const again = await openScene(folder.path);
      const all = { prefix: '', delimiter: '', after: '', afterPrefix: false, limit: 10 };
      const { entries } = await again.store.objects.list(bucket, all);
      const keys = entries.map((entry) => ('key' in entry ? entry.key : entry));
      assert.deepEqual(keys, ['before', 'behind', 'big'], `rebuilt: ${isRebuilt}`);
      assert.ok((await bytesOf(again.store, bucket, 'big'))?.equals(big));
      assert.deepEqual(await bytesOf(again.store, bucket, 'behind'), Buffer.from('behind'));
      assert.ok(
        again.keeper.index.volumes().every(({ damaged }) => !damaged),
        'compaction can work on every volume',
      );
      await again.close();
    }
    folder.remove();
  });
}

test('a body that breaks off lets go of its volume, so that it can be compacted', async () => {
  const folder = temporaryFolder();
  const scene = await openScene(folder.path);
  const bucket = await newBucket(scene.store, 'images');
  const chunks = async function* () {
    for (let i = 0; i < 9; i++) yield Buffer.alloc(MiB, i);
    throw new GatewayError('IncompleteBody');
  };
  const source: PutSource = { kind: 'stream', chunks: chunks(), seal: () => assert.fail('it never ends') };
  await assert.rejects(scene.store.objects.put(bucket, KEY, source, {}), isCode('IncompleteBody'));
  await scene.store.objects.put(bucket, KEY, sourceOf(Buffer.from('x')), {});
  await scene.store.stop();
  assert.deepEqual(
    scene.keeper.index.volumes().filter(({ sealed, owner }) => !sealed && owner !== 'keeper'),
    [],
  );
  await scene.keeper.stop();
  folder.remove();
});

test('a late seal of a dead worker does not touch the volume of its next owner', async () => {
  const folder = temporaryFolder();
  const scene = await openScene(folder.path);
  const bucket = await newBucket(scene.store, 'images');
  await scene.store.objects.put(bucket, KEY, sourceOf(Buffer.from('one')), {});
  const owned = scene.keeper.index.volumes().find(({ owner }) => owner === 'first');
  assert.ok(owned !== undefined);
  scene.keeper.workerExited('first');
  const next = scene.session('next');
  await next.objects.put(bucket, KEY, sourceOf(Buffer.from('two')), {});
  assert.equal(scene.keeper.index.volume(owned.id)?.owner, 'next', 'it got the volume of the dead one');
  await scene.keeper.session('first').sealVolume(owned.id, owned.end, false);
  assert.deepEqual(
    [scene.keeper.index.volume(owned.id)?.owner, scene.keeper.index.volume(owned.id)?.sealed],
    ['next', false],
  );
  await next.stop();
  await scene.keeper.stop();
  folder.remove();
});

test('a volume that the keeper wants back is left at the next group, however busy its worker is', async () => {
  const folder = temporaryFolder();
  const scene = await openScene(folder.path);
  const bucket = await newBucket(scene.store, 'images');
  const put = (i: number) => scene.store.objects.put(bucket, `k${i}` as ObjectKey, sourceOf(Buffer.alloc(1000)), {});
  await put(0);
  const owned = scene.keeper.index.volumes().find(({ owner }) => owner === 'first');
  assert.ok(owned !== undefined);
  let over = false;
  const lanes = Array.from({ length: 4 }, async (_, lane) => {
    for (let i = 0; !over; i++) await put(lane * 1000 + (i % 10));
  });
  scene.keeper.wantSealed(owned); // once, in the middle of writes
  while (scene.keeper.index.volume(owned.id)?.owner === 'first') await new Promise(setImmediate);
  over = true;
  await Promise.all(lanes);
  assert.ok(readdirSync(volumesFolder(folder.path)).length > 2);
  await scene.close();
  folder.remove();
});

test('a decision in an old volume, whose keeper died before the commit, reads the same before and after a rebuild', async () => {
  const folder = temporaryFolder();
  const first = await openScene(folder.path);
  const bucket = await newBucket(first.store, 'images');
  await first.store.objects.put(bucket, 'other' as ObjectKey, sourceOf(Buffer.from('x')), { ifNoneMatch: '*' });
  await first.close(); // seals two volumes, which the next worker and keeper take again
  const before = snapshot(folder.path);
  const second = await openScene(folder.path);
  await second.store.objects.put(bucket, KEY, sourceOf(Buffer.from('decided')), { ifNoneMatch: '*' });
  await second.close();
  rmSync(indexFolder(folder.path), { recursive: true });
  cpSync(indexFolder(before.path), indexFolder(folder.path), { recursive: true });
  const recovered = await openScene(folder.path);
  const seen = await bytesOf(recovered.store, bucket, KEY);
  await recovered.close();
  dropIndex(folder.path);
  const rebuilt = await openScene(folder.path);
  assert.deepEqual(await bytesOf(rebuilt.store, bucket, KEY), seen);
  await rebuilt.close();
  folder.remove();
  before.remove();
});

test('a delete of what is not there holds against an older write that comes out of the tail of a dead worker', async () => {
  const folder = temporaryFolder();
  const scene = await openScene(folder.path);
  const bucket = await newBucket(scene.store, 'images');
  let isDurable = false;
  let giveUp = (_: Error): void => {};
  const silent = (committer: IndexCommitter): IndexCommitter => ({
    ...committer,
    submit: () => {
      isDurable = true; // heads come only after the flush of their records
      return new Promise((_, reject) => {
        giveUp = reject;
      });
    },
  });
  const dying = scene.session('dying', undefined, silent);
  void dying.objects.put(bucket, KEY, sourceOf(Buffer.from('nobody heard of it')), {}).catch(() => {});
  while (!isDurable) await new Promise(setImmediate);
  await scene.store.objects.remove(bucket, KEY, {});
  scene.keeper.workerExited('dying');
  assert.equal(await bytesOf(scene.store, bucket, KEY), undefined);
  giveUp(new Error('the worker died'));
  await scene.store.stop();
  await scene.keeper.stop();
  dropIndex(folder.path);
  const rebuilt = await openScene(folder.path);
  assert.equal(await bytesOf(rebuilt.store, bucket, KEY), undefined);
  await rebuilt.close();
  folder.remove();
});
