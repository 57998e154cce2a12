/** A keeper that stands still: writers wait, but not for ever; reads go on; and when it goes on, so does everything. */
import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { anyPorts, GatewayProcess } from '../processes/gateway-process.ts';
import { BUCKET, FaultScene, IS_LONG, kill, pidsOf, until } from './fault-scene.ts';
import { Ledger } from './ledger.ts';
import { codeOf } from './s3-caller.ts';
import { faultsOf } from './write-load.ts';

const STOP_MS = IS_LONG ? 10_000 : 3000;

const scene = new FaultScene();
after(() => scene.close());

describe('while the keeper is stopped', { timeout: 180_000 }, () => {
  test('writers wait, reads go on, and afterwards every write is acknowledged', async () => {
    const store = join(scene.folder, 'stopped');
    const gateway = await scene.start(store);
    const caller = await scene.withBucket(gateway);
    await caller.expect(200, 'PUT', BUCKET, 'known', { body: 'good' });
    const ledger = new Ledger();
    const writes = scene.load(gateway, ledger, 32);
    await writes.acknowledged(100);
    const { keeper } = await pidsOf(gateway);
    kill(keeper, 'SIGSTOP');
    await sleep(300); // answers that were on their way
    const stored = writes.answers.get('stored');
    const endMs = performance.now() + STOP_MS;
    while (performance.now() < endMs) {
      assert.equal((await caller.expect(200, 'GET', BUCKET, 'known')).body.toString(), 'good');
      await sleep(10);
    }
    assert.equal(writes.answers.get('stored'), stored, 'no write was acknowledged without the keeper');
    kill(keeper, 'SIGCONT');
    await writes.acknowledged(200);
    await writes.stop();
    assert.deepEqual([...writes.answers.keys()].sort(), ['deleted', 'stored'], 'no request failed');
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger, 'k/'), []);
    await gateway.stop();
  });

  test('for longer than a client shall wait, writers hear that the outcome is unknown, and later ones are refused at once', async () => {
    const store = join(scene.folder, 'overdue');
    const gateway = await scene.start(store, 1);
    const caller = await scene.withBucket(gateway);
    const ledger = new Ledger();
    const writes = scene.load(gateway, ledger, 16);
    await writes.acknowledged(50);
    const { keeper } = await pidsOf(gateway);
    const startedMs = performance.now();
    kill(keeper, 'SIGSTOP');
    await until(() => (writes.answers.get('StoreBusy') ?? 0) >= 16, 'the answer that the outcome is unknown', 60_000);
    const waitedMs = performance.now() - startedMs;
    assert.ok(
      waitedMs < 40_000,
      `all 16 writers had an answer after ${Math.round(waitedMs)} ms, not one after the other`,
    );
    const beforeMs = performance.now();
    const refused = await caller.send('PUT', BUCKET, 'refused', { body: 'x' });
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'StoreBusy']);
    assert.ok(performance.now() - beforeMs < 10_000, 'at once');
    kill(keeper, 'SIGCONT');
    await writes.acknowledged(100);
    await writes.stop();
    assert.deepEqual(writes.faults, []);
    assert.deepEqual(await faultsOf(gateway.s3, BUCKET, ledger, 'k/'), []);
    assert.equal((await caller.send('GET', BUCKET, 'refused')).status, 404);
    await gateway.stop();
  });
});

test('a second gateway on the same folder is refused under any of its names', { timeout: 60_000 }, async () => {
  const store = join(scene.folder, 'held');
  const gateway = await scene.start(store, 1);
  const link = join(scene.folder, 'another-name');
  symlinkSync(store, link);
  for (const name of [store, link, `${scene.folder}/tmp/../held/`]) {
    const second = new GatewayProcess(anyPorts(name));
    const { code, stderr } = await second.ended;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`is in use by process ${gateway.child.pid} `), name);
  }
  await gateway.stop();
  const next = await scene.start(link, 1);
  await next.stop();
});
