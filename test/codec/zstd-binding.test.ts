import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { chooseZstd } from '../../src/codec/zstd-binding.ts';
import { zstdDictionaryCodec } from '../../src/codec/zstd-codec.ts';
import type { Zstd } from '../../src/codec/zstd-interface.ts';
import { nodeZstd } from '../../src/codec/zstd-node.ts';
import { packageZstd } from '../../src/codec/zstd-package.ts';
import { noise } from './made-images.ts';

const node = nodeZstd();
/** Two on Node 24, one on Node 20; the frames below stand for the missing one. */
const implementations: readonly Zstd[] = node === undefined ? [packageZstd()] : [packageZstd(), node];

const DICTIONARY = Buffer.from('Penstock keeps pictures, and gives them back as they were.');
/** What Node 24.21 and @toondepauw/node-zstd 2.0.0, both with libzstd 1.5.7, write for the same content. */
const FRAMES = [
  {
    content: Buffer.from('Penstock. '.repeat(40)),
    frame: '28b52ffd6090008d00005050656e73746f636b2e20010083550b12',
  },
  { content: Buffer.alloc(0), frame: '28b52ffd2000010000' },
  { content: Buffer.alloc(300_000, 7), frame: '28b52ffda0e09304005400001007070100fbff39c00202001007039f0407' },
  {
    content: Buffer.from('It keeps pictures, and gives them back as they were: all pictures.'),
    dictionary: DICTIONARY,
    frame: '28b52ffd20428d00004049743a20616c6c2e02006728b4375258',
  },
];

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.nat(20_000)).map(([pattern, times]) => {
    const bytes = new Uint8Array(pattern.length * (times % 500));
    for (let at = 0; at < bytes.length; at += pattern.length) bytes.set(pattern, at);
    return bytes;
  }),
  fc.nat(300_000).map((length) => noise(length)),
);

/** A frame that says `size`, of blocks that repeat one byte. */
function repeatingFrame(size: number, blocks: number, blockLength: number): Buffer {
  const head = Buffer.from('28b52ffda000000000', 'hex');
  head.writeUInt32LE(size, 5);
  const body = Array.from({ length: blocks }, (_, index) => {
    const block = Buffer.alloc(4);
    block.writeUIntLE((blockLength << 3) | 2 | (index === blocks - 1 ? 1 : 0), 0, 3);
    return block;
  });
  return Buffer.concat([head, ...body]);
}

test("Node's own is taken where it knows dictionaries, else the package", () => {
  assert.equal(chooseZstd().name, node === undefined ? 'package' : 'node');
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isOld = major < 22 || (major === 22 && minor < 15);
  if (isOld) assert.equal(node, undefined);
  if (major > 24 || (major === 24 && minor >= 6)) assert.equal(node?.name, 'node');
});

