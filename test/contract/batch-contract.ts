/** Batches: every slot ends once, in its bytes or its error, whatever the buffer's size; and what comes is what `get` gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { BatchEntry, BatchOptions, BatchRef } from '../../src/base/batch-read.ts';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import { ABSENT_BUCKET, bytesOf, bytesSource, found, KiB, key, MiB, noise, type Scene, storedFor } from './scene.ts';

const FILL_BYTES = 64 * KiB;

interface Slot {
  readonly bytes: Buffer;
  readonly entries: readonly BatchEntry[];
}

/** Fills until the end, and puts the slots together; checks what holds of every batch. */
async function readAll(
  scene: Scene,
  refs: readonly BatchRef[],
  options: BatchOptions = { order: 'completion' },
  { fillBytes = FILL_BYTES, entriesMax = 1000 } = {},
): Promise<{ slots: Slot[]; order: number[] }> {
  const batch = scene.storage.objects.getBatch(refs, options);
  const into = Buffer.alloc(fillBytes);
  const slots = refs.map(() => ({ chunks: [] as Buffer[], entries: [] as BatchEntry[] }));
  const order: number[] = [];
  for (;;) {
    const entries = await batch.fill(into, entriesMax);
    if (entries.length === 0) break;
    assert.ok(entries.length <= entriesMax, `${entries.length} entries in one fill`);
    let at = 0;
    for (const entry of entries) {
      const slot = slots[entry.slot];
      assert.ok(slot !== undefined, `slot ${entry.slot} of ${refs.length}`);
      assert.notEqual(slot.entries.at(-1)?.isLast, true, `slot ${entry.slot} goes on after its last entry`);
      const bytes = Buffer.from(into.subarray(at, at + entry.length));
      at += entry.length;
      assert.equal(entry.crc32, crc32(bytes));
      slot.entries.push(entry);
      slot.chunks.push(bytes);
      if (entry.isLast) order.push(entry.slot);
    }
    assert.ok(at <= into.length);
  }
  assert.deepEqual(batch.unserved(), []);
  for (const { entries } of slots) assert.equal(entries.at(-1)?.isLast, true);
  return { slots: slots.map(({ chunks, entries }) => ({ bytes: Buffer.concat(chunks), entries })), order };
}

async function put(scene: Scene, bucket: BucketName, name: string, bytes: Buffer): Promise<void> {
  await scene.storage.objects.put(bucket, key(name), bytesSource(bytes), {});
}

export function batchContract(scene: Scene): void {
  test('a batch of nothing is at its end', () => nothing(scene));
  test('a batch brings what is there and says what is not', () => bringsAndSays(scene));
  test('strict order is the order of the slots', () => strictOrder(scene));
  test('an object larger than the buffer comes in slices', () => largerThanBuffer(scene));
  test('any batch of any sizes and ranges is what the reads give', () => anyBatch(scene));
  test('who may not read an object gets AccessDenied and no info', () => admission(scene));
  test('the same object in many slots comes in each', () => repeated(scene));
  test('what was not served is known, and a closed batch is at its end', () => closed(scene));
  test('an aborted fill rejects with the reason', () => aborted(scene));
  test('a thousand small objects come with few entries a fill', () => manySmall(scene));
}

async function nothing(scene: Scene): Promise<void> {
  assert.deepEqual((await readAll(scene, [])).order, []);
}

