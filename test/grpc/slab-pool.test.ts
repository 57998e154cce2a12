/** Slabs are bounded, used again once they are given back, and never when they are abandoned. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlabPool } from '../../src/fronts/grpc/slab-pool.ts';

test('a slab that was given back is used again for the same size', () => {
  const pool = new SlabPool(1000, 1000);
  const slab = pool.acquire(100) as Buffer;
  assert.equal(slab.length, 100);
  pool.giveBack(slab);
  assert.notEqual(pool.acquire(200), slab);
  assert.equal(pool.acquire(100), slab);
});

test('an abandoned slab is not used again, and its room is', () => {
  const pool = new SlabPool(100, 100);
  const slab = pool.acquire(100) as Buffer;
  pool.abandon(slab);
  assert.equal(pool.held, 0);
  assert.notEqual(pool.acquire(100), slab);
});

test('beyond the bound they are handed out as others come back, first come first served', async () => {
  const pool = new SlabPool(200, 200);
  const first = pool.acquire(100) as Buffer;
  const second = pool.acquire(100) as Buffer;
  const order: string[] = [];
  const waiting = ['a', 'b'].map(async (name) => {
    const slab = await pool.acquire(100);
    order.push(name);
    return slab;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, []);
  assert.equal(pool.held, 200);
  pool.giveBack(first);
  assert.equal(await waiting[0], first);
  pool.abandon(second);
  await waiting[1];
  assert.deepEqual(order, ['a', 'b']);
});

test('only so much memory is kept for later', () => {
  const pool = new SlabPool(1000, 150);
  const slabs = [1, 2].map(() => pool.acquire(100) as Buffer);
  for (const slab of slabs) pool.giveBack(slab);
  assert.equal(pool.held, 0);
  assert.equal(pool.acquire(100), slabs[0]);
  assert.notEqual(pool.acquire(100), slabs[1]);
});