for (const zstd of implementations) {
  describe(`zstd by the ${zstd.name}`, () => {
    test('gives back any bytes, with and without a dictionary, at every level that is used', () => {
      fc.assert(
        fc.property(anyBytes, fc.constantFrom(1, 3, 12), fc.boolean(), (content, level, hasDictionary) => {
          const bytes = Buffer.from(content);
          const dictionary = hasDictionary ? [DICTIONARY] : [];
          const frame = zstd.compress(bytes, level, ...dictionary);
          assert.ok(zstd.decompress(frame, bytes.length, ...dictionary).equals(bytes));
        }),
        { numRuns: 150 },
      );
    });

    test('reads what every implementation writes', () => {
      for (const { content, dictionary, frame } of FRAMES)
        assert.ok(zstd.decompress(Buffer.from(frame, 'hex'), content.length, dictionary).equals(content));
      for (const writer of implementations)
        for (const size of [1, 255, 256, 65_791, 65_792, 700_000]) {
          const content = noise(size);
          assert.ok(zstd.decompress(writer.compress(content, 1), size).equals(content), `${writer.name}, ${size}`);
        }
    });

    test('writes frames that name their size, and need no more memory than it', () => {
      for (const { content, dictionary, frame } of FRAMES)
        assert.equal(zstd.compress(content, content.length === 300_000 ? 1 : 3, dictionary).toString('hex'), frame);
      // A window descriptor and four bytes of size: more content than the window of level 1.
      const large = zstd.compress(Buffer.alloc(5_000_000), 1);
      assert.equal(large.readUInt8(4) >> 5, 0b100);
      assert.equal(large.readUInt32LE(6), 5_000_000);
      assert.equal(zstd.decompress(large, 5_000_000).length, 5_000_000);
    });

    test('decodes several frames that follow each other', () => {
      const parts = [noise(5000), Buffer.alloc(0), Buffer.alloc(3000, 1), noise(10)];
      const frames = Buffer.concat(parts.map((part) => zstd.compress(part, 1)));
      assert.ok(zstd.decompress(frames, 8010).equals(Buffer.concat(parts)));
      assert.throws(() => zstd.decompress(frames, 8011), /hold 1 bytes less than the 8011/);
      assert.throws(() => zstd.decompress(frames, 8009), /says that it holds 10 bytes; expected 9/);
    });

    test('refuses what is not exactly so many bytes of frames', () => {
      const content = Buffer.from('a frame of some bytes, of some bytes, of some bytes');
      const frame = zstd.compress(content, 3);
      const size = content.length;
      assert.throws(() => zstd.decompress(frame, size - 1), /expected 50/);
      assert.throws(() => zstd.decompress(frame, size + 1), /less than/);
      assert.throws(() => zstd.decompress(frame.subarray(0, -1), size), Error);
      assert.throws(() => zstd.decompress(Buffer.concat([frame, Buffer.from([0])]), size), /at least 9 bytes/);
      assert.throws(() => zstd.decompress(Buffer.alloc(0), 0), /at least 9 bytes/);
      assert.throws(() => zstd.decompress(Buffer.alloc(20), size), /magic number/);
      assert.throws(() => zstd.decompress(Buffer.from('28b52ffd0058a50200aa', 'hex'), size), /unknown bytes/);
    });

    test('refuses frames that say little and hold much before it decodes them', () => {
      assert.equal(zstd.decompress(repeatingFrame(262_144, 2, 131_072), 262_144).length, 262_144);
      assert.throws(() => zstd.decompress(repeatingFrame(1000, 1000, 131_072), 1000), /holds more than the 1000/);
      assert.throws(() => zstd.decompress(repeatingFrame(1000, 1, 2_000_000), 1000), /is none/);
      assert.throws(() => zstd.decompress(repeatingFrame(1000, 50, 0), 1000), /too many blocks/);
      // 1 GiB of window.
      assert.throws(() => zstd.decompress(Buffer.from('28b52ffd80a0e8030000010000', 'hex'), 1000), /window/);
    });

    test('ends in an Error, or in as many bytes, when a frame is damaged', () => {
      const content = Buffer.from('row,column,value\n'.repeat(300));
      const frame = zstd.compress(content, 3);
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
          (changes) => {
            const damaged = Buffer.from(frame);
            for (const [at, value] of changes) damaged[at] = value;
            try {
              assert.equal(zstd.decompress(damaged, content.length).length, content.length);
            } catch (error) {
              assert.ok(error instanceof Error);
            }
          },
        ),
        { numRuns: 2000 },
      );
      assert.ok(zstd.decompress(frame, content.length).equals(content));
    });

    test('finds dictionaries by their bytes, also more of them than are kept prepared', () => {
      const content = Buffer.from('Penstock keeps pictures');
      const dictionaries = Array.from({ length: 2 * LIMITS.preparedDictionariesMax + 1 }, (_, index) =>
        Buffer.from(`${index} and ${content.toString()} and ${index}`),
      );
      const frames = dictionaries.map((dictionary) => zstd.compress(content, 3, dictionary));
      for (const again of [dictionaries, dictionaries.map((dictionary) => Buffer.from(dictionary))])
        again.forEach((dictionary, index) => {
          assert.ok(zstd.decompress(frames[index] as Buffer, content.length, dictionary).equals(content));
        });
      assert.ok((frames[0] as Buffer).length < content.length);
    });

    test('does not give bytes back without the dictionary that they need', () => {
      const content = Buffer.from('It keeps pictures, and gives them back as they were: all pictures.');
      const frame = zstd.compress(content, 3, DICTIONARY);
      assert.throws(() => zstd.decompress(frame, content.length));
      const codec = zstdDictionaryCodec(zstd);
      assert.throws(() => codec.decode(frame, undefined, Buffer.alloc(content.length), undefined), /need it/);
    });

    test('codes nothing with a dictionary that zstd would not take as raw content', () => {
      const codec = zstdDictionaryCodec(zstd);
      const content = Buffer.from('any content');
      const trained = Buffer.concat([Buffer.from([0x37, 0xa4, 0x30, 0xec]), noise(500)]);
      assert.equal(codec.encode(content, undefined, trained), undefined);
      assert.equal(codec.encode(content, undefined, Buffer.from('short')), undefined);
      assert.equal(codec.encode(content, undefined, undefined), undefined);
    });
  });
}
