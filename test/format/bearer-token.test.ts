import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { mintToken, parseToken, verifyToken } from '../../src/format/bearer-token.ts';

/** The same tokens are minted by every client of ours: docs/formats.md has them too. */
const GOLDEN = [
  {
    accessKeyId: 'PENSTOCKEXAMPLE00001',
    secretKey: 'tRU5Ca7pQ2mVwz0Xq1cJ8sYh4dLk6nBfGe3oWi9u',
    expiresMs: 1_767_225_600_999,
    token: 'penstock1.PENSTOCKEXAMPLE00001.1767225600.DsseRZ8y_jNH5y-kCkfO2HE0z6vqezr9GoD8YgE5Ml4',
  },
  {
    accessKeyId: 'a.b-c_d.1.2',
    secretKey: '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
    expiresMs: 1000,
    token: 'penstock1.a.b-c_d.1.2.1._utnbJDspzaQvrU-A3FzmDt9LpB-lfOrwJ3naJ9NYlw',
  },
  {
    accessKeyId: 'long',
    secretKey: 'k'.repeat(256),
    expiresMs: 999_999_999_999_000,
    token: 'penstock1.long.999999999999.-kxqDhZ-PqbEj5lseLSAGqQntLe5UswXIFpJ0W7mDZY',
  },
] as const;

describe('a bearer token', () => {
  for (const { token, ...key } of GOLDEN) {
    test(`of ${key.accessKeyId} is the same bytes in every client`, () => assert.equal(mintToken(key), token));
  }

  test('is HMAC-SHA256 over everything before the last dot', () => {
    const [key] = GOLDEN;
    const signed = `penstock1.${key.accessKeyId}.1767225600`;
    const signature = createHmac('sha256', key.secretKey).update(signed).digest('base64url');
    assert.equal(mintToken(key), `${signed}.${signature}`);
  });

  test('comes apart into what was minted, and verifies with its secret alone', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9._-]{3,128}$/);
    const secret = fc.stringMatching(/^[\x21-\x7e]{8,256}$/);
    const expiry = fc.integer({ min: 1, max: 999_999_999_999 });
    fc.assert(
      fc.property(id, secret, secret, expiry, (accessKeyId, secretKey, other, seconds) => {
        const token = parseToken(mintToken({ accessKeyId, secretKey, expiresMs: seconds * 1000 + 999 }));
        assert(token !== undefined);
        assert.equal(token.accessKeyId, accessKeyId);
        assert.equal(token.expiresMs, seconds * 1000);
        assert.equal(verifyToken(token, secretKey), true);
        assert.equal(verifyToken(token, other), other === secretKey);
      }),
    );
  });

  test('does not verify when any character of it is another', () => {
    const [{ secretKey, token }] = GOLDEN;
    for (let i = 0; i < token.length; i += 1) {
      const changed = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
      const parsed = parseToken(changed);
      // The last of 43 characters holds two bits that mean nothing: it must still be spelt as it was minted.
      assert.equal(parsed !== undefined && verifyToken(parsed, secretKey), false, changed);
    }
  });

  test('has one form', () => {
    const [{ token }] = GOLDEN;
    const [scheme, id, expiry, signature] = token.split('.');
    const malformed = [
      '',
      'penstock1',
      ` ${token}`,
      `${token}=`,
      `${token}\n`,
      `penstock2.${id}.${expiry}.${signature}`,
      `${scheme}.${id}.0${expiry}.${signature}`,
      `${scheme}.${id}.+1.${signature}`,
      `${scheme}.${id}.1e9.${signature}`,
      `${scheme}.${id}.1000000000000.${signature}`,
      `${scheme}..${expiry}.${signature}`,
      `${scheme}.é${id}.${expiry}.${signature}`,
      `${scheme}.${'i'.repeat(129)}.${expiry}.${signature}`,
      `${scheme}.${id}.${expiry}.${signature?.slice(1)}`,
      'x'.repeat(1_000_000),
    ];
    for (const text of malformed) assert.equal(parseToken(text), undefined, text.slice(0, 80));
  });

  test('needs an expiry that is a time', () => {
    for (const expiresMs of [0, 999, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e15]) {
      assert.throws(() => mintToken({ accessKeyId: 'abc', secretKey: 'secretsecret', expiresMs }), RangeError);
    }
  });
});
