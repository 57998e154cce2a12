/** Writes are whole or nothing, conditions are decided with them, and no reader sees a mixture. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { PutSource } from '../../src/base/object-store.ts';
import {
  allKeys,
  brokenStream,
  bytesOf,
  bytesSource,
  failsWith,
  found,
  key,
  noise,
  OWNER,
  oddChunks,
  refused,
  type Scene,
  sameBytes,
  storedFor,
  streamSource,
} from './scene.ts';

const LARGE = LIMITS.extentBytes * 2 + 77;
const K = key('k');

export function writeContract(scene: Scene): void {
  test('an overwrite replaces bytes and attributes', () => overwrite(scene));
  test('a write under a reader leaves the reader the object that it opened', () => readerKeepsItsObject(scene));
  test('a buffer may be reused when the write has resolved', () => buffersAreReusable(scene));
  test('a seal runs once, after the last byte', () => sealRunsOnce(scene));
  test('a seal that throws leaves nothing behind', () => sealThrows(scene));
  test('a size hint that is wrong does no harm', () => wrongHint(scene));
  test('a stream that fails midway leaves nothing behind', () => streamFails(scene));
  test('a signal that aborted before the end of a write leaves nothing behind', () => aborted(scene));
  test('a signal that aborts in the midst of a body leaves nothing behind', () => abortedMidway(scene));
  test('removal is idempotent', () => removal(scene));
  test('If-None-Match writes only where there is nothing', () => ifNoneMatch(scene));
  test('If-Match writes only over the named object', () => ifMatch(scene));
  test('removal under If-Match spares any other object', () => conditionalRemoval(scene));
  test('two racing If-None-Match have one winner', () => racingCreates(scene));
  test('racing If-Match have one winner', () => racingReplacements(scene));
  test('racing puts leave one of them whole', () => racingPuts(scene));
  test('a bucket removed under a write is NoSuchBucket', () => bucketRemovedUnderWrite(scene));
  test('keys are never normalised and buckets never mix', () => hostileNames(scene));
}

async function overwrite({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  let lastMs = 0;
  for (const [round, size] of [10, LARGE, 0, LARGE + 1, 5].entries()) {
    const bytes = noise(size, round + 1);
    const tags = { round: String(round) };
    const info = await storage.objects.put(bucket, K, streamSource(bytes, { tags }), {});
    assert(info.modifiedMs >= lastMs, 'a later write is not older');
    lastMs = info.modifiedMs;
    const read = found(await storage.objects.get(bucket, K, {}));
    assert.deepEqual(read.info.attributes, { tags });
    sameBytes(await bytesOf(read), bytes);
  }
  assert.deepEqual(await allKeys(storage, bucket), ['k']);
}

async function readerKeepsItsObject({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const changes = [
    () => storage.objects.put(bucket, K, bytesSource(noise(LARGE, 2)), {}),
    () => storage.objects.remove(bucket, K),
  ];
  for (const change of changes) {
    const bytes = noise(LARGE, 1);
    await storage.objects.put(bucket, K, bytesSource(bytes), {});
    const read = found(await storage.objects.get(bucket, K, {}));
    await change();
    sameBytes(await bytesOf(read), bytes);
  }
}

async function buffersAreReusable({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [100, LARGE]) {
    const expected = noise(size);
    const bytes = Buffer.from(expected);
    await storage.objects.put(bucket, K, bytesSource(bytes), {});
    bytes.fill(0);
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), expected);

    const chunks: Buffer[] = [];
    for await (const chunk of oddChunks(expected)) chunks.push(chunk);
    const stream = (async function* () {
      yield* chunks;
    })();
    await storage.objects.put(bucket, K, { kind: 'stream', chunks: stream, seal: () => storedFor(expected) }, {});
    for (const chunk of chunks) chunk.fill(0);
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), expected);
  }
}

async function sealRunsOnce({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [0, 10, LARGE]) {
    const bytes = noise(size);
    const events: string[] = [];
    const chunks = (async function* () {
      yield* oddChunks(bytes);
      events.push('end');
    })();
    const seal = () => {
      events.push('seal');
      return storedFor(bytes);
    };
    await storage.objects.put(bucket, K, { kind: 'stream', chunks, seal }, {});
    assert.deepEqual(events, ['end', 'seal']);
  }
}

/** The write must fail as `expectFailure` says, over an existing object and on a free key, and change neither. */
async function leavesNothing(
  { storage, freshBucket }: Scene,
  sourceOf: (size: number) => PutSource,
  expectFailure: (write: Promise<unknown>) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  const bucket = await freshBucket();
  const old = noise(50, 9);
  const before = await storage.objects.put(bucket, key('old'), bytesSource(old), {});
  for (const size of [0, 10, LARGE]) {
    await expectFailure(storage.objects.put(bucket, key('old'), sourceOf(size), {}, signal));
    await expectFailure(storage.objects.put(bucket, key('new'), sourceOf(size), {}, signal));
  }
  const read = found(await storage.objects.get(bucket, key('old'), {}));
  assert.deepEqual(read.info, before);
  sameBytes(await bytesOf(read), old);
  assert.equal(await storage.objects.head(bucket, key('new')), undefined);
  assert.deepEqual(await allKeys(storage, bucket), ['old']);
}

