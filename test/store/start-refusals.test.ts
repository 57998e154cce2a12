/** What the store says when it cannot open a folder: each text says what is wrong with what, and what to do. */
import assert from 'node:assert/strict';
import { chmodSync, closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import { GatewayError } from '../../src/base/errors.ts';
import { examineStore } from '../../src/store/doctor.ts';
import { IndexDatabase } from '../../src/store/index-database.ts';
import { rebuildIndex } from '../../src/store/rebuild.ts';
import { indexFolder } from '../../src/store/store-root.ts';
import { volumePath } from '../../src/store/volume-file.ts';
import { bytesOf, bytesSource, key, noise, sameBytes } from '../contract/scene.ts';
import { dropIndex, newBucket, openScene } from './keeper-scene.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

/** A closed store with one object, whose folder goes after `work`. */
async function withClosedStore(work: (root: string, volume: number) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const scene = await openScene(folder.path);
  const bucket = await newBucket(scene.store, 'bucket');
  await scene.store.objects.put(bucket, key('a'), bytesSource(noise(10)), {});
  const volume = scene.keeper.index.volumes().find((v) => v.owner === 'first')?.id as number;
  await scene.close();
  try {
    await work(folder.path, volume);
  } finally {
    folder.remove();
  }
}

async function refusal(work: () => Promise<unknown>): Promise<string> {
  const error = await work().then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert(error instanceof GatewayError, String(error));
  return error.message;
}

function setVolumeFormat(root: string, volume: number, format: number): void {
  const path = volumePath(root, volume);
  const bytes = readFileSync(path);
  for (const at of [0, 4096]) {
    bytes.writeUInt32LE(format, at + 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 56)), at + 56);
  }
  writeFileSync(path, bytes);
}

describe('a folder that cannot be opened', () => {
  it('names the store format of another release', () =>
    withClosedStore(async (root) => {
      const path = join(root, 'penstock.json');
      writeFileSync(path, readFileSync(path, 'utf8').replace('"format": 1', '"format": 2'));
      assert.equal(
        await refusal(() => openScene(root)),
        `${root} has store format 2; this Penstock reads format 1. Use the release that wrote it, or a newer one.`,
      );
    }));

  it('names a damaged penstock.json', () =>
    withClosedStore(async (root) => {
      const path = join(root, 'penstock.json');
      writeFileSync(path, '{"format": 1, "uu');
      const text = await refusal(() => openScene(root));
      assert(text.startsWith(`${path} is damaged (`));
      assert(text.includes('restore it from a backup or run "penstock doctor'));
      writeFileSync(path, '{"format": 1}');
      assert((await refusal(() => openScene(root))).startsWith(`${path} has no valid "uuid"; restore it`));
    }));

  it('names the index format of another release, and the way out works', () =>
    withClosedStore(async (root) => {
      const index = IndexDatabase.open(indexFolder(root), 'write');
      index.transaction(() => index.setNumber('format', 2));
      await index.close();
      assert.equal(
        await refusal(() => openScene(root)),
        `The index in ${indexFolder(root)} has format version 2; this Penstock reads version 1. Use the release that wrote it, or run "penstock doctor --rebuild-index".`,
      );
      await rebuildIndex(root, silentLog);
      await opens(root);
    }));

  for (const [what, harm] of [
    ['overwritten', (path: string) => writeFileSync(path, Buffer.alloc(64 * 1024, 'x'))],
    ['cut short', (path: string) => truncateSync(path, 5000)],
  ] as const) {
    it(`names an index that was ${what}, and the way out works`, () =>
      withClosedStore(async (root) => {
        harm(join(indexFolder(root), 'data.mdb'));
        const text = await refusal(() => openScene(root));
        assert(text.startsWith(`The index in ${indexFolder(root)} cannot be opened (`), text);
        assert(text.endsWith('); run "penstock doctor --rebuild-index" to make it anew from the volumes.'), text);
        await rebuildIndex(root, silentLog);
        await opens(root);
      }));
  }

  it('names a volume of another release, when the index is made anew and in the doctor', () =>
    withClosedStore(async (root, volume) => {
      setVolumeFormat(root, volume, 9);
      const expected = `${volumePath(root, volume)} has format version 9; this Penstock reads version 1. Use the release that wrote it, or a newer one.`;
      const index = IndexDatabase.open(indexFolder(root), 'read');
      const report = await examineStore(root, index);
      await index.close();
      assert.deepEqual(report.volumeFaults, [
        `volume ${volume} has a superblock that this release cannot read: ${expected}`,
      ]);
      dropIndex(root);
      assert.equal(await refusal(() => openScene(root)), expected);
      setVolumeFormat(root, volume, 1);
      await opens(root);
    }));

  it('is read-only', { skip: process.getuid?.() === 0 ? 'root may write everywhere' : false }, () =>
    withClosedStore(async (root) => {
      chmodSync(root, 0o555);
      try {
        const user = process.getuid?.();
        assert.equal(
          await refusal(() => openScene(root)),
          `The folder ${root} cannot be used: user ${user} has no permission; run "chown -R ${user} ${root}" or name another folder.`,
        );
      } finally {
        chmodSync(root, 0o755);
      }
    }),
  );

  it('takes no volume of another store in', async () => {
    await withClosedStore((one) =>
      withClosedStore(async (other, volume) => {
        const bytes = readFileSync(volumePath(other, volume));
        bytes.writeUInt32LE(77, 12);
        bytes.writeUInt32LE(crc32(bytes.subarray(0, 56)), 56);
        bytes.copy(bytes, 4096, 0, 60);
        const fd = openSync(volumePath(one, 77), 'w');
        writeSync(fd, bytes);
        closeSync(fd);
        const scene = await openScene(one);
        assert.equal(scene.keeper.index.volume(77), undefined);
        await scene.close();
      }),
    );
  });
});

async function opens(root: string): Promise<void> {
  const scene = await openScene(root);
  sameBytes(await bytesOf(await scene.store.objects.get('bucket' as never, key('a'), {})), noise(10));
  await scene.close();
}
