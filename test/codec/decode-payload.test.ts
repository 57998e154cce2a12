/** Payloads that are damaged, made up, or from the future; and what a range costs. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { type CodecSet, codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { decodePayload, dictionaryIdOf } from '../../src/codec/decode-payload.ts';
import { dictionaryOf } from '../../src/codec/dictionary.ts';
import { encodeObject } from '../../src/codec/encode-object.ts';
import { type DecodeItem, PAYLOAD_CODEC, type PayloadCodec } from '../../src/codec/object-coding.ts';
import { readCodedPayload } from '../../src/format/coded-payload.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { EXPLICIT, imageHeader } from '../format/dicom-bytes.ts';
import { noise, npy, scan, slice } from './made-images.ts';

let codecs: CodecSet;
before(async () => {
  codecs = codecSetOf((await loadCodecs()).all);
});

const volume = npy('<u2', [6, 256, 300], scan(300, 256 * 6, 2, 12));
const text = Buffer.from('series,slice,label\n'.repeat(5000));
const image = slice({ rows: 64, columns: 64 }, scan(64, 64, 2, 12));
const dictionary = dictionaryOf([imageHeader(EXPLICIT, { rows: 64, columns: 64 })]);
const colour = slice({ rows: 64, columns: 64, samples: 3, planar: 0, bits: 8 }, scan(192, 64, 1, 8));

function itemFor(bytes: Buffer, profile: 'default' | 'max-ratio' = 'default'): DecodeItem {
  const given = bytes === image ? dictionary : undefined;
  const { codec, stored } = encodeObject(codecs, bytes, { profile, dictionary: given });
  assert.ok(stored);
  return { codec, stored, size: bytes.length, crc: crc32Of(bytes, 0), dictionary: given };
}

function isLoss(error: unknown): boolean {
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, 'DataLoss');
  return true;
}

/** With the CRC of what it has become, so that decoders see what was changed. */
function sealed(stored: Buffer): Buffer {
  stored.writeUInt32LE(crc32Of(stored.subarray(4), 0), 0);
  return stored;
}

describe('a range', () => {
  it('decodes the sections that it touches and no other, and checks each', () => {
    const item = itemFor(volume);
    const decoded: number[] = [];
    const counting = codecSetOf(
      [...codecs.values()].map((codec) => ({
        ...codec,
        decode: (...args: Parameters<typeof codec.decode>) => {
          decoded.push(args[2].length);
          codec.decode(...args);
        },
      })),
    );
    const frame = 256 * 300 * 2;
    const ranges = [
      { range: { start: 0, end: 128 }, touched: [128] },
      { range: { start: 128, end: 128 + frame }, touched: [frame] },
      { range: { start: 127, end: 130 }, touched: [128, frame] },
      { range: { start: 128 + frame - 1, end: 128 + frame + 1 }, touched: [frame, frame] },
      { range: { start: 5000, end: 5000 }, touched: [frame] },
    ];
    for (const { range, touched } of ranges) {
      decoded.length = 0;
      const part = decodePayload(counting, { ...item, range });
      assert.ok(part.equals(volume.subarray(range.start, range.end)));
      if (range.end > range.start) assert.deepEqual(decoded, touched);
    }
  });

  it('is verified by the CRC of its own sections', () => {
    const item = itemFor(volume);
    const { sections } = readCodedPayload(item.stored);
    // The CRC-32 of the second section in the table, behind the shapes and the first section.
    const stored = Buffer.from(item.stored);
    const at = 20 + 10 * stored.readUInt16LE(18) + 14 + 10;
    stored.writeUInt32LE((stored.readUInt32LE(at) ^ 1) >>> 0, at);
    const changed = { ...item, stored: sealed(stored) };
    const [first, second, third] = sections;
    assert.ok(first && second && third);
    decodePayload(codecs, { ...changed, range: { start: first.start, end: first.end } });
    decodePayload(codecs, { ...changed, range: { start: third.start, end: third.end } });
    assert.throws(
      () => decodePayload(codecs, { ...changed, range: { start: second.start, end: second.start + 1 } }),
      isLoss,
    );
  });

  it('that is none of the original is a bug of the caller', () => {
    const item = itemFor(text);
    for (const range of [
      { start: -1, end: 3 },
      { start: 4, end: 3 },
      { start: 0, end: text.length + 1 },
      { start: Number.NaN, end: 3 },
    ])
      assert.throws(() => decodePayload(codecs, { ...item, range }), RangeError);
  });

  it('of raw bytes is checked with all of them, and is a view', () => {
    const raw: DecodeItem = {
      codec: PAYLOAD_CODEC.raw,
      stored: text,
      size: text.length,
      crc: crc32Of(text, 0),
      dictionary: undefined,
    };
    assert.equal(decodePayload(codecs, { ...raw, range: { start: 7, end: 12 } }).buffer, text.buffer);
    assert.throws(() => decodePayload(codecs, { ...raw, crc: raw.crc ^ 1, range: { start: 7, end: 12 } }), isLoss);
  });
});

