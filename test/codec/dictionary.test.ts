/** Dictionaries of headers. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { dictionaryIdFor, dictionaryOf } from '../../src/codec/dictionary.ts';

test('a dictionary is the bytes of the first headers, and is named for them', () => {
  const headers = ['a', 'bb', 'ccc', 'dddd', 'eeeee'].map((header) => Buffer.from(header));
  const { id, bytes } = dictionaryOf(headers);
  assert.equal(bytes.toString(), 'abbcccdddd');
  assert.equal(id, createHash('sha256').update('abbcccdddd').digest().readUInt32LE(0));
  assert.equal(id, dictionaryIdFor(bytes));
  assert.notEqual(dictionaryOf(headers.slice(1)).id, id);
});

test('a dictionary has a bound, and the header that reaches it is cut', () => {
  const large = Buffer.alloc(100_000, 'x');
  const { bytes } = dictionaryOf([large, large, large]);
  assert.equal(bytes.length, LIMITS.dictionaryBytesMax);
  assert.throws(() => dictionaryOf([]), /a dictionary of nothing/);
});
