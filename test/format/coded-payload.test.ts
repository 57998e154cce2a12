import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import {
  checkStoredCrc,
  codedPayloadOverhead,
  dictionaryIdIn,
  encodeCodedPayload,
  readCodedPayload,
  type SectionShape,
  type SectionToStore,
} from '../../src/format/coded-payload.ts';
import { crc32Of } from '../../src/format/crc32.ts';

const GREY: SectionShape = {
  width: 4,
  height: 3,
  bytesPerSample: 2,
  samples: 1,
  isPlanar: false,
  isSigned: true,
  isBigEndian: false,
};

const HEADER: SectionToStore = { codec: 2, shape: undefined, coded: Buffer.from('abc'), length: 16, crc: 0x01020304 };
const PIXELS: SectionToStore = { codec: 4, shape: GREY, coded: Buffer.from('defgh'), length: 24, crc: 0xfffefdfc };

const shapes: fc.Arbitrary<SectionShape> = fc.record(
  {
    width: fc.integer({ min: 1, max: 300 }),
    height: fc.integer({ min: 1, max: 300 }),
    bytesPerSample: fc.constantFrom(1, 2, 4, 8),
    samples: fc.constantFrom(1, 3),
    isPlanar: fc.boolean(),
    isSigned: fc.boolean(),
    isBigEndian: fc.boolean(),
  },
  { noNullPrototype: true },
);

const sectionsToStore: fc.Arbitrary<SectionToStore> = fc
  .record({
    codec: fc.integer({ min: 0, max: 255 }),
    shape: fc.option(shapes, { nil: undefined }),
    coded: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    length: fc.integer({ min: 1, max: 0xffff }),
    crc: fc.integer({ min: 0, max: 0xffff_ffff }),
  })
  .map((section) => {
    const { shape } = section;
    if (shape === undefined) return section;
    return { ...section, length: shape.width * shape.height * shape.bytesPerSample * shape.samples };
  });

const dictionaryIds = fc.integer({ min: 0, max: 0xffff_ffff });

function assertLost(read: () => unknown, message?: RegExp): void {
  assert.throws(read, (error: unknown) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, 'DataLoss');
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}

/** The payload of a header and pixels, with some of its bytes changed. */
function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = encodeCodedPayload(7, [HEADER, PIXELS]);
  change(bytes);
  return bytes;
}

test('what is written is read back', () => {
  fc.assert(
    fc.property(dictionaryIds, fc.array(sectionsToStore, { minLength: 1, maxLength: 30 }), (id, sections) => {
      const stored = encodeCodedPayload(id, sections);
      checkStoredCrc(stored);
      assert.equal(dictionaryIdIn(stored), id);
      const payload = readCodedPayload(stored);
      let start = 0;
      const expected = sections.map(({ codec, shape, coded, length, crc }) => {
        start += length;
        return { codec, shape, start: start - length, end: start, coded, crc };
      });
      assert.deepEqual(payload, { dictionaryId: id, size: start, sections: expected });
    }),
  );
});

test('its bytes are the golden ones', () => {
  const golden = [
    '4e22965c 5063 0100 04030201 28000000 0200 0100',
    '04000000 03000000 02 04',
    '02 00 10000000 03000000 04030201',
    '04 01 18000000 05000000 fcfdfeff',
    '616263 6465666768',
  ];
  assert.equal(encodeCodedPayload(0x01020304, [HEADER, PIXELS]).toString('hex'), golden.join('').replaceAll(' ', ''));
});

test('flags of a shape have a bit each', () => {
  const rgb: SectionShape = { ...GREY, bytesPerSample: 1, samples: 3, isSigned: false };
  const flagsOf = (shape: SectionShape): number | undefined =>
    encodeCodedPayload(0, [{ ...PIXELS, shape, length: 36 }])[29];
  assert.deepEqual(
    [rgb, { ...rgb, isPlanar: true }, { ...rgb, isSigned: true }, { ...rgb, isBigEndian: true }].map(flagsOf),
    [1, 3, 5, 9],
  );
});

test('equal shapes are stored once', () => {
  const frames = Array.from({ length: 100 }, () => ({ ...PIXELS, shape: { ...GREY } }));
  const stored = encodeCodedPayload(0, frames);
  assert.equal(stored.length, codedPayloadOverhead(100, 1) + 500);
  assert.equal(stored.length, 20 + 10 + 1400 + 500);
  assert.equal(readCodedPayload(stored).sections.length, 100);
});

