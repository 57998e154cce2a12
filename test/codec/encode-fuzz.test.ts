/**
 * Headers that somebody broke, through the whole of coding: nothing is thrown, the bytes come back, and the work is bounded by the bytes that there
 * are and not by those that a header claims. Work is counted in calls of codecs and their bytes, so that a slow machine changes nothing.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { type CodecSet, codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { decodePayload } from '../../src/codec/decode-payload.ts';
import { dictionaryOf } from '../../src/codec/dictionary.ts';
import { encodeObject } from '../../src/codec/encode-object.ts';
import { type EncodeOptions, PAYLOAD_CODEC, type Profile } from '../../src/codec/object-coding.ts';
import type { Shape } from '../../src/codec/plane-codec.ts';
import { readCodedPayload } from '../../src/format/coded-payload.ts';
import { detectBeginning } from '../../src/format/content-detect.ts';
import { pixelsOfPiece } from '../../src/format/content-pixels.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { EXPLICIT, imageHeader } from '../format/dicom-bytes.ts';
import { HOSTILE_HEADERS, SOUND_HEADERS } from './hostile-headers.ts';
import { realFiles } from './made-images.ts';

const RUNS = process.env.PENSTOCK_LONG === '1' ? 100_000 : 3000;
const HEAD_BYTES = 4096;
/** Every candidate of the longest chain on everything, coded and decoded, and on a sample before. */
const BYTES_A_BYTE = 16;
const CALLS = 64;
const BYTES_A_CALL = 1024;

class Meter {
  calls = 0;
  bytes = 0;
  /** Calls with a shape. */
  pictures = 0;
  readonly codecs: CodecSet;

  constructor(codecs: CodecSet) {
    this.codecs = codecSetOf(
      [...codecs.values()].map((codec) => ({
        ...codec,
        encode: (bytes, shape, dictionary) => {
          this.#count(bytes.length, shape);
          return codec.encode(bytes, shape, dictionary);
        },
        decode: (coded, shape, into, dictionary) => {
          this.#count(into.length, shape);
          codec.decode(coded, shape, into, dictionary);
        },
      })),
    );
  }

  /** Codecs take memory for the shape that they are told: it must be that of the bytes. */
  #count(length: number, shape: Shape | undefined): void {
    this.calls += 1;
    this.bytes += length;
    if (shape === undefined) return;
    this.pictures += 1;
    assert.equal(shape.width * shape.height * shape.samples * shape.bytesPerSample, length);
  }
}

let codecs: CodecSet;
before(async () => {
  codecs = codecSetOf((await loadCodecs()).all);
});

/** @returns whether anything of it was taken for a picture */
function comesBack(bytes: Buffer, options: EncodeOptions): boolean {
  const meter = new Meter(codecs);
  const { codec, stored, mismatches } = encodeObject(meter.codecs, bytes, options);
  assert.equal(mismatches, 0);
  assert.ok(meter.bytes <= BYTES_A_BYTE * bytes.length, `${meter.bytes} bytes of work for ${bytes.length}`);
  assert.ok(meter.calls <= CALLS + bytes.length / BYTES_A_CALL, `${meter.calls} calls for ${bytes.length} bytes`);
  const isPicture = meter.pictures > 0;
  if (stored === undefined) return isPicture;
  assert.ok(stored.length < bytes.length);
  if (codec === PAYLOAD_CODEC.sections)
    assert.ok(readCodedPayload(stored).sections.length <= LIMITS.codedSectionsMax / 4);
  const { dictionary } = options;
  const item = { codec, stored, size: bytes.length, crc: crc32Of(bytes, 0), dictionary };
  assert.ok(decodePayload(codecs, item).equals(bytes));
  return isPicture;
}

const small = realFiles()
  .filter(({ name, bytes }) => name.startsWith('samples/') && bytes.length <= 50_000)
  .map(({ bytes }) => bytes);
const nasty = Object.values(HOSTILE_HEADERS).filter((bytes) => bytes.length <= 50_000);
const seeds = [...Object.values(SOUND_HEADERS), ...small, ...nasty];
const profile = fc.constantFrom<Profile>('default', 'max-ratio');

const broken = fc
  .record({
    seed: fc.nat(seeds.length - 1),
    changes: fc.array(
      fc.record({
        at: fc.oneof(fc.nat(700), fc.nat(HEAD_BYTES)),
        value: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 2, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x0010_7fe0)),
        count: fc.constantFrom(1, 2, 4),
      }),
      { maxLength: 10 },
    ),
    /** Bytes that are cut off the end, or doubled. */
    cut: fc.oneof(fc.constant(0), fc.integer({ min: -3000, max: 9000 })),
  })
  .map(({ seed, changes, cut }) => {
    const bytes = Buffer.from(seeds[seed] as Buffer);
    for (const { at, value, count } of changes) {
      const last = Math.min(bytes.length, HEAD_BYTES) - count;
      bytes.writeUIntLE(value % 256 ** count, at % (last + 1), count);
    }
    if (cut < 0) return Buffer.concat([bytes, bytes.subarray(cut)]);
    return bytes.subarray(0, Math.max(1, bytes.length - cut));
  });

describe('coding of what somebody broke', () => {
  it('gives it back, with work for the bytes that there are', async () => {
    const dictionary = dictionaryOf([imageHeader(EXPLICIT)]);
    let pictures = 0;
    await fc.assert(
      fc.asyncProperty(broken, profile, fc.boolean(), async (bytes, how, hasDictionary) => {
        if (comesBack(bytes, { profile: how, dictionary: hasDictionary ? dictionary : undefined })) pictures += 1;
        await nextTurn(); // what a native library used is freed in a turn of the loop
      }),
      { numRuns: RUNS },
    );
    assert.ok(pictures > RUNS / 4, `${pictures} of ${RUNS} had pixels`);
  });

  it('gives any piece back of an object that claims to be large', async () => {
    const piece = fc.tuple(
      fc.nat(50_000),
      fc.oneof({ arbitrary: fc.nat(9000), weight: 4 }, { arbitrary: fc.nat(2 ** 32), weight: 1 }),
    );
    let pictures = 0;
    await fc.assert(
      fc.asyncProperty(broken, profile, fc.nat(2 ** 40), piece, async (bytes, how, size, [length, start]) => {
        const content = detectBeginning(bytes, size);
        const pixels = content.pixels === undefined ? undefined : pixelsOfPiece(content.pixels, start);
        const hint = { class: content.class, pixels };
        if (comesBack(bytes.subarray(0, Math.max(1, length)), { profile: how, hint })) pictures += 1;
        await nextTurn();
      }),
      { numRuns: RUNS },
    );
    assert.ok(pictures > RUNS / 8, `${pictures} of ${RUNS} had pixels`);
  });

  for (const [name, bytes] of Object.entries({ ...SOUND_HEADERS, ...HOSTILE_HEADERS })) {
    it(`gives it back: ${name}`, () => {
      for (const how of ['default', 'max-ratio'] as const) comesBack(bytes, { profile: how });
    });
  }
});
