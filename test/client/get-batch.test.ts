/** What the client makes of the answers to GetBatch, good ones and those that no gateway should give. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { type BatchResult, Missing, PenstockClient, PenstockError } from '../../src/client/client.ts';
import { realPacingClock } from '../../src/client/pacing.ts';
import { parseToken, verifyToken } from '../../src/format/bearer-token.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { type GetBatchRequest, Status } from '../../src/format/messages.ts';
import {
  type FakeCall,
  type FakeGateway,
  frameOf,
  hastyClock,
  type Script,
  startFakeGateway,
  statusOf,
  told,
} from './fake-gateway.ts';

const KEY = { accessKeyId: 'AKTEST', secretKey: 'a-secret-of-the-test' };
const RST = { noError: 0, internal: 2, refused: 7, cancel: 8 } as const;
const MiB = 1024 * 1024;

let gateway: FakeGateway;
let client: PenstockClient;
const clock = hastyClock();

async function serve(...script: Script): Promise<void> {
  gateway = await startFakeGateway({ 'Batches/GetBatch': script });
  clock.pauses.length = 0;
  client = new PenstockClient({ endpoint: gateway.endpoint, ...KEY, bucket: 'train', clock });
}

afterEach(async () => {
  client.close();
  await gateway.stop();
});

const bodyOf = (key: string): Buffer => Buffer.from(`body of ${key}`);

/** Keys that calls asked for, in turn. */
const asked: string[][] = [];
afterEach(() => {
  asked.length = 0;
});

async function request(call: FakeCall): Promise<GetBatchRequest> {
  const message = await call.getBatchRequest();
  asked.push([...message.keys]);
  return message;
}

/** Answers every key with its body. */
async function whole(call: FakeCall): Promise<void> {
  const { keys } = await request(call);
  await call.send(frameOf(keys.map((key, slot) => ({ slot, bytes: bodyOf(key) }))));
  await call.send(frameOf([], {}));
  call.end();
}

async function collect(results: AsyncIterable<BatchResult>): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for await (const result of results) {
    assert.ok(!found.has(result.slot), `slot ${result.slot} has two results`);
    found.set(result.slot, result.ok ? result.body.toString() : told(result.error));
  }
  return found;
}

const expected = (keys: readonly string[]): Map<number, string> =>
  new Map(keys.map((key, slot) => [slot, bodyOf(key).toString()]));

test('a batch is asked for by keys, with a token that proves the secret and a deadline, and comes in completion order', async () => {
  await serve(async (call) => {
    const { keys, bucket, maxFrameBytes, nextKeys } = await request(call);
    assert.deepEqual({ bucket, maxFrameBytes, nextKeys }, { bucket: 'train', maxFrameBytes: 65_536, nextKeys: ['n'] });
    const entries = keys.map((key, slot) => ({ slot, bytes: bodyOf(key), etag: `e${slot}` }));
    await call.send(frameOf([entries[2] as never, entries[0] as never]));
    await call.send(frameOf([entries[1] as never], {}));
    call.end();
  });
  const results: BatchResult[] = [];
  for await (const result of client.getBatch(['a', 'b', 'c'], { maxFrameBytes: 65_536, nextKeys: ['n'] })) {
    results.push(result);
  }
  assert.deepEqual(
    results.map((result) => [result.slot, result.key]),
    [
      [2, 'c'],
      [0, 'a'],
      [1, 'b'],
    ],
  );
  const crc32 = crc32Of(bodyOf('c'), 0) >>> 0;
  assert.deepEqual(results[0]?.ok && results[0].info, { size: 9, etag: 'e2', crc32 });
  const { authorization, 'grpc-timeout': timeout } = (gateway.calls[0] as FakeCall).headers;
  const token = parseToken(String(authorization).replace('Bearer ', ''));
  assert.ok(token !== undefined && token.accessKeyId === KEY.accessKeyId && verifyToken(token, KEY.secretKey));
  assert.ok(token.expiresMs > Date.now() + 60_000);
  assert.match(String(timeout), /^59\d{3}m$/, 'a little less than the minute of the client');
});

