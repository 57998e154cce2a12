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
import { encodeCodedPayload, readCodedPayload } from '../../src/format/coded-payload.ts';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { detectBeginning, detectContent } from '../../src/format/content-detect.ts';
import { pixelsOfPiece } from '../../src/format/content-pixels.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { EXPLICIT, imageHeader } from '../format/dicom-bytes.ts';
import { EDGES } from './edge-objects.ts';
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
    'one line': npy('<u2', [2_000_000], scan(2_000_000, 1, 2, 12)),
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

  it('are pictures also where a line is longer than they are', () => {
    const bytes = npy('<u2', [4_000_000], scan(4_000_000, 1, 2, 12));
    const content = detectBeginning(bytes.subarray(0, 1_000_000), bytes.length);
    assert.ok(content.pixels);
    const hint = { class: content.class, pixels: pixelsOfPiece(content.pixels, LIMITS.extentBytes) };
    const found = codecsOf(encodeObject(codecs, bytes.subarray(LIMITS.extentBytes), { profile: 'default', hint }));
    assert.deepEqual(new Set(found), new Set([CODEC.med]));
  });

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

describe('payloads of versions that cut elsewhere', () => {
  it('are read: a large frame in one section, whole and by ranges', () => {
    const bytes = npy('<u2', [1200, 1000], scan(1000, 1200, 2, 12));
    const { pixels } = detectContent(bytes);
    assert.ok(pixels);
    const header = bytes.subarray(0, pixels.offset);
    const frame = bytes.subarray(pixels.offset);
    const coded = codecs.get(CODEC.med)?.encode(frame, pixels, undefined);
    assert.ok(coded);
    const stored = encodeCodedPayload(0, [
      { codec: CODEC.raw, shape: undefined, coded: header, length: header.length, crc: crc32Of(header, 0) },
      { codec: CODEC.med, shape: pixels, coded, length: frame.length, crc: crc32Of(frame, 0) },
    ]);
    const item = { codec: PAYLOAD_CODEC.sections, stored, size: bytes.length, crc: crc32Of(bytes, 0) };
    assert.ok(decodePayload(codecs, { ...item, dictionary: undefined }).equals(bytes));
    for (const range of rangesOf(bytes.length))
      assert.ok(
        decodePayload(codecs, { ...item, dictionary: undefined, range }).equals(bytes.subarray(range.start, range.end)),
      );
    const today = encodeObject(codecs, bytes, { profile: 'default' });
    assert.ok(codecsOf(today).length > 2, 'today it is cut into bands');
  });
});