test('coded bytes are views into the payload', () => {
  const stored = encodeCodedPayload(0, [HEADER, PIXELS]);
  for (const { coded } of readCodedPayload(stored).sections) assert.equal(coded.buffer, stored.buffer);
});

test('each changed bit is found by the CRC-32', () => {
  const stored = encodeCodedPayload(9, [HEADER, PIXELS]);
  for (let bit = 0; bit < stored.length * 8; bit += 1) {
    const damaged = Buffer.from(stored);
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    assertLost(() => checkStoredCrc(damaged));
  }
  for (let length = 0; length < 4; length += 1) assertLost(() => checkStoredCrc(stored.subarray(0, length)));
});

const HOSTILE: Readonly<Record<string, readonly [(bytes: Buffer) => void, RegExp]>> = {
  'another magic': [(bytes) => bytes.writeUInt16LE(0x6351, 4), /does not begin as one/],
  'another layout': [(bytes) => bytes.writeUInt16LE(2, 6), /layout is 2/],
  'an original of another size': [(bytes) => bytes.writeUInt32LE(41, 12), /40 bytes, and it should have 41/],
  'an original of 4 GiB': [(bytes) => bytes.writeUInt32LE(0xffff_ffff, 12), /should have 4294967295/],
  'no sections': [(bytes) => bytes.writeUInt16LE(0, 16), /0 sections/],
  'too many sections': [(bytes) => bytes.writeUInt16LE(0xffff, 16), /65535 sections/],
  'more sections than bytes': [(bytes) => bytes.writeUInt16LE(LIMITS.codedSectionsMax, 16), /longer than itself/],
  'too many shapes': [(bytes) => bytes.writeUInt16LE(256, 18), /256 shapes/],
  'a shape that is not there': [(bytes) => bytes.writeUInt8(2, 45), /shape 2 of 1/],
  'a sample of 3 bytes': [(bytes) => bytes.writeUInt8(3, 28), /3 bytes/],
  'unknown flags': [(bytes) => bytes.writeUInt8(16, 29), /flags 16/],
  'a shape of another size': [(bytes) => bytes.writeUInt32LE(5, 20), /its shape/],
  'a shape of 2^64 samples': [(bytes) => bytes.fill(0xff, 20, 28), /its shape/],
  'an empty section': [(bytes) => bytes.writeUInt32LE(0, 32), /empty/],
  'a section of 4 GiB': [(bytes) => bytes.writeUInt32LE(0xffff_ffff, 32), /should have 40/],
  'coded bytes behind the end': [(bytes) => bytes.writeUInt32LE(100, 36), /behind its end/],
  'coded bytes of no section': [(bytes) => bytes.writeUInt32LE(4, 50), /1 bytes of it belong to no section/],
};

for (const [name, [change, message]] of Object.entries(HOSTILE)) {
  test(`a table with ${name} is lost`, () => assertLost(() => readCodedPayload(changed(change)), message));
}

test('payloads that end early are lost', () => {
  const stored = encodeCodedPayload(7, [HEADER, PIXELS]);
  for (let length = 0; length < stored.length; length += 1)
    assertLost(() => readCodedPayload(stored.subarray(0, length)));
  assertLost(() => dictionaryIdIn(stored.subarray(0, 19)));
});

test('a table of anything is read or lost, and its sections lie within the payload', () => {
  const edits = fc.array(fc.tuple(fc.nat({ max: 57 }), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(edits, (changes) => {
      const stored = changed((bytes) => {
        for (const [at, value] of changes) bytes[at] = value;
      });
      try {
        const { sections, size } = readCodedPayload(stored);
        assert.equal(sections.at(-1)?.end, size);
        assert.equal(
          sections.reduce((sum, { coded }) => sum + coded.length, 0),
          stored.length - codedPayloadOverhead(sections.length, stored.readUInt16LE(18)),
        );
      } catch (error) {
        assertLost(() => {
          throw error;
        });
      }
    }),
    { numRuns: 1000 },
  );
});

test('the CRC-32 is that of all bytes behind it', () => {
  const stored = encodeCodedPayload(7, [HEADER, PIXELS]);
  assert.equal(stored.readUInt32LE(0), crc32Of(stored.subarray(4), 0));
});
