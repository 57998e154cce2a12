import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { attributesOf, contentTypeOf, encodeAttributes } from '../../src/format/attributes.ts';
import {
  Entry,
  EntryInfo,
  encodeEntry,
  parseEtag,
  renderEtag,
  withClass,
  withRecord,
} from '../../src/format/index-entry.ts';
import { RECORD_KIND, type RecordHead, recordHead } from '../../src/format/record.ts';

const DIGEST = 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf';
const VERSION = 'c0c1c2c3c4c5c6c7';

function head(fields: Partial<RecordHead>): RecordHead {
  return recordHead({
    kind: RECORD_KIND.object,
    timestamp: 1_700_000_000_000 * 1024 + 5,
    payloadLength: 0x01020304,
    payloadCrc: 0xdeadbeef,
    size: 0x01020304,
    modifiedMs: 1_700_000_000_123,
    bucketId: 7,
    digest: Buffer.from(DIGEST, 'hex'),
    versionId: Buffer.from(VERSION, 'hex'),
    key: Buffer.from('k'),
    attributes: Buffer.from([1, 0x78]),
    ...fields,
  });
}

const TIMES = '14008056febc1843'; // timestamp, f64
const MODIFIED = '00b08756febc7842';
const hex = (...parts: string[]): string => parts.join('').replaceAll(' ', '');

