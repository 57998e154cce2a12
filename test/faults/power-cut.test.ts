/**
 * The power goes while clients write: everything that no flush had reached is lost, and every acknowledged write is there. The first
 * test shows that this disk does lose what was not flushed, without which the second would prove nothing.
 */
import assert from 'node:assert/strict';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { BUCKET, FaultScene, IS_LONG, killAll } from './fault-scene.ts';
import { Ledger } from './ledger.ts';
import { needsPowerDisk, PowerDisk } from './power-disk.ts';
import { faultsOf } from './write-load.ts';

const CUTS = IS_LONG ? 25 : 3;

const scene = new FaultScene();
const disks: PowerDisk[] = [];
after(async () => {
  await scene.close(disks);
});

describe('a power cut', { timeout: IS_LONG ? 900_000 : 180_000, ...needsPowerDisk() }, () => {
  test('loses what was written without a flush, and nothing that was flushed (the control)', async () => {
    const disk = new PowerDisk(join(scene.folder, 'control'), '64M');
    disks.push(disk);
    await disk.up();
    const at = (name: string) => join(disk.mount, name);
    const bytes = Buffer.alloc(300_000, 'penstock');
    const flushed = openSync(at('flushed'), 'w');
    writeSync(flushed, bytes);
    fsyncSync(flushed);
    closeSync(flushed);
    writeFileSync(at('hoped-for'), bytes);
    assert.deepEqual(readFileSync(at('hoped-for')), bytes);
    await disk.cut();
    await disk.up();
    assert.deepEqual(readFileSync(at('flushed')), bytes);
    assert.ok(!existsSync(at('hoped-for')) || !readFileSync(at('hoped-for')).equals(bytes), 'it was lost');
    await disk.down();
  });

  test(`in the middle of many writes loses none that was acknowledged, ${CUTS} times in a row`, async () => {
    const disk = new PowerDisk(join(scene.folder, 'power'), '384M');
    disks.push(disk);
    const ledger = new Ledger();
    await disk.up();
    const store = join(disk.mount, 'store');
    let gateway = await scene.start(store);
    await scene.withBucket(gateway);
    for (let cut = 0; cut < CUTS; cut++) {
      const writes = scene.load(gateway, ledger, 12);
      await writes.acknowledged(cut === 0 ? 20 : 100 + Math.floor(Math.random() * 100));
      await disk.cut();
      await killAll(gateway);
      await writes.stop();
      await disk.up();
      gateway = await scene.start(store);
      assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
    }
    assert.ok(ledger.unknown > 0, 'writes were under way');
    await gateway.stop();
    rmSync(join(store, 'index'), { recursive: true });
    gateway = await scene.start(store);
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
    await gateway.stop();
    await disk.down();
    await disk.check();
  });
});
