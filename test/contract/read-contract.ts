/** Objects of every size come back whole, in ranges, by part, under conditions, and with all that was said about them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectAttributes } from '../../src/base/object-info.ts';
import type { RangeSpec, ReadConditions } from '../../src/base/object-store.ts';
import {
  ABSENT_BUCKET,
  bytesOf,
  bytesSource,
  failsWith,
  found,
  KiB,
  key,
  MiB,
  noise,
  refused,
  type Scene,
  sameBytes,
  storedFor,
  streamSource,
} from './scene.ts';

const EXTENT = LIMITS.extentBytes;
const SIZES = [0, 1, 4 * KiB, EXTENT - 1, EXTENT, EXTENT + 1, 9 * MiB];
const SMALL = 64 * KiB;
const K = key('k');

export function readContract(scene: Scene): void {
  for (const size of SIZES) {
    for (const [kind, sourceOf] of [['bytes', bytesSource] as const, ['a stream', streamSource] as const]) {
      test(`an object of ${size} bytes put as ${kind} comes back`, () => comesBack(scene, size, sourceOf));
    }
  }
  test('what is absent is undefined', () => absence(scene));
  test('without a bucket there is NoSuchBucket', () => noBucket(scene));
  test('what is at hand is what a read gives, and a small object that is read is soon at hand', () => atHand(scene));
  test('nothing is at hand of what is absent', () => nothingAtHand(scene));
  test('ranges give the bytes that they name', () => ranges(scene));
  test('any range of a large object is the slice of its bytes', () => anyRange(scene));
  test('ranges that hold no byte are InvalidRange with the size', () => unsatisfiable(scene));
  test('part 1 of an ordinary object is the object, part 2 is InvalidPartNumber', () => ordinaryParts(scene));
  test('read conditions are decided as RFC 9110 says', () => conditions(scene));
  test('a failed condition wins over a range that cannot be satisfied', () => conditionBeforeRange(scene));
  test('an aborted reader gets no more bytes', () => abortedRead(scene));
  test('attributes come back as they were said, from head, get and list', () => attributes(scene));
  test('what the caller does to its attributes afterwards changes nothing', () => attributesAreKept(scene));
}

async function comesBack({ storage, freshBucket }: Scene, size: number, sourceOf: typeof bytesSource): Promise<void> {
  const bucket = await freshBucket();
  const bytes = noise(size, size + 1);
  const info = await storage.objects.put(bucket, K, sourceOf(bytes), {});
  assert.equal(info.size, size);
  assert.equal(info.etag, storedFor(bytes).etag);
  assert.equal(info.partCount, 0);
  if (size <= 4 * KiB) assert.notEqual(info.crc32, undefined, 'one record holds it, so its CRC-32 is known');
  if (info.crc32 !== undefined) assert.equal(info.crc32, crc32(bytes));
  assert(
    Number.isSafeInteger(info.modifiedMs) && Math.abs(info.modifiedMs - Date.now()) < 60_000,
    'the time of the write',
  );
  assert.deepEqual(await storage.objects.head(bucket, K), info);
  const read = found(await storage.objects.get(bucket, K, {}));
  assert.deepEqual(read.info, info);
  assert.deepEqual([read.start, read.end], [0, size]);
  if (size <= SMALL) assert(Buffer.isBuffer(read.body), 'a small body is one buffer');
  sameBytes(await bytesOf(read), bytes);
}

async function absence({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  assert.equal(await storage.objects.head(bucket, K), undefined);
  assert.equal(await storage.objects.get(bucket, K, {}), undefined);
  assert.equal(await storage.objects.get(bucket, K, { range: { first: 0 } }), undefined);
  assert.equal(await storage.objects.get(bucket, K, { partNumber: 7 }), undefined);
  assert.equal(await storage.objects.get(bucket, K, { conditions: { ifMatch: ['*'] } }), undefined);
}

async function noBucket({ storage: { objects } }: Scene): Promise<void> {
  await refused(objects.head(ABSENT_BUCKET, K), 'NoSuchBucket');
  await refused(objects.get(ABSENT_BUCKET, K, {}), 'NoSuchBucket');
  await refused(objects.put(ABSENT_BUCKET, K, bytesSource(noise(10)), {}), 'NoSuchBucket');
  await refused(objects.put(ABSENT_BUCKET, K, streamSource(noise(10)), {}), 'NoSuchBucket');
  await refused(objects.remove(ABSENT_BUCKET, K), 'NoSuchBucket');
  const whole = { prefix: '', delimiter: '', after: '', afterPrefix: false, limit: 10 };
  await refused(objects.list(ABSENT_BUCKET, whole), 'NoSuchBucket');
}

/** Enough for a store that found its disk slow to look again. */
const READS_MAX = 500;

