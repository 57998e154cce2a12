/** What every Coder promises, whatever it codes with and wherever. Each implementation runs it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import { dictionaryOf } from '../../src/codec/dictionary.ts';
import {
  type Coder,
  type DecodeItem,
  type Dictionary,
  type Encoded,
  type EncodeOptions,
  PAYLOAD_CODEC,
} from '../../src/codec/object-coding.ts';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { EXPLICIT, element, file, imageHeader, SYNTAX, text } from '../format/dicom-bytes.ts';

/** Bytes without any pattern, the same every time. */
function noise(bytes: number): Buffer {
  let state = 1;
  const made = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    made[at] = state >>> 24;
  }
  return made;
}

/** A file of NumPy: 16-bit samples that change little from one to the next. */
function picture(height: number, width: number, seed = 0): Buffer {
  const head = `{'descr': '<u2', 'fortran_order': False, 'shape': (${height}, ${width}), }`.padEnd(117);
  const file = Buffer.alloc(128 + 2 * height * width);
  file.write(`\x93NUMPY\x01\x00\x76\x00${head}\n`, 'latin1');
  for (let at = 0; at < height * width; at++) {
    file.writeUInt16LE(1000 + seed + ((at % width) >> 2) + (Math.floor(at / width) >> 1), 128 + 2 * at);
  }
  return file;
}

/** A small slice of DICOM with a header of which another slice of the series shares nearly all, and which nothing else shrinks. */
function slice(position: number): Buffer {
  const between = Buffer.concat([
    text(EXPLICIT, 0x0020_0013, 'IS', String(position)),
    element(EXPLICIT, 0x0029_1010, 'OB', noise(4000)),
  ]);
  const pixels = element(EXPLICIT, 0x7fe0_0010, 'OW', picture(16, 16, position).subarray(128));
  return file(SYNTAX.explicit, imageHeader(EXPLICIT, { rows: 16, columns: 16, between }), pixels);
}

const headerLength = slice(1).length - 2 * 16 * 16;

const TEXT = Buffer.from('series,slice,label\n'.repeat(500));
const JPEG = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]), Buffer.from('JFIF\0'), noise(5000)]);

const OBJECTS: Readonly<Record<string, Buffer>> = {
  'a picture': picture(64, 64),
  'a large picture': picture(700, 700),
  text: TEXT,
  noise: noise(10_000),
  zeros: Buffer.alloc(50_000),
  'a compressed object': JPEG,
  'one byte': Buffer.from('x'),
  nothing: Buffer.alloc(0),
};

const DEFAULT: EncodeOptions = { profile: 'default' };

function decodeItem(original: Buffer, { codec, stored }: Encoded, dictionary?: Dictionary): DecodeItem {
  return { codec, stored: stored ?? original, size: original.length, crc: crc32Of(original, 0), dictionary };
}

/** What cannot be read says so, and nothing else. */
function assertLost(answer: Buffer | Error | undefined): void {
  assert.ok(answer instanceof GatewayError, String(answer));
  assert.equal(answer.code, 'DataLoss');
}

