import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { parseObjectKey } from '../../src/base/names.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import { PutFrame } from '../../src/format/messages.ts';
import { putBatchMethod } from '../../src/fronts/grpc/put-batch.ts';
import { bytesOf, KiB, MiB, noise, sameBytes } from '../contract/scene.ts';
import { ALT, MAIN } from '../s3/users.ts';
import { openEmbedded, temporaryFolder } from '../store/local-scene.ts';
import {
  BUCKET,
  begin,
  bySlot,
  entryOf,
  frame,
  gated,
  type Item,
  large,
  putAll,
  reasons,
  scene,
  some,
  stored,
  turn,
} from './put-batch-scene.ts';
import { openPlane, refusedWith } from './services-scene.ts';

test('every slot has one result, and its object is stored', async () => {
  const plane = await scene();
  const items = [0, 1, 2, 3].map((slot) => ({ slot, bytes: noise(1000 + slot, slot + 1) }));
  const results = bySlot(await putAll(plane, [frame(...items.slice(0, 3)), frame(...items.slice(3))]));
  assert.deepEqual(
    results.map(({ slot }) => slot),
    [0, 1, 2, 3],
  );
  for (const [i, { info, error }] of results.entries()) {
    const bytes = items[i]?.bytes as Buffer;
    assert.equal(error, undefined);
    assert.equal(info?.key, `k${i}`);
    assert.equal(info?.size, bytes.length);
    assert.equal(info?.crc32, crc32(bytes));
    assert.equal(info?.etag, plane.hashes.etagOf(bytes));
    sameBytes((await stored(plane, `k${i}`)) as Buffer, bytes);
  }
});

test('what was acknowledged is there after a restart', async () => {
  const folder = temporaryFolder();
  const open = await openEmbedded(folder.path);
  const plane = await openPlane(open.store);
  await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
  const sizes = [0, 1, 10 * KiB, 64 * KiB, 6 * MiB];
  const frames: Buffer[] = [];
  sizes.forEach((size, slot) => {
    const bytes = noise(size, slot + 1);
    if (size < MiB)
      frames.push(frame({ slot, bytes, crc32: crc32(bytes), header: { metadata: { slot: String(slot) } } }));
    else frames.push(...large(slot, bytes, 3 * MiB + 7));
  });
  const results = bySlot(await putAll(plane, frames));
  assert.deepEqual(
    results.map(({ error }) => error),
    sizes.map(() => undefined),
  );
  await open.close();
  const again = await openEmbedded(folder.path);
  for (const [slot, size] of sizes.entries()) {
    const read = await again.store.objects.get(BUCKET, parseObjectKey(`k${slot}`), {});
    sameBytes(await bytesOf(read), noise(size, slot + 1));
    assert.equal(read?.info.etag, results[slot]?.info?.etag);
  }
  await again.close();
  folder.remove();
});

test('a failed slot leaves the others and the call as they are', async () => {
  const plane = await scene();
  const bytes = noise(100);
  await putAll(plane, [frame({ slot: 1, bytes, header: { key: 'there' } })]);
  const results = await putAll(plane, [
    frame(
      { slot: 0, bytes },
      { slot: 1, bytes, header: { key: '' } },
      { slot: 2, bytes, header: { bucket: 'not-there' } },
      { slot: 3, bytes, header: { bucket: 'No' } },
      { slot: 4, bytes, crc32: 1 },
      { slot: 5, bytes, header: { key: 'there', ifAbsent: true } },
      { slot: 6, bytes, header: { metadata: { Bad: 'x' } } },
      { slot: 7, bytes, header: { size: 99 } },
    ),
    frame({ slot: 8, bytes }),
  ]);
  assert.deepEqual(reasons(results), [
    [0, undefined],
    [1, 'InvalidURI'],
    [2, 'NoSuchBucket'],
    [3, 'InvalidBucketName'],
    [4, 'BadDigest'],
    [5, 'PreconditionFailed'],
    [6, 'InvalidArgument'],
    [7, 'InvalidRequest'],
    [8, undefined],
  ]);
  assert.equal(await stored(plane, 'k4'), undefined);
  assert.equal(await stored(plane, 'k7'), undefined);
});

