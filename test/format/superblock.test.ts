import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from '@node-rs/crc32';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { decodeSuperblock, encodeSuperblock, SUPERBLOCK_BYTES } from '../../src/format/superblock.ts';

const SUPERBLOCK = {
  volumeId: 3,
  volumeUuid: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
  storeUuid: Buffer.from('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf', 'hex'),
  createdMs: 1_700_000_000_123,
};
const GOLDEN =
  '50454e53544f434b' + // magic
  '0100000003000000' + // format, volume id
  '000102030405060708090a0b0c0d0e0f' +
  'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf' +
  '00b08756febc7842' + // created
  'f838586b'; // CRC-32
const COPIES = [0, 4096];

describe('a superblock', () => {
  it('has golden bytes: two equal copies in 8 KiB, zeros elsewhere', () => {
    const bytes = encodeSuperblock(SUPERBLOCK);
    assert.equal(bytes.length, SUPERBLOCK_BYTES);
    for (const at of COPIES) {
      assert.equal(bytes.toString('hex', at, at + 60), GOLDEN);
      assert(bytes.subarray(at + 60, at + 4096).every((byte) => byte === 0));
    }
  });

  it('comes back from its bytes', () => {
    const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        uuid,
        uuid,
        fc.maxSafeNat(),
        (volumeId, volumeUuid, storeUuid, createdMs) => {
          const superblock = { volumeId, volumeUuid, storeUuid, createdMs };
          const found = decodeSuperblock(encodeSuperblock(superblock), 'v');
          assert.deepEqual(found, { superblock, damagedCopy: false });
        },
      ),
    );
  });

  it('is read from the other copy when any bit of one is flipped, and says so', () => {
    for (const at of COPIES) {
      for (let bit = 0; bit < 60 * 8; bit++) {
        const bytes = encodeSuperblock(SUPERBLOCK);
        bytes[at + (bit >> 3)] = (bytes[at + (bit >> 3)] as number) ^ (1 << (bit & 7));
        assert.deepEqual(decodeSuperblock(bytes, 'v'), { superblock: SUPERBLOCK, damagedCopy: true });
      }
    }
  });

  it('is absent when both copies are damaged, or the file is too short', () => {
    const bytes = encodeSuperblock(SUPERBLOCK);
    for (const at of COPIES) bytes[at + 20] = 0xff;
    assert.equal(decodeSuperblock(bytes, 'v'), undefined);
    assert.equal(decodeSuperblock(Buffer.alloc(0), 'v'), undefined);
    assert.equal(decodeSuperblock(Buffer.alloc(SUPERBLOCK_BYTES), 'v'), undefined);
  });

  it('refuses a format that this release does not know, by name', () => {
    const bytes = encodeSuperblock(SUPERBLOCK);
    for (const at of COPIES) {
      bytes.writeUInt32LE(2, at + 8);
      bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 56)), at + 56);
    }
    assert.throws(
      () => decodeSuperblock(bytes, '/data/volumes/0000000003.vol'),
      (error: unknown) =>
        error instanceof GatewayError &&
        error.message ===
          '/data/volumes/0000000003.vol has format version 2; this Penstock reads version 1. Use the release that wrote it, or a newer one.',
    );
  });
});