test('a stream that ends well but without BatchEnd is not whole: what did not come is asked for again', async () => {
  await serve(async (call) => {
    const { keys } = await request(call);
    await call.send(frameOf([{ slot: 1, bytes: bodyOf(keys[1] as string) }]));
    call.end();
  }, whole);
  assert.deepEqual(await collect(client.getBatch(['a', 'b', 'c'])), expected(['a', 'b', 'c']));
  assert.deepEqual(asked, [
    ['a', 'b', 'c'],
    ['a', 'c'],
  ]);
});

test('a batch that is said to be whole and is not is not believed', async () => {
  await serve(async (call) => {
    await request(call);
    await call.send(frameOf([{ slot: 0, bytes: bodyOf('a') }], {}));
    call.end();
  }, whole);
  assert.deepEqual(await collect(client.getBatch(['a', 'b'])), expected(['a', 'b']));
  assert.deepEqual(asked[1], ['b']);
});

for (const [how, breakOff] of Object.entries({
  'reset with NO_ERROR': (call: FakeCall) => call.reset(RST.noError),
  'reset with INTERNAL_ERROR': (call: FakeCall) => call.reset(RST.internal),
  'reset with REFUSED_STREAM': (call: FakeCall) => call.reset(RST.refused),
  'reset with CANCEL': (call: FakeCall) => call.reset(RST.cancel),
  'cut with its connection': (call: FakeCall) => call.cutConnection(),
  'ended with UNAVAILABLE': (call: FakeCall) => call.end(14, 'going away'),
})) {
  test(`a stream that is ${how} in the middle is taken up with the slots that are missing`, async () => {
    await serve(async (call) => {
      await request(call);
      await call.send(frameOf([{ slot: 2, bytes: bodyOf('c') }]));
      await call.send(frameOf([{ slot: 0, bytes: Buffer.from('half'), size: 8 }])); // the first half of an object
      await new Promise((resolve) => setImmediate(resolve));
      breakOff(call);
    }, whole);
    const found = await collect(client.getBatch(['a', 'b', 'c']));
    assert.deepEqual(found, expected(['a', 'b', 'c']));
    assert.ok(asked.slice(1).every((keys) => keys.includes('a') && keys.includes('b')));
  });
}

test('a gateway that breaks off every time is given up after ten attempts, and every slot says why', async () => {
  await serve(async (call) => {
    await request(call);
    call.reset(RST.internal);
  });
  const found = await collect(client.getBatch(['a', 'b']));
  assert.equal(asked.length, 10);
  assert.match(found.get(0) as string, /^INTERNAL - a: .*RST_STREAM/);
  assert.match(found.get(1) as string, /^INTERNAL - b: /);
  assert.deepEqual(clock.pauses, [37.5, 75, 150, 300, 600, 1200, 2400, 3750, 3750]);
});

test('slots that were not served are asked for again, these alone', async () => {
  await serve(async (call) => {
    await request(call);
    await call.send(frameOf([{ slot: 1, bytes: bodyOf('b') }], { unserved: [0, 2] }));
    call.end();
  }, whole);
  assert.deepEqual(await collect(client.getBatch(['a', 'b', 'c'])), expected(['a', 'b', 'c']));
  assert.deepEqual(asked[1], ['a', 'c']);
});

test('an object that is not there is a result; one that fails for now is asked for again after the pause that was asked for', async () => {
  await serve(
    async (call) => {
      const { keys } = await request(call);
      const absent = statusOf(5, 'there is no gone', 'NoSuchKey');
      const busy = statusOf(14, 'the disk is slow', 'StoreFailure', 2000);
      await call.send(
        frameOf([
          { slot: 0, bytes: bodyOf(keys[0] as string) },
          { slot: 1, error: absent },
          { slot: 2, error: busy },
        ]),
      );
      await call.send(frameOf([], {}));
      call.end();
    },
    async (call) => {
      assert.deepEqual((await request(call)).nextKeys, [], 'advice is given once');
      await call.send(frameOf([{ slot: 0, bytes: bodyOf('c') }], {}));
      call.end();
    },
  );
  const found = await collect(client.getBatch(['a', 'gone', 'c'], { nextKeys: ['d'] }));
  assert.equal(found.get(1), 'NOT_FOUND NoSuchKey gone: there is no gone');
  assert.equal(found.get(2), 'body of c');
  assert.deepEqual(asked[1], ['c']);
  assert.deepEqual(clock.pauses, [2037.5]);
});