async function bringsAndSays(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  const other = await scene.freshBucket();
  const bytes = noise(10 * KiB);
  await put(scene, bucket, 'a', bytes);
  await put(scene, bucket, 'empty', Buffer.alloc(0));
  await put(scene, other, 'a', Buffer.from('other'));
  const { slots } = await readAll(scene, [
    { bucket, key: key('a') },
    { bucket, key: key('missing') },
    { bucket, key: key('empty') },
    { bucket: other, key: key('a') },
    { bucket: ABSENT_BUCKET, key: key('a') },
    { bucket, key: key('a'), refused: new GatewayError('KeyTooLongError') },
  ]);
  assert.deepEqual(slots[0]?.bytes, bytes);
  assert.deepEqual(slots[0]?.entries[0]?.info, await scene.storage.objects.head(bucket, key('a')));
  assert.equal(slots[1]?.entries[0]?.error?.code, 'NoSuchKey');
  assert.equal(slots[1]?.entries[0]?.error?.resource, `/${bucket}/missing`);
  assert.equal(slots[2]?.bytes.length, 0);
  assert.equal(slots[2]?.entries[0]?.error, undefined);
  assert.equal(slots[2]?.entries[0]?.info?.size, 0);
  assert.deepEqual(slots[3]?.bytes, Buffer.from('other'));
  assert.equal(slots[4]?.entries[0]?.error?.code, 'NoSuchBucket');
  assert.equal(slots[5]?.entries[0]?.error?.code, 'KeyTooLongError');
}

async function strictOrder(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  const refs: BatchRef[] = [];
  for (let i = 0; i < 40; i++) {
    await put(scene, bucket, `k${i}`, noise(i % 7 === 0 ? 200 * KiB : i * 100));
    refs.unshift({ bucket, key: key(i % 11 === 5 ? `missing${i}` : `k${i}`) });
  }
  const { order } = await readAll(scene, refs, { order: 'strict' });
  assert.deepEqual(order, Array.from(refs.keys()));
}

async function largerThanBuffer(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  for (const size of [FILL_BYTES, FILL_BYTES + 1, 3 * FILL_BYTES, LIMITS.extentBytes + 5 * KiB, 9 * MiB]) {
    const bytes = noise(size);
    await put(scene, bucket, 'large', bytes);
    await put(scene, bucket, 'small', Buffer.from('small'));
    const refs = ['small', 'large', 'small'].map((name) => ({ bucket, key: key(name) }));
    for (const order of ['completion', 'strict'] as const) {
      const { slots } = await readAll(scene, refs, { order });
      assert.ok(slots[1]?.bytes.equals(bytes), `${size} bytes in ${order} order`);
      const offsets = slots[1]?.entries.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        [...(offsets ?? [])].sort((a, b) => a - b),
      );
      assert.equal(slots[2]?.bytes.toString(), 'small');
    }
  }
}

async function anyBatch(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  const sizes = [0, 1, 100, 5 * KiB, 30 * KiB, 70 * KiB, 300 * KiB, LIMITS.extentBytes + 1];
  for (const size of sizes) await put(scene, bucket, `s${size}`, noise(size));
  const ref = fc.record({
    name: fc.constantFrom(...sizes.map((size) => `s${size}`), 'missing'),
    range: fc.option(fc.tuple(fc.nat(400 * KiB), fc.option(fc.nat(400 * KiB), { nil: undefined })), { nil: undefined }),
  });
  const shape = {
    order: fc.constantFrom('completion' as const, 'strict' as const),
    fillBytes: fc.constantFrom(64 * KiB, 100_000, MiB),
    entriesMax: fc.constantFrom(1, 3, 1000),
  };
  const property = fc.asyncProperty(fc.array(ref, { maxLength: 30 }), fc.record(shape), async (wanted, of) => {
    const refs = wanted.map(({ name, range }): BatchRef => {
      const [start, length] = range ?? [];
      if (start === undefined) return { bucket, key: key(name) };
      return { bucket, key: key(name), range: length === undefined ? { start } : { start, end: start + length } };
    });
    const { slots } = await readAll(scene, refs, { order: of.order }, of);
    for (const [i, each] of refs.entries()) await isWhatGetGives(scene, each, slots[i] as Slot);
  });
  await fc.assert(property, { numRuns: 60 });
}

