import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { type Codecs, loadCodecs } from '../../src/codec/codecs.ts';
import { CODEC, type PlaneCodec, type Shape } from '../../src/codec/plane-codec.ts';
import { planSections } from '../../src/codec/section-plan.ts';
import { detectContent } from '../../src/format/content-detect.ts';
import { noise, realFiles, scan } from './made-images.ts';

let codecs: Codecs;
before(async () => {
  codecs = await loadCodecs();
});

const DICTIONARY = Buffer.from('a dictionary that some of these bytes may resemble');
const GRAY: Shape = {
  width: 1,
  height: 1,
  bytesPerSample: 2,
  samples: 1,
  isPlanar: false,
  isSigned: false,
  isBigEndian: false,
};

const anyShape = fc.record<Shape>({
  width: fc.integer({ min: 1, max: 130 }),
  height: fc.integer({ min: 1, max: 40 }),
  bytesPerSample: fc.constantFrom(1, 2, 4, 8),
  samples: fc.constantFrom(1, 3),
  isPlanar: fc.boolean(),
  isSigned: fc.boolean(),
  isBigEndian: fc.boolean(),
});

const bytesOf = (shape: Shape) => shape.width * shape.height * shape.bytesPerSample * shape.samples;

/** Bytes for a shape, of every kind: noise, one value, a slope with noise, the ends of the range, few bits, colour that is grey. */
function content(shape: Shape, kind: number, seed: number): Buffer {
  const length = bytesOf(shape);
  const bits = shape.bytesPerSample === 1 ? 8 : 12;
  const made = Buffer.alloc(length);
  if (kind === 0) return noise(length, seed);
  if (kind === 1) return made.fill(seed & 0xff);
  if (kind === 2) {
    const part = scan(shape.width * shape.samples, shape.height, shape.bytesPerSample === 1 ? 1 : 2, bits, seed);
    for (let at = 0; at < length; at += part.length) part.copy(made, at);
    return made;
  }
  const grain = noise(length, seed);
  if (kind === 3) return made.map((_, at) => ((grain[at] as number) & 1 ? 0xff : 0)) as Buffer;
  if (kind === 4) return made.map((_, at) => ((grain[at] as number) < 250 ? 0 : (grain[at] as number))) as Buffer;
  return made.map((_, at) => grain[Math.floor(at / shape.samples)] as number) as Buffer;
}

/** Filled, so that bytes which are not written are seen. */
function decoded(codec: PlaneCodec, coded: Buffer, shape: Shape | undefined, length: number): Buffer {
  const into = Buffer.alloc(length, 0x5a);
  codec.decode(coded, shape, into, codec.number === CODEC.zstdDictionary ? DICTIONARY : undefined);
  return into;
}

function encoded(codec: PlaneCodec, bytes: Buffer, shape: Shape | undefined): Buffer | undefined {
  return codec.encode(bytes, shape, codec.number === CODEC.zstdDictionary ? DICTIONARY : undefined);
}

test('codecs are found by their number, and an unknown one is named', () => {
  for (const number of Object.values(CODEC)) assert.equal(codecs.byNumber(number).number, number);
  assert.equal(codecs.all.length, Object.keys(CODEC).length);
  assert.throws(() => codecs.byNumber(200), /codec 200 is not one of 0, 1, 2, 3, 4, 5, 6: a newer version wrote this/);
});