export function coderContract(name: string, open: () => Promise<Coder>): void {
  describe(`the contract of a coder: ${name}`, () => {
    let coder: Coder;
    before(async () => {
      coder = await open();
    });
    after(() => coder.close());

    async function encode(bytes: Buffer, options: EncodeOptions = DEFAULT): Promise<Encoded> {
      const [encoded] = await coder.encode([{ bytes, options }]);
      assert.ok(encoded);
      return encoded;
    }

    test('it says what each of several objects is', async () => {
      const contents = await coder.examine([picture(64, 64), TEXT, JPEG, Buffer.alloc(0)]);
      assert.deepEqual(
        contents.map((content) => [content.class, content.isCompressed]),
        [
          [CONTENT_CLASS.image, false],
          [CONTENT_CLASS.other, false],
          [CONTENT_CLASS.compressed, true],
          [CONTENT_CLASS.other, false],
        ],
      );
      assert.deepEqual([contents[0]?.pixels?.width, contents[0]?.pixels?.offset], [64, 128]);
    });

    for (const profile of ['default', 'max-ratio'] as const) {
      test(`what it codes comes back exactly, in order, with profile ${profile}`, async () => {
        const originals = Object.values(OBJECTS);
        const encoded = await coder.encode(originals.map((bytes) => ({ bytes, options: { profile } })));
        assert.equal(encoded.length, originals.length);
        const items = originals.map((original, index) => decodeItem(original, encoded[index] as Encoded));
        const decoded = await coder.decode(items);
        for (const [index, object] of Object.keys(OBJECTS).entries()) {
          assert.ok((originals[index] as Buffer).equals(decoded[index] as Buffer), object);
        }
      });
    }

    test('it keeps a coding only where that saves a twentieth, and the bytes that it was given', async () => {
      for (const [object, original] of Object.entries(OBJECTS)) {
        const given = Buffer.from(original);
        const { codec, stored, mismatches } = await encode(given);
        assert.ok(given.equals(original), object);
        assert.equal(mismatches, 0, object);
        assert.equal(stored === undefined, codec === PAYLOAD_CODEC.raw, object);
        if (stored === undefined) continue;
        assert.ok(stored.length <= original.length * 0.95, object);
        assert.equal(stored.readUInt32LE(0), crc32Of(stored.subarray(4), 0), object);
      }
      assert.notEqual((await encode(TEXT)).stored, undefined);
      assert.equal((await encode(JPEG)).stored, undefined);
      assert.equal((await encode(noise(10_000))).stored, undefined);
    });

    test('ranges are what lies there', async () => {
      for (const original of [picture(700, 700), TEXT, noise(10_000)]) {
        const item = decodeItem(original, await encode(original));
        const end = original.length;
        const ranges = [
          { start: 0, end: 1 },
          { start: 127, end: 129 },
          { start: end - 1, end },
          { start: 1, end: end - 1 },
          { start: 500, end: 500 },
        ];
        const answers = await coder.decode(ranges.map((range) => ({ ...item, range })));
        for (const [index, { start, end: to }] of ranges.entries()) {
          assert.ok(original.subarray(start, to).equals(answers[index] as Buffer), `${start} to ${to}`);
        }
      }
    });

    test('a header is coded with the dictionary of its series, and not read without it', async () => {
      const original = slice(2);
      const dictionary = dictionaryOf([slice(1).subarray(0, headerLength)]);
      const other = dictionaryOf([noise(4000)]);
      const encoded = await encode(original, { profile: 'default', dictionary });
      assert.equal(encoded.dictionaryId, dictionary.id);
      assert.ok((encoded.stored?.length ?? Infinity) < headerLength);
      const [whole, without, withOther, again] = await coder.decode(
        [dictionary, undefined, other, dictionary].map((given) => decodeItem(original, encoded, given)),
      );
      assert.ok(original.equals(whole as Buffer));
      assertLost(without);
      assertLost(withOther);
      assert.ok(original.equals(again as Buffer));
    });

    test('a damaged payload is lost, and those beside it are not', async () => {
      const original = picture(64, 64);
      const item = decodeItem(original, await encode(original));
      const damaged = [0, 4, 5, item.stored.length >> 1, item.stored.length - 1].map((at) => {
        const stored = Buffer.from(item.stored);
        stored[at] = (stored[at] as number) ^ 1;
        return { ...item, stored };
      });
      const shorter = { ...item, stored: item.stored.subarray(0, -1) };
      const lost = [...damaged, shorter, { ...item, stored: Buffer.alloc(0) }, { ...item, crc: item.crc ^ 1 }];
      const answers = await coder.decode([item, ...lost, item]);
      assert.ok(original.equals(answers[0] as Buffer));
      assert.ok(original.equals(answers.at(-1) as Buffer));
      for (const answer of answers.slice(1, -1)) assertLost(answer);
    });

    test('calls side by side get their own answers', async () => {
      const originals = Array.from({ length: 60 }, (_, seed) => picture(20 + seed, 64, seed));
      const answers = await Promise.all(
        originals.map(async (original) => {
          const [decoded] = await coder.decode([decodeItem(original, await encode(original))]);
          return decoded as Buffer;
        }),
      );
      for (const [index, original] of originals.entries()) assert.ok(original.equals(answers[index] as Buffer));
    });

    test('of nothing it makes nothing', async () => {
      assert.deepEqual([await coder.examine([]), await coder.encode([]), await coder.decode([])], [[], [], []]);
    });
  });
}
