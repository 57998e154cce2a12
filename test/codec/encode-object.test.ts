/** Whole objects, coded and back: real files and made ones, whole and by ranges, and codecs that cannot be trusted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { type CodecSet, codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { decodePayload, dictionaryIdOf } from '../../src/codec/decode-payload.ts';
import { dictionaryOf } from '../../src/codec/dictionary.ts';
import { encodeObject } from '../../src/codec/encode-object.ts';
import {
  type DecodeItem,
  type Dictionary,
  type Encoded,
  type EncodeOptions,
  PAYLOAD_CODEC,
  type Profile,
} from '../../src/codec/object-coding.ts';
import { CODEC, type PlaneCodec } from '../../src/codec/plane-codec.ts';
import { readCodedPayload } from '../../src/format/coded-payload.ts';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { detectBeginning, detectContent } from '../../src/format/content-detect.ts';
import { pixelsOfPiece } from '../../src/format/content-pixels.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { EXPLICIT, element, file, fragments, imageHeader, SYNTAX } from '../format/dicom-bytes.ts';
import { noise, npy, realFiles, scan, slice } from './made-images.ts';

const PROFILES: readonly Profile[] = ['default', 'max-ratio'];
let codecs: CodecSet;
before(async () => {
  codecs = codecSetOf((await loadCodecs()).all);
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function itemOf(bytes: Buffer, { codec, stored }: Encoded, dictionary: Dictionary | undefined): DecodeItem {
  return { codec, stored: stored ?? bytes, size: bytes.length, crc: crc32Of(bytes, 0), dictionary };
}

/** Four ranges that depend on nothing but the bytes' number. */
function rangesOf(size: number): { start: number; end: number }[] {
  const at = (share: number): number => Math.floor(size * share);
  return [
    { start: 0, end: Math.min(1, size) },
    { start: at(0.3), end: at(0.3 + 0.01) },
    { start: at(0.1), end: at(0.9) },
    { start: at(0.999), end: size },
  ];
}

/** Codes and decodes; whole and ranges must be the same as before. */
function roundTrip(name: string, bytes: Buffer, options: EncodeOptions, set = codecs): Encoded {
  const before = sha256(bytes);
  const encoded = encodeObject(set, bytes, options);
  assert.equal(sha256(bytes), before, `${name}: the bytes that were given are as they were`);
  const { codec, stored, dictionaryId } = encoded;
  assert.equal(stored === undefined, codec === PAYLOAD_CODEC.raw, name);
  if (stored !== undefined) {
    assert.ok(stored.length <= bytes.length * 0.95, name);
    assert.equal(dictionaryIdOf(codec, stored), dictionaryId, name);
  }
  const item = itemOf(bytes, encoded, dictionaryId === 0 ? undefined : options.dictionary);
  assert.equal(sha256(decodePayload(codecs, item)), before, name);
  for (const range of rangesOf(bytes.length)) {
    const part = decodePayload(codecs, { ...item, range });
    assert.ok(part.equals(bytes.subarray(range.start, range.end)), `${name}: ${range.start} to ${range.end}`);
  }
  return encoded;
}

function codecsOf({ codec, stored }: Encoded): number[] {
  assert.equal(codec, PAYLOAD_CODEC.sections);
  assert.ok(stored);
  return readCodedPayload(stored).sections.map((section) => section.codec);
}

describe('real files', () => {
  for (const profile of PROFILES) {
    it(`come back by SHA-256 and by ranges, profile ${profile}`, () => {
      for (const { name, bytes } of realFiles()) assert.equal(roundTrip(name, bytes, { profile }).mismatches, 0, name);
    });
  }

  it('come back with the header of a neighbour for a dictionary, which makes none larger', () => {
    let used = 0;
    for (const { name, bytes } of realFiles()) {
      const { headerLength } = detectContent(bytes);
      if (headerLength < 500 || bytes.length > 250_000) continue;
      // Like the header, but not the same.
      const header = Buffer.from(bytes.subarray(0, headerLength));
      header.fill(0x31, headerLength >> 1, (headerLength >> 1) + 8);
      const dictionary = dictionaryOf([header]);
      const encoded = roundTrip(name, bytes, { profile: 'default', dictionary });
      const without = encodeObject(codecs, bytes, { profile: 'default' });
      assert.ok((encoded.stored ?? bytes).length <= (without.stored ?? bytes).length, name);
      if (encoded.dictionaryId !== 0) used += 1;
    }
    assert.ok(used >= 20, `${used} used it`);
  });
});

/** Samples changed after they were made. */
function mapped(bytes: Buffer, change: (byte: number, at: number) => number): Buffer {
  return Buffer.from(bytes.map(change));
}

