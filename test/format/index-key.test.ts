import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  afterPrefix,
  indexKey,
  keyOfIndexKey,
  partKey,
  splitUploadKey,
  uploadKey,
} from '../../src/format/index-key.ts';

/** Keys full of what could upset the order: NUL, 01, 02, 7F, two-, three- and four-byte characters, surrogates' neighbours. */
const key = fc
  .array(
    fc.constantFrom(
      '\0',
      '\u0001',
      '\u0002',
      'a',
      'b',
      '/',
      '\u007f',
      'é',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '😀',
      '\u{10ffff}',
    ),
    { maxLength: 12 },
  )
  .map((characters) => Buffer.from(characters.join('')));
const someKey = key.filter((bytes) => bytes.length > 0);
const bucketId = fc.integer({ min: 0, max: 0xffff_ffff });
/** How an older version of a key would stand in the index: the key, 00, the inverted timestamp. */
const version = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes));
const NUL = Buffer.from([0]);

describe('an index key', () => {
  it('has golden bytes', () => {
    assert.equal(indexKey(0x01020304, Buffer.from('a/é')).toString('hex'), '01020304612fc3a9');
    assert.equal(indexKey(7, Buffer.from('\0\u0001\u0002')).toString('hex'), '000000070101010202');
    assert.equal(
      uploadKey(7, Buffer.from('a\0'), Buffer.alloc(16, 0xab)).toString('hex'),
      `00000007610101${'00'}${'ab'.repeat(16)}`,
    );
    assert.equal(partKey(Buffer.alloc(16, 0xab), 10_000).toString('hex'), `${'ab'.repeat(16)}2710`);
  });

  it('gives the key back', () => {
    fc.assert(
      fc.property(bucketId, key, (id, bytes) => {
        assert.deepEqual(Buffer.from(keyOfIndexKey(indexKey(id, bytes))), bytes);
      }),
    );
  });

  it('sorts as the UTF-8 bytes do, within its bucket', () => {
    fc.assert(
      fc.property(bucketId, key, key, (id, a, b) => {
        assert.equal(Math.sign(indexKey(id, a).compare(indexKey(id, b))), Math.sign(a.compare(b)));
      }),
      { numRuns: 2000 },
    );
  });

  it('sorts buckets apart', () => {
    fc.assert(
      fc.property(bucketId, bucketId, key, key, (a, b, x, y) => {
        fc.pre(a < b);
        assert(indexKey(a, x).compare(indexKey(b, y)) < 0);
      }),
    );
  });

  it('has its older versions right behind it, before every other key', () => {
    fc.assert(
      fc.property(someKey, someKey, version, (a, b, suffix) => {
        fc.pre(!a.equals(b));
        const older = Buffer.concat([indexKey(1, a), NUL, suffix]);
        assert(indexKey(1, a).compare(older) < 0);
        assert.equal(Math.sign(older.compare(indexKey(1, b))), Math.sign(a.compare(b)));
      }),
      { numRuns: 2000 },
    );
  });

  it('is followed by the end of its prefix, and nothing below the prefix is', () => {
    fc.assert(
      fc.property(bucketId, key, key, (id, prefix, rest) => {
        const end = afterPrefix(indexKey(id, prefix));
        assert(indexKey(id, Buffer.concat([prefix, rest])).compare(end) < 0);
        const same = indexKey(id, prefix);
        assert(end.compare(same) > 0);
      }),
    );
    assert.deepEqual(afterPrefix(Buffer.from([1, 0xff, 0xff])), Buffer.from([2]));
  });
});

describe('an upload key', () => {
  it('splits into key and upload', () => {
    fc.assert(
      fc.property(bucketId, key, fc.uint8Array({ minLength: 16, maxLength: 16 }), (id, bytes, upload) => {
        const split = splitUploadKey(uploadKey(id, bytes, Buffer.from(upload)));
        assert.deepEqual(Buffer.from(split.key), bytes);
        assert.deepEqual(Buffer.from(split.uploadId), Buffer.from(upload));
      }),
    );
  });

  it('sorts by key first, then by upload', () => {
    const uploadId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(someKey, someKey, uploadId, uploadId, (a, b, x, y) => {
        const expected = a.compare(b) === 0 ? x.compare(y) : a.compare(b);
        assert.equal(Math.sign(uploadKey(1, a, x).compare(uploadKey(1, b, y))), Math.sign(expected));
      }),
      { numRuns: 2000 },
    );
  });
});
