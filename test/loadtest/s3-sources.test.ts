/** Where the operations of an S3 load come from: what they may not do to each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FreeConnections } from '../../loadtest/s3/free-connections.ts';
import { GetSource } from '../../loadtest/s3/get-source.ts';
import { parseMix } from '../../loadtest/s3/mix.ts';
import { MixedSource } from '../../loadtest/s3/mixed-source.ts';
import { faultOf, type Operation } from '../../loadtest/s3/operation.ts';
import { PutSource } from '../../loadtest/s3/put-source.ts';
import { s3PlanOf } from '../../loadtest/s3/s3-plan.ts';
import { makeDataSet } from '../../loadtest/suite/data-set.ts';
import { RequestWriter } from '../../loadtest/suite/request-writer.ts';

const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretKey: 'secretsecret', region: 'us-east-1' };
const WRITER = new RequestWriter('127.0.0.1:9', 'bucket', CREDENTIALS);

function setOf(count: number) {
  return makeDataSet({ count, sizes: { kind: 'fixed', bytes: 64 }, bytesFrom: 'random', seed: 1, prefix: 'p' });
}

function keyIn({ request }: Operation): string {
  return / \/bucket\/(\S+) HTTP/.exec(request.toString('latin1'))?.[1] ?? '';
}

test('GETs ask for each object once before any comes again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (count) => {
      const source = new GetSource(setOf(count), WRITER);
      source.prepare();
      for (let epoch = 0; epoch < 3; epoch += 1) {
        const keys = new Set(Array.from({ length: count }, () => keyIn(source.next())));
        assert.equal(keys.size, count);
      }
    }),
    { numRuns: 30 },
  );
});

test('PUTs never bring the same bytes twice, and only what was acknowledged counts as written', () => {
  const source = new PutSource(setOf(1000), 4, WRITER);
  const operations = Array.from({ length: 8 }, () => source.next());
  const bodies = new Set(operations.map(({ request }) => request.subarray(-64).toString('hex')));
  assert.equal(bodies.size, 8);
  assert.deepEqual(source.written(10), []);
  // Two PUTs to each key are under way: whichever came last cannot be told.
  for (const { settle } of operations) settle?.('done');
  assert.deepEqual(source.written(10), []);
  const [first, second, third] = [source.next(), source.next(), source.next()];
  first.settle?.('done');
  second.settle?.('failed');
  third.settle?.('unknown');
  assert.deepEqual(
    source.written(10).map(({ key, bytes }) => ({ key, bytes })),
    [{ key: keyIn(first), bytes: 64 }],
  );
});

test('a mixture never touches what may be going away, and follows its shares', () => {
  const mix = parseMix('get=40,head=20,put=25,delete=15');
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.integer({ min: 0, max: 999 })),
      fc.integer({ min: 1, max: 12 }),
      (draws, width) => {
        const chance = (): number => (draws.next().value as number) / 1000;
        const source = new MixedSource(setOf(400), 40, mix, WRITER, chance);
        const present = new Set(Array.from({ length: 40 }, (_, i) => setOf(400).keyOf(i)));
        const open: Operation[] = [];
        for (let step = 0; step < 300; step += 1) {
          const operation = source.next();
          const key = keyIn(operation);
          if (operation.name === 'GET' || operation.name === 'HEAD') assert.ok(present.has(key), `${key} is not there`);
          if (operation.name === 'DELETE') {
            assert.ok(present.delete(key), `${key} was deleted twice`);
            assert.ok(!open.some((other) => keyIn(other) === key), `${key} is read while it is deleted`);
          }
          open.push(operation);
          if (open.length < width) continue;
          const [done] = open.splice(Math.floor(chance() * open.length), 1) as [Operation];
          if (done.name === 'PUT') present.add(keyIn(done));
          done.settle?.('done');
        }
        for (const { key } of source.written(20)) assert.ok(present.has(key));
      },
    ),
    { numRuns: 50 },
  );
});

test('deletes pause before nothing is left', () => {
  const source = new MixedSource(setOf(20), 20, parseMix('delete=99,get=1'), WRITER);
  const names = Array.from({ length: 200 }, () => {
    const operation = source.next();
    operation.settle?.('done');
    return operation.name;
  });
  assert.equal(names.filter((name) => name === 'DELETE').length, 15);
});

test('a mixture that cannot be understood is refused in words', () => {
  assert.throws(() => parseMix('get=1,copy=2'), {
    message: '--mix has "copy=2"; expected get, put, head, delete or list with a share, as get=45.',
  });
  assert.throws(() => parseMix('delete=5'), /expected a share above 0 of something beside deletes/);
  assert.deepEqual(parseMix('GET=1, list=0.5'), { GET: 1, PUT: 0, HEAD: 0, DELETE: 0, LIST: 0.5 });
});

test('an answer is judged by status, length and checksum', () => {
  const get: Operation = { name: 'GET', request: Buffer.alloc(0), expected: { bytes: 10, crc: 7 } };
  assert.equal(faultOf(get, { status: 200, bytes: 10, crc: 7 }), undefined);
  assert.equal(faultOf(get, { status: 200, bytes: 9, crc: 7 }), 'short');
  assert.equal(faultOf(get, { status: 200, bytes: 11, crc: 7 }), 'wrong');
  assert.equal(faultOf(get, { status: 200, bytes: 10, crc: 8 }), 'wrong');
  assert.equal(faultOf(get, { status: 503, bytes: 10, crc: 7 }), 'refused');
  const head: Operation = { ...get, name: 'HEAD' };
  assert.equal(faultOf(head, { status: 200, bytes: 10, crc: 0 }), undefined);
  assert.equal(faultOf(head, { status: 200, bytes: 0, crc: 0 }), 'short');
});

test('what is due is sent once, in order, on a connection that is free', () => {
  const steps = fc.array(fc.constantFrom('due' as const, 'done' as const), { maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (wanted, width) => {
      const pool = new FreeConnections<number>();
      const busy: number[] = [];
      const sent: number[] = [];
      const free = (connection: number): void =>
        pool.free(connection, (dueMs) => {
          assert.ok(!busy.includes(connection));
          busy.push(connection);
          sent.push(dueMs);
        });
      for (let i = 0; i < width; i += 1) free(i);
      free(0); // Told twice, as after a new connection.
      let due = 0;
      for (const step of wanted) {
        if (step === 'due') pool.due(due++);
        else if (busy.length > 0) free(busy.shift() as number);
        assert.equal(sent.length + pool.waiting, due);
        assert.ok(pool.waiting === 0 || busy.length === width, 'something waits though a connection is free');
      }
      assert.deepEqual(
        [...sent, ...pool.takeWaiting()],
        Array.from({ length: due }, (_, i) => i),
      );
      assert.equal(pool.waiting, 0);
    }),
  );
});

test('a plan refuses what would be too much', () => {
  const options = {
    sizes: '16k',
    connections: '',
    rate: '',
    'bytes-from': 'random',
    rounds: 1,
    seconds: 5,
    objects: 100,
    seed: 1,
  };
  assert.deepEqual(s3PlanOf(options).connections, [1, 16, 64, 256]);
  assert.deepEqual(s3PlanOf({ ...options, rate: 'half' }).connections, [64]);
  assert.throws(() => s3PlanOf({ ...options, rate: '0' }), /--rate is "0"; expected a whole number from 1 to 1000000/);
  assert.throws(() => s3PlanOf({ ...options, rate: '1000000', seconds: 60 }), /is too much for one load/);
  assert.throws(
    () => s3PlanOf({ ...options, objects: 100_000, sizes: '1M' }),
    /--objects 100000 of 1.00 MiB are more than 16.0 GiB/,
  );
  assert.throws(
    () => s3PlanOf({ ...options, 'bytes-from': 'zeros' }),
    /--bytes-from is "zeros"; expected random or samples/,
  );
});