test('a full disk and too many requests have one status, and only one of them passes', async () => {
  await serve(async (call) => {
    await request(call);
    const full = statusOf(8, 'the disk is full', 'StorageFull');
    const much = statusOf(8, 'too many requests', 'SlowDown');
    await call.send(
      frameOf(
        [
          { slot: 0, error: full },
          { slot: 1, error: much },
        ],
        {},
      ),
    );
    call.end();
  }, whole);
  const found = await collect(client.getBatch(['a', 'b']));
  assert.equal(found.get(0), 'RESOURCE_EXHAUSTED StorageFull a: the disk is full');
  assert.equal(found.get(1), 'body of b');
});

test('bytes with a wrong CRC are asked for once more; damaged twice they are DATA_LOSS that names the key', async () => {
  const damaged = { bytes: Buffer.from('damaged'), crc32: 1 };
  await serve(
    async (call) => {
      await request(call);
      await call.send(
        frameOf([
          { slot: 0, bytes: bodyOf('a') },
          { slot: 1, ...damaged },
          { slot: 2, ...damaged },
        ]),
      );
      await call.send(frameOf([], {}));
      call.end();
    },
    async (call) => {
      await request(call);
      await call.send(
        frameOf(
          [
            { slot: 1, ...damaged },
            { slot: 0, bytes: bodyOf('b') },
          ],
          {},
        ),
      );
      call.end();
    },
  );
  const found = await collect(client.getBatch(['a', 'b', 'c']));
  assert.equal(found.get(0), 'body of a');
  assert.equal(found.get(1), 'body of b');
  assert.match(found.get(2) as string, /^DATA_LOSS DataLoss c: the bytes that arrived have CRC-32 .* and not 00000001/);
  assert.equal(asked.length, 2);
});

test('strict order holds back what comes before its turn, also over a second call', async () => {
  await serve(async (call) => {
    assert.equal((await request(call)).order, 2);
    await call.send(
      frameOf(
        [
          { slot: 0, bytes: bodyOf('a') },
          { slot: 1, error: statusOf(14, 'busy', 'StoreFailure') },
          { slot: 2, bytes: bodyOf('c') },
        ],
        {},
      ),
    );
    call.end();
  }, whole);
  const slots: number[] = [];
  for await (const result of client.getBatch(['a', 'b', 'c'], { order: 'strict' })) {
    assert.equal(result.ok && result.body.toString(), `body of ${result.key}`);
    slots.push(result.slot);
  }
  assert.deepEqual(slots, [0, 1, 2]);
});

test('a large object over several entries is joined, with the CRC of the whole; a range begins where it was asked to', async () => {
  const large = Buffer.alloc(3 * MiB, 'large object ');
  await serve(async (call) => {
    const { refs } = await call.getBatchRequest();
    assert.deepEqual(
      refs.map(({ key, bucket, range }) => ({ key, bucket, range })),
      [
        { key: 'large', bucket: '', range: undefined },
        { key: 'cut', bucket: 'other', range: { start: 5, end: 1000 } },
      ],
    );
    const size = large.length;
    await call.send(frameOf([{ slot: 0, bytes: large.subarray(0, MiB), size }]));
    await call.send(frameOf([{ slot: 1, bytes: large.subarray(5, 15), offset: 5, size: 15 }]));
    await call.send(frameOf([{ slot: 0, bytes: large.subarray(MiB, 2 * MiB), offset: MiB, size }]));
    await call.send(frameOf([{ slot: 0, bytes: large.subarray(2 * MiB), offset: 2 * MiB, size }], {}));
    call.end();
  });
  const found = new Map<string, BatchResult>();
  const refs = ['large', { key: 'cut', bucket: 'other', range: { start: 5, end: 1000 } }];
  for await (const result of client.getBatch(refs)) found.set(result.key, result);
  const [whole, cut] = [found.get('large'), found.get('cut')];
  assert.ok(whole?.ok && whole.body.equals(large) && whole.info.crc32 === crc32Of(large, 0) >>> 0);
  assert.ok(cut?.ok && cut.body.equals(large.subarray(5, 15)) && cut.info.size === 15);
});