async function isWhatGetGives(scene: Scene, { bucket, key: of, range }: BatchRef, slot: Slot): Promise<void> {
  const error = slot.entries.at(-1)?.error;
  const info = await scene.storage.objects.head(bucket, of);
  if (info === undefined) return assert.equal(error?.code, 'NoSuchKey');
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? info.size, info.size);
  if (range !== undefined && start >= end && !(start === 0 && range.end === undefined))
    return assert.equal(error?.code, 'InvalidRange');
  assert.equal(error, undefined);
  const read = found(await scene.storage.objects.get(bucket, of, {}));
  const whole = await bytesOf(read);
  assert.ok(slot.bytes.equals(whole.subarray(start, end)), `${of} from ${start} to ${end}`);
  assert.equal(slot.entries[0]?.offset, start);
  assert.deepEqual(slot.entries[0]?.info, info);
}

async function admission(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  const open = { ...storedFor(Buffer.from('open')), attributes: { acl: 'public-read' as const } };
  await scene.storage.objects.put(bucket, key('open'), { kind: 'bytes', bytes: Buffer.from('open'), stored: open }, {});
  await put(scene, bucket, 'closed', noise(FILL_BYTES * 2));
  const refs = [
    { bucket, key: key('closed') },
    { bucket, key: key('open') },
    { bucket, key: key('closed'), range: { start: 1 } },
  ];
  const admitted: number[] = [];
  const { slots } = await readAll(scene, refs, {
    order: 'completion',
    admit: (slot, info) => {
      admitted.push(slot);
      return info.attributes.acl === 'public-read';
    },
  });
  assert.deepEqual([...new Set(admitted)].sort(), [0, 1, 2]);
  for (const slot of [0, 2]) {
    assert.equal(slots[slot]?.entries[0]?.error?.code, 'AccessDenied');
    assert.equal(slots[slot]?.entries[0]?.info, undefined);
  }
  assert.equal(slots[1]?.bytes.toString(), 'open');
}

async function repeated(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  const bytes = noise(3000);
  await put(scene, bucket, 'a', bytes);
  const refs = Array.from({ length: 50 }, () => ({ bucket, key: key('a') }));
  const { slots } = await readAll(scene, refs);
  assert.ok(slots.every((slot) => slot.bytes.equals(bytes)));
}

async function closed(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  for (const name of ['a', 'b', 'c']) await put(scene, bucket, name, noise(50 * KiB));
  const refs = ['a', 'b', 'c'].map((name) => ({ bucket, key: key(name) }));
  const batch = scene.storage.objects.getBatch(refs, { order: 'strict' });
  assert.deepEqual(batch.unserved(), [0, 1, 2]);
  const into = Buffer.alloc(FILL_BYTES);
  const first = await batch.fill(into, 1);
  assert.deepEqual(
    first.map(({ slot, isLast }) => [slot, isLast]),
    [[0, true]],
  );
  assert.deepEqual(batch.unserved(), [1, 2]);
  batch.close();
  batch.close();
  assert.deepEqual(await batch.fill(into, 1), []);
}

async function aborted(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  await put(scene, bucket, 'a', noise(9 * MiB));
  const batch = scene.storage.objects.getBatch([{ bucket, key: key('a') }], { order: 'completion' });
  const stop = new AbortController();
  const into = Buffer.alloc(FILL_BYTES);
  assert.equal((await batch.fill(into, 10, stop.signal)).length, 1);
  stop.abort(new Error('enough'));
  await assert.rejects(async () => batch.fill(into, 10, stop.signal), /enough/);
  batch.close();
}

async function manySmall(scene: Scene): Promise<void> {
  const bucket = await scene.freshBucket();
  await Promise.all(Array.from({ length: 1100 }, (_, i) => put(scene, bucket, `k${i}`, Buffer.from(`object ${i}`))));
  const refs = Array.from({ length: 1100 }, (_, i) => ({ bucket, key: key(`k${(i * 7) % 1100}`) }));
  const { slots } = await readAll(scene, refs, { order: 'completion' }, { entriesMax: 100 });
  for (const [i, slot] of slots.entries()) assert.equal(slot.bytes.toString(), `object ${(i * 7) % 1100}`);
}
