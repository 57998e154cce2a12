import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { mintToken } from '../../src/format/bearer-token.ts';
import { authenticate } from '../../src/service/bearer.ts';
import type { Credential, CredentialSource } from '../../src/service/credentials.ts';

const NOW = 1_767_225_600_000;
const HOUR = 3_600_000;

function credential(accessKeyId: string, secretKey: string): Credential {
  return { accessKeyId, secretKey, ownerId: 'o'.repeat(64), displayName: 'owner', createdMs: 0, root: false };
}

class Keys implements CredentialSource {
  readonly keys = new Map<string, Credential>();
  finds = 0;

  constructor(...credentials: readonly Credential[]) {
    for (const key of credentials) this.keys.set(key.accessKeyId, key);
  }

  find(accessKeyId: string): Credential | undefined {
    this.finds += 1;
    return this.keys.get(accessKeyId);
  }
}

const alice = credential('ALICE', 'alices-secret');

function header(key: Credential, lifeMs = HOUR): string {
  return `Bearer ${mintToken({ ...key, expiresMs: NOW + lifeMs })}`;
}

function refused(code: ErrorCode, message?: RegExp) {
  return (error: unknown) => {
    assert(error instanceof GatewayError);
    assert.equal(error.code, code);
    assert.equal(error.facts.grpcStatus, 16, 'UNAUTHENTICATED');
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

describe('authenticate', () => {
  test('a call without the header is anonymous, one with a good token is its key, at first and again', () => {
    const keys = new Keys(alice);
    assert.equal(authenticate(keys, undefined, NOW), undefined);
    assert.equal(authenticate(keys, header(alice), NOW), alice);
    assert.equal(authenticate(keys, header(alice), NOW), alice);
    assert.equal(authenticate(keys, header(alice).replace('Bearer', 'bearer'), NOW), alice);
  });

  test('a header that holds no token of ours is refused, and not repeated', () => {
    for (const text of ['', 'Bearer', 'Bearer ', 'Basic c2VjcmV0', 'Bearer secret', header(alice).slice(7)]) {
      assert.throws(
        () => authenticate(new Keys(alice), text, NOW),
        refused('AuthorizationHeaderMalformed', /^(?!.*c2V)/),
      );
    }
  });

  test('an unknown key, and the signature of another secret, are refused', () => {
    assert.throws(() => authenticate(new Keys(), header(alice), NOW), refused('InvalidAccessKeyId', /ALICE/));
    const other = header(credential('ALICE', 'another-secret'));
    assert.throws(() => authenticate(new Keys(alice), other, NOW), refused('SignatureDoesNotMatch', /ALICE/));
  });

  test('a token counts until its end, also one that was seen before', () => {
    const keys = new Keys(alice);
    const token = header(alice);
    assert.equal(authenticate(keys, token, NOW + HOUR - 1), alice);
    for (const again of [keys, new Keys(alice)]) {
      const message = /ended at 2026-01-01T01:00:00.000Z, and it is 2026-01-01T01:00:00.000Z here/;
      assert.throws(() => authenticate(again, token, NOW + HOUR), refused('RequestTimeTooSkewed', message));
    }
  });

  test('a token may live for a day, and a clock may be a little ahead', () => {
    const longest = LIMITS.tokenLifeMsMax + LIMITS.clockSkewMs;
    assert.equal(authenticate(new Keys(alice), header(alice, longest), NOW), alice);
    for (const lifeMs of [longest + 1000, 999_999_999_999_000 - NOW]) {
      const token = header(alice, lifeMs);
      assert.throws(() => authenticate(new Keys(alice), token, NOW), refused('RequestTimeTooSkewed', /24 hours/));
    }
  });

  test('a token that was seen before ends with its key, and with its secret', () => {
    const keys = new Keys(alice);
    const token = header(alice);
    assert.equal(authenticate(keys, token, NOW), alice);
    const renewed = credential('ALICE', 'a-new-secret');
    keys.keys.set('ALICE', renewed);
    assert.throws(() => authenticate(keys, token, NOW), refused('SignatureDoesNotMatch'));
    assert.equal(authenticate(keys, header(renewed), NOW), renewed);
    keys.keys.delete('ALICE');
    assert.throws(() => authenticate(keys, header(renewed), NOW), refused('InvalidAccessKeyId'));
  });

  test('tokens beyond those that are remembered are good as well', () => {
    const keys = new Keys(alice);
    for (let i = 0; i <= LIMITS.tokensVerifiedMax + 1; i += 1) {
      assert.equal(authenticate(keys, header(alice, 1000 + i * 1000), NOW), alice);
    }
    assert.equal(authenticate(keys, header(alice, 1000), NOW), alice);
  });
});
