/** Stored bytes of records. The golden ones were checked against an independent encoder (Python's struct and zlib). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeRecordHead,
  encodeRecordHead,
  peekHeadLength,
  RECORD_FIXED_BYTES,
  RECORD_KIND,
  type RecordHead,
  type RecordKind,
  recordHead,
  recordLength,
  storedPayloadIsIntact,
} from '../../src/format/record.ts';

const UUID = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const OFFSET = 2 ** 32 + 8192;

/** Every field has a value of its own, so that two that were exchanged would show. */
function fullHead(kind: RecordKind): RecordHead {
  return recordHead({
    kind,
    timestamp: 1_700_000_000_000 * 1024 + 5,
    payloadLength: 0x01020304,
    payloadCrc: 0xdeadbeef,
    size: 5 * 2 ** 40,
    modifiedMs: 1_700_000_000_123,
    bucketId: 7,
    part: 258,
    digest: Buffer.from('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf', 'hex'),
    etagParts: 515,
    versionId: Buffer.from('c0c1c2c3c4c5c6c7', 'hex'),
    key: Buffer.from('ké'),
    attributes: Buffer.from([1, 0x78]),
  });
}

/** Bytes 12 on of every `fullHead`. */
const REST = [
  'efbeadde 0500a0953f2f0600 04030201 02000000', // payload CRC, timestamp, payload length, attributes length
  '0000000000050000 7b68e5cf8b010000', // size, modified
  '07000000 0300 0201', // bucket, key length, part
  'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 0302 0000 00000000 00000000', // digest, parts in the ETag, shard, dictionary, encryption
  'c0c1c2c3c4c5c6c7 04030201', // version, payload length before the codec
  '6bc3a9 0178', // key, attributes
];

/** Number, and head CRC of the full head at `OFFSET` of the volume `UUID`. */
const GOLDEN: Record<keyof typeof RECORD_KIND, [number, string]> = {
  object: [1, 'cd26626e'],
  extent: [2, '9e434c5e'],
  manifest: [3, 'af60564e'],
  tombstone: [4, '3889103e'],
  bucket: [5, '09aa0a2e'],
  bucketGone: [6, '5acf241e'],
  upload: [7, '6bec3e0e'],
  part: [8, '741ca9fe'],
  partManifest: [9, '453fb3ee'],
  uploadGone: [10, '165a9dde'],
  dictionary: [11, '277987ce'],
};

const hex = (...parts: string[]): string => parts.join('').replaceAll(' ', '');