test('who may not write to a bucket is refused slot by slot; who is nobody, at once', async () => {
  const plane = await scene();
  const results = await putAll(plane, [frame({ slot: 0, bytes: noise(1) })], ALT);
  assert.deepEqual(reasons(results), [[0, 'AccessDenied']]);
  await refusedWith(
    putAll(plane, [], { ...MAIN, secretKey: 'another-secret-of-some-length' }),
    'SignatureDoesNotMatch',
  );
});

test('a store that fails in an unforeseen way fails that slot alone, and the log hears of it', async () => {
  const plane = await scene((whole) =>
    Object.assign(Object.create(whole) as ObjectStore, {
      put: (...args: Parameters<ObjectStore['put']>) =>
        args[1] === 'k1' ? Promise.reject(new Error('boom')) : whole.put(...args),
    }),
  );
  const results = await putAll(plane, [frame({ slot: 0, bytes: noise(1) }, { slot: 1, bytes: noise(1) })]);
  assert.deepEqual(reasons(results), [
    [0, undefined],
    [1, 'InternalError'],
  ]);
  assert.equal(plane.errors.length, 1);
});

const malformed: [string, Buffer][] = [
  [
    'entries shorter than the payload',
    PutFrame.encode({ entries: [entryOf({ slot: 1, bytes: some })], payload: noise(11) }),
  ],
  [
    'entries longer than the payload',
    PutFrame.encode({ entries: [entryOf({ slot: 1, bytes: some })], payload: noise(9) }),
  ],
  ['an entry without a header', frame({ slot: 1, bytes: some, isRest: true })],
  ['a slot that is used twice', frame({ slot: 1, bytes: some }, { slot: 1, bytes: some })],
  [
    'another slot in the middle of one',
    frame({ slot: 1, bytes: some, header: { size: 20 } }, { slot: 2, bytes: some }),
  ],
  [
    'a second header in the middle of one',
    frame({ slot: 1, bytes: some, header: { size: 20 } }, { slot: 1, bytes: some }),
  ],
  [
    'more bytes than announced in the end',
    frame({ slot: 1, bytes: some, header: { size: 15 } }, { slot: 1, bytes: some, isRest: true }),
  ],
  [
    'too many entries',
    frame(
      ...Array.from({ length: LIMITS.putFrameEntriesMax + 1 }, (_, i) => ({ slot: i + 1, bytes: Buffer.alloc(0) })),
    ),
  ],
  ['no frame at all', Buffer.from([0xff])],
];
for (const [name, bad] of malformed) {
  test(`${name}: the call ends after the results of the frames before, and nothing of the frame is stored`, async () => {
    const plane = await scene();
    const running = begin(putBatchMethod(plane));
    running.call.send(frame({ slot: 0, bytes: some }), bad, frame({ slot: 9, bytes: some })).end();
    const error = await refusedWith(running.done, name === 'no frame at all' ? 'InvalidRequest' : 'InvalidArgument');
    assert.equal(error.facts.grpcStatus, 3);
    assert.deepEqual(reasons(running.results()), [[0, undefined]]);
    assert.equal(
      (
        await plane.storage.objects.list(BUCKET, {
          prefix: '',
          delimiter: '',
          after: '',
          afterPrefix: false,
          limit: 10,
        })
      ).entries.length,
      1,
    );
  });
}

test('a slot may not be used again before its result', async () => {
  const gate = gated();
  const plane = await scene(gate.wrap);
  const running = begin(putBatchMethod(plane));
  running.call.send(frame({ slot: 0, bytes: some }), frame({ slot: 0, bytes: some }));
  await turn();
  gate.open();
  await refusedWith(running.done, 'InvalidArgument');
  assert.deepEqual(reasons(running.results()), [[0, undefined]]);
});

