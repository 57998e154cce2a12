/** The frame of a batch that is written by hand is what the generated decoder reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BatchEntry } from '../../src/base/batch-read.ts';
import { GatewayError } from '../../src/base/errors.ts';
import type { ObjectInfo } from '../../src/base/object-info.ts';
import { BatchFrame, Encoding, Status } from '../../src/format/messages.ts';
import { batchFrameHead, type FrameEnd } from '../../src/fronts/grpc/batch-frame.ts';
import { statusOf } from '../../src/fronts/grpc/status.ts';

function infoOf(size: number, etag: string): ObjectInfo {
  return { size, etag, contentType: undefined, attributes: {}, modifiedMs: 0, crc32: undefined, partCount: 0 };
}

const slot = fc.oneof(fc.nat(300), fc.nat(99_999));
const served = fc.record({
  slot,
  length: fc.oneof(fc.nat(200), fc.nat(4 * 1024 * 1024)),
  offset: fc.oneof(fc.constant(0), fc.nat(2 ** 31 - 1), fc.nat(5 * 2 ** 40)),
  size: fc.oneof(fc.nat(300), fc.nat(5 * 2 ** 40)),
  crc32: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff })),
  etag: fc.constantFrom('d41d8cd98f00b204e9800998ecf8427e', 'd41d8cd98f00b204e9800998ecf8427e-10000'),
  encoding: fc.constantFrom(undefined, 'zstd' as const),
});
const failed = fc.record({
  slot,
  code: fc.constantFrom('NoSuchKey', 'DataLoss', 'SlowDown'),
  key: fc.string({ maxLength: 300 }),
});
const end = fc.record({
  ok: fc.nat(100_000),
  failed: fc.nat(100_000),
  unservedSlots: fc.array(fc.nat(99_999), { maxLength: 300 }),
  bytes: fc.nat(2 ** 40),
  cacheHits: fc.nat(100_000),
  serverMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
});

test('any frame is read back as it was meant', () => {
  const property = fc.property(
    fc.array(fc.oneof(served, failed), { maxLength: 40 }),
    fc.option(end, { nil: undefined }),
    (parts, last) => {
      const errors = new Map<number, Uint8Array>();
      const entries = parts.map((part, i): BatchEntry => {
        if ('etag' in part) {
          const { encoding, size, etag, ...rest } = part;
          return { ...rest, isLast: true, info: infoOf(size, etag), ...(encoding !== undefined && { encoding }) };
        }
        const error = new GatewayError(part.code as 'NoSuchKey', undefined, { resource: `/b/${part.key}` });
        errors.set(i, Status.encode(statusOf(error)));
        return { slot: part.slot, length: 0, offset: 0, isLast: true, crc32: 0, error };
      });
      isReadBack(entries, errors, last);
    },
  );
  fc.assert(property, { numRuns: 300 });
});

function isReadBack(
  entries: readonly BatchEntry[],
  errors: ReadonlyMap<number, Uint8Array>,
  last: FrameEnd | undefined,
): void {
  const bytes = entries.reduce((sum, { length }) => sum + length, 0);
  const head = batchFrameHead(entries, errors, last);
  assert.equal(head[0], 0, 'not compressed');
  assert.equal(head.readUInt32BE(1), head.length - 5 + bytes, 'the length of the message');
  const frame = BatchFrame.decode(Buffer.concat([head.subarray(5), Buffer.alloc(bytes)]));
  assert.equal(frame.payload.length, bytes);
  assert.deepEqual(
    frame.entries,
    entries.map((entry, i) => ({
      slot: entry.slot,
      length: entry.length,
      objectOffset: entry.offset,
      objectSize: entry.info?.size ?? 0,
      crc32: entry.crc32,
      etag: entry.info?.etag ?? '',
      error: errors.has(i) ? Status.decode(errors.get(i) as Uint8Array) : undefined,
      encoding: entry.encoding === 'zstd' ? Encoding.ENCODING_ZSTD : Encoding.ENCODING_UNSPECIFIED,
    })),
  );
  if (last === undefined) {
    assert.equal(frame.end, undefined);
    return;
  }
  const { serverTime, ...counts } = frame.end ?? assert.fail('no end');
  const { serverMs, ...expected } = last;
  assert.deepEqual(counts, expected);
  const ms = (serverTime?.seconds ?? 0) * 1000 + (serverTime?.nanos ?? 0) / 1e6;
  assert.ok(Math.abs(ms - serverMs) < 0.001, `${ms} for ${serverMs}`);
}
