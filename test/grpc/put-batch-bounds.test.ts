import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { putBatchMethod } from '../../src/fronts/grpc/put-batch.ts';
import { KiB, MiB, noise } from '../contract/scene.ts';
import { begin, frame, gated, large, scene, some, stored, turn } from './put-batch-scene.ts';

test('the sender waits when the store does not take what came', async () => {
  const gate = gated();
  const plane = await scene(gate.wrap);
  const running = begin(putBatchMethod(plane));
  const bytes = noise(MiB);
  const count = 2 * (LIMITS.putBatchBytesMax / MiB);
  running.call.send(...Array.from({ length: count }, (_, slot) => frame({ slot, bytes }))).end();
  while (running.call.unread > count - LIMITS.putBatchBytesMax / MiB) await turn();
  for (let i = 0; i < 10; i++) await turn();
  assert.equal(gate.waiting.length, LIMITS.putBatchBytesMax / MiB - 1, 'a frame is a little more than a MiB');
  gate.open();
  await running.done;
  assert.equal(running.results().length, count);
});

test('of a large object one frame waits for the store, and no more', async () => {
  const gate = gated();
  const plane = await scene(gate.wrap);
  const running = begin(putBatchMethod(plane));
  const bytes = noise(10 * MiB);
  running.call.send(...large(0, bytes, MiB)).end();
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(running.call.unread, 8, 'the first frame waits for the store, the second for the first');
  gate.open();
  await running.done;
  assert.equal(running.results()[0]?.info?.size, bytes.length);
});

test('all calls of a worker share one bound', async () => {
  const gate = gated();
  const plane = await scene(gate.wrap);
  const method = putBatchMethod(plane);
  const bytes = noise(MiB);
  const per = 30;
  const calls = Array.from({ length: 6 }, (_, c) => {
    const running = begin(method);
    running.call
      .send(...Array.from({ length: per }, (_, i) => frame({ slot: i, bytes, header: { key: `${c}/${i}` } })))
      .end();
    return running;
  });
  for (let i = 0; i < 100; i++) await turn();
  assert.equal(gate.waiting.length, LIMITS.putBatchesBytesMax / MiB - 1);
  gate.open();
  await Promise.all(calls.map(({ done }) => done));
  assert.equal(calls.flatMap(({ results }) => results()).length, per * calls.length);
});

test('a sender who does not read results is not read either, and gets all of them later', async () => {
  const plane = await scene();
  const running = begin(putBatchMethod(plane));
  running.call.block();
  const items = (from: number) => Array.from({ length: 1000 }, (_, i) => ({ slot: from + i, bytes: some }));
  running.call.send(...[0, 1, 2, 3, 4, 5, 6].map((n) => frame(...items(n * 1000)))).end();
  while (running.call.unread > 2) await turn();
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(running.call.unread, 2);
  running.call.unblock();
  await running.done;
  assert.equal(new Set(running.results().map(({ slot }) => slot)).size, 7000);
});

test('a client that goes away ends the call, in the middle of whatever', async () => {
  const gate = gated();
  const plane = await scene(gate.wrap);
  const method = putBatchMethod(plane);
  const started = begin(method);
  started.call.send(frame({ slot: 0, bytes: some }), ...large(1, noise(MiB), 300_000).slice(0, 2));
  while (started.call.unread > 0) await turn();
  started.call.break();
  gate.open();
  await started.done.catch(() => {});
  assert.deepEqual(started.results(), []);
  assert.equal(await stored(plane, 'k1'), undefined);
  // Its memory was given back.
  const next = begin(method);
  next.call.send(...Array.from({ length: 40 }, (_, slot) => frame({ slot, bytes: noise(4 * MiB - KiB) }))).end();
  await next.done;
  assert.equal(next.results().length, 40);
});
