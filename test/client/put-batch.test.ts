/** Puts of many objects, against gateways that answer, fail, break off and stall. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { PenstockClient, type PutBatchOptions, type PutItem, type PutResult } from '../../src/client/client.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { ObjectInfo, PutResult as PutResultType, Status } from '../../src/format/messages.ts';
import {
  type FakeCall,
  type FakeGateway,
  hastyClock,
  readChunks,
  readPuts,
  type Script,
  startFakeGateway,
  statusOf,
  told,
} from './fake-gateway.ts';

const KEY = { accessKeyId: 'AKTEST', secretKey: 'a-secret-of-the-test' };
const MiB = 1024 * 1024;

let gateway: FakeGateway;
let client: PenstockClient;
const clock = hastyClock();

async function serve(script: Script, large: Script = []): Promise<void> {
  gateway = await startFakeGateway({ 'Batches/PutBatch': script, 'Objects/Put': large });
  client = new PenstockClient({ endpoint: gateway.endpoint, ...KEY, bucket: 'train', clock });
}

afterEach(async () => {
  client.close();
  await gateway.stop();
});

const item = (key: string, body = `body of ${key}`): PutItem => ({ key, body: Buffer.from(body) });

function stored(slot: number, key: string): Buffer {
  return PutResultType.encode({ slot, info: { bucket: 'train', key, size: 1, etag: 'e-1' } });
}

const refused = (slot: number, error: Status): Buffer => PutResultType.encode({ slot, error });

/** Stores everything, and ends when the client does. */
async function storeAll(call: FakeCall): Promise<void> {
  for await (const { entries } of readPuts(call)) {
    for (const { slot, key } of entries) await call.send(stored(slot, key));
  }
  call.end();
}

async function putAll(
  items: Iterable<PutItem> | AsyncIterable<PutItem>,
  options: PutBatchOptions = { streams: 1 },
): Promise<Map<string, PutResult>> {
  const found = new Map<string, PutResult>();
  for await (const result of client.putBatch(items, options)) {
    assert.ok(!found.has(result.key), `${result.key} has two results`);
    found.set(result.key, result);
  }
  return found;
}

const outcome = (result: PutResult | undefined): string => {
  if (result === undefined) return 'no result';
  return result.ok ? 'stored' : `${told(result.error)}${result.mayBeStored ? ' (may be stored)' : ''}`;
};

test('objects are packed into frames of at most a MiB, each with its CRC, and every one gets its result', async () => {
  const frames: number[] = [];
  const seen = new Map<string, string>();
  await serve([
    async (call) => {
      for await (const { entries, payloadBytes } of readPuts(call)) {
        frames.push(payloadBytes);
        for (const { slot, key, header, bytes, crc32 } of entries) {
          assert.equal(crc32, crc32Of(bytes, 0) >>> 0);
          assert.equal(header.size, bytes.length);
          seen.set(
            `${header.bucket}/${key}`,
            `${header.contentType} ${JSON.stringify(header.metadata)} ${bytes.length}`,
          );
          await call.send(stored(slot, key));
        }
      }
      call.end();
    },
  ]);
  const items = Array.from({ length: 100 }, (_, i) => item(`k${i}`, 'x'.repeat(100_000)));
  const special = { ...item('special'), bucket: 'other', contentType: 'image/png', metadata: { a: 'b' } };
  const found = await putAll([...items, special, item('empty', '')]);
  assert.equal(found.size, 102);
  assert.ok([...found.values()].every((result) => result.ok));
  assert.deepEqual(
    [...found.values()]
      .map((result) => result.slot)
      .sort((a, b) => a - b)
      .at(-1),
    101,
  );
  assert.ok(frames.every((bytes) => bytes <= MiB) && frames.length <= 12, `frames of ${frames.join(', ')} bytes`);
  assert.equal(seen.get('other/special'), 'image/png {"a":"b"} 15');
  assert.equal(seen.get('train/empty'), ' {} 0');
});