const EDGES: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'a slice of noise': slice({ rows: 100, columns: 100 }, noise(20_000)),
  'a constant slice': slice({ rows: 100, columns: 100 }, Buffer.alloc(20_000, 7)),
  'bits above those that are stored': slice(
    { rows: 64, columns: 64 },
    mapped(scan(64, 64, 2, 12), (byte, at) => (at % 2 === 1 ? byte | 0xf0 : byte)),
  ),
  'negative samples': slice(
    { rows: 64, columns: 64, isSigned: true },
    mapped(scan(64, 64, 2, 11), (byte, at) => (at % 2 === 1 ? byte - 3 : byte)),
  ),
  'pixels that were cut off': slice(
    { rows: 100, columns: 100 },
    scan(100, 77, 2, 12).subarray(0, -3),
    undefined,
    20_000,
  ),
  'bytes behind the pixels': slice({ rows: 64, columns: 64 }, scan(64, 64, 2, 12), noise(101)),
  'planes of colour': slice({ rows: 50, columns: 60, samples: 3, planar: 1, bits: 8 }, scan(60, 150, 1, 8)),
  'colour by pixel': slice({ rows: 50, columns: 60, samples: 3, planar: 0, bits: 8 }, scan(180, 50, 1, 8)),
  'colour of 16 bits': slice({ rows: 50, columns: 60, samples: 3, planar: 0, bits: 16 }, scan(180, 50, 2, 16)),
  'noise in colour of 16 bits': slice({ rows: 50, columns: 60, samples: 3, planar: 0, bits: 16 }, noise(18_000)),
  'planes of colour of 16 bits': slice(
    { rows: 50, columns: 60, samples: 3, planar: 1, bits: 16 },
    scan(180, 50, 2, 16),
  ),
  'a single pixel': slice({ rows: 1, columns: 1 }, Buffer.from([1, 2])),
  'one row': slice({ rows: 1, columns: 3000 }, scan(3000, 1, 2, 12)),
  'one column': slice({ rows: 3000, columns: 1 }, scan(1, 3000, 2, 12)),
  'many frames': slice({ rows: 32, columns: 32, frames: '90' }, scan(32, 32 * 90, 2, 12)),
  'large frames': slice({ rows: 300, columns: 400, frames: '3' }, scan(400, 900, 2, 12)),
  'frames of one byte': npy('|u1', [5000, 1, 1], scan(5000, 1, 1, 8)),
  'every value of 16 bits': npy(
    '<u2',
    [256, 256],
    Buffer.from(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer),
  ),
  'big endian': npy('>i2', [80, 80], scan(80, 80, 2, 12).swap16()),
  'single precision': npy(
    '<f4',
    [60, 70],
    Buffer.from(Float32Array.from({ length: 4200 }, (_, i) => 100 + i / 7).buffer),
  ),
  'double precision': npy(
    '<f8',
    [60, 70],
    Buffer.from(Float64Array.from({ length: 4200 }, (_, i) => Math.round(Math.sin(i) * 9)).buffer),
  ),
  'half precision': npy('<f2', [60, 70], scan(60, 70, 2, 16)),
  'four bytes': npy('<i4', [60, 70], Buffer.from(Int32Array.from({ length: 4200 }, (_, i) => -i * 3).buffer)),
  text: Buffer.from('series,slice,label\n'.repeat(20_000)),
  'noise that is nothing': noise(300_000),
  'noise after text': Buffer.concat([Buffer.alloc(70_000, 'text '), noise(200_000)]),
  'the largest piece': npy('<u2', [1024, 2047], scan(2047, 1024, 2, 12)),
  'larger than a piece may be': Buffer.alloc(LIMITS.extentBytes + 1),
  'an encapsulated image with a large header': file(
    SYNTAX.jpeg,
    imageHeader(EXPLICIT, { between: element(EXPLICIT, 0x0029_1010, 'OB', Buffer.alloc(9000, 'private ')) }),
    element(EXPLICIT, 0x7fe0_0010, 'OB', fragments(noise(3000)), 2 ** 32 - 1),
  ),
};

describe('made objects', () => {
  for (const [name, bytes] of Object.entries(EDGES)) {
    it(`come back: ${name}`, () => {
      const dictionary = dictionaryOf([imageHeader(EXPLICIT)]);
      for (const profile of PROFILES) {
        for (const given of [undefined, dictionary]) {
          const encoded = roundTrip(name, bytes, { profile, dictionary: given });
          assert.equal(encoded.mismatches, 0);
        }
      }
    });
  }

  it('are cut as frames, and not coded at all where nothing is to be gained', () => {
    const encode = (name: string): Encoded => encodeObject(codecs, EDGES[name] as Buffer, { profile: 'default' });
    assert.equal(codecsOf(encode('large frames')).length, 4);
    assert.deepEqual(codecsOf(encode('an encapsulated image with a large header')), [CODEC.zstd, CODEC.raw]);
    for (const name of ['nothing', 'one byte', 'noise that is nothing', 'larger than a piece may be'])
      assert.equal(encode(name).codec, PAYLOAD_CODEC.raw, name);
    assert.equal(encode('text').codec, PAYLOAD_CODEC.zstd);
    assert.equal(encode('text').class, CONTENT_CLASS.other);
    assert.equal(encode('a slice of noise').class, CONTENT_CLASS.ct);
  });
});

