/** The memory of messages: used again once it was given back, and not before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageMemory } from '../../src/fronts/grpc/message-memory.ts';
import { KiB, MiB } from '../contract/scene.ts';

test('what was given back is used again for messages of nearly the same length', () => {
  const memory = new MessageMemory();
  const first = memory.take(MiB - 5);
  assert.equal(first.length, MiB - 5);
  memory.giveBack(first);
  const second = memory.take(MiB - 70 * KiB);
  assert.equal(second.length, MiB - 70 * KiB);
  assert.equal(second.buffer, first.buffer);
  memory.giveBack(second);
  assert.notEqual(memory.take(MiB + 1).buffer, first.buffer, 'it would not fit');
});

test('what is out is nobody else’s, and comes back once', () => {
  const memory = new MessageMemory();
  const taken = [1, 2, 3].map(() => memory.take(300 * KiB));
  assert.equal(new Set(taken.map(({ buffer }) => buffer)).size, 3);
  const [first] = taken as [Buffer];
  memory.giveBack(first);
  memory.giveBack(first);
  const again = [memory.take(300 * KiB), memory.take(300 * KiB)];
  assert.equal(again[0]?.buffer, first.buffer);
  assert.notEqual(again[1]?.buffer, first.buffer);
});

test('small messages, and those of others, are left to the garbage collector', () => {
  const memory = new MessageMemory();
  const small = memory.take(1000);
  assert.equal(small.length, 1000);
  memory.giveBack(small);
  assert.notEqual(memory.take(1000).buffer, small.buffer);
  memory.giveBack(Buffer.allocUnsafeSlow(MiB));
  memory.giveBack(Buffer.alloc(0));
});
