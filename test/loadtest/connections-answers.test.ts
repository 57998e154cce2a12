/** What load processes make of answers: read however they are cut, and never taken for right when they are not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import fc from 'fast-check';
import { outcomeOf as outcomeOfBatch, type Wanted } from '../../loadtest/connections/batch-check.ts';
import { checkChange, checkGet } from '../../loadtest/connections/get-check.ts';
import { faulty, good, Tally } from '../../loadtest/connections/tally.ts';
import { AnswerReader } from '../../loadtest/suite/answer-reader.ts';
import { BatchSlots, MessageCutter, MessageRoom } from '../../loadtest/suite/batch-frames.ts';
import { BatchFrame } from '../../src/format/messages.ts';

/** The bytes in pieces. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends]
    .map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
    .filter(({ length }) => length > 0);
}

const CUTS = fc.array(fc.nat(10_000), { maxLength: 8 });
const BODY = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));

function answerOf(body: Buffer, more = ''): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n`), body]);
}

describe('answers over HTTP', () => {
  test('come out whole, once, at their last byte, one after the other', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(BODY, CUTS), { minLength: 1, maxLength: 4 }), (answers) => {
        const reader = new AnswerReader();
        for (const [body, cuts] of answers) {
          const pieces = cut(answerOf(body), cuts);
          for (const piece of pieces.slice(0, -1)) assert.equal(reader.take(piece), undefined);
          const answer = reader.take(pieces.at(-1) as Buffer);
          assert.equal(answer?.status, 200);
          assert.ok(answer?.isReusable);
          assert.deepEqual([answer.bytes, answer.crc32], [body.length, crc32(body)]);
          assert.ok(reader.isEmpty);
        }
      }),
    );
  });

  test('end a connection that says so, or that does not say how long a body is', () => {
    assert.equal(new AnswerReader().take(answerOf(Buffer.from('a'), 'Connection: close\r\n'))?.isReusable, false);
    const chunked = new AnswerReader().take(
      Buffer.from('HTTP/1.1 503 Slow\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello'),
    );
    assert.deepEqual([chunked?.status, chunked?.isReusable, chunked?.bytes], [503, false, 0]);
    assert.equal(new AnswerReader().take(Buffer.from('HTTP/1.1 204 No Content\r\n\r\n'))?.isReusable, true);
  });

  test('break off with what came of a body, and errors with the beginning of what they say', () => {
    const reader = new AnswerReader();
    const text = 'HTTP/1.1 404 Not Found\r\nContent-Length: 9000\r\n\r\n<Code>';
    assert.equal(reader.cutOff(), undefined);
    assert.equal(reader.take(Buffer.from(text)), undefined);
    assert.equal(reader.take(Buffer.alloc(2000, 'x')), undefined);
    assert.ok(!reader.isEmpty);
    const answer = reader.cutOff();
    assert.deepEqual([answer?.status, answer?.bytes, answer?.isReusable], [404, 2006, false]);
    assert.equal(answer?.text, `<Code>${'x'.repeat(994)}`);
  });

  test('are refused when they are no HTTP, or more than one', () => {
    assert.throws(() => new AnswerReader().take(Buffer.from('SSH-2.0\r\n\r\n')), /no HTTP/);
    assert.throws(
      () => new AnswerReader().take(Buffer.concat([answerOf(Buffer.from('a')), Buffer.from('b')])),
      /more than one/,
    );
    assert.throws(() => new AnswerReader().take(Buffer.alloc(70_000, 'a')), /without an end/);
  });
});

const BYTES = Buffer.from('what was stored');
const CONTENT = { size: BYTES.length, crc: crc32(BYTES) };

describe('a GET', () => {
  const answer = (status: number, body: Buffer) => ({
    status,
    bytes: body.length,
    crc32: crc32(body),
    text: body.toString(),
    isReusable: true,
  });
  const check = (status: number, body: Buffer, wanted: Wanted = { key: 'k', content: CONTENT }) =>
    checkGet(answer(status, body), wanted).errors;
  const none = { broken: 0, refused: 0, short: 0, wrong: 0 };

  test('is right with exactly what was stored', () => {
    assert.deepEqual(check(200, BYTES), none);
    assert.deepEqual(check(200, BYTES.subarray(1)), { ...none, short: 1 });
    assert.deepEqual(check(200, Buffer.from(BYTES.toString().toUpperCase())), { ...none, wrong: 1 });
    assert.deepEqual(check(200, Buffer.concat([BYTES, BYTES])), { ...none, wrong: 1 });
    assert.deepEqual(check(404, Buffer.from('<Code>NoSuchKey</Code>')), { ...none, refused: 1 });
  });

  test('of what was deleted is right when nothing is there', () => {
    assert.deepEqual(check(404, Buffer.alloc(0), { key: 'k' }), none);
    assert.deepEqual(check(200, BYTES, { key: 'k' }), { ...none, wrong: 1 });
  });

  test('a change is right with a status of success', () => {
    const status = (code: number) => checkChange('PUT', 'k', answer(code, Buffer.alloc(0)));
    assert.equal(status(200).errors.refused, 0);
    assert.equal(status(204).errors.refused, 0);
    assert.equal(status(503).errors.refused, 1);
  });
});

function messageOf(body: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

describe('messages of gRPC', () => {
  test('come out whole and in order, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(BODY, { minLength: 1, maxLength: 6 }), CUTS, (bodies, cuts) => {
        const messages: Buffer[] = [];
        const cutter = new MessageCutter(new MessageRoom(), (message) => messages.push(Buffer.from(message)));
        for (const piece of cut(Buffer.concat(bodies.map(messageOf)), cuts)) cutter.take(piece);
        assert.deepEqual(messages, bodies);
      }),
    );
  });

  test('are refused when they are too large, or compressed', () => {
    const take = (...bytes: number[]) => new MessageCutter(new MessageRoom(), () => {}).take(Buffer.from(bytes));
    assert.throws(() => take(0, 0xff, 0, 0, 0), RangeError);
    assert.throws(() => take(1, 0, 0, 0, 1, 0), RangeError);
  });
});

describe('a batch', () => {
  const wanted: Wanted[] = [{ key: 'a', content: CONTENT }, { key: 'gone' }];
  const absent = { slot: 1, error: { code: 5, message: 'no such key' } };
  const END = { end: { ok: 1, failed: 1 } };
  const outcomeOf = (...frames: Parameters<typeof BatchFrame.encode>[0][]) => {
    const slots = new BatchSlots(wanted.length, new MessageRoom());
    for (const frame of frames) slots.take(messageOf(Buffer.from(BatchFrame.encode(frame))));
    return outcomeOfBatch(wanted, slots);
  };

  test('is right with every slot, in one entry or in several, and an end', () => {
    const whole = outcomeOf({ entries: [{ slot: 0, length: BYTES.length }, absent], payload: BYTES, ...END });
    assert.deepEqual(whole, { objects: 2, bytes: BYTES.length, errors: { broken: 0, refused: 0, short: 0, wrong: 0 } });
    const halves = outcomeOf(
      { entries: [{ slot: 0, length: 4 }], payload: BYTES.subarray(0, 4) },
      {
        entries: [{ slot: 0, objectOffset: 4, length: BYTES.length - 4 }, absent],
        payload: BYTES.subarray(4),
        ...END,
      },
    );
    assert.deepEqual(halves, whole);
  });

  test('tells what is missing, short, wrong, refused or not deleted', () => {
    const first = (frame: Parameters<typeof BatchFrame.encode>[0]) => outcomeOf(frame).errors;
    assert.equal(first({ entries: [{ slot: 0, length: BYTES.length }, absent], payload: BYTES }).broken, 1);
    assert.equal(first({ entries: [absent], ...END }).short, 1);
    assert.equal(first({ entries: [{ slot: 0, length: 3 }, absent], payload: BYTES.subarray(0, 3), ...END }).short, 1);
    const other = Buffer.from(BYTES).fill('x', 0, 1);
    assert.equal(first({ entries: [{ slot: 0, length: other.length }, absent], payload: other, ...END }).wrong, 1);
    const refused = { slot: 0, error: { code: 15, message: 'damaged' } };
    assert.equal(first({ entries: [refused, absent], ...END }).refused, 1);
    const both = [
      { slot: 0, length: BYTES.length },
      { slot: 1, length: 1 },
    ];
    assert.equal(first({ entries: both, payload: Buffer.concat([BYTES, Buffer.from('x')]), ...END }).wrong, 1);
  });

  test('that describes other bytes than it has, or slots that nobody asked for, is no batch', () => {
    assert.throws(() => outcomeOf({ entries: [{ slot: 0, length: 3 }], payload: BYTES }), RangeError);
    assert.throws(() => outcomeOf({ entries: [{ slot: 2, length: 0 }], ...END }), RangeError);
  });
});

test('a tally keeps the latencies of what was right, and says what was not', () => {
  const tally = new Tally();
  tally.count(good(3, 30), 7);
  tally.count(faulty('short', 'a is short'), 1);
  tally.count(faulty('short', 'a is short'), 1);
  const { requests, objects, bytes, errors, latenciesMs, troubles } = tally.load;
  assert.deepEqual([requests, objects, bytes, errors.short], [3, 3, 30, 2]);
  assert.deepEqual([...latenciesMs], [7]);
  assert.deepEqual(troubles, ['a is short']);
});