async function atHand({ storage, freshBucket }: Scene): Promise<void> {
  const { objects, buckets } = storage;
  const bucket = await freshBucket();
  for (const size of [0, 1, 16 * KiB, EXTENT + 1]) {
    for (const seed of [1, 2]) {
      const bytes = noise(size, seed);
      await objects.put(bucket, K, seed === 1 ? bytesSource(bytes) : streamSource(bytes), {});
      for (let reads = 0; reads < READS_MAX; reads++) {
        buckets.get(bucket);
        const now = objects.getNow?.(bucket, K);
        const read = found(await objects.get(bucket, K, {}));
        if (now === undefined) {
          assert(
            objects.getNow === undefined || size > SMALL || reads < READS_MAX - 1,
            `${size} bytes are never at hand`,
          );
          if (size > SMALL) break;
          continue;
        }
        assert.deepEqual(now.info, read.info);
        sameBytes(now.body, bytes);
        break;
      }
    }
  }
}

async function nothingAtHand({ storage: { objects, buckets }, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  buckets.get(bucket);
  assert.equal(objects.getNow?.(bucket, K), undefined);
  await objects.put(bucket, K, bytesSource(noise(10)), {});
  await objects.get(bucket, K, {});
  await objects.remove(bucket, K);
  buckets.get(bucket);
  assert.equal(objects.getNow?.(bucket, K), undefined);
  buckets.get(ABSENT_BUCKET);
  assert.equal(objects.getNow?.(ABSENT_BUCKET, K), undefined);
}

async function ranges({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [10, EXTENT + 10]) {
    const bytes = noise(size);
    await storage.objects.put(bucket, K, bytesSource(bytes), {});
    const cases: [RangeSpec, number, number][] = [
      [{ first: 0, last: 0 }, 0, 1],
      [{ first: 0, last: size - 1 }, 0, size],
      [{ first: 3, last: size - 4 }, 3, size - 3],
      [{ first: size - 1 }, size - 1, size],
      [{ first: 2, last: size * 2 }, 2, size],
      [{ first: 0 }, 0, size],
      [{ suffix: 1 }, size - 1, size],
      [{ suffix: size }, 0, size],
      [{ suffix: size * 2 }, 0, size],
    ];
    for (const [range, start, end] of cases) {
      const read = found(await storage.objects.get(bucket, K, { range }));
      assert.deepEqual([read.start, read.end, read.info.size], [start, end, size], JSON.stringify(range));
      sameBytes(await bytesOf(read), bytes.subarray(start, end));
    }
  }
}

async function anyRange({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const bytes = noise(9 * MiB);
  await storage.objects.put(bucket, K, streamSource(bytes), {});
  // Half of the borders lie within two bytes of where one extent ends and the next begins.
  const nearBorder = fc
    .tuple(fc.nat(2), fc.integer({ min: -2, max: 2 }))
    .map(([n, by]) => Math.max(0, n * EXTENT + by));
  const border = fc.oneof(nearBorder, fc.nat(bytes.length - 1));
  await fc.assert(
    fc.asyncProperty(border, border, async (a, b) => {
      const [first, last] = [Math.min(a, b), Math.max(a, b)];
      const read = await storage.objects.get(bucket, K, { range: { first, last } });
      sameBytes(await bytesOf(read), bytes.subarray(first, last + 1));
    }),
    { numRuns: 40 },
  );
}

async function unsatisfiable({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [0, 10]) {
    await storage.objects.put(bucket, K, bytesSource(noise(size)), {});
    const specs: RangeSpec[] = [{ first: size }, { first: size + 5, last: size + 9 }, { suffix: 0 }];
    if (size === 0) specs.push({ suffix: 5 }, { first: 0, last: 0 });
    for (const range of specs) {
      const error = await refused(storage.objects.get(bucket, K, { range }), 'InvalidRange');
      assert.equal(error.details?.ActualObjectSize, String(size));
    }
  }
}

async function ordinaryParts({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [0, 10, EXTENT + 1]) {
    const bytes = noise(size);
    await storage.objects.put(bucket, K, bytesSource(bytes), {});
    const read = found(await storage.objects.get(bucket, K, { partNumber: 1 }));
    assert.deepEqual([read.start, read.end], [0, size]);
    sameBytes(await bytesOf(read), bytes);
    await refused(storage.objects.get(bucket, K, { partNumber: 2 }), 'InvalidPartNumber');
    assert.equal((await storage.objects.head(bucket, K, { parts: true }))?.parts, undefined);
  }
}

async function conditions({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const bytes = noise(10);
  const info = await storage.objects.put(bucket, K, bytesSource(bytes), {});
  const nowMs = Math.floor(info.modifiedMs / 1000) * 1000;
  const [early, late, other] = [nowMs - 1000, nowMs + 1000, 'f'.repeat(32)];
  const cases: [ReadConditions, 'pass' | 'not-modified' | 'failed'][] = [
    [{}, 'pass'],
    [{ ifMatch: [info.etag] }, 'pass'],
    [{ ifMatch: [other, info.etag] }, 'pass'],
    [{ ifMatch: ['*'] }, 'pass'],
    [{ ifMatch: [other] }, 'failed'],
    [{ ifNoneMatch: [other] }, 'pass'],
    [{ ifNoneMatch: [other, info.etag] }, 'not-modified'],
    [{ ifNoneMatch: ['*'] }, 'not-modified'],
    [{ ifModifiedSinceMs: early }, 'pass'],
    [{ ifModifiedSinceMs: nowMs }, 'not-modified'],
    [{ ifModifiedSinceMs: late }, 'not-modified'],
    [{ ifUnmodifiedSinceMs: early }, 'failed'],
    [{ ifUnmodifiedSinceMs: nowMs }, 'pass'],
    [{ ifMatch: [info.etag], ifUnmodifiedSinceMs: early }, 'pass'],
    [{ ifNoneMatch: [other], ifModifiedSinceMs: late }, 'pass'],
    [{ ifNoneMatch: [info.etag], ifModifiedSinceMs: early }, 'not-modified'],
    [{ ifMatch: [other], ifNoneMatch: [info.etag] }, 'failed'],
  ];
  for (const [given, outcome] of cases) {
    const answer = storage.objects.get(bucket, K, { conditions: given });
    if (outcome === 'failed') await refused(answer, 'PreconditionFailed');
    else if (outcome === 'pass') sameBytes(await bytesOf(await answer), bytes);
    else assert.deepEqual(await answer, { kind: 'not-modified', info }, JSON.stringify(given));
  }
}

async function conditionBeforeRange({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const info = await storage.objects.put(bucket, K, bytesSource(noise(10)), {});
  const range = { first: 10 };
  await refused(
    storage.objects.get(bucket, K, { range, conditions: { ifMatch: ['f'.repeat(32)] } }),
    'PreconditionFailed',
  );
  const answer = await storage.objects.get(bucket, K, { range, conditions: { ifNoneMatch: [info.etag] } });
  assert(answer !== undefined && 'kind' in answer);
}

async function abortedRead({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  await storage.objects.put(bucket, K, bytesSource(noise(17 * MiB)), {});
  const controller = new AbortController();
  const cause = new Error('the client went away');
  const read = found(await storage.objects.get(bucket, K, {}, controller.signal));
  let taken = 0;
  const readAll = async () => {
    assert(!Buffer.isBuffer(read.body), 'a large body is streamed');
    for await (const chunk of read.body) {
      taken += chunk.length;
      controller.abort(cause);
    }
  };
  await failsWith(readAll(), cause);
  assert(taken < 17 * MiB);
}

function everyAttribute(): ObjectAttributes {
  const latin1 = Buffer.from(Array.from({ length: 94 }, (_, i) => 0xa1 + i)).toString('latin1');
  return {
    headers: { 'cache-control': 'no-cache', 'content-disposition': 'attachment; filename="é.png"', expires: 'never' },
    metadata: Object.fromEntries([
      ['plain', 'a b  c'],
      ['latin1', latin1],
      ['empty', ''],
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]),
    tags: { 'Größe 大小 😀': 'ä=b&c', empty: '' },
    checksum: { algorithm: 'CRC64NVME', value: 'AAAAAAAAAAA=', type: 'FULL_OBJECT' },
    acl: 'public-read',
    storageClass: 'STANDARD_IA',
    redirect: '/elsewhere?x=1',
  };
}

async function listedInfo({ storage }: Scene, bucket: BucketName): Promise<unknown> {
  const page = await storage.objects.list(bucket, {
    prefix: 'k',
    delimiter: '',
    after: '',
    afterPrefix: false,
    limit: 1,
  });
  const [entry] = page.entries;
  return entry?.kind === 'object' ? entry.info : undefined;
}

async function attributes(scene: Scene): Promise<void> {
  const { storage, freshBucket } = scene;
  const bucket = await freshBucket();
  for (const size of [5, EXTENT + 1]) {
    for (const given of [{}, everyAttribute()]) {
      for (const contentType of [undefined, 'text/plain; charset="ü"']) {
        const bytes = noise(size);
        const stored = { etag: `${'0'.repeat(31)}1-3`, contentType, attributes: given };
        const info = await storage.objects.put(bucket, K, { kind: 'bytes', bytes, stored }, {});
        const { etag, contentType: type, attributes: kept } = info;
        assert.deepEqual({ etag, contentType: type, attributes: kept }, stored);
        assert.deepEqual(await storage.objects.head(bucket, K), info);
        assert.deepEqual(found(await storage.objects.get(bucket, K, {})).info, info);
        assert.deepEqual(await listedInfo(scene, bucket), info);
      }
    }
  }
}

async function attributesAreKept({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const metadata: Record<string, string> = { name: 'before' };
  await storage.objects.put(bucket, K, bytesSource(noise(5), { metadata }), {});
  metadata.name = 'after';
  assert.deepEqual((await storage.objects.head(bucket, K))?.attributes, { metadata: { name: 'before' } });
}
