/** Names of the members of a batch's archive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BatchRef } from '../../src/base/batch-read.ts';
import { END_NAME, memberName } from '../../src/fronts/s3/batch-names.ts';
import { hostileKey } from '../contract/hostile-keys.ts';

const OWN = [
  '__penstock__',
  '__penstock__/end.json',
  '__penstock__x',
  'C:',
  'C:\\x',
  'x.penstock-failed',
  '.penstock-failed',
];

function ref(key: string, more: Partial<BatchRef> = {}): BatchRef {
  return { bucket: 'images', key, ...more } as BatchRef;
}

test('the name of an ordinary key is the key', () => {
  for (const key of [
    'a',
    'cat.jpg',
    'a/b/c.dcm',
    'ü/日本 1.png',
    '.hidden/..x/x..',
    '__init__.py',
    'ab:c',
    'x.penstock-failed.jpg',
  ])
    assert.equal(memberName(ref(key), 'images', false), key);
});

test('what would be more than a name is escaped', () => {
  const escaped: Record<string, string> = {
    '/etc/passwd': '%2Fetc/passwd',
    '../../x': '%2E./%2E./x',
    'a/./b': 'a/%2E/b',
    '..': '%2E.',
    'a//b': 'a/%2Fb',
    'folder/': 'folder%2F',
    '/': '%2F',
    '//': '%2F%2F',
    '100%.jpg': '100%25.jpg',
    'a\\..\\b': 'a%5C..%5Cb',
    'nul\0l\n': 'nul%00l%0A',
    'C:x': 'C%3Ax',
    '__penstock__/end.json': '%5F_penstock__/end.json',
    'x.penstock-failed': 'x%2Epenstock-failed',
  };
  for (const [key, name] of Object.entries(escaped)) assert.equal(memberName(ref(key), 'images', false), name);
});

test('any name stays in its folder, is none of our own, and gives the key back', () => {
  fc.assert(
    fc.property(fc.oneof(hostileKey, fc.constantFrom(...OWN), fc.string({ unit: 'binary' })), (key) => {
      if (key === '' || !key.isWellFormed()) return;
      const name = memberName(ref(key), 'images', false);
      assert.equal(decodeURIComponent(name), key);
      for (const part of name.split('/')) assert.ok(part !== '' && part !== '.' && part !== '..', name);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there.
      assert.doesNotMatch(name, /[\u0000-\u001f\u007f\\]|^[A-Za-z]:/);
      assert.notEqual(name, END_NAME);
      assert.ok(!name.startsWith('__penstock__/') && !name.endsWith('.penstock-failed'));
      assert.equal(memberName(ref(key), 'images', true), `${name}.penstock-failed`);
    }),
    { numRuns: 2000 },
  );
});

test('ranges and objects of other buckets are told apart', () => {
  assert.equal(memberName(ref('k', { range: { start: 5, end: 9 } }), 'images', false), 'k.bytes-5-9');
  assert.equal(memberName(ref('k', { range: { start: 5 } }), 'images', true), 'k.bytes-5-.penstock-failed');
  assert.equal(memberName(ref('../k'), 'labels', false), 'images/%2E./k');
});