describe('a record head', () => {
  it('has golden bytes for every kind, and there are no other kinds', () => {
    assert.deepEqual(Object.keys(RECORD_KIND).sort(), Object.keys(GOLDEN).sort());
    for (const [name, [number, crc]] of Object.entries(GOLDEN)) {
      const kind = RECORD_KIND[name as keyof typeof RECORD_KIND];
      const expected = hex('506e5263 01', number.toString(16).padStart(2, '0'), '00 00', crc, ...REST);
      assert.equal(encodeRecordHead(fullHead(kind), UUID, OFFSET).toString('hex'), expected, name);
    }
  });

  it('has golden bytes for a coded payload: codec, class, dictionary, and both lengths', () => {
    const coded = {
      ...fullHead(RECORD_KIND.object),
      codec: 2,
      class: 3,
      dictionaryId: 0x0a0b0c0d,
      size: 0x0040_0000,
    };
    const expected = hex(
      '506e5263 01 01 02 03 af0f677f',
      'efbeadde 0500a0953f2f0600 04030201 02000000',
      '0000400000000000 7b68e5cf8b010000',
      '07000000 0300 0201',
      'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 0302 0000 0d0c0b0a 00000000',
      'c0c1c2c3c4c5c6c7 00004000',
      '6bc3a9 0178',
    );
    assert.equal(encodeRecordHead(coded, UUID, OFFSET).toString('hex'), expected);
    assert.deepEqual(decodeRecordHead(encodeRecordHead(coded, UUID, OFFSET), UUID, OFFSET), coded);
  });

  it('has golden bytes where nothing but kind and key is given', () => {
    const head = recordHead({ kind: RECORD_KIND.tombstone, key: Buffer.from('k') });
    const expected = hex('506e5263 01040000 ed77bea2', '00'.repeat(40), '0100', '00'.repeat(42), '6b');
    assert.equal(encodeRecordHead(head, UUID, 8192).toString('hex'), expected);
  });

  it('is padded with its payload to a multiple of 16 bytes', () => {
    assert.deepEqual(
      [
        [96, 0],
        [97, 0],
        [97, 15],
        [97, 16],
      ].map(([head, payload]) => recordLength(head as number, payload as number)),
      [96, 112, 112, 128],
    );
  });

  it('comes back from its bytes, whatever its fields', () => {
    const heads = fc.record(
      {
        kind: fc.constantFrom(...Object.values(RECORD_KIND)),
        codec: fc.integer({ min: 0, max: 255 }),
        class: fc.integer({ min: 0, max: 15 }),
        dictionaryId: fc.integer({ min: 0, max: 0xffff_ffff }),
        timestamp: fc.maxSafeNat(),
        payloadLength: fc.integer({ min: 0, max: 0xffff_ffff }),
        payloadCrc: fc.integer({ min: 0, max: 0xffff_ffff }),
        size: fc.maxSafeNat(),
        modifiedMs: fc.maxSafeNat(),
        bucketId: fc.integer({ min: 0, max: 0xffff_ffff }),
        part: fc.integer({ min: 0, max: 0xffff }),
        digest: bytes(16, 16),
        etagParts: fc.integer({ min: 0, max: 0xffff }),
        versionId: bytes(8, 8),
        key: bytes(0, 1024),
        attributes: bytes(0, 300),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(heads, bytes(16, 16), fc.maxSafeNat(), bytes(0, 50), (any, uuid, offset, behind) => {
        const head = any.codec === 0 ? any : { ...any, size: any.size % 2 ** 32 };
        const encoded = encodeRecordHead(head, uuid, offset);
        assert.equal(peekHeadLength(encoded), encoded.length);
        assert.deepEqual(decodeRecordHead(Buffer.concat([encoded, behind]), uuid, offset), head);
      }),
    );
  });

  it('says whether a stored payload is whole, raw or coded', () => {
    const raw = Buffer.from('123456789');
    const coded = Buffer.concat([Buffer.from('2639f4cb', 'hex'), raw]); // CRC-32 of 123456789: 0xcbf43926
    const head = (codec: number) => ({ codec, payloadCrc: 0xcbf43926 });
    assert.equal(storedPayloadIsIntact(head(0), raw), true);
    assert.equal(storedPayloadIsIntact({ codec: 1, payloadCrc: 7 }, coded), true);
    assert.equal(storedPayloadIsIntact(head(0), coded), false);
    assert.equal(storedPayloadIsIntact(head(1), raw), false);
    assert.equal(storedPayloadIsIntact(head(1), raw.subarray(0, 3)), false);
    for (let bit = 0; bit < coded.length * 8; bit++) {
      flip(coded, bit);
      assert.equal(storedPayloadIsIntact(head(2), coded), false, `bit ${bit}`);
      flip(coded, bit);
    }
  });

  it('is refused with any one bit flipped', () => {
    const intact = encodeRecordHead(fullHead(RECORD_KIND.object), UUID, OFFSET);
    // What follows a head in a volume is there to be read, where a length grew.
    const bytes = Buffer.concat([intact, Buffer.alloc(70_000, 0x5a)]);
    for (let bit = 0; bit < intact.length * 8; bit++) {
      flip(bytes, bit);
      assert.equal(decodeRecordHead(bytes, UUID, OFFSET), undefined, `bit ${bit}`);
      flip(bytes, bit);
    }
    assert.notEqual(decodeRecordHead(bytes, UUID, OFFSET), undefined);
  });

  it('is refused at another offset and in another volume', () => {
    const bytes = encodeRecordHead(fullHead(RECORD_KIND.object), UUID, OFFSET);
    for (const offset of [0, 8192, OFFSET - 16, OFFSET + 16, OFFSET - 2 ** 32, 2 * OFFSET])
      assert.equal(decodeRecordHead(bytes, UUID, offset), undefined);
    for (let bit = 0; bit < 128; bit++) {
      const other = Buffer.from(UUID);
      flip(other, bit);
      assert.equal(decodeRecordHead(bytes, other, OFFSET), undefined);
    }
  });

  it('is refused when it is cut anywhere', () => {
    const bytes = encodeRecordHead(fullHead(RECORD_KIND.object), UUID, OFFSET);
    for (let length = 0; length < bytes.length; length++)
      assert.equal(decodeRecordHead(bytes.subarray(0, length), UUID, OFFSET), undefined);
    assert.equal(peekHeadLength(bytes.subarray(0, RECORD_FIXED_BYTES - 1)), undefined);
  });

  it('is not found in zeros or noise', () => {
    assert.equal(decodeRecordHead(Buffer.alloc(200), UUID, 0), undefined);
    fc.assert(
      fc.property(bytes(96, 200), (noise) => {
        noise.write('PnRc', 0, 'latin1');
        noise[4] = 1;
        assert.equal(decodeRecordHead(noise, UUID, OFFSET), undefined);
      }),
    );
  });
});

function bytes(minLength: number, maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
}

function flip(bytes: Buffer, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}