async function sealThrows(scene: Scene): Promise<void> {
  const failures = [new GatewayError('BadDigest'), new Error('a bug in the seal')];
  for (const failure of failures) {
    const seal = () => {
      throw failure;
    };
    const sourceOf = (size: number): PutSource => ({ kind: 'stream', chunks: oddChunks(noise(size)), seal });
    await leavesNothing(scene, sourceOf, (write) => failsWith(write, failure));
  }
}

async function wrongHint({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  for (const size of [0, 10, LARGE]) {
    for (const sizeHint of [0, 9, 10, 70_000, LARGE, 2 * LARGE]) {
      const bytes = noise(size);
      const source = { kind: 'stream', chunks: oddChunks(bytes), sizeHint, seal: () => storedFor(bytes) } as const;
      const info = await storage.objects.put(bucket, K, source, {});
      assert.equal(info.size, size);
      sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), bytes);
    }
  }
}

async function streamFails(scene: Scene): Promise<void> {
  const failure = new GatewayError('IncompleteBody');
  const seal = () => assert.fail('a body that did not end is not sealed');
  const sourceOf = (size: number): PutSource => ({ kind: 'stream', chunks: brokenStream(noise(size), failure), seal });
  await leavesNothing(scene, sourceOf, (write) => failsWith(write, failure));
}

async function aborted(scene: Scene): Promise<void> {
  const cause = new Error('the client went away');
  const before = AbortSignal.abort(cause);
  await leavesNothing(
    scene,
    (size) => bytesSource(noise(size)),
    (write) => failsWith(write, cause),
    before,
  );
  await leavesNothing(
    scene,
    (size) => streamSource(noise(size)),
    (write) => failsWith(write, cause),
    before,
  );
}

async function abortedMidway({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const old = await storage.objects.put(bucket, K, bytesSource(noise(5)), {});
  const cause = new Error('the client went away');
  for (const size of [10, LARGE]) {
    const controller = new AbortController();
    const chunks = (async function* () {
      yield noise(size);
      controller.abort(cause);
      yield noise(size);
    })();
    const seal = () => assert.fail('an aborted body is not sealed');
    await failsWith(storage.objects.put(bucket, K, { kind: 'stream', chunks, seal }, {}, controller.signal), cause);
    assert.deepEqual(await storage.objects.head(bucket, K), old);
  }
}

async function removal({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  await storage.objects.remove(bucket, K);
  for (const size of [10, LARGE]) {
    await storage.objects.put(bucket, K, bytesSource(noise(size)), {});
    await storage.objects.remove(bucket, K);
    assert.equal(await storage.objects.head(bucket, K), undefined);
    assert.equal(await storage.objects.get(bucket, K, {}), undefined);
    assert.deepEqual(await allKeys(storage, bucket), []);
    await storage.objects.remove(bucket, K);
  }
}

async function ifNoneMatch({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const bytes = noise(10, 1);
  for (const sourceOf of [bytesSource, streamSource]) {
    await storage.objects.put(bucket, K, sourceOf(bytes), { ifNoneMatch: '*' });
    await refused(storage.objects.put(bucket, K, sourceOf(noise(10, 2)), { ifNoneMatch: '*' }), 'PreconditionFailed');
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), bytes);
    await storage.objects.remove(bucket, K);
  }
}

async function ifMatch({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const [one, two, three] = [noise(10, 1), noise(10, 2), noise(10, 3)];
  for (const sourceOf of [bytesSource, streamSource]) {
    for (const etag of ['*', storedFor(one).etag]) {
      await refused(storage.objects.put(bucket, K, sourceOf(one), { ifMatch: etag }), 'NoSuchKey');
    }
    assert.equal(await storage.objects.head(bucket, K), undefined);
    const { etag } = await storage.objects.put(bucket, K, sourceOf(one), {});
    await storage.objects.put(bucket, K, sourceOf(two), { ifMatch: etag });
    await refused(storage.objects.put(bucket, K, sourceOf(three), { ifMatch: etag }), 'PreconditionFailed');
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), two);
    await storage.objects.put(bucket, K, sourceOf(three), { ifMatch: '*' });
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), three);
    await storage.objects.remove(bucket, K);
  }
}