test('a source that comes drop by drop is not made to wait for a full frame', async () => {
  await serve([storeAll]);
  let next = (): void => {};
  async function* drops(): AsyncGenerator<PutItem> {
    for (let i = 0; i < 3; i += 1) {
      yield item(`k${i}`);
      await new Promise<void>((resolve) => {
        next = resolve; // the next drop falls when the last one is stored
      });
    }
  }
  const keys: string[] = [];
  for await (const result of client.putBatch(drops())) {
    keys.push(result.key);
    next();
  }
  assert.deepEqual(keys, ['k0', 'k1', 'k2']);
});

test('a stream that breaks is followed by another, with what has no result yet, and nothing has two', async () => {
  const sent: string[][] = [];
  await serve([
    async (call) => {
      sent.push([]);
      for await (const { entries } of readPuts(call)) {
        sent.at(-1)?.push(...entries.map(({ key }) => key));
        await call.send(stored(entries[0]?.slot as number, 'k0'));
        await new Promise((resolve) => setImmediate(resolve));
        call.reset(2);
      }
    },
    async (call) => {
      sent.push([]);
      for await (const { entries } of readPuts(call)) {
        sent.at(-1)?.push(...entries.map(({ key }) => key));
        for (const { slot, key } of entries) await call.send(stored(slot, key));
      }
      call.end();
    },
  ]);
  const found = await putAll([item('k0'), item('k1'), item('k2')]);
  assert.deepEqual([...found.values()].map(outcome), ['stored', 'stored', 'stored']);
  assert.deepEqual(sent, [
    ['k0', 'k1', 'k2'],
    ['k1', 'k2'],
  ]);
});

test('a stream that ends well with puts unanswered is not believed', async () => {
  await serve([
    async (call) => {
      await call.next();
      call.end();
    },
    storeAll,
  ]);
  assert.equal(outcome((await putAll([item('k0')])).get('k0')), 'stored');
});

test('what passes is sent again, what does not is its result', async () => {
  const tries = new Map<string, number>();
  await serve([
    async (call) => {
      for await (const { entries } of readPuts(call)) {
        for (const { slot, key } of entries) {
          const count = (tries.get(key) ?? 0) + 1;
          tries.set(key, count);
          if (key === 'full') await call.send(refused(slot, statusOf(8, 'the disk is full', 'StorageFull')));
          else if (key === 'busy' && count < 3)
            await call.send(refused(slot, statusOf(14, 'busy', 'StoreFailure', 10)));
          else if (key === 'never') await call.send(refused(slot, statusOf(14, 'unknown', 'StoreBusy')));
          else await call.send(stored(slot, key));
        }
      }
      call.end();
    },
  ]);
  const found = await putAll([item('good'), item('full'), item('busy'), item('never')]);
  assert.equal(outcome(found.get('good')), 'stored');
  assert.equal(outcome(found.get('full')), 'RESOURCE_EXHAUSTED StorageFull full: the disk is full');
  assert.equal(outcome(found.get('busy')), 'stored');
  assert.equal(outcome(found.get('never')), 'UNAVAILABLE StoreBusy never: unknown (may be stored)');
  assert.deepEqual(Object.fromEntries(tries), { good: 1, full: 1, busy: 3, never: 10 });
});

test('a put under a condition whose first attempt is unknown says so when the second is refused', async () => {
  const exists = statusOf(9, 'there is one', 'PreconditionFailed');
  let count = 0;
  await serve([
    async (call) => {
      count += 1;
      for await (const { entries } of readPuts(call)) {
        for (const { slot, key, header } of entries) {
          assert.equal(header.ifAbsent, true);
          if (key === 'taken') await call.send(refused(slot, exists));
          else if (count > 1) await call.send(refused(slot, exists));
        }
        if (count === 1) call.end(14, 'going away', Status.encode(statusOf(14, '', 'ServerClosed')));
      }
      call.end();
    },
  ]);
  const found = await putAll([
    { ...item('taken'), ifAbsent: true },
    { ...item('unknown'), ifAbsent: true },
  ]);
  assert.equal(outcome(found.get('taken')), 'FAILED_PRECONDITION PreconditionFailed taken: there is one');
  assert.match(
    outcome(found.get('unknown')),
    /^FAILED_PRECONDITION PreconditionFailed unknown is not as the condition wants it; whether by an earlier attempt.*\(may be stored\)$/,
  );
});

