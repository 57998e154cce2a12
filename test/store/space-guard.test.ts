/** The guard of the disk's last room: several writers who know nothing of each other never take the reserve. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { SpaceGuard } from '../../src/store/space-guard.ts';
import { reserveBytes, volumeBytesFor } from '../../src/store/store-root.ts';
import { handClock } from './keeper-scene.ts';

const MiB = 1024 * 1024;
const TOTAL = 1024 * MiB;

test('the reserve holds a whole volume on a disk of any size', () => {
  for (let total = 16 * MiB; total < 1e15; total *= 3) {
    assert.ok(reserveBytes(total) > volumeBytesFor(total));
    assert.ok(total < 512 * MiB || reserveBytes(total) < total / 10);
  }
});

test('writers that admit at once, and write later, never take the reserve together', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.tuple(fc.nat(7), fc.integer({ min: 0, max: 4 * MiB })), { maxLength: 400 }),
      (writers, writes) => {
        const clock = handClock();
        const room = 64 * MiB;
        const measure = () => ({ totalBytes: TOTAL, freeBytes: reserveBytes(TOTAL) + room });
        const under = Array.from({ length: writers }, () => 0);
        const guards = under.map(
          (_, i) => new SpaceGuard({ root: '/x', clock, unwrittenBytes: () => under[i] as number, writers, measure }),
        );
        for (const [who, bytes] of writes) {
          const i = who % writers;
          try {
            guards[i]?.admit(bytes);
            under[i] = (under[i] as number) + bytes;
          } catch (error) {
            assert.ok(error instanceof GatewayError && error.code === 'StorageFull');
          }
        }
        assert.ok(under.reduce((sum, bytes) => sum + bytes, 0) <= room);
      },
    ),
  );
});

test('room that others freed or took is seen at once near the limit, and within a quarter of a second far from it', () => {
  const clock = handClock();
  let freeBytes = TOTAL;
  const guard = new SpaceGuard({
    root: '/x',
    clock,
    unwrittenBytes: () => 0,
    writers: 1,
    measure: () => ({ totalBytes: TOTAL, freeBytes }),
  });
  guard.admit(MiB);
  freeBytes = reserveBytes(TOTAL);
  guard.admit(MiB); // it has not looked again yet
  clock.ms += 250;
  assert.throws(() => guard.admit(0), /bytes left, of which \d+ are kept for deletes and compaction/);
  freeBytes = TOTAL;
  guard.admit(MiB);
});
