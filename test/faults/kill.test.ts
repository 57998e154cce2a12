/**
 * kill -9 in the middle of many concurrent writes: of a worker, of the keeper, of everything. Afterwards every acknowledged write
 * is there byte for byte, nothing is half there, and an index made from the volumes alone says the same.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { GatewayProcess } from '../processes/gateway-process.ts';
import { BUCKET, FaultScene, IS_LONG, kill, killAll, pidsOf } from './fault-scene.ts';
import { Ledger } from './ledger.ts';
import { faultsOf } from './write-load.ts';

const LIMIT = { timeout: IS_LONG ? 600_000 : 120_000 };
const ROUNDS = IS_LONG ? 20 : 3;
const CLIENTS = 32;

const scene = new FaultScene();
after(() => scene.close());

const load = (gateway: GatewayProcess, ledger: Ledger) => scene.load(gateway, ledger, CLIENTS, { keysPerClient: 8 });

async function assertWhole(gateway: GatewayProcess, ledger: Ledger): Promise<void> {
  assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger), []);
}

/** The index is made anew from the volumes, and nothing changes by that. */
async function assertSameAfterRebuild(gateway: GatewayProcess, store: string, ledger: Ledger): Promise<void> {
  await assertWhole(gateway, ledger);
  await gateway.stop();
  rmSync(join(store, 'index'), { recursive: true });
  const rebuilt = await scene.start(store);
  await rebuilt.untilLogged(/the index is missing/);
  await assertWhole(rebuilt, ledger);
  await rebuilt.stop();
}

describe('acknowledged writes survive, and the index rebuilt from the volumes is the same,', LIMIT, () => {
  test('when workers are killed one after the other', async () => {
    const store = join(scene.folder, 'workers');
    const ledger = new Ledger();
    const gateway = await scene.start(store);
    await scene.withBucket(gateway);
    const writes = load(gateway, ledger);
    for (let round = 0; round < ROUNDS; round++) {
      await writes.acknowledged(150);
      const { workers } = await pidsOf(gateway);
      const victim = round % workers.length;
      const seen = gateway.logs.length;
      kill(workers[victim] as number);
      const again = new RegExp(`^worker-${victim + 1} serves again`);
      await gateway.until(() => gateway.logs.slice(seen).some(({ msg }) => again.test(msg)), 'the worker to come back');
    }
    await writes.acknowledged(50);
    await writes.stop();
    assert.deepEqual(writes.faults, []);
    assert.ok((writes.answers.get('broken') ?? 0) > 0, 'the kills broke some requests');
    await assertSameAfterRebuild(gateway, store, ledger);
  });

  test('when the keeper is killed again and again, and no request even breaks', async () => {
    const store = join(scene.folder, 'keeper');
    const ledger = new Ledger();
    const gateway = await scene.start(store);
    await scene.withBucket(gateway);
    const writes = load(gateway, ledger);
    for (let round = 0; round < ROUNDS; round++) {
      await writes.acknowledged(150);
      const { keeper } = await pidsOf(gateway);
      const seen = gateway.logs.length;
      kill(keeper);
      await gateway.until(
        () => gateway.logs.slice(seen).some(({ msg }) => /^keeper serves again/.test(msg)),
        'the keeper to come back',
      );
    }
    await writes.acknowledged(50);
    await writes.stop();
    assert.deepEqual(writes.faults, []);
    assert.deepEqual([...writes.answers.keys()].sort(), ['deleted', 'stored']);
    await assertSameAfterRebuild(gateway, store, ledger);
  });

  test('when everything is killed at once', async () => {
    const store = join(scene.folder, 'all');
    const ledger = new Ledger();
    let gateway = await scene.start(store);
    await scene.withBucket(gateway);
    for (let round = 0; round < ROUNDS; round++) {
      const writes = load(gateway, ledger);
      await writes.acknowledged(200);
      await killAll(gateway);
      await writes.stop();
      assert.deepEqual(writes.faults, []);
      gateway = await scene.start(store);
      await assertWhole(gateway, ledger);
    }
    await assertSameAfterRebuild(gateway, store, ledger);
  });
});
