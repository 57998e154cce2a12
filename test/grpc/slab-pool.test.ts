/** Slabs are bounded, their memory is used again once they are given back, never when they are abandoned, and not made before it is needed. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Slab, SlabPool } from '../../src/fronts/grpc/slab-pool.ts';

const now = (pool: SlabPool, bytes: number): Slab => pool.acquire(bytes) as Slab;

test('the memory of a slab that was given back is used again for the same size', () => {
  const pool = new SlabPool(1000, 1000);
  const slab = now(pool, 100);
  const memory = slab.bytes;
  assert.equal(memory.length, 100);
  assert.equal(slab.bytes, memory);
  pool.giveBack(slab);
  assert.notEqual(now(pool, 200).bytes, memory);
  assert.equal(now(pool, 100).bytes, memory);
});

test('a slab that nothing is put into has no memory, and counts all the same', () => {
  const pool = new SlabPool(100, 100);
  const slab = now(pool, 100);
  assert.equal(slab.length, 100);
  assert.equal(pool.held, 100);
  assert.equal(slab.made, undefined);
  pool.giveBack(slab);
  assert.equal(pool.held, 0);
  const next = now(pool, 100);
  assert.equal(next.made, undefined);
});

test('an abandoned slab is not used again, and its room is', () => {
  const pool = new SlabPool(100, 100);
  const slab = now(pool, 100);
  const memory = slab.bytes;
  pool.abandon(slab);
  assert.equal(pool.held, 0);
  assert.notEqual(now(pool, 100).bytes, memory);
});

test('beyond the bound they are handed out as others come back, first come first served', async () => {
  const pool = new SlabPool(200, 200);
  const first = now(pool, 100);
  const memory = first.bytes;
  const second = now(pool, 100);
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
  assert.equal((await waiting[0])?.bytes, memory);
  pool.abandon(second);
  await waiting[1];
  assert.deepEqual(order, ['a', 'b']);
});

test('what nobody needs for a while is let go of, but for what is always kept', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const pool = new SlabPool(1000, 100);
    const use = (count: number): Buffer[] => {
      const slabs = Array.from({ length: count }, () => now(pool, 100));
      const memory = slabs.map(({ bytes }) => bytes);
      for (const slab of slabs) pool.giveBack(slab);
      return memory;
    };
    const known = new Set(use(5));
    mock.timers.tick(5000); // they were needed a moment ago
    assert.ok(use(5).every((memory) => known.has(memory)));
    mock.timers.tick(5000);
    use(2);
    mock.timers.tick(5000); // three were not
    const again = use(5);
    assert.equal(again.filter((memory) => known.has(memory)).length, 2);
    mock.timers.tick(5000);
    mock.timers.tick(5000);
    mock.timers.tick(5000);
    const kept = new Set(again);
    assert.equal(use(5).filter((memory) => kept.has(memory)).length, 1);
  } finally {
    mock.timers.reset();
  }
});