test('an object larger than a frame comes in several, with others before and behind it', async () => {
  const plane = await scene();
  const bytes = noise(9 * MiB + 1);
  const parts = large(1, bytes, 3 * MiB);
  const last = frame(
    { slot: 1, bytes: bytes.subarray(9 * MiB), isRest: true },
    { slot: 2, bytes: some },
    { slot: 3, bytes: some.subarray(5), header: { size: 10 } },
  );
  const frames = [
    frame({ slot: 0, bytes: some }),
    ...parts.slice(0, 3),
    last,
    frame({ slot: 3, bytes: some.subarray(5), isRest: true }),
  ];
  const results = bySlot(await putAll(plane, frames));
  assert.deepEqual(reasons(results), [
    [0, undefined],
    [1, undefined],
    [2, undefined],
    [3, undefined],
  ]);
  assert.equal(results[1]?.info?.etag, plane.hashes.etagOf(bytes));
  sameBytes((await stored(plane, 'k1')) as Buffer, bytes);
  assert.equal((await stored(plane, 'k3'))?.length, 10);
});

test('a large object that is refused is dropped, whatever still comes of it, and has one result', async () => {
  const plane = await scene();
  const bytes = noise(MiB);
  const broken = large(1, bytes, 300_000);
  broken[2] = frame({ slot: 1, bytes: bytes.subarray(600_000, 900_000), crc32: 1, isRest: true });
  const results = await putAll(plane, [
    ...large(0, bytes, 300_000, { bucket: 'not-there' }),
    ...broken,
    ...large(2, bytes, 300_000, { key: '' }),
    ...large(3, bytes, 300_000, { ifMatch: 'f'.repeat(32) }),
    frame({ slot: 4, bytes: some }),
  ]);
  assert.deepEqual(reasons(results), [
    [0, 'NoSuchBucket'],
    [1, 'BadDigest'],
    [2, 'InvalidURI'],
    [3, 'NoSuchKey'],
    [4, undefined],
  ]);
  assert.equal(await stored(plane, 'k1'), undefined);
});

test('an object that did not come to its end is not stored', async () => {
  const plane = await scene();
  const results = await putAll(plane, large(0, noise(MiB), 300_000).slice(0, 2));
  assert.deepEqual(reasons(results), [[0, 'IncompleteBody']]);
  assert.equal(await stored(plane, 'k0'), undefined);
});

test('results that come together leave together', async () => {
  const gate = gated();
  const plane = await scene(gate.wrap);
  const running = begin(putBatchMethod(plane));
  running.call.send(frame(...Array.from({ length: 100 }, (_, slot) => ({ slot, bytes: some })))).end();
  await turn();
  gate.open();
  await running.done;
  assert.equal(running.results().length, 100);
  assert.equal(running.call.writes, 1);
});

test('payloads go to the store as slices of the message', async () => {
  let given: Buffer | undefined;
  const plane = await scene((whole) =>
    Object.assign(Object.create(whole) as ObjectStore, {
      put: (...args: Parameters<ObjectStore['put']>) => {
        if (args[2].kind === 'bytes') given = args[2].bytes;
        return whole.put(...args);
      },
    }),
  );
  const message = frame({ slot: 0, bytes: noise(5000) });
  await putAll(plane, [message]);
  assert.equal(given?.buffer, message.buffer);
});

test('however objects are laid out in frames, they are stored as they were', async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constant(0)), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 4000 }), async (lengths, frameBytes) => {
      const plane = await scene();
      const frames: Buffer[] = [];
      let items: Item[] = [];
      let room = frameBytes;
      const flush = () => {
        frames.push(frame(...items));
        items = [];
        room = frameBytes;
      };
      lengths.forEach((size, slot) => {
        const bytes = noise(size, slot + 1);
        let at = 0;
        do {
          if (room === 0) flush();
          const part = bytes.subarray(at, at + room);
          items.push({ slot, bytes: part, crc32: crc32(part), isRest: at > 0, header: { size } });
          at += part.length;
          room -= part.length;
        } while (at < size);
      });
      flush();
      const results = bySlot(await putAll(plane, frames));
      assert.deepEqual(
        reasons(results),
        lengths.map((_, slot) => [slot, undefined]),
      );
      for (const [slot, size] of lengths.entries())
        sameBytes((await stored(plane, `k${slot}`)) as Buffer, noise(size, slot + 1));
    }),
    { numRuns: 100 },
  );
});