for (const [what, frame] of Object.entries({
  'entries that leave a hole': frameOf([
    { slot: 0, bytes: Buffer.from('ab'), size: 6 },
    { slot: 0, bytes: Buffer.from('ef'), offset: 4, size: 6 },
  ]),
  'entries of two states of one object': frameOf([
    { slot: 0, bytes: Buffer.from('ab'), size: 4 },
    { slot: 0, bytes: Buffer.from('cd'), offset: 2, size: 4, etag: 'other' },
  ]),
  'a slot that was not asked for': frameOf([{ slot: 7, bytes: bodyOf('x') }]),
  'a payload of another length': Buffer.concat([frameOf([{ slot: 0, bytes: bodyOf('a') }]), Buffer.from([0x7a, 1, 0])]),
  'bytes that are no frame': Buffer.from([0xff, 0xff]),
})) {
  test(`${what} end the call, and the slot is asked for again`, async () => {
    await serve(async (call) => {
      await request(call);
      await call.send(frame);
      await call.send(frameOf([], {}));
      call.end();
    }, whole);
    assert.deepEqual(await collect(client.getBatch(['a'])), expected(['a']));
    assert.equal(asked.length, 2);
  });
}

test('a refusal of the whole call is thrown, with its reason, and not tried again', async () => {
  await serve(async (call) => {
    await request(call);
    call.end(16, 'the token has expired', Status.encode(statusOf(16, '', 'InvalidAccessKeyId')));
  });
  await assert.rejects(collect(client.getBatch(['a'])), (error: unknown) => {
    assert.ok(error instanceof PenstockError);
    assert.equal(told(error), 'UNAUTHENTICATED InvalidAccessKeyId the token has expired');
    return error.retryable === false;
  });
  assert.equal(asked.length, 1);
});

test('a gateway that does not answer costs the deadline, and every slot says so', async () => {
  await serve(() => {});
  const found = await collect(client.getBatch(['a', 'b'], { deadlineMs: 50 }));
  assert.match(found.get(0) as string, /^DEADLINE_EXCEEDED - a: the deadline passed/);
  assert.equal(found.size, 2);
  assert.match(String(gateway.calls[0]?.headers['grpc-timeout']), /^4[0-5]m$/, 'the gateway stops first');
});

test('an abort rejects with its reason and resets the stream', async () => {
  await serve(async (call) => {
    await request(call);
    await call.send(frameOf([{ slot: 0, bytes: bodyOf('a') }]));
  });
  const controller = new AbortController();
  const results = client.getBatch(['a', 'b'], { signal: controller.signal });
  assert.equal((await results.next()).value?.slot, 0);
  controller.abort(new Error('enough'));
  await assert.rejects(results.next(), /^Error: enough$/);
  await gateway.calls[0]?.closed;
  assert.equal(gateway.calls[0]?.rstCode, RST.cancel);
});

test('a batch that came whole is not reset, also when its status comes late', async () => {
  let codeAtEnd = -1;
  await serve(async (call) => {
    const { keys } = await request(call);
    await call.send(frameOf(keys.map((key, slot) => ({ slot, bytes: bodyOf(key) }))));
    await call.send(frameOf([], {}));
    setTimeout(() => call.end(), 20);
    await call.closed;
    codeAtEnd = call.rstCode;
  });
  assert.deepEqual(await collect(client.getBatch(['a', 'b'])), expected(['a', 'b']));
  await gateway.stop();
  assert.equal(codeAtEnd, RST.noError);
});

