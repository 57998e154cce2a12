/**
 * A disk whose writes fail with EIO for a while, under a gateway that serves: writes get a clear error and none is acknowledged,
 * reads go on, no process but the keeper ends, and when the disk works again so do writes, by themselves.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BUCKET, FaultScene, IS_LONG, pidsOf, until } from './fault-scene.ts';
import { Ledger } from './ledger.ts';
import { needsPowerDisk, PowerDisk } from './power-disk.ts';
import { codeOf } from './s3-caller.ts';
import { faultsOf } from './write-load.ts';

const FAILURES = IS_LONG ? 10 : 2;
/** With a journal, ext4 becomes read-only once it cannot write it, as a real one does; without, it recovers as a raw disk would. */
const NO_JOURNAL = '-O ^has_journal';

const scene = new FaultScene();
const disks: PowerDisk[] = [];
after(async () => {
  await scene.close(disks);
});

describe('while writes to the disk fail', { timeout: IS_LONG ? 600_000 : 240_000, ...needsPowerDisk() }, () => {
  test('none is acknowledged, reads go on, and writes work again when the disk does', async () => {
    const disk = new PowerDisk(join(scene.folder, 'eio'), '384M', NO_JOURNAL);
    disks.push(disk);
    await disk.up();
    const store = join(disk.mount, 'store');
    const ledger = new Ledger();
    let gateway = await scene.start(store);
    const caller = await scene.withBucket(gateway);
    await caller.expect(200, 'PUT', BUCKET, 'known', { body: 'good' });
    const before = await pidsOf(gateway);
    for (let failure = 0; failure < FAILURES; failure++) {
      const writes = scene.load(gateway, ledger, 8);
      await writes.acknowledged(60);
      await disk.failWrites(true);
      await until(
        () => [...writes.answers.keys()].some((answer) => /^Sto/.test(answer)),
        'a refusal of a write',
        60_000,
      );
      await sleep(500); // whatever was flushed before the failure may still be acknowledged
      const stored = writes.answers.get('stored');
      for (let read = 0; read < 50; read++) {
        assert.equal((await caller.expect(200, 'GET', BUCKET, 'known')).body.toString(), 'good');
        await sleep(20);
      }
      assert.equal(writes.answers.get('stored'), stored, 'nothing is acknowledged meanwhile');
      assert.equal((await fetch(`${gateway.admin}/healthz`)).status, 200);
      await disk.failWrites(false);
      await writes.acknowledged(60);
      await writes.stop();
      assert.deepEqual(writes.faults, []);
      assert.ok(
        [...writes.answers.keys()].every((answer) => /^(stored|deleted|Sto)/.test(answer)),
        [...writes.answers.keys()].join(),
      );
      assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger, 'k/'), []);
    }
    const after = await pidsOf(gateway);
    assert.deepEqual([after.supervisor, after.workers], [before.supervisor, before.workers], 'they all lived on');
    await gateway.untilLogged(/the disk failed under the index/);
    const volumes = readdirSync(join(store, 'volumes')).length;
    assert.ok(volumes < 40, `${volumes} volume files were left`);
    await gateway.stop();
    rmSync(join(store, 'index'), { recursive: true });
    gateway = await scene.start(store);
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger, 'k/'), []);
    await gateway.stop();
    await disk.down();
  });

  test('a file system that turned read-only keeps serving what it has, and all of it is there after a new mount', async () => {
    const disk = new PowerDisk(join(scene.folder, 'journal'), '256M');
    disks.push(disk);
    await disk.up();
    const store = join(disk.mount, 'store');
    const ledger = new Ledger();
    let gateway = await scene.start(store);
    const caller = await scene.withBucket(gateway);
    await caller.expect(200, 'PUT', BUCKET, 'known', { body: 'good' });
    const writes = scene.load(gateway, ledger, 8);
    await writes.acknowledged(60);
    await disk.failWrites(true);
    await until(() => [...writes.answers.keys()].some((answer) => /^Sto/.test(answer)), 'a refusal of a write', 60_000);
    assert.equal((await caller.expect(200, 'GET', BUCKET, 'known')).body.toString(), 'good');
    const refused = await caller.send('PUT', BUCKET, 'refused', { body: 'x' });
    assert.equal(refused.status, 503);
    assert.match(String(codeOf(refused)), /^Sto/);
    await Promise.all([writes.stop(), gateway.stop()]);
    await disk.down();
    await disk.failWrites(false);
    await disk.up();
    gateway = await scene.start(store);
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger, 'k/'), []);
    await gateway.stop();
    await disk.down();
  });
});