async function conditionalRemoval({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const info = await storage.objects.put(bucket, K, bytesSource(noise(10)), {});
  await refused(storage.objects.remove(bucket, K, { ifMatch: 'f'.repeat(32) }), 'PreconditionFailed');
  assert.deepEqual(await storage.objects.head(bucket, K), info);
  await storage.objects.remove(bucket, K, { ifMatch: info.etag });
  assert.equal(await storage.objects.head(bucket, K), undefined);
  await storage.objects.put(bucket, K, bytesSource(noise(10)), {});
  await storage.objects.remove(bucket, K, { ifMatch: '*' });
  assert.equal(await storage.objects.head(bucket, K), undefined);
}

/** Exactly one write resolves, the others are PreconditionFailed; the index of the one. */
function oneWinner(outcomes: readonly PromiseSettledResult<unknown>[]): number {
  const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
  assert.equal(winners.length, 1, `${winners.length} writes won`);
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue;
    assert(outcome.reason instanceof GatewayError);
    assert.equal(outcome.reason.code, 'PreconditionFailed');
  }
  return winners[0] as number;
}

async function racingCreates({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const bodies = [noise(30, 1), noise(40, 2)] as const;
  for (let round = 0; round < 200; round++) {
    const at = key(`race-${round}`);
    const first = round % 2 === 0 ? bytesSource(bodies[0]) : streamSource(bodies[0]);
    const outcomes = await Promise.allSettled([
      storage.objects.put(bucket, at, first, { ifNoneMatch: '*' }),
      storage.objects.put(bucket, at, streamSource(bodies[1]), { ifNoneMatch: '*' }),
    ]);
    const winner = oneWinner(outcomes);
    sameBytes(await bytesOf(await storage.objects.get(bucket, at, {})), bodies[winner] as Buffer);
  }
}

async function racingReplacements({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  let { etag } = await storage.objects.put(bucket, K, bytesSource(noise(10, 999)), {});
  for (let round = 0; round < 20; round++) {
    const bodies = Array.from({ length: 5 }, (_, i) => noise(20, round * 5 + i + 1));
    const outcomes = await Promise.allSettled(
      bodies.map((body, i) => {
        const source = i % 2 === 0 ? bytesSource(body) : streamSource(body);
        return storage.objects.put(bucket, K, source, { ifMatch: etag });
      }),
    );
    const body = bodies[oneWinner(outcomes)] as Buffer;
    sameBytes(await bytesOf(await storage.objects.get(bucket, K, {})), body);
    etag = storedFor(body).etag;
  }
}

async function racingPuts({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const bodies = [noise(LARGE, 1), noise(100, 2), noise(LARGE - 5, 3), noise(0, 4)];
  for (let round = 0; round < 5; round++) {
    await Promise.all(bodies.map((body) => storage.objects.put(bucket, K, streamSource(body), {})));
    const read = found(await storage.objects.get(bucket, K, {}));
    const body = bodies.find((candidate) => storedFor(candidate).etag === read.info.etag);
    assert(body !== undefined);
    sameBytes(await bytesOf(read), body);
  }
}

async function bucketRemovedUnderWrite({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const chunks = (async function* () {
    yield noise(10);
    await storage.buckets.remove(bucket);
    yield noise(10);
  })();
  const write = storage.objects.put(bucket, K, { kind: 'stream', chunks, seal: () => storedFor(noise(20)) }, {});
  await refused(write, 'NoSuchBucket');
  await storage.buckets.create(bucket, OWNER, { acl: 'private' });
  assert.deepEqual(await allKeys(storage, bucket), []);
}

async function hostileNames({ storage, freshBucket }: Scene): Promise<void> {
  const keys = [
    'a',
    'a/',
    'a//',
    '/a',
    'a/.',
    'a/..',
    '../a',
    '.',
    '%61',
    'A',
    'a\0',
    '\0',
    'a\0b',
    'é',
    'e\u0301',
    ' a',
    'a ',
    '\u{1f600}',
  ].concat(['x'.repeat(1024), `${'x'.repeat(1023)}y`, '\u{10ffff}'.repeat(256), '\uffff', '\u2028', '\r\n', '"', '\\']);
  const buckets = [await freshBucket(), await freshBucket()];
  const bodyOf = (b: number, i: number) => noise(20, b * 1000 + i + 1);
  for (const [b, bucket] of buckets.entries()) {
    for (const [i, name] of keys.entries()) await storage.objects.put(bucket, key(name), bytesSource(bodyOf(b, i)), {});
  }
  const [first, second] = buckets as [(typeof buckets)[0], (typeof buckets)[0]];
  for (const [b, bucket] of buckets.entries()) {
    for (const [i, name] of keys.entries()) {
      sameBytes(await bytesOf(await storage.objects.get(bucket, key(name), {})), bodyOf(b, i));
    }
    assert.deepEqual((await allKeys(storage, bucket)).sort(), [...keys].sort());
  }
  for (const name of keys) await storage.objects.remove(first, key(name));
  assert.deepEqual(await allKeys(storage, first), []);
  assert.equal((await allKeys(storage, second)).length, keys.length);
}
