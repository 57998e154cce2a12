import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ChecksumAlgorithm } from '../../src/base/object-info.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../src/format/manifest.ts';

const EXTENT = {
  volume: 0x0a0b0c0d,
  offset: 2 ** 32 + 16,
  headLength: 97,
  length: 0x40_0000,
  crc: 0xcafebabe,
  codec: 0,
  size: 0x40_0000,
};
const DIGEST = 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf';
const ALGORITHMS: Record<ChecksumAlgorithm, number> = { CRC32: 1, CRC32C: 2, CRC64NVME: 3, SHA1: 4, SHA256: 5 };
const PLAIN = { noNullPrototype: true } as const;

describe('a manifest', () => {
  it('has golden bytes', () => {
    const manifest: Manifest = {
      extents: [EXTENT, { ...EXTENT, volume: 1, offset: 8192 }],
      parts: [
        {
          number: 1,
          size: 5 * 2 ** 30,
          modifiedMs: 1_700_000_000_123,
          digest: Buffer.from(DIGEST, 'hex'),
          checksum: undefined,
        },
        {
          number: 10_000,
          size: 1,
          modifiedMs: 1_700_000_000_124,
          digest: Buffer.alloc(16, 0xee),
          checksum: { algorithm: 'CRC32C', digest: Buffer.from('01020304', 'hex') },
        },
      ],
    };
    const expected = [
      '02000000 02000000',
      '0d0c0b0a 61000000 000000010000f041 00004000 bebafeca',
      '01000000 61000000 000000000000c040 00004000 bebafeca',
      `0100 00 00 000000000000f441 00b08756febc7842 ${DIGEST}`,
      `1027 02 04 000000000000f03f 00c08756febc7842 ${'ee'.repeat(16)} 01020304`,
    ];
    assert.equal(encodeManifest(manifest).toString('hex'), expected.join('').replaceAll(' ', ''));
    assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
  });

  it('has golden bytes for coded extents among raw ones', () => {
    const coded = { ...EXTENT, volume: 2, length: 0x1234, codec: 2, size: 0x40_0000 };
    const expected = [
      '03000000 00000000',
      '0d0c0b0a 61000000 000000010000f041 00004000 bebafeca',
      '02000000 61000080 000000010000f041 34120000 bebafeca 02 000000 00004000',
      '0d0c0b0a 61000000 000000010000f041 00004000 bebafeca',
    ];
    const manifest = { extents: [EXTENT, coded, EXTENT], parts: [] };
    assert.equal(encodeManifest(manifest).toString('hex'), expected.join('').replaceAll(' ', ''));
    assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
  });

  it('stores each checksum algorithm under its own number', () => {
    for (const [algorithm, number] of Object.entries(ALGORITHMS)) {
      const checksum = { algorithm: algorithm as ChecksumAlgorithm, digest: Buffer.from([1]) };
      const part = { number: 1, size: 1, modifiedMs: 1, digest: Buffer.alloc(16), checksum };
      assert.equal(encodeManifest({ extents: [], parts: [part] })[10], number);
    }
  });

  it('comes back from its bytes', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const headLength = fc.integer({ min: 0, max: 0x7fff_ffff });
    const place = { volume: u32, offset: fc.maxSafeNat(), headLength, length: u32, crc: u32 };
    const codec = fc.integer({ min: 1, max: 255 });
    const extents = fc.array(
      fc.oneof(
        fc.record(place, PLAIN).map((raw) => ({ ...raw, codec: 0, size: raw.length })),
        fc.record({ ...place, codec, size: u32 }, PLAIN),
      ),
    );
    const digest = fc.uint8Array({ minLength: 1, maxLength: 32 }).map((array) => Buffer.from(array));
    const algorithm = fc.constantFrom(...(Object.keys(ALGORITHMS) as ChecksumAlgorithm[]));
    const parts = fc.array(
      fc.record(
        {
          number: fc.integer({ min: 1, max: 10_000 }),
          size: fc.maxSafeNat(),
          modifiedMs: fc.maxSafeNat(),
          digest: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array)),
          checksum: fc.option(fc.record({ algorithm, digest }, PLAIN), { nil: undefined }),
        },
        PLAIN,
      ),
    );
    fc.assert(
      fc.property(extents, parts, (e, p) => {
        const manifest = { extents: e, parts: p };
        assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
      }),
    );
  });
});