describe('an index entry', () => {
  it('has golden bytes for an object whose record holds its bytes', () => {
    const bytes = encodeEntry(head({}), { volume: 3, offset: 2 ** 32 + 8192, headLength: 99 }, 0, undefined);
    const expected = hex(
      '01 01 00 00 03000000 000000000200f041 efbeadde 04030201', // layout, kind, codec, flags; volume, offset; CRC, length
      TIMES,
      '0000004030207041', // size
      MODIFIED,
      DIGEST,
      '0000 0000',
      VERSION,
      '63000000 0178', // head length, attributes
    );
    assert.equal(bytes.toString('hex'), expected);
  });

  it('has golden bytes for a multipart object with its manifest', () => {
    const manifest = head({ kind: RECORD_KIND.manifest, payloadLength: 32, etagParts: 2, size: 5 * 2 ** 40 });
    const bytes = encodeEntry(manifest, { volume: 3, offset: 8192, headLength: 99 }, 2, undefined);
    const expected = hex(
      '01 03 00 00 03000000 000000000000c040 efbeadde 20000000',
      TIMES,
      '0000000000009442',
      MODIFIED,
      DIGEST,
      '0200 0200',
      VERSION,
      '63000000 0178',
    );
    assert.equal(bytes.toString('hex'), expected);
  });

  it('has golden bytes for a manifest with its only extent', () => {
    const manifest = head({ kind: RECORD_KIND.manifest, payloadLength: 32, size: 5 * 2 ** 40 });
    const extent = {
      volume: 0x0a0b0c0d,
      offset: 2 ** 32 + 16,
      headLength: 97,
      length: 0x40_0000,
      crc: 0xcafebabe,
      codec: 0,
      size: 0x40_0000,
    };
    const bytes = encodeEntry(manifest, { volume: 3, offset: 8192, headLength: 99 }, 0, extent);
    const expected = hex(
      '01 03 00 01 03000000 000000000000c040 efbeadde 20000000',
      TIMES,
      '0000000000009442',
      MODIFIED,
      DIGEST,
      '0000 0000',
      VERSION,
      '63000000',
      '0d0c0b0a 61000000 000000010000f041 00004000 bebafeca', // the extent
      '0178',
    );
    assert.equal(bytes.toString('hex'), expected);
    assert.deepEqual(new Entry(bytes).payload, extent);
    assert.deepEqual(new Entry(bytes).record, {
      volume: 3,
      offset: 8192,
      headLength: 99,
      length: 32,
      crc: 0xdeadbeef,
      codec: 0,
      size: 32,
    });
  });

  it('has golden bytes for a coded record, and for a coded extent', () => {
    const coded = head({ codec: 2, class: 3, payloadLength: 0x1234 });
    const bytes = encodeEntry(coded, { volume: 3, offset: 8192, headLength: 99 }, 0, undefined);
    const expected = hex(
      '01 01 02 30 03000000 000000000000c040 efbeadde 34120000', // codec 2, class 3 in the upper bits
      TIMES,
      '0000004030207041',
      MODIFIED,
      DIGEST,
      '0000 0000',
      VERSION,
      '63000000 0178',
    );
    assert.equal(bytes.toString('hex'), expected);
    const { record, payload } = new Entry(bytes);
    assert.deepEqual(payload, record);
    assert.deepEqual([record.length, record.codec, record.size], [0x1234, 2, 0x01020304]);

    const extent = { volume: 2, offset: 8208, headLength: 97, length: 0x1234, crc: 0xcafebabe, codec: 1, size: 0x5678 };
    const manifest = head({ kind: RECORD_KIND.manifest, class: 8, payloadLength: 40, size: 0x5678 });
    const single = encodeEntry(manifest, { volume: 3, offset: 8192, headLength: 99 }, 0, extent);
    assert.equal(single.subarray(0, 4).toString('hex'), '01030081');
    assert.equal(
      single.subarray(76).toString('hex'),
      hex('63000000 02000000 61000080 000000000008c040 34120000 bebafeca 01000000 78560000 0178'),
    );
    assert.deepEqual(new Entry(single).payload, extent);
    assert.equal(new Entry(single).attributeBytes.toString('hex'), '0178');
  });

  it('tells another class and another place, and nothing else', () => {
    const before = new Entry(encodeEntry(head({}), { volume: 3, offset: 8192, headLength: 99 }, 0, undefined));
    const classed = withClass(before, 7);
    assert.deepEqual([before.class, classed.class], [0, 7]);
    assert.deepEqual(withClass(classed, 0).bytes, before.bytes);
    const to = { volume: 9, offset: 16, headLength: 98, length: 5, crc: 0xdeadbeef, codec: 1, size: 0x01020304 };
    const moved = withRecord(before, to, 4);
    assert.deepEqual(moved.record, to);
    assert.equal(moved.class, 4);
    assert.deepEqual(withRecord(moved, before.record, 0).bytes, before.bytes);
  });

  it('gives back what its record and place say', () => {
    const fields = fc.record({
      kind: fc.constantFrom(RECORD_KIND.object, RECORD_KIND.manifest, RECORD_KIND.part, RECORD_KIND.partManifest),
      codec: fc.integer({ min: 0, max: 255 }),
      class: fc.integer({ min: 0, max: 15 }),
      timestamp: fc.maxSafeNat(),
      payloadLength: fc.integer({ min: 0, max: 0xffff_ffff }),
      payloadCrc: fc.integer({ min: 0, max: 0xffff_ffff }),
      size: fc.maxSafeNat(),
      modifiedMs: fc.maxSafeNat(),
      etagParts: fc.integer({ min: 0, max: 10_000 }),
      attributes: fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)),
    });
    const places = fc.record({
      volume: fc.integer({ min: 0, max: 0xffff_ffff }),
      offset: fc.maxSafeNat(),
      headLength: fc.integer({ min: 96, max: 40_000 }),
    });
    fc.assert(
      fc.property(fields, places, fc.integer({ min: 0, max: 10_000 }), (chosen, at, partCount) => {
        const entry = new Entry(encodeEntry(head(chosen), at, partCount, undefined));
        const isCoded = chosen.codec !== 0;
        const size = isCoded ? chosen.size : chosen.payloadLength;
        const { payloadLength: length, payloadCrc: crc, codec } = chosen;
        const record = { ...at, length, crc, codec, size };
        assert.equal(entry.class, chosen.class);
        const isManifest = chosen.kind === RECORD_KIND.manifest || chosen.kind === RECORD_KIND.partManifest;
        assert.deepEqual(entry.record, record);
        assert.deepEqual(entry.payload, isManifest ? undefined : record);
        assert.equal(entry.kind, chosen.kind);
        assert.equal(entry.isManifest, isManifest);
        assert.equal(entry.timestamp, chosen.timestamp);
        assert.equal(entry.size, chosen.size);
        assert.equal(entry.modifiedMs, chosen.modifiedMs);
        assert.equal(entry.partCount, partCount);
        assert.equal(entry.digest.toString('hex'), DIGEST);
        assert.equal(entry.versionId.toString('hex'), VERSION);
        assert.deepEqual(Buffer.from(entry.attributeBytes), chosen.attributes);
        assert.equal(entry.etag, chosen.etagParts === 0 ? DIGEST : `${DIGEST}-${chosen.etagParts}`);
      }),
    );
  });

  it('knows the CRC of an object in one piece, and of an empty one, and of no multipart object', () => {
    const at = { volume: 1, offset: 8192, headLength: 99 };
    const crcOf = (fields: Partial<RecordHead>, parts: number): number | undefined =>
      new EntryInfo(new Entry(encodeEntry(head(fields), at, parts, undefined))).crc32;
    assert.equal(crcOf({}, 0), 0xdeadbeef);
    assert.equal(crcOf({ kind: RECORD_KIND.manifest, size: 0 }, 0), 0);
    assert.equal(crcOf({ kind: RECORD_KIND.manifest }, 0), undefined);
    assert.equal(crcOf({ kind: RECORD_KIND.manifest }, 1), undefined);
  });
});