describe('pieces of a large object', () => {
  const objects = {
    'a volume': npy('<u2', [40, 500, 300], scan(300, 500 * 40, 2, 12)),
    'one frame': npy('<u2', [4000, 1000], scan(1000, 4000, 2, 12)),
    'planes of colour': slice({ rows: 1500, columns: 1500, samples: 3, planar: 1, bits: 8 }, scan(1500, 4500, 1, 8)),
    noise: noise(3_000_000),
    text: Buffer.alloc(3_000_000, 'some text '),
  };
  for (const [name, bytes] of Object.entries(objects)) {
    it(`come back, wherever they are cut: ${name}`, () => {
      const content = detectBeginning(bytes.subarray(0, 1_000_000), bytes.length);
      for (const start of [0, 1, 127, 128, 1_000_001, bytes.length - 100]) {
        const piece = bytes.subarray(start, start + 900_001);
        const pixels = content.pixels === undefined ? undefined : pixelsOfPiece(content.pixels, start);
        const encoded = roundTrip(`${name} from ${start}`, piece, {
          profile: 'default',
          hint: { class: content.class, pixels },
        });
        assert.equal(encoded.class, content.class);
        if (pixels !== undefined && piece.length > 1000)
          assert.ok((encoded.stored?.length ?? Infinity) < piece.length * 0.8);
      }
    });
  }

  it('are not tried where the object is compressed', () => {
    const hint = { class: CONTENT_CLASS.compressed, pixels: undefined };
    assert.equal(encodeObject(codecs, Buffer.alloc(5000), { profile: 'default', hint }).codec, PAYLOAD_CODEC.raw);
  });
});

describe('a codec that cannot be trusted', () => {
  const image = slice({ rows: 128, columns: 128 }, scan(128, 128, 2, 12));

  /** The true codecs, those of these numbers replaced. */
  function withCodecs(numbers: readonly number[], change: (codec: PlaneCodec) => Partial<PlaneCodec>): CodecSet {
    return codecSetOf(
      [...codecs.values()].map((codec) => (numbers.includes(codec.number) ? { ...codec, ...change(codec) } : codec)),
    );
  }
  const images = [CODEC.med, CODEC.htj2k, CODEC.jpegls];
  const wrong: [string, (codec: PlaneCodec) => Partial<PlaneCodec>][] = [
    [
      'loses a bit',
      ({ decode }) => ({
        decode(coded, shape, into, dictionary) {
          decode(coded, shape, into, dictionary);
          into[into.length >> 1] = (into[into.length >> 1] as number) ^ 1;
        },
      }),
    ],
    [
      'leaves the end unwritten',
      ({ decode }) => ({
        decode: (coded, shape, into, dictionary) => {
          const whole = Buffer.alloc(into.length);
          decode(coded, shape, whole, dictionary);
          whole.copy(into, 0, 0, into.length - 2);
        },
      }),
    ],
    [
      'throws when it decodes',
      () => ({
        decode: () => {
          throw new Error('memory access out of bounds');
        },
      }),
    ],
    [
      'throws when it encodes',
      () => ({
        encode: () => {
          throw new Error('memory access out of bounds');
        },
      }),
    ],
  ];
  for (const [name, change] of wrong) {
    it(`is passed over and counted: it ${name}`, () => {
      for (const profile of PROFILES) {
        const encoded = roundTrip(name, image, { profile }, withCodecs(images, change));
        assert.ok(encoded.mismatches >= 2, `${encoded.mismatches}`);
        assert.deepEqual(new Set(codecsOf(encoded)), new Set([CODEC.zstd]));
      }
    });
  }

  it('leaves the bytes raw when every codec fails', () => {
    const set = withCodecs([...codecs.keys()], wrong[0]?.[1] ?? (() => ({})));
    const encoded = encodeObject(set, image, { profile: 'default' });
    assert.equal(encoded.codec, PAYLOAD_CODEC.raw);
    assert.equal(encoded.class, CONTENT_CLASS.ct);
    assert.ok(encoded.mismatches >= 4);
  });

  it('costs nothing but its bytes when it says that it cannot', () => {
    const encoded = roundTrip(
      'cannot',
      image,
      { profile: 'default' },
      withCodecs(images, () => ({ encode: () => undefined })),
    );
    assert.equal(encoded.mismatches, 0);
    assert.notEqual(encoded.codec, PAYLOAD_CODEC.raw);
  });
});
