import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import type { ChecksumAlgorithm } from '../../src/base/object-info.ts';
import type { CrcAlgorithm } from '../../src/format/checksum.ts';
import { CHECKSUM_FACTS, checksumOfParts, loadChecksums } from '../../src/format/checksum.ts';
import {
  CHECKSUM_ALGORITHMS,
  checksumHeaderName,
  checksumOfHeaderName,
  declaredChecksum,
  decodeDigest,
  parseChecksumAlgorithm,
  parseChecksumType,
  parseContentMd5,
  parseTrailerNames,
} from '../../src/format/checksum-headers.ts';

const checksums = await loadChecksums();
const CRCS: CrcAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME'];
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

function digestOf(algorithm: ChecksumAlgorithm, ...pieces: Buffer[]): Buffer {
  const checksum = checksums.create(algorithm);
  for (const piece of pieces) checksum.update(piece);
  return checksum.digest();
}

describe('checksums', () => {
  // Check values of the CRC catalogue (reveng) and of FIPS 180-4, over the digits 1 to 9 and "abc".
  const known: [ChecksumAlgorithm, string, string][] = [
    ['CRC32', '123456789', 'cbf43926'],
    ['CRC32C', '123456789', 'e3069283'],
    ['CRC64NVME', '123456789', 'ae8b14860a799888'],
    ['SHA1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['SHA256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['CRC32', '', '00000000'],
    ['CRC64NVME', '', '0000000000000000'],
  ];
  for (const [algorithm, input, hex] of known) {
    it(`knows ${algorithm} of "${input}"`, () =>
      assert.equal(digestOf(algorithm, Buffer.from(input)).toString('hex'), hex));
  }

  it('does not depend on how the bytes are cut, nor on other streams in between', () => {
    fc.assert(
      fc.property(fc.array(bytes(50), { maxLength: 6 }), fc.array(bytes(50), { maxLength: 6 }), (left, right) => {
        for (const algorithm of CHECKSUM_ALGORITHMS) {
          const a = checksums.create(algorithm);
          const b = checksums.create(algorithm);
          for (let i = 0; i < 6; i += 1) {
            a.update(left[i] ?? Buffer.alloc(0));
            b.update(right[i] ?? Buffer.alloc(0));
          }
          const first = b.digest();
          assert.ok(a.digest().equals(digestOf(algorithm, Buffer.concat(left))));
          assert.ok(first.equals(digestOf(algorithm, Buffer.concat(right))));
        }
      }),
    );
  });

  it('gives digests of the length in the table', () => {
    for (const algorithm of CHECKSUM_ALGORITHMS)
      assert.equal(digestOf(algorithm).length, CHECKSUM_FACTS[algorithm].digestBytes);
  });
});

describe('combining CRCs', () => {
  for (const algorithm of CRCS) {
    it(`gives ${algorithm} of the whole from its parts`, () => {
      fc.assert(
        fc.property(fc.array(bytes(300), { maxLength: 6 }), (pieces) => {
          const parts = pieces.map((piece) => ({ digest: digestOf(algorithm, piece), length: piece.length }));
          assert.equal(
            checksums.combine(algorithm, parts).toString('hex'),
            digestOf(algorithm, ...pieces).toString('hex'),
          );
        }),
      );
    });

    it(`gives ${algorithm} for parts of megabytes`, () => {
      const big = Buffer.alloc(5 * 1024 * 1024 + 3, 'penstock');
      const parts = [big, big, Buffer.from('end')].map((piece) => ({
        digest: digestOf(algorithm, piece),
        length: piece.length,
      }));
      assert.ok(checksums.combine(algorithm, parts).equals(digestOf(algorithm, big, big, Buffer.from('end'))));
    });

    it(`shifts ${algorithm} by lengths beyond 32 bits`, () => {
      // Zero bytes in two steps or in one: x^(8a) * x^(8b) = x^(8(a+b)).
      const digest = digestOf(algorithm, Buffer.from('x'));
      const zero = Buffer.alloc(digest.length);
      const part = (length: number) => ({ digest: zero, length });
      const first = { digest, length: 1 };
      const [a, b] = [2 ** 31 + 5, 2 ** 42 + 2 ** 31 + 1];
      assert.ok(
        checksums
          .combine(algorithm, [first, part(a), part(b)])
          .equals(checksums.combine(algorithm, [first, part(a + b)])),
      );
    });
  }
});

describe('checksums of multipart uploads', () => {
  it('hashes the digests of the parts and counts them', () => {
    for (const algorithm of CHECKSUM_ALGORITHMS) {
      const parts = ['one', 'two'].map((text) => ({ digest: digestOf(algorithm, Buffer.from(text)), length: 3 }));
      const stored = checksumOfParts(checksums, algorithm, 'COMPOSITE', parts);
      const expected = digestOf(algorithm, ...parts.map((part) => part.digest)).toString('base64');
      assert.deepEqual(stored, { algorithm, type: 'COMPOSITE', value: `${expected}-2` });
    }
  });

  it('combines CRCs into that of the object', () => {
    const parts = ['one', 'two'].map((text) => ({ digest: digestOf('CRC64NVME', Buffer.from(text)), length: 3 }));
    const value = digestOf('CRC64NVME', Buffer.from('onetwo')).toString('base64');
    assert.deepEqual(checksumOfParts(checksums, 'CRC64NVME', 'FULL_OBJECT', parts), {
      algorithm: 'CRC64NVME',
      type: 'FULL_OBJECT',
      value,
    });
  });

  it('allows the types of the table, with its defaults', () => {
    assert.equal(parseChecksumType(undefined, 'CRC32'), 'COMPOSITE');
    assert.equal(parseChecksumType(undefined, 'CRC64NVME'), 'FULL_OBJECT');
    assert.equal(parseChecksumType('full_object', 'CRC32C'), 'FULL_OBJECT');
    for (const [type, algorithm] of [
      ['COMPOSITE', 'CRC64NVME'],
      ['FULL_OBJECT', 'SHA1'],
      ['FULL_OBJECT', 'SHA256'],
      ['x', 'CRC32'],
    ] as const) {
      assert.throws(() => parseChecksumType(type, algorithm), GatewayError);
    }
  });
});

describe('checksum headers', () => {
  const declared = (headers: Record<string, string>) => declaredChecksum(Object.keys(headers), (name) => headers[name]);
  const refuses = (headers: Record<string, string>, message: RegExp): void =>
    assert.throws(
      () => declared(headers),
      (error) => error instanceof GatewayError && error.code === 'InvalidRequest' && message.test(error.message),
    );

  it('maps names both ways', () => {
    assert.equal(checksumHeaderName('CRC64NVME'), 'x-amz-checksum-crc64nvme');
    for (const algorithm of CHECKSUM_ALGORITHMS)
      assert.equal(checksumOfHeaderName(checksumHeaderName(algorithm)), algorithm);
    assert.equal(checksumOfHeaderName('x-amz-checksum-md5'), undefined);
  });

  it('reads the one checksum that was declared', () => {
    assert.equal(declared({ 'content-type': 'x', 'x-amz-checksum-mode': 'ENABLED' }), undefined);
    assert.deepEqual(declared({ 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-sdk-checksum-algorithm': 'CRC32' }), {
      algorithm: 'CRC32',
      digest: Buffer.from('cbf43926', 'hex'),
    });
  });

  it('refuses two, unknown ones, bad values and a contradiction', () => {
    refuses({ 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-checksum-crc32c': 'y/Q5Jg==' }, /single/);
    refuses({ 'x-amz-checksum-md5': 'x' }, /not supported/);
    for (const value of ['', 'y/Q5Jg=', 'y/Q5Jg', 'y_Q5Jg==', 'y/Q5Jh==', ' y/Q5Jg==', 'AAAAAAAA']) {
      refuses({ 'x-amz-checksum-crc32': value }, /x-amz-checksum-crc32 header is invalid/);
    }
    refuses({ 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-sdk-checksum-algorithm': 'SHA1' }, /sdk-checksum-algorithm/);
    refuses({ 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-sdk-checksum-algorithm': 'MD4' }, /sdk-checksum-algorithm/);
    assert.throws(() => parseChecksumAlgorithm('md5', 'x-amz-checksum-algorithm'), GatewayError);
  });

  it('takes only the one spelling of base64', () => {
    fc.assert(
      fc.property(bytes(40), fc.string({ maxLength: 60 }), (digest, junk) => {
        assert.ok(decodeDigest(digest.toString('base64'), digest.length)?.equals(digest));
        const decoded = decodeDigest(junk, digest.length);
        assert.ok(decoded === undefined || decoded.toString('base64') === junk);
      }),
    );
  });

  it('reads x-amz-trailer', () => {
    assert.deepEqual(parseTrailerNames('X-Amz-Checksum-CRC32, x-amz-checksum-sha1'), [
      'x-amz-checksum-crc32',
      'x-amz-checksum-sha1',
    ]);
    assert.throws(() => parseTrailerNames('x-amz-checksum-crc32,expires'), GatewayError);
  });

  it('reads Content-MD5', () => {
    const md5 = createHash('md5').update('x').digest();
    assert.ok(parseContentMd5(md5.toString('base64')).equals(md5));
    for (const value of ['', 'YWJyYWNhZGFicmE=', md5.toString('hex')]) {
      assert.throws(
        () => parseContentMd5(value),
        (error) => error instanceof GatewayError && error.code === 'InvalidDigest',
      );
    }
  });
});
