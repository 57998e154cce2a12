/**
 * LMDB under many processes: workers that are killed while they read leave slots behind, which must not fill the table of readers
 * nor keep old pages from being used again; and an index that grows to many times its size is read by others all the while.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { BUCKET, FaultScene, IS_LONG, kill, pidsOf } from './fault-scene.ts';
import type { S3Caller } from './s3-caller.ts';

const KILLS = IS_LONG ? 100 : 8;
const OBJECTS = IS_LONG ? 100_000 : 6000;

const scene = new FaultScene();
after(() => scene.close());

/** Which of the pids hold a slot in the table of readers. Looks at the raw table, because opening it would clean it. */
function readersOf(store: string, pids: readonly number[]): number[] {
  const table = readFileSync(join(store, 'index', 'lock.mdb'));
  const words = new Set<number>();
  for (let at = 0; at + 4 <= table.length; at += 4) words.add(table.readUInt32LE(at));
  return pids.filter((pid) => words.has(pid));
}

describe('the index', { timeout: IS_LONG ? 600_000 : 180_000 }, () => {
  test(`has no reader that is dead after ${KILLS} kills of workers that read`, async () => {
    const store = join(scene.folder, 'readers');
    const gateway = await scene.start(store, 2);
    const caller = await scene.withBucket(gateway);
    await caller.expect(200, 'PUT', BUCKET, 'a', { body: 'a' });
    let over = false;
    const readers = Array.from({ length: 6 }, async () => {
      const own = scene.caller(gateway);
      while (!over) await own.send('GET', BUCKET, 'a').catch(() => undefined);
    });
    const dead: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const victim = (await pidsOf(gateway)).workers[i % 2] as number;
      const seen = gateway.logs.length;
      kill(victim);
      dead.push(victim);
      const again = new RegExp(`^worker-${(i % 2) + 1} serves again`);
      await gateway.until(() => gateway.logs.slice(seen).some(({ msg }) => again.test(msg)), 'the worker to come back');
    }
    over = true;
    await Promise.all(readers);
    const { workers } = await pidsOf(gateway);
    for (const worker of workers) assert.deepEqual(readersOf(store, [worker]), [worker], 'one that lives has a slot');
    assert.deepEqual(readersOf(store, dead), []);
    await gateway.stop();
  });

  test(`grows under ${OBJECTS} writes while other workers read, and its file not much beyond what it holds`, async () => {
    const store = join(scene.folder, 'growth');
    const gateway = await scene.start(store, 2);
    await scene.withBucket(gateway);
    const callers = Array.from({ length: 16 }, () => scene.caller(gateway));
    const file = join(store, 'index', 'data.mdb');
    const before = statSync(file).size;
    let written = 0;
    let over = false;
    const name = (i: number) => `${String(i).padStart(8, '0')}/${'long-name-of-a-slice-'.repeat(6)}`;
    const reader = async (caller: S3Caller) => {
      while (!over) {
        const i = Math.floor(Math.random() * written);
        if (i === 0) await new Promise(setImmediate);
        else assert.equal((await caller.expect(200, 'GET', BUCKET, name(i))).body.toString(), String(i));
      }
    };
    const done = new Set<number>();
    let next = 1;
    const writer = async (caller: S3Caller) => {
      for (let i = next++; i <= OBJECTS; i = next++) {
        await caller.expect(200, 'PUT', BUCKET, name(i), { body: String(i) });
        done.add(i);
        while (done.has(written + 1)) done.delete(++written);
      }
    };
    const reading = callers.slice(12).map(reader);
    await Promise.all(callers.slice(0, 12).map(writer));
    over = true;
    await Promise.all(reading);
    const after = statSync(file).size;
    assert.ok(after > 4 * before, `it grew from ${before} to ${after} bytes`);
    assert.equal((await (callers[0] as S3Caller).list(BUCKET)).size, OBJECTS);
    const { figures } = await gateway.status();
    assert.ok(
      after < 4 * (figures.index_bytes ?? 0) + 4 * 1024 * 1024,
      `${after} bytes for ${figures.index_bytes} of objects`,
    );
    assert.deepEqual(
      gateway.logs.filter(({ level }) => level === 'error'),
      [],
    );
    await gateway.stop();
  });
});
