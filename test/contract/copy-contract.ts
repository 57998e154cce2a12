/** A copy has the bytes and the parts of its source, and whatever attributes its seal gives it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { ObjectInfo } from '../../src/base/object-info.ts';
import type { ReadConditions } from '../../src/base/object-store.ts';
import {
  ABSENT_BUCKET,
  allKeys,
  bytesOf,
  bytesSource,
  copyOf,
  failsWith,
  found,
  keepStored,
  key,
  nextMillisecond,
  noise,
  refused,
  type Scene,
  sameBytes,
  storedFor,
} from './scene.ts';

const LARGE = LIMITS.extentBytes * 2 + 77;
const [FROM, TO] = [key('from'), key('to')];

export function copyContract(scene: Scene): void {
  test('a copy in the bucket and to another one has the bytes, and outlives its source', () => copies(scene));
  test('a copy onto itself keeps the bytes under new attributes', () => ontoItself(scene));
  test('a copy onto itself keeps the time of the write where it is asked to', () => keepsModified(scene));
  test('the seal sees the source and decides the attributes', () => sealDecides(scene));
  test('a seal that throws leaves nothing behind', () => sealThrows(scene));
  test('conditions on the source are decided, "not modified" as a failure', () => sourceConditions(scene));
  test('conditions on the target are decided', () => targetConditions(scene));
  test('a copy onto itself under If-Match never undoes a racing put', () => racingRetags(scene));
  test('an absent source is NoSuchKey, an absent bucket NoSuchBucket', () => absentSource(scene));
}

async function copies({ storage, freshBucket }: Scene): Promise<void> {
  const [bucket, other] = [await freshBucket(), await freshBucket()];
  for (const size of [0, 10, LARGE]) {
    const bytes = noise(size);
    const source = await storage.objects.put(bucket, FROM, bytesSource(bytes, { tags: { a: 'b' } }), {});
    for (const target of [bucket, other]) {
      const copy = await storage.objects.put(target, TO, copyOf(bucket, FROM), {});
      assert.deepEqual({ ...copy, modifiedMs: 0 }, { ...source, modifiedMs: 0 });
      assert.deepEqual(await storage.objects.head(target, TO), copy);
    }
    await storage.objects.put(bucket, FROM, bytesSource(noise(20, 2)), {});
    await storage.objects.remove(bucket, FROM);
    for (const target of [bucket, other]) sameBytes(await bytesOf(await storage.objects.get(target, TO, {})), bytes);
  }
}

async function ontoItself({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [0, 10, LARGE]) {
    const bytes = noise(size);
    await storage.objects.put(bucket, FROM, bytesSource(bytes, { metadata: { a: 'old' } }), {});
    for (const round of ['1', '2', '3']) {
      const attributes = { metadata: { round }, tags: { round } };
      const seal = (source: ObjectInfo) => ({ etag: source.etag, contentType: 'text/new', attributes });
      await storage.objects.put(bucket, FROM, copyOf(bucket, FROM, { seal }), {});
      const read = found(await storage.objects.get(bucket, FROM, {}));
      assert.equal(read.info.contentType, 'text/new');
      assert.deepEqual(read.info.attributes, attributes);
      sameBytes(await bytesOf(read), bytes);
    }
    assert.deepEqual(await allKeys(storage, bucket), ['from']);
  }
}

async function keepsModified({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [0, 10, LARGE]) {
    const source = await storage.objects.put(bucket, FROM, bytesSource(noise(size)), {});
    await nextMillisecond();
    const attributes = { tags: { size: String(size) } };
    const seal = () => ({ ...keepStored(source), attributes });
    const retagged = await storage.objects.put(bucket, FROM, copyOf(bucket, FROM, { seal, keepModified: true }), {});
    assert.deepEqual(retagged, { ...source, attributes });
    assert.deepEqual(await storage.objects.head(bucket, FROM), retagged);
    await nextMillisecond();
    const rewritten = await storage.objects.put(bucket, FROM, copyOf(bucket, FROM), {});
    assert(rewritten.modifiedMs > source.modifiedMs, 'an ordinary copy is a write of its own time');
  }
}

async function sealDecides({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const source = await storage.objects.put(bucket, FROM, bytesSource(noise(10)), {});
  const seen: ObjectInfo[] = [];
  const sealed = { etag: `${'a'.repeat(32)}-1`, contentType: undefined, attributes: { storageClass: 'GLACIER_IR' } };
  const seal = (info: ObjectInfo) => {
    seen.push(info);
    return sealed;
  };
  const copy = await storage.objects.put(bucket, TO, copyOf(bucket, FROM, { seal }), {});
  assert.deepEqual(seen, [source]);
  const { etag, contentType, attributes, size } = copy;
  assert.deepEqual({ etag, contentType, attributes, size }, { ...sealed, size: 10 });
  assert.deepEqual(await storage.objects.head(bucket, FROM), source);
}

async function sealThrows({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const failure = new GatewayError('InvalidRequest');
  const seal = () => {
    throw failure;
  };
  const source = await storage.objects.put(bucket, FROM, bytesSource(noise(10)), {});
  await failsWith(storage.objects.put(bucket, TO, copyOf(bucket, FROM, { seal }), {}), failure);
  await failsWith(storage.objects.put(bucket, FROM, copyOf(bucket, FROM, { seal }), {}), failure);
  assert.deepEqual(await allKeys(storage, bucket), ['from']);
  assert.deepEqual(await storage.objects.head(bucket, FROM), source);
}

async function sourceConditions({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const { etag, modifiedMs } = await storage.objects.put(bucket, FROM, bytesSource(noise(10)), {});
  const other = 'f'.repeat(32);
  const failing: ReadConditions[] = [
    { ifMatch: [other] },
    { ifNoneMatch: [etag] },
    { ifModifiedSinceMs: modifiedMs + 1000 },
    { ifUnmodifiedSinceMs: modifiedMs - 2000 },
  ];
  for (const conditions of failing) {
    const copy = storage.objects.put(bucket, TO, copyOf(bucket, FROM, { conditions }), {});
    await refused(copy, 'PreconditionFailed');
    assert.equal(await storage.objects.head(bucket, TO), undefined, JSON.stringify(conditions));
  }
  const passing: ReadConditions[] = [
    {},
    { ifMatch: [etag] },
    { ifNoneMatch: [other] },
    { ifModifiedSinceMs: modifiedMs - 2000 },
  ];
  for (const conditions of passing) {
    const copy = await storage.objects.put(bucket, TO, copyOf(bucket, FROM, { conditions }), {});
    assert.equal(copy.etag, etag);
  }
}

async function targetConditions({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const bytes = noise(10, 1);
  await storage.objects.put(bucket, FROM, bytesSource(bytes), {});
  const copy = copyOf(bucket, FROM);
  await refused(storage.objects.put(bucket, TO, copy, { ifMatch: '*' }), 'NoSuchKey');
  assert.equal(await storage.objects.head(bucket, TO), undefined);
  await storage.objects.put(bucket, TO, copy, { ifNoneMatch: '*' });
  await refused(storage.objects.put(bucket, TO, copy, { ifNoneMatch: '*' }), 'PreconditionFailed');
  await refused(storage.objects.put(bucket, TO, copy, { ifMatch: 'f'.repeat(32) }), 'PreconditionFailed');
  await storage.objects.put(bucket, TO, copy, { ifMatch: storedFor(bytes).etag });
  sameBytes(await bytesOf(await storage.objects.get(bucket, TO, {})), bytes);
}

async function racingRetags({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (let round = 0; round < 50; round++) {
    const [before, after] = [noise(20, 2 * round + 1), noise(30, 2 * round + 2)];
    const { etag } = await storage.objects.put(bucket, FROM, bytesSource(before), {});
    const replace = () => storage.objects.put(bucket, FROM, bytesSource(after), {});
    const retag = () => succeededOrLost(storage.objects.put(bucket, FROM, copyOf(bucket, FROM), { ifMatch: etag }));
    await Promise.all(round % 2 === 0 ? [retag(), replace()] : [replace(), retag()]);
    sameBytes(await bytesOf(await storage.objects.get(bucket, FROM, {})), after);
  }
}

/** It may lose the race, but fail for no other reason. */
async function succeededOrLost(write: Promise<unknown>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.code !== 'PreconditionFailed') throw error;
  });
}

async function absentSource({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  await refused(storage.objects.put(bucket, TO, copyOf(bucket, FROM), {}), 'NoSuchKey');
  await refused(storage.objects.put(bucket, FROM, copyOf(bucket, FROM), {}), 'NoSuchKey');
  await refused(storage.objects.put(bucket, TO, copyOf(ABSENT_BUCKET, FROM), {}), 'NoSuchBucket');
  await storage.objects.put(bucket, FROM, bytesSource(noise(10)), {});
  await refused(storage.objects.put(ABSENT_BUCKET, TO, copyOf(bucket, FROM), {}), 'NoSuchBucket');
  assert.deepEqual(await allKeys(storage, bucket), ['from']);
}
