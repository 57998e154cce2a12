import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countBatch } from '../../loadtest/grpc/batch-check.ts';
import { runStreams } from '../../loadtest/grpc/run-streams.ts';
import { Tally } from '../../loadtest/grpc/tally.ts';
import { BatchSlots, MessageRoom } from '../../loadtest/suite/batch-frames.ts';
import { makeDataSet } from '../../loadtest/suite/data-set.ts';
import { Latencies } from '../../loadtest/suite/latencies.ts';
import { BatchFrame } from '../../src/format/messages.ts';

const SET = makeDataSet({
  count: 20,
  sizes: { kind: 'list', bytes: [100, 3000, 1, 70_000] },
  bytesFrom: 'random',
  seed: 1,
  prefix: 'check',
});
const POSITIONS = [3, 0, 2, 7, 1];

interface Part {
  readonly slot: number;
  readonly from: number;
  readonly bytes: Buffer;
}

function frame(parts: readonly Part[], isLast: boolean, changes: object = {}): Buffer {
  const message = BatchFrame.encode({
    entries: parts.map(({ slot, from, bytes }) => ({
      slot,
      length: bytes.length,
      objectOffset: from,
      objectSize: SET.sizeOf(POSITIONS[slot] as number),
      ...changes,
    })),
    ...(isLast ? { end: { ok: POSITIONS.length } } : {}),
    payload: Buffer.concat(parts.map(({ bytes }) => bytes)),
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** All slots, large ones in parts. */
function wholeStream(): Buffer {
  const frames = POSITIONS.map((position, slot) => {
    const body = SET.bodyOf(position);
    const middle = body.length >> 1;
    const first = { slot, from: 0, bytes: body.subarray(0, middle) };
    return Buffer.concat([frame([first], false), frame([{ slot, from: middle, bytes: body.subarray(middle) }], false)]);
  });
  return Buffer.concat([...frames, frame([], true)]);
}

function check(pieces: readonly Buffer[]): Tally {
  const tally = new Tally();
  const slots = new BatchSlots(POSITIONS.length, new MessageRoom());
  for (const piece of pieces) slots.take(piece);
  countBatch(slots, SET, POSITIONS, tally);
  return tally;
}

test('a whole batch is counted once for each object, in whatever pieces it comes', () => {
  const stream = wholeStream();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 40 }), (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), stream.length];
      const tally = check(ends.map((end, i) => stream.subarray(ends[i - 1] ?? 0, end)));
      assert.deepEqual(tally.errors, { broken: 0, refused: 0, short: 0, wrong: 0 });
      assert.equal(tally.objects, POSITIONS.length);
      assert.equal(
        tally.bytes,
        POSITIONS.reduce((sum, position) => sum + SET.sizeOf(position), 0),
      );
    }),
  );
});

test('a flipped bit anywhere in a body is wrong bytes', () => {
  const body = Buffer.from(SET.bodyOf(0));
  for (const at of [0, 50, 99]) {
    body[at] = (body[at] as number) ^ 1;
    const { errors, objects, failure } = check([frame([{ slot: 1, from: 0, bytes: body }], true)]);
    assert.equal(errors.wrong, 1);
    assert.equal(objects, 0);
    assert.match(failure ?? '', /check\/n0000\/image_00000000.bin came with 100 bytes that are not those/);
  }
});

test('what is shorter than what was stored, and what is not served at all, is short', () => {
  const body = SET.bodyOf(0).subarray(0, 60);
  const { errors } = check([frame([{ slot: 1, from: 0, bytes: body }], true, { objectSize: 60 })]);
  assert.deepEqual(errors, { broken: 0, refused: 0, short: 5, wrong: 0 });
});

test('a stream without an end is broken, and a slot with an error refused', () => {
  const error = { error: { code: 5, message: 'gone', details: [] } };
  const { errors, failure } = check([frame([{ slot: 1, from: 0, bytes: Buffer.alloc(0) }], false, error)]);
  assert.deepEqual(errors, { broken: 1, refused: 1, short: 4, wrong: 0 });
  assert.match(failure ?? '', /image_00000000.bin: gone/);
});

test('a slot that comes twice, or goes on at another byte, is an error of the stream', () => {
  const whole = { slot: 1, from: 0, bytes: SET.bodyOf(0) };
  assert.throws(() => check([frame([whole, whole], true)]), /slot 1 goes on at byte 0 and not 100/);
  assert.throws(() => check([frame([{ ...whole, from: 7 }], true)]), /goes on at byte 7 and not 0/);
});

test('latencies beyond the room are sampled, the largest is kept, and all are counted', () => {
  const latencies = new Latencies(100);
  assert.equal(latencies.percentiles(false), undefined);
  for (let i = 0; i < 5000; i += 1) latencies.add(i === 17 ? 1e6 : i % 10);
  const { count, max, p50, p99, isCorrected } = latencies.percentiles(true) ?? assert.fail();
  assert.deepEqual([count, max, isCorrected], [5000, 1e6, true]);
  assert.ok(p50 >= 2 && p50 <= 7 && p99 <= 1e6);
});

test('a closed loop has as many at once as it was told', async () => {
  let [now, most, all] = [0, 0, 0];
  const over = { streams: 3, seconds: 60, rate: 0, isOver: () => all >= 30 };
  await runStreams(over, async () => {
    all += 1;
    now += 1;
    most = Math.max(most, now);
    await new Promise(setImmediate);
    now -= 1;
  });
  assert.equal(most, 3);
  assert.ok(all >= 30 && all < 33);
});

test('an open loop begins all that were due, counts from then, and has no more at once than it was told', async () => {
  let [now, most] = [0, 0];
  const since: number[] = [];
  const startedMs = performance.now();
  await runStreams({ streams: 2, seconds: 0.05, rate: 1000, isOver: () => false }, async (sinceMs) => {
    since.push(sinceMs);
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, 3)); // slower than they come: they wait
    now -= 1;
  });
  assert.equal(since.length, 50);
  assert.equal(most, 2);
  for (const [i, ms] of since.entries()) if (i > 0) assert.ok(Math.abs(ms - (since[i - 1] as number) - 1) < 1e-6);
  const last = since.at(-1) as number;
  assert.ok(performance.now() - last > 20, `the last was due ${last - startedMs} ms after the start and waited`);
});

test('an open loop ends with what went wrong', async () => {
  const broken = runStreams({ streams: 1, seconds: 5, rate: 100, isOver: () => false }, () =>
    Promise.reject(new Error('no more')),
  );
  await assert.rejects(broken, /no more/);
});