for (const [name, number] of Object.entries(CODEC)) {
  describe(name, () => {
    test('gives back any bytes of any shape that it accepts, exactly', () => {
      const codec = codecs.byNumber(number);
      let coded = 0;
      fc.assert(
        fc.property(anyShape, fc.nat(5), fc.integer({ min: 1, max: 2 ** 30 }), (shape, kind, seed) => {
          if (!codec.accepts(shape)) return;
          const original = content(shape, kind, seed);
          const bytes = Buffer.from(original);
          const section = encoded(codec, bytes, shape);
          assert.ok(bytes.equals(original), 'the bytes are left as they were');
          if (section === undefined) return;
          coded += 1;
          assert.ok(decoded(codec, section, shape, bytes.length).equals(bytes));
        }),
        { numRuns: 400 },
      );
      assert.ok(coded > 50, `only ${coded} were coded`);
    });

    test('reads and writes bytes wherever they lie in memory', () => {
      const codec = codecs.byNumber(number);
      const shape = { ...GRAY, width: 80, height: 31 };
      for (let shift = 0; shift < 4; shift += 1) {
        const bytes = Buffer.alloc(bytesOf(shape) + 4).subarray(shift, shift + bytesOf(shape));
        content(shape, 2, 5).copy(bytes);
        const coded = encoded(codec, bytes, shape);
        assert.ok(coded);
        const moved = Buffer.alloc(coded.length + 4).subarray(shift, shift + coded.length);
        coded.copy(moved);
        const into = Buffer.alloc(bytes.length + 4).subarray(3 - shift, 3 - shift + bytes.length);
        codec.decode(moved, shape, into, DICTIONARY);
        assert.ok(into.equals(bytes));
      }
    });

    test('ends in an Error or in wrong bytes when a section is damaged, and works afterwards', () => {
      const codec = codecs.byNumber(number);
      const shape = { ...GRAY, width: 61, height: 40 };
      const bytes = content(shape, 2, 9);
      const coded = encoded(codec, bytes, shape);
      assert.ok(coded);
      const change = fc.tuple(fc.oneof(fc.nat(40), fc.nat(coded.length - 1)), fc.nat(255));
      fc.assert(
        fc.property(
          fc.array(change, { maxLength: 5 }),
          fc.nat(coded.length),
          fc.boolean(),
          (changes, length, isCut) => {
            const damaged = Buffer.from(isCut ? coded.subarray(0, length) : coded);
            for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
            try {
              decoded(codec, damaged, shape, bytes.length);
            } catch (error) {
              assert.ok(error instanceof Error, String(error));
            }
          },
        ),
        { numRuns: 600 },
      );
      assert.ok(decoded(codec, coded, shape, bytes.length).equals(bytes));
    });

    test('refuses a section of another size or shape than it was coded with', () => {
      const codec = codecs.byNumber(number);
      const shape = { ...GRAY, width: 30, height: 20 };
      const coded = encoded(codec, content(shape, 2, 3), shape);
      assert.ok(coded);
      const size = bytesOf(shape);
      assert.throws(() => decoded(codec, coded, shape, size - 2), Error);
      assert.throws(() => decoded(codec, coded, { ...shape, height: 21 }, size + 60), Error);
      assert.throws(() => decoded(codec, Buffer.alloc(0), shape, size), Error);
      if (!codec.accepts(undefined)) assert.throws(() => decoded(codec, coded, undefined, size), Error);
    });
  });
}