test('a gateway that answers nothing stops the source: bytes and objects on their way are bounded', async () => {
  await serve([
    async (call) => {
      for await (const _frame of readPuts(call)); // reads and says nothing
    },
  ]);
  let taken = 0;
  let isFull = (): void => {};
  const full = new Promise<void>((resolve) => {
    isFull = resolve;
  });
  function* endless(): Generator<PutItem> {
    for (;;) {
      taken += 1;
      if (taken * MiB >= LIMITS.clientPutBytesMax) setImmediate(() => setImmediate(isFull));
      yield { key: `k${taken}`, body: Buffer.alloc(MiB) };
    }
  }
  const controller = new AbortController();
  const run = putAll(endless(), { streams: 1, signal: controller.signal });
  await full;
  controller.abort(new Error('enough'));
  await assert.rejects(run, /^Error: enough$/);
  assert.equal(taken, LIMITS.clientPutBytesMax / MiB);
});

test('results that nobody fetches stop the source as well', async () => {
  let answered = 0;
  let isStill = (): void => {};
  const still = new Promise<void>((resolve) => {
    isStill = resolve;
  });
  await serve([
    async (call) => {
      for await (const { entries } of readPuts(call)) {
        for (const { slot, key } of entries) await call.send(stored(slot, key));
        answered += entries.length;
        if (answered >= LIMITS.clientPutItemsMax) isStill();
      }
      call.end();
    },
  ]);
  let taken = 0;
  function* endless(): Generator<PutItem> {
    for (;;) {
      taken += 1;
      yield item(`k${taken}`, '');
    }
  }
  const results = client.putBatch(endless());
  await results.next();
  await still;
  assert.ok(taken <= 2 * LIMITS.clientPutItemsMax, `${taken} objects were taken`);
  await results.return();
});

test('an object that is larger than a frame goes by a call of its own, in chunks, with the CRC of the whole', async () => {
  const body = Buffer.alloc(2.5 * MiB, 'large object ');
  const chunks: Buffer[] = [];
  let crc32: number | undefined;
  await serve(
    [storeAll],
    [
      async (call) => {
        for await (const chunk of readChunks(call)) {
          chunks.push(chunk.data);
          crc32 = chunk.crc32;
          if (chunks.length === 1) assert.equal(chunk.header?.size, body.length);
        }
        await call.send(ObjectInfo.encode({ key: 'large', size: body.length, etag: 'e-1' }));
        call.end();
      },
    ],
  );
  const found = await putAll([item('small'), { key: 'large', body }]);
  assert.deepEqual([...found.values()].map(outcome), ['stored', 'stored']);
  assert.ok(Buffer.concat(chunks).equals(body));
  assert.equal(crc32, crc32Of(body, 0) >>> 0);
});

test('a refusal of the whole stream is thrown', async () => {
  await serve([(call) => call.end(16, 'who are you?')]);
  await assert.rejects(putAll([item('a')]), { name: 'PenstockError', code: 16 });
  assert.equal(gateway.calls.length, 1);
});

test('what the source throws is thrown; a caller that stops early closes source and streams', async () => {
  await serve([storeAll]);
  async function* broken(): AsyncGenerator<PutItem> {
    yield item('a');
    throw new Error('no more files');
  }
  await assert.rejects(putAll(broken()), /no more files/);
  let isClosed = false;
  function* closing(): Generator<PutItem> {
    try {
      for (let i = 0; ; i += 1) yield item(`k${i}`);
    } finally {
      isClosed = true;
    }
  }
  for await (const _result of client.putBatch(closing())) break;
  await Promise.all(gateway.calls.map((call) => call.closed));
  assert.ok(isClosed);
});
