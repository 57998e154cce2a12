/** Bytes that somebody broke: detection never throws, its work is bounded, and what it says lies inside the object. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { detectBeginning } from '../../src/format/content-detect.ts';
import { ElementWalk } from '../../src/format/content-dicom-elements.ts';
import { magicClass } from '../../src/format/content-magic.ts';
import { BIG_ENDIAN, EXPLICIT, element, file, IMPLICIT, imageHeader, SYNTAX, sequence, short } from './dicom-bytes.ts';

const HEAD_BYTES = 8192;
const samples = path.join(import.meta.dirname, '../../samples');

/** The beginnings of real files and of some by hand that open what they do not close. */
function heads(): Buffer[] {
  const real = ['dicom', 'ct', 'mr', 'pet', 'nifti'].flatMap((folder) =>
    readdirSync(path.join(samples, folder)).map((name) => readFileSync(path.join(samples, folder, name))),
  );
  const made = [IMPLICIT, EXPLICIT, BIG_ENDIAN].map((how) => {
    const inner = sequence(how, 0x0008_1140, [short(how, 0x0028_0010, 9)], true);
    const between = sequence(how, 0x0020_9222, [inner, inner], true);
    const pixels = element(how, 0x7fe0_0010, 'OW', Buffer.alloc(240, 3));
    return file(SYNTAX.explicit, imageHeader(how, { between, frames: '10' }), pixels);
  });
  const texts = ["\x93NUMPY\x01\0\x3b\0{'descr': '<u2', 'fortran_order': False, 'shape': (4, 5)}   ", 'P6\n5 4 255\n'];
  return [
    ...real.map((bytes) => bytes.subarray(0, HEAD_BYTES)),
    ...made,
    ...texts.map((text) => Buffer.from(text, 'latin1')),
  ];
}

function assertSound(bytes: Buffer, size = bytes.length): void {
  const { headerLength, series, pixels, isCompressed } = detectBeginning(bytes, size);
  const end = Math.max(size, bytes.length);
  assert.ok(headerLength >= 0 && headerLength <= bytes.length);
  assert.ok(series === undefined || (series.length > 0 && series.length <= 64));
  assert.equal(typeof isCompressed, 'boolean');
  magicClass(bytes);
  if (pixels === undefined) return;
  const { offset, width, height, frames } = pixels;
  for (const number of [offset, width, height, frames]) assert.ok(Number.isSafeInteger(number) && number >= 0);
  assert.ok(width > 0 && height > 0 && frames > 0);
  assert.ok(!pixels.isPlanar || pixels.samples === 3);
  assert.ok(offset + width * height * frames * pixels.samples * pixels.bytesPerSample <= end);
}

interface Change {
  readonly at: number;
  readonly value: number;
  readonly bytes: 1 | 2 | 4;
}

function changed(head: Buffer, changes: readonly Change[]): Buffer {
  const bytes = Buffer.from(head);
  for (const { at, value, bytes: count } of changes) {
    if (bytes.length >= count) bytes.writeUIntLE(value % 256 ** count, at % (bytes.length - count + 1), count);
  }
  return bytes;
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.oneof(fc.nat(1500), fc.nat(HEAD_BYTES)),
  value: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 0xffff_ffff, 0x7fff_ffff, 0xe000_fffe, 0x0010_7fe0)),
  bytes: fc.constantFrom(1, 2, 4),
});

test('changed and cut headers never throw, and pixels lie inside', () => {
  const whole = heads();
  const cases = fc.tuple(
    fc.nat(whole.length - 1),
    fc.array(change, { maxLength: 12 }),
    fc.nat(HEAD_BYTES),
    fc.nat(2 ** 33),
  );
  fc.assert(
    fc.property(cases, ([which, changes, length, size]) => {
      const bytes = changed(whole[which] as Buffer, changes);
      assertSound(bytes);
      assertSound(bytes.subarray(0, length));
      assertSound(bytes.subarray(0, length), size);
    }),
    { numRuns: 2000 },
  );
});

test('every beginning of a header is sound', () => {
  for (const head of heads()) {
    for (let length = 0; length < Math.min(head.length, 2048); length += 1)
      assertSound(head.subarray(0, length), head.length);
  }
});

test('any bytes at all are sound, also behind what promises more', () => {
  const starts = [
    '',
    'DICM',
    `${'\0'.repeat(128)}DICM`,
    '\x08\0\x05\0',
    '\x93NUMPY\x01\0\x10\0',
    'II*\0',
    'BM',
    'P5 ',
    'P6\n',
  ];
  const cases = fc.tuple(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 600 }));
  fc.assert(
    fc.property(cases, ([start, rest]) => {
      assertSound(Buffer.concat([Buffer.from(start, 'latin1'), rest]));
    }),
    { numRuns: 2000 },
  );
});

test('a walk takes a step for eight bytes at most, and goes forward', () => {
  const whole = heads();
  const cases = fc.tuple(fc.nat(whole.length - 1), fc.array(change, { maxLength: 12 }), fc.boolean(), fc.boolean());
  fc.assert(
    fc.property(cases, ([which, changes, isImplicit, isBigEndian]) => {
      const bytes = changed(whole[which] as Buffer, changes);
      for (const start of [0, 132]) {
        const walk = new ElementWalk(bytes, start, { isImplicit, isBigEndian });
        let before = start;
        while (walk.next()) {
          assert.ok(walk.nextAt >= before + 8 && walk.depth <= LIMITS.contentDepthMax);
          before = walk.nextAt;
        }
        assert.ok(walk.steps <= bytes.length / 8 + 1);
      }
    }),
    { numRuns: 500 },
  );
});