describe('picture codecs', () => {
  const PICTURES = [CODEC.med, CODEC.htj2k, CODEC.jpegls];

  test('leave shapes that are no picture of so many bytes to others', () => {
    for (const number of PICTURES) {
      const codec = codecs.byNumber(number);
      const bytes = scan(64, 64, 2, 12);
      assert.equal(codec.encode(bytes, undefined, undefined), undefined);
      assert.equal(codec.encode(bytes, { ...GRAY, width: 64, height: 63 }, undefined), undefined);
      assert.equal(codec.encode(bytes, { ...GRAY, width: 64, height: 65 }, undefined), undefined);
      assert.equal(codec.accepts({ ...GRAY, bytesPerSample: 4 }), false);
      assert.equal(codec.accepts(undefined), false);
      const tooLarge = { ...GRAY, width: 4096, height: LIMITS.pictureBytesMax / 8192 + 1 };
      assert.equal(codec.encode(Buffer.alloc(bytesOf(tooLarge)), tooLarge, undefined), undefined);
      const tooWide = { ...GRAY, width: LIMITS.pictureSideMax + 1, height: 2 };
      assert.equal(codec.encode(Buffer.alloc(bytesOf(tooWide)), tooWide, undefined), undefined);
    }
  });

  test('take the longest lines and columns', () => {
    for (const [width, height] of [
      [LIMITS.pictureSideMax, 2],
      [2, LIMITS.pictureSideMax],
    ] as const)
      for (const number of PICTURES) {
        const codec = codecs.byNumber(number);
        const shape = { ...GRAY, width, height };
        const bytes = scan(width, height, 2, 11);
        const coded = codec.encode(bytes, shape, undefined);
        assert.ok(coded, codec.name);
        assert.ok(decoded(codec, coded, shape, bytes.length).equals(bytes), codec.name);
      }
  });

  test('make a third of pictures of twelve bits, whatever their sign, byte order or highest bits', () => {
    const bytes = scan(256, 256, 2, 12);
    const signed = Buffer.from(bytes);
    for (let at = 0; at < bytes.length; at += 2) signed.writeInt16LE(bytes.readUInt16LE(at) - 1024, at);
    // An overlay in the highest bit, which is set everywhere.
    const marked = Buffer.from(bytes);
    for (let at = 0; at < bytes.length; at += 2) marked.writeUInt16LE(bytes.readUInt16LE(at) | 0x8000, at);
    const shape = { ...GRAY, width: 256, height: 256 };
    for (const number of PICTURES) {
      const codec = codecs.byNumber(number);
      const lengths = [
        codec.encode(bytes, shape, undefined),
        codec.encode(signed, { ...shape, isSigned: true }, undefined),
        codec.encode(Buffer.from(bytes).swap16(), { ...shape, isBigEndian: true }, undefined),
        codec.encode(marked, shape, undefined),
      ].map((coded) => coded?.length ?? Number.POSITIVE_INFINITY);
      for (const length of lengths) assert.ok(length < bytes.length / 2.5, `${codec.name}: ${lengths.join(', ')}`);
    }
  });

  test('make of grey that is stored as colour little more than of grey', () => {
    const gray = scan(128, 128, 1, 8);
    const colour = Buffer.alloc(gray.length * 3);
    for (let at = 0; at < colour.length; at += 1) colour[at] = gray[Math.floor(at / 3)] as number;
    const planar = Buffer.concat([gray, gray, gray]);
    const shape: Shape = { ...GRAY, width: 128, height: 128, bytesPerSample: 1 };
    for (const number of PICTURES) {
      const codec = codecs.byNumber(number);
      const one = codec.encode(gray, shape, undefined)?.length ?? 0;
      const interleaved = codec.encode(colour, { ...shape, samples: 3 }, undefined)?.length ?? 0;
      assert.ok(one > 0 && interleaved > 0 && interleaved < one + 200, `${codec.name}: ${one}, ${interleaved}`);
      assert.equal(codec.encode(planar, { ...shape, samples: 3, isPlanar: true }, undefined)?.length, interleaved);
    }
  });

  test('give the same bytes for the same picture, whatever was coded before', () => {
    const shape: Shape = { ...GRAY, width: 40, height: 40, bytesPerSample: 1, samples: 3 };
    const bytes = content(shape, 2, 4);
    for (const number of PICTURES) {
      const codec = codecs.byNumber(number);
      const first = codec.encode(bytes, shape, undefined);
      codec.encode(noise(90 * 70 * 3), { ...shape, width: 90, height: 70 }, undefined);
      assert.ok(first);
      assert.deepEqual(codec.encode(bytes, shape, undefined), first);
    }
  });

  test('HTJ2K leaves colour of 16 bits and single lines to others', () => {
    const codec = codecs.byNumber(CODEC.htj2k);
    assert.equal(codec.accepts({ ...GRAY, width: 8, height: 8, samples: 3 }), false);
    assert.equal(codec.accepts({ ...GRAY, width: 8, height: 1 }), false);
    assert.equal(codec.accepts({ ...GRAY, width: 1, height: 8 }), false);
    assert.equal(codec.accepts({ ...GRAY, width: 8, height: 8, samples: 3, bytesPerSample: 1 }), true);
  });

  test('JPEG-LS leaves noise to others', () => {
    const codec = codecs.byNumber(CODEC.jpegls);
    const shape = { ...GRAY, width: 256, height: 256 };
    assert.equal(codec.encode(noise(bytesOf(shape)), shape, undefined), undefined);
    assert.equal(codec.encode(noise(256 * 256), { ...shape, bytesPerSample: 1 }, undefined), undefined);
  });
});

test('every codec gives back the pixels of every real file that there is', () => {
  let sections = 0;
  for (const { name, bytes } of realFiles()) {
    const found = detectContent(bytes);
    const cuts = planSections(bytes.length, found.headerLength, found.pixels);
    const pixels = cuts.filter((cut) => cut.part === 'pixels').slice(0, 2);
    for (const { start, end, shape } of pixels)
      for (const codec of codecs.all) {
        const section = bytes.subarray(start, end);
        const coded = codec.accepts(shape) ? encoded(codec, section, shape) : undefined;
        if (coded === undefined) continue;
        sections += 1;
        assert.ok(decoded(codec, coded, shape, section.length).equals(section), `${name} by ${codec.name}`);
      }
  }
  assert.ok(sections > 0);
});
