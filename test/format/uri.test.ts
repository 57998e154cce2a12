import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import {
  canonicalise,
  parseQuery,
  percentDecode,
  percentEncode,
  splitPath,
  splitTarget,
} from '../../src/format/uri.ts';

const isInvalidUri = (error: unknown): boolean => error instanceof GatewayError && error.code === 'InvalidURI';
const text = fc.string({ unit: 'binary', maxLength: 60 });

describe('splitTarget', () => {
  it('splits at the first question mark and keeps everything else', () => {
    assert.deepEqual(splitTarget('/a//b/../c%2F?x=?&y'), { path: '/a//b/../c%2F', query: 'x=?&y' });
    assert.deepEqual(splitTarget('/'), { path: '/', query: '' });
    assert.deepEqual(splitTarget('/a#b'), { path: '/a#b', query: '' });
  });

  for (const target of ['', '*', 'http://h/k', '?x', '#x']) {
    it(`refuses ${JSON.stringify(target)}`, () => assert.throws(() => splitTarget(target), isInvalidUri));
  }
});

describe('splitPath', () => {
  const cases: [string, string | undefined, string][] = [
    ['/', undefined, ''],
    ['/b', 'b', ''],
    ['/b/', 'b', ''],
    ['/b//', 'b', '/'],
    ['/b/a//../%2e/', 'b', 'a//.././'],
    ['/b/a%2Fb', 'b', 'a/b'],
    ['/b/%00%C3%A9+', 'b', '\0é+'],
    ['//k', '', 'k'],
  ];
  for (const [path, bucket, key] of cases) {
    it(`takes ${path} apart without normalising`, () => assert.deepEqual(splitPath(path), { bucket, key }));
  }
});

describe('percentDecode', () => {
  for (const raw of ['%', '%1', '%zz', 'a%2', '%ff', '%c0%80', '%ed%a0%80', '%f5%80%80%80', 'é', 'a\u0161']) {
    it(`refuses ${raw}`, () => assert.throws(() => percentDecode(raw), isInvalidUri));
  }

  it('undoes percentEncode for any text', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (value, keepSlash) => {
        const encoded = percentEncode(value, keepSlash);
        assert.match(
          encoded,
          keepSlash ? /^(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})*$/ : /^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/,
        );
        assert.equal(percentDecode(encoded), value);
      }),
    );
  });
});

describe('percentEncode', () => {
  it('encodes as listings with encoding-type=url do', () => {
    assert.equal(percentEncode('quux ab/thud', true), 'quux%20ab/thud');
    assert.equal(percentEncode('asdf+b', true), 'asdf%2Bb');
    assert.equal(percentEncode("a!'()*b", true), 'a%21%27%28%29%2Ab');
    assert.equal(percentEncode('a/\n\u{1f600}', false), 'a%2F%0A%F0%9F%98%80');
    assert.equal(percentEncode('\ud800', false), '%EF%BF%BD');
  });
});

describe('parseQuery', () => {
  it('keeps order, repeats and flags, and reads + as a space', () => {
    assert.deepEqual(parseQuery('b=2&a=1&a=x+y%2B&flag&=v&e=&&k=a=b'), [
      ['b', '2'],
      ['a', '1'],
      ['a', 'x y+'],
      ['flag', ''],
      ['', 'v'],
      ['e', ''],
      ['k', 'a=b'],
    ]);
    assert.deepEqual(parseQuery(''), []);
  });

  it('refuses broken escapes', () => assert.throws(() => parseQuery('a=%zz'), isInvalidUri));
});

describe('canonicalise', () => {
  it('decodes once and encodes once', () => {
    assert.equal(canonicalise("/a%2fb%20c%252F+!'()*~é".slice(0, -1), 'path'), '/a/b%20c%252F%2B%21%27%28%29%2A~');
    assert.equal(canonicalise('a+b/c%7e%c3%a9', 'query'), 'a%20b%2Fc~%C3%A9');
  });

  it('is percentEncode of the decoded text, whatever the escaping on the wire', () => {
    const scribble = fc.tuple(text, fc.array(fc.boolean(), { minLength: 240, maxLength: 240 }));
    fc.assert(
      fc.property(scribble, ([value, choices]) => {
        const bytes = Buffer.from(value);
        let raw = '';
        for (const [i, byte] of bytes.entries()) {
          const char = String.fromCharCode(byte);
          const mustEscape = byte >= 128 || char === '%';
          const hex = byte.toString(16).padStart(2, '0');
          raw += mustEscape || choices[i] === true ? `%${choices[i + 1] === true ? hex.toUpperCase() : hex}` : char;
        }
        assert.equal(canonicalise(raw, 'path'), percentEncode(value, true));
      }),
    );
  });

  it('refuses broken escapes and raw characters above ASCII', () => {
    for (const raw of ['%', '%4', '%4g', 'a%', 'é', '\u0161']) {
      assert.throws(() => canonicalise(raw, 'path'), isInvalidUri);
      assert.throws(() => canonicalise(raw, 'query'), isInvalidUri);
    }
  });
});
