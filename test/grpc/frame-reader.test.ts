import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Frame, FrameReader } from '../../src/fronts/grpc/frame-reader.ts';
import { CallError } from '../../src/fronts/grpc/status.ts';
import { framed } from './transport-scene.ts';

const frames = fc.array(
  fc
    .tuple(fc.boolean(), fc.uint8Array({ maxLength: 5000 }))
    .map(([isCompressed, bytes]): Frame => ({ isCompressed, message: Buffer.from(bytes) })),
  { maxLength: 20 },
);

function bytesOf(list: readonly Frame[]): Buffer {
  return Buffer.concat(list.map(({ isCompressed, message }) => framed(message, isCompressed ? 1 : 0)));
}

/** Pieces at the cuts, each in a buffer of its own or in one that they share, as a socket gives them. */
function cut(bytes: Buffer, cuts: readonly number[], isShared: boolean): Buffer[] {
  const at = [0, ...cuts.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => {
    const piece = bytes.subarray(at[i], end);
    return isShared ? piece : Buffer.from(new Uint8Array(piece).buffer);
  });
}

function takeAll(reader: FrameReader): Frame[] {
  const taken: Frame[] = [];
  for (let frame = reader.take(); frame !== undefined; frame = reader.take()) taken.push(frame);
  return taken;
}

describe('FrameReader', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  test('gives the same messages however their bytes are split, and whenever they are asked for', () => {
    const asks = fc.array(fc.boolean(), { minLength: 1 });
    fc.assert(
      fc.property(frames, fc.array(share, { maxLength: 60 }), asks, fc.boolean(), (sent, cuts, asked, isShared) => {
        const reader = new FrameReader(5000);
        const taken: Frame[] = [];
        for (const [i, piece] of cut(bytesOf(sent), cuts, isShared).entries()) {
          reader.push(piece);
          if (asked[i % asked.length]) taken.push(...takeAll(reader));
        }
        taken.push(...takeAll(reader));
        assert.deepEqual(taken, sent);
        assert.equal(reader.held, 0);
      }),
    );
  });

  test('gives them byte by byte', () => {
    const sent = [0, 1, 1023, 1024, 3000].map((bytes) => ({
      isCompressed: false,
      message: Buffer.alloc(bytes, bytes),
    }));
    const reader = new FrameReader(5000);
    const taken: Frame[] = [];
    for (const byte of bytesOf(sent)) {
      reader.push(Buffer.of(byte));
      taken.push(...takeAll(reader));
    }
    assert.deepEqual(taken, sent);
  });

  test('messages stay as they were when more comes behind them', () => {
    const reader = new FrameReader(5000);
    const first = bytesOf([{ isCompressed: false, message: Buffer.from('first') }]);
    reader.push(first.subarray(0, 7));
    assert.equal(reader.take(), undefined);
    reader.push(Buffer.concat([first.subarray(7), Buffer.from([0])]));
    const taken = reader.take();
    assert.equal(reader.take(), undefined);
    for (let i = 0; i < 2000; i++) {
      reader.push(Buffer.of(0));
      if (reader.take() === undefined) continue;
    }
    assert.deepEqual(taken?.message.toString(), 'first');
  });

  test('knows what is left of a message that was cut', () => {
    fc.assert(
      fc.property(frames, share, (sent, at) => {
        const bytes = bytesOf(sent);
        const reader = new FrameReader(5000);
        reader.push(bytes.subarray(0, Math.floor(at * bytes.length)));
        const taken = takeAll(reader);
        assert.deepEqual(taken, sent.slice(0, taken.length));
        assert.equal(reader.held, Math.floor(at * bytes.length) - bytesOf(taken).length);
      }),
    );
  });

  test('refuses a wrong prefix as soon as it is whole', () => {
    const cases = [
      [[2, 0, 0, 0, 1], 13, /flag of a message is 2/],
      [[255, 0, 0, 0, 0], 13, /255/],
      [[0, 0, 0, 0x13, 0x89], 8, /5001 bytes; at most 5000/],
      [[1, 255, 255, 255, 255], 8, /4294967295/],
    ] as const;
    for (const [prefix, grpcStatus, message] of cases) {
      const reader = new FrameReader(5000);
      for (const byte of prefix) {
        assert.equal(reader.take(), undefined);
        reader.push(Buffer.of(byte));
      }
      assert.throws(
        () => reader.take(),
        (error: unknown) =>
          error instanceof CallError && error.grpcStatus === grpcStatus && message.test(error.message),
      );
    }
  });

  test('any bytes whatever give messages or a refusal, and never more than there is', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (pieces) => {
        const reader = new FrameReader(300);
        let bytes = 0;
        let taken = 0;
        try {
          for (const piece of pieces) {
            reader.push(Buffer.from(piece));
            bytes += piece.length;
            for (const { message } of takeAll(reader)) taken += message.length + 5;
            assert.equal(taken + reader.held, bytes);
          }
        } catch (error) {
          assert(error instanceof CallError);
        }
      }),
    );
  });

  test('a small piece of a large buffer does not keep it in memory', () => {
    const reader = new FrameReader(4096);
    const large = new ArrayBuffer(65_536);
    new Uint8Array(large).set([0, 0, 0, 16]);
    reader.push(Buffer.from(large, 0, 2000));
    assert.equal(reader.take(), undefined);
    reader.push(Buffer.from(large, 2000, 2101));
    const message = reader.take()?.message;
    assert.equal(message?.length, 4096);
    assert.notEqual(message?.buffer, large);
    // What waits is copied even before its message is whole.
    const waiting = new FrameReader(4096);
    waiting.push(Buffer.from(large, 0, 2000));
    waiting.take();
    new Uint8Array(large).fill(1);
    waiting.push(Buffer.alloc(2101));
    assert.equal(
      waiting
        .take()
        ?.message.subarray(0, 1995)
        .every((byte) => byte === 0),
      true,
    );
  });
});
