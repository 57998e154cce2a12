/** Keys and paths: what goes in comes out at the same place, and nothing gets out of the folder. */
import assert from 'node:assert/strict';
import { isAbsolute, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { CliError } from '../../src/cli/exit.ts';
import { keyFault, keyOfPath, pathOfKey, pathOfTarName } from '../../src/cli/key-mapping.ts';
import { parseObjectAddress, parseS3Address } from '../../src/cli/s3-address.ts';

test('a prefix is joined to a path with one slash', () => {
  assert.equal(keyOfPath('', 'a/b.png'), 'a/b.png');
  assert.equal(keyOfPath('ct', 'a/b.png'), 'ct/a/b.png');
  assert.equal(keyOfPath('ct/', 'a/b.png'), 'ct/a/b.png');
  assert.equal(keyOfPath('ct', ''), 'ct/');
});

test('keys that have no safe place below the folder are refused', () => {
  for (const key of ['../x', 'a/../../x', '/etc/passwd', 'a//b', './a', 'a/.', '..', 'a\0b', `${'n'.repeat(256)}/a`]) {
    assert.equal(pathOfKey('', key).kind, 'refused', JSON.stringify(key));
  }
  assert.equal(pathOfKey('ct', 'ct/../../x').kind, 'refused');
});

test('keys that only look dangerous are files', () => {
  assert.deepEqual(pathOfKey('', '...'), { kind: 'file', segments: ['...'] });
  assert.deepEqual(pathOfKey('', 'a/..b/%2e%2e'), { kind: 'file', segments: ['a', '..b', '%2e%2e'] });
});

test('a prefix is cut where its parts end', () => {
  assert.deepEqual(pathOfKey('ct', 'ct/1.dcm'), { kind: 'file', segments: ['1.dcm'] });
  assert.deepEqual(pathOfKey('ct/', 'ct/a/1.dcm'), { kind: 'file', segments: ['a', '1.dcm'] });
  assert.deepEqual(pathOfKey('a/ct', 'a/ct'), { kind: 'file', segments: ['ct'] });
  assert.equal(pathOfKey('', 'folder/').kind, 'folder');
  assert.equal(pathOfKey('ct/', 'ct/').kind, 'folder');
});

test('no key whatsoever leads out of the folder', () => {
  const part = fc.constantFrom('.', '..', '', 'a', '...', 'b c', '\\', '..\\', '~');
  const keys = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part).map((parts) => parts.join('/')),
  );
  fc.assert(
    fc.property(keys, keys, (prefix, rest) => {
      const path = pathOfKey(prefix, `${prefix}${rest}`);
      if (path.kind !== 'file') return;
      const inside = relative('/target', join('/target', ...path.segments));
      assert.ok(inside !== '' && inside.split(sep)[0] !== '..' && !isAbsolute(inside), JSON.stringify(path));
    }),
  );
});

test('a path that became a key becomes the same path again', () => {
  const name = fc
    .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
    .filter((s) => !s.includes('/') && !s.includes('\0') && s !== '.' && s !== '..');
  fc.assert(
    fc.property(
      fc.constantFrom('', 'ct', 'a/b/'),
      fc.array(name, { minLength: 1, maxLength: 4 }),
      (prefix, segments) => {
        assert.deepEqual(pathOfKey(prefix, keyOfPath(prefix, segments.join('/'))), { kind: 'file', segments });
      },
    ),
  );
});

test('names in a tar lose what makes them relative or absolute, and may not lead outside', () => {
  assert.equal(pathOfTarName('./a/b'), 'a/b');
  assert.equal(pathOfTarName('.//a'), 'a');
  assert.equal(pathOfTarName('/a/b'), 'a/b');
  assert.equal(pathOfTarName('.hidden'), '.hidden');
  for (const name of ['../a', 'a/../b', './../a', '..', '.', './', '']) {
    assert.equal(pathOfTarName(name), undefined, name);
  }
});

test('a key that cannot be stored is refused before it is sent', () => {
  assert.equal(keyFault('a'.repeat(1024)), undefined);
  assert.match(keyFault('é'.repeat(513)) ?? '', /1026 bytes; at most 1024/);
  assert.match(keyFault('\ud800') ?? '', /not UTF-8/);
});

test('addresses keep their keys as typed', () => {
  assert.deepEqual({ ...parseS3Address('s3://train') }, { bucket: 'train', key: '' });
  assert.deepEqual({ ...parseS3Address('s3://train/') }, { bucket: 'train', key: '' });
  assert.deepEqual({ ...parseS3Address('s3://train//a/../%2F?x#y') }, { bucket: 'train', key: '/a/../%2F?x#y' });
});

test('what is no address is a usage error that says how to write one', () => {
  const refused = (pattern: RegExp) => (error: unknown) =>
    error instanceof CliError && error.exitCode === 2 && pattern.test(error.message);
  assert.throws(() => parseS3Address('train/a'), refused(/"train\/a" is not an address.*s3:\/\/bucket\/key/));
  assert.throws(() => parseS3Address('s3://Train'), refused(/Bucket name "Train" is not valid/));
  assert.throws(() => parseS3Address(`s3://train/${'k'.repeat(1025)}`), refused(/1025 bytes/));
  assert.throws(
    () => parseObjectAddress('s3://train'),
    refused(/names a bucket, not an object; write s3:\/\/train\/key/),
  );
});