describe('an ETag', () => {
  it('comes back from digest and parts', () => {
    for (const etag of [DIGEST, `${DIGEST}-1`, `${DIGEST}-10000`]) {
      const { digest, parts } = parseEtag(etag);
      assert.equal(renderEtag(digest, parts), etag);
    }
  });
});

describe('attributes', () => {
  it('have golden bytes: length of the content type, the content type, the checksum, JSON of the rest', () => {
    const bytes = encodeAttributes('image/png', { tags: { a: 'ü' } });
    assert.equal(bytes.toString('hex'), hex('09 696d6167652f706e67 00 7b2274616773223a7b2261223a22c3bc227d7d'));
    assert.equal(encodeAttributes(undefined, {}).toString('hex'), '00');
    assert.equal(encodeAttributes('a', { tags: undefined } as object).toString('hex'), '0161');
    const full = { algorithm: 'CRC32', value: 'jNwWgw==', type: 'FULL_OBJECT' } as const;
    assert.equal(encodeAttributes(undefined, { checksum: full }).toString('hex'), hex('00 01 8cdc1683'));
    const parts = { algorithm: 'CRC32C', value: 'jNwWgw==-3', type: 'COMPOSITE' } as const;
    assert.equal(
      encodeAttributes('a', { checksum: parts, acl: 'private' }).toString('hex'),
      hex('01 61 32 0300 8cdc1683 7b2261636c223a2270726976617465227d'),
    );
  });

  it('come back from their bytes', () => {
    const latin1 = fc
      .array(fc.integer({ min: 1, max: 255 }), { maxLength: 255 })
      .map((codes) => String.fromCharCode(...codes));
    const words = fc.dictionary(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 50 }), {
      maxKeys: 5,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(latin1, words, words, (type, metadata, tags) => {
        const bytes = encodeAttributes(type, { metadata, tags });
        assert.equal(contentTypeOf(bytes) ?? '', type);
        assert.deepEqual(attributesOf(bytes), JSON.parse(JSON.stringify({ metadata, tags })));
      }),
    );
  });

  it('bring every checksum back as it was said, also one of a form that its algorithm does not have', () => {
    const digest = fc
      .constantFrom(4, 8, 20, 32)
      .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
    const base64 = digest.map((bytes) => Buffer.from(bytes).toString('base64'));
    const suffix = fc.constantFrom('', '-1', '-10000', '-0', '-65536', '-', '=');
    const checksum = fc.record(
      {
        algorithm: fc.constantFrom(
          'CRC32' as const,
          'CRC32C' as const,
          'CRC64NVME' as const,
          'SHA1' as const,
          'SHA256' as const,
        ),
        value: fc.oneof(
          fc.tuple(base64, suffix).map(([value, end]) => value + end),
          fc.string(),
        ),
        type: fc.constantFrom('FULL_OBJECT' as const, 'COMPOSITE' as const),
      },
      { noNullPrototype: true },
    );
    const others = fc.constantFrom({}, { acl: 'public-read' as const }, { tags: { a: 'b' }, upload: 'ff' });
    fc.assert(
      fc.property(checksum, others, (said, more) => {
        assert.deepEqual(attributesOf(encodeAttributes('image/png', { ...more, checksum: said })), {
          ...more,
          checksum: said,
        });
      }),
    );
  });
});
