/**
 * A small disk filled to the brim: writes are refused with a clear error before anything is damaged, reads and deletes go on, and
 * what is deleted comes back as room for new writes. Nothing that was acknowledged is lost, also not over kills in between.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { BUCKET, FaultScene, killAll, lacking, until } from './fault-scene.ts';
import { Ledger } from './ledger.ts';
import { codeOf, type S3Caller } from './s3-caller.ts';
import { faultsOf } from './write-load.ts';

const MiB = 1024 * 1024;
const DISK_MB = 96;

const scene = new FaultScene();
const mounts: string[] = [];
after(() => scene.close([{ down: unmountAll }]));
afterEach(async () => {
  await scene.endGateways();
  await unmountAll();
});

/** A tmpfs of its own. */
function smallDisk(name: string): string {
  const path = join(scene.folder, name);
  mkdirSync(path);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', path]);
  mounts.push(path);
  return path;
}

async function unmountAll(): Promise<void> {
  for (const path of mounts.splice(0)) execFileSync('umount', ['-l', path]);
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** Objects of these sizes in turn, by several clients at once, until each was refused some times. @returns the first refusal */
async function fill(callers: readonly S3Caller[], ledger: Ledger, name: string, sizes: readonly number[]) {
  let first: { status: number; code: string | undefined } | undefined;
  await Promise.all(
    callers.map(async (caller, c) => {
      for (let i = 0, refused = 0; refused < 4; i++) {
        const version = ledger.newVersion(sizes[i % sizes.length] as number);
        const key = `${name}/${c}/${i}`;
        const attempt = ledger.begin(key, version);
        const reply = await caller.send('PUT', BUCKET, key, { body: ledger.bytes(version) });
        if (reply.status === 200) {
          attempt.acknowledge();
          continue;
        }
        attempt.refuse();
        refused++;
        first ??= { status: reply.status, code: codeOf(reply) };
        assert.deepEqual([reply.status, codeOf(reply)], [507, 'StorageFull'], reply.body.toString());
      }
    }),
  );
  return first;
}

async function remove(caller: S3Caller, ledger: Ledger, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const attempt = ledger.begin(key, 'absent');
    await caller.expect(204, 'DELETE', BUCKET, key);
    attempt.acknowledge();
  }
}

const needsRoot = lacking(process.getuid?.() === 0 ? undefined : 'it needs root, to mount a tmpfs');

describe('a full disk', { timeout: 240_000, ...needsRoot }, () => {
  for (const [what, sizes] of [
    ['images', [20_000, 150_000, 3000, 700_000]],
    ['big objects', [6 * MiB, 4 * MiB + 1, 200]],
    ['tiny objects', [0, 900, 17]],
  ] as const) {
    // Tiny ones fill the disk slowly, so most of it is taken by a stranger first.
    const ballastBytes = what === 'tiny objects' ? 79 * MiB : 0;

    test(`of ${what} refuses writes, serves and deletes, and takes writes again after deletes`, async () => {
      const disk = smallDisk(what.replace(' ', '-'));
      const ballast = join(disk, 'ballast');
      if (ballastBytes > 0) execFileSync('fallocate', ['-l', String(ballastBytes), ballast]);

      const store = join(disk, 'store');
      const ledger = new Ledger();
      let gateway = await scene.start(store);
      await scene.withBucket(gateway);
      let callers = Array.from({ length: 6 }, () => scene.caller(gateway));
      const refusal = await fill(callers, ledger, 'first', sizes);
      assert.deepEqual(refusal, { status: 507, code: 'StorageFull' });
      assert.ok(freeBytes(disk) > 2 * MiB, `${freeBytes(disk)} bytes are left for deletes`);
      assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);

      await killAll(gateway); // a start on a full disk works as well
      gateway = await scene.start(store);
      assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
      callers = Array.from({ length: 6 }, () => scene.caller(gateway));
      const again = callers[0] as S3Caller;

      const freeBefore = freeBytes(disk);
      const keys = ledger.keys().filter((key) => ledger.settled(key) !== 'absent');
      await remove(
        again,
        ledger,
        keys.filter((_, i) => i % 3 !== 0),
      );
      const freed = what === 'tiny objects' ? 1 : 20 * MiB;
      await until(() => freeBytes(disk) > freeBefore + freed, 'room that compaction freed', 90_000);
      await until(async () => (await again.send('PUT', BUCKET, 'probe', { body: 'x' })).status === 200, 'a write');
      await again.expect(204, 'DELETE', BUCKET, 'probe');
      await fill(callers, ledger, 'second', sizes);
      const second = ledger.keys().filter((key) => key.startsWith('second/') && ledger.settled(key) !== 'absent');
      // A delete of a tiny object takes about as much as it gives back, until compaction forgets it.
      const least = what === 'tiny objects' ? 100 : keys.length / 4;
      assert.ok(second.length >= least, `${second.length} new objects fitted where ${keys.length} had been`);
      assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
      assert.deepEqual(
        gateway.logs.filter(({ level }) => level === 'error').map(({ msg }) => msg),
        [],
      );

      await gateway.stop();
      rmSync(join(store, 'index'), { recursive: true });
      rmSync(ballast, { force: true });
      gateway = await scene.start(store);
      assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
    });
  }

  test('that a stranger fills to the last byte loses nothing, and works again when the stranger is gone', async () => {
    const disk = smallDisk('stranger');
    const store = join(disk, 'store');
    const ledger = new Ledger();
    let gateway = await scene.start(store);
    await scene.withBucket(gateway);
    const writes = scene.load(gateway, ledger, 8, { bigShare: 0 });
    await writes.acknowledged(100);
    const ballast = join(disk, 'ballast');
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=64k'], { stdio: 'ignore' });
    } catch {
      // dd ends with an error when nothing more fits, as it shall.
    }
    assert.ok(freeBytes(disk) < MiB);
    await until(() => (writes.answers.get('StorageFull') ?? 0) > 50, 'refusals');
    const known = ledger.keys().find((key) => typeof ledger.settled(key) === 'object');
    assert.ok(known !== undefined);
    rmSync(ballast);
    await writes.acknowledged(100);
    await writes.stop();
    assert.deepEqual(writes.faults, []);
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
    await gateway.stop();
    rmSync(join(store, 'index'), { recursive: true });
    gateway = await scene.start(store);
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
  });
});