test('a caller that stops early resets the stream', async () => {
  await serve(async (call) => {
    await request(call);
    await call.send(frameOf([{ slot: 0, bytes: bodyOf('a') }]));
  });
  for await (const _result of client.getBatch(['a', 'b'])) break;
  await gateway.calls[0]?.closed;
  assert.equal(gateway.calls[0]?.rstCode, RST.cancel);
});

test('a slow reader stops the sender: a window and a few frames are on their way, not the batch', async () => {
  const frames = 64;
  let left = 0;
  let isStuck = (): void => {};
  const stuck = new Promise<void>((resolve) => {
    isStuck = resolve;
  });
  await serve(async (call) => {
    await request(call);
    for (let slot = 0; slot < frames; slot += 1) {
      const sent = call.send(frameOf([{ slot, bytes: Buffer.alloc(MiB, slot) }], slot === frames - 1 ? {} : undefined));
      // Many turns without progress: the reader is the one that does not move.
      let turns = 0;
      const watch = setInterval(() => {
        turns += 1;
        if (turns > 30) isStuck();
      }, 5);
      await sent;
      clearInterval(watch);
      left += 1;
    }
    call.end();
  });
  const results = client.getBatch(Array.from({ length: frames }, (_, i) => `k${i}`));
  await results.next();
  await stuck;
  assert.ok(left <= 10, `${left} frames of a MiB were taken from the gateway while the reader held one`);
  let count = 1;
  for await (const result of results) {
    assert.ok(result.ok && result.body.length === MiB && result.body[0] === result.slot);
    count += 1;
  }
  assert.equal(count, frames);
});

test('getMany answers in the order of keys; what is absent is Missing, damage is thrown or returned as one asks', async () => {
  const answer = async (call: FakeCall): Promise<void> => {
    await request(call);
    const entries = [
      { slot: 2, error: statusOf(15, 'record is damaged', 'DataLoss') },
      { slot: 1, error: statusOf(5, 'absent', 'NoSuchKey') },
      { slot: 0, bytes: bodyOf('a') },
    ];
    await call.send(frameOf(entries, {}));
    call.end();
  };
  await serve(answer);
  await assert.rejects(client.getMany(['a', 'b', 'c']), { name: 'PenstockError', code: 15, key: 'c' });
  const [a, b, c] = await client.getMany(['a', 'b', 'c'], { failures: 'return' });
  assert.ok(Buffer.isBuffer(a) && a.equals(bodyOf('a')));
  assert.ok(b instanceof Missing && b.error.status === 'NOT_FOUND' && b.key === 'b');
  assert.ok(c instanceof Missing && c.error.status === 'DATA_LOSS');
});

test('no keys are no call, and a bucket must be named', async () => {
  await serve(whole);
  assert.deepEqual(await client.getMany([]), []);
  assert.equal(gateway.calls.length, 0);
  const nameless = new PenstockClient({ endpoint: gateway.endpoint, ...KEY });
  await assert.rejects(nameless.getMany(['a']), /no bucket was named/);
  nameless.close();
});

test('a gateway that starts again is found again', async () => {
  await serve(whole);
  const { port } = gateway;
  await client.getMany(['a']);
  await gateway.stop();
  let starting: Promise<unknown> | undefined;
  const sleep = async (ms: number): Promise<void> => {
    starting ??= startFakeGateway({ 'Batches/GetBatch': [whole] }, port).then((again) => {
      gateway = again;
    });
    await starting;
    await realPacingClock.sleep(ms, undefined);
  };
  const patient = new PenstockClient({
    endpoint: gateway.endpoint,
    ...KEY,
    bucket: 'train',
    clock: { ...realPacingClock, sleep },
  });
  assert.deepEqual(await patient.getMany(['a']), [bodyOf('a')]);
  patient.close();
});