describe('a payload that cannot be believed', () => {
  it('is lost when a bit of it has changed, before any decoder sees it', () => {
    const blind = codecSetOf([]);
    for (const bytes of [text, volume]) {
      const item = itemFor(bytes);
      for (const at of [0, 4, 9, 30, item.stored.length >> 1, item.stored.length - 1]) {
        const stored = Buffer.from(item.stored);
        stored[at] = (stored[at] as number) ^ 4;
        assert.throws(
          () => decodePayload(blind, { ...item, stored }),
          (error) => isLoss(error) && /CRC-32/.test(String(error)),
        );
      }
    }
  });

  it('is lost when it decodes to other bytes than those that were stored', () => {
    for (const bytes of [text, volume, image]) {
      const item = itemFor(bytes);
      assert.throws(() => decodePayload(codecs, { ...item, crc: item.crc ^ 1 }), isLoss);
      assert.throws(() => decodePayload(codecs, { ...item, size: item.size - 1 }), isLoss);
      assert.throws(() => decodePayload(codecs, { ...item, size: item.size + 1 }), isLoss);
    }
  });

  it('says which dictionary or codec it lacks', () => {
    const item = itemFor(image);
    const name = dictionary.id.toString(16).padStart(8, '0');
    assert.equal(dictionaryIdOf(item.codec, item.stored), dictionary.id);
    assert.throws(
      () => decodePayload(codecs, { ...item, dictionary: undefined }),
      new RegExp(`needs the dictionary ${name}, which is missing`),
    );
    const other = { ...dictionary, id: 5 };
    assert.throws(() => decodePayload(codecs, { ...item, dictionary: other }), /is not the one that was given/);
    const none = codecSetOf([]);
    assert.throws(
      () => decodePayload(none, { ...item }),
      (error) => isLoss(error) && /coded with codec \d/.test(String(error)),
    );
    const future = { ...item, codec: 9 as PayloadCodec };
    assert.throws(() => decodePayload(codecs, future), /codec 9, which this version does not know/);
  });

  it('takes no memory for what it only says', () => {
    const item = itemFor(text);
    assert.throws(() => decodePayload(codecs, { ...item, size: LIMITS.extentBytes + 1 }), isLoss);
    assert.throws(() => decodePayload(codecs, { ...item, size: 2 ** 40 }), isLoss);
  });

  it('has no dictionary to name when it is too short', () => {
    assert.equal(dictionaryIdOf(PAYLOAD_CODEC.raw, Buffer.alloc(0)), 0);
    assert.equal(dictionaryIdOf(PAYLOAD_CODEC.zstd, Buffer.alloc(0)), 0);
    assert.throws(() => dictionaryIdOf(PAYLOAD_CODEC.sections, Buffer.alloc(19)), isLoss);
    assert.throws(() => dictionaryIdOf(PAYLOAD_CODEC.sections, noise(40)), isLoss);
  });

  for (const profile of ['default', 'max-ratio'] as const) {
    it(`is lost or decoded, whatever its bytes are, with the right CRC: ${profile}`, () => {
      const items = [
        itemFor(text, profile),
        itemFor(image, profile),
        itemFor(colour, profile),
        itemFor(slice({ rows: 40, columns: 50, frames: '3' }, scan(50, 120, 2, 12)), profile),
      ];
      const edits = fc.array(
        fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 255 })),
        { minLength: 1, maxLength: 4 },
      );
      fc.assert(
        fc.property(fc.constantFrom(...items), edits, fc.boolean(), (item, places, isRange) => {
          const stored = Buffer.from(item.stored);
          // Half of all changes fall upon the table, which is the smaller part.
          for (const [share, value] of places) {
            const span = value % 2 === 0 ? stored.length : Math.min(stored.length, 90);
            stored[Math.max(4, Math.floor(share * span))] = value;
          }
          const range = isRange ? { start: 10, end: item.size - 10 } : undefined;
          try {
            const bytes = decodePayload(codecs, { ...item, stored: sealed(stored), range });
            assert.equal(bytes.length, isRange ? item.size - 20 : item.size);
          } catch (error) {
            isLoss(error);
          }
        }),
        { numRuns: 1500 },
      );
      // Decoders that met nonsense still do their work.
      for (const item of items) assert.equal(decodePayload(codecs, item).length, item.size);
    });
  }
});
