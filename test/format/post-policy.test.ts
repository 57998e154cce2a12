import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../src/base/errors.ts';
import { GatewayError } from '../../src/base/errors.ts';
import { checkPostPolicy, expandFilename, parsePostPolicy, verifyPost } from '../../src/format/post-policy.ts';
import { deriveSigningKey, SigningKeyCache } from '../../src/format/sigv4-key.ts';

// The account of the example that AWS publishes with the specification of browser uploads.
const ID = 'AKIAIOSFODNN7EXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const NOW = Date.UTC(2015, 11, 29, 12);
const EXPIRES = '2015-12-30T12:00:00.000Z';
const encode = (document: unknown): string => Buffer.from(JSON.stringify(document)).toString('base64');

function refuses(run: () => unknown, code: ErrorCode, message = /./): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

function check(conditions: unknown[], fields: Record<string, string>, nowMs = NOW): ReturnType<typeof checkPostPolicy> {
  const policy = parsePostPolicy(encode({ expiration: EXPIRES, conditions: [{ bucket: 'b' }, ...conditions] }));
  return checkPostPolicy(policy, new Map(Object.entries(fields)), 'b', nowMs);
}

describe('post policies', () => {
  it('hold when every condition holds and every field is covered', () => {
    const conditions = [
      ['starts-with', '$key', 'user/'],
      { acl: 'public-read' },
      ['eq', '$x-amz-meta-a', 'v'],
      ['starts-with', '$tag', ''],
    ];
    const fields = {
      key: 'user/x',
      acl: 'public-read',
      'x-amz-meta-a': 'v',
      tag: 'any',
      policy: 'p',
      'x-amz-signature': 's',
      'x-ignore-me': '1',
    };
    assert.equal(check(conditions, fields), undefined);
    refuses(
      () => check(conditions, { ...fields, key: 'other/x' }),
      'AccessDenied',
      /\["starts-with", "\$key", "user\/"\]/,
    );
    refuses(() => check(conditions, { ...fields, acl: 'private' }), 'AccessDenied', /Condition failed/);
    refuses(
      () => check(conditions, { ...fields, 'content-type': 'x' }),
      'AccessDenied',
      /Extra input fields: content-type/,
    );
    const { acl: _, ...fewer } = fields;
    refuses(() => check(conditions, fewer), 'AccessDenied', /Condition failed/);
  });

  it('read operators and field names in any case', () => {
    assert.equal(
      check([['StArTs-WiTh', '$KeY', 'foo'], { ACL: 'private' }], { key: 'foo.txt', acl: 'private' }),
      undefined,
    );
  });

  it('must cover the bucket and name the right one', () => {
    const policy = (conditions: unknown[]) => parsePostPolicy(encode({ expiration: EXPIRES, conditions }));
    refuses(() => checkPostPolicy(policy([]), new Map(), 'b', NOW), 'AccessDenied', /Extra input fields: bucket/);
    refuses(
      () => checkPostPolicy(policy([{ bucket: 'other' }]), new Map(), 'b', NOW),
      'AccessDenied',
      /Condition failed/,
    );
    refuses(
      () => checkPostPolicy(policy([{ bucket: 'other' }]), new Map([['bucket', 'other']]), 'b', NOW),
      'AccessDenied',
    );
  });

  it('expire at their time', () => {
    const expiresMs = Date.parse(EXPIRES);
    assert.equal(check([], {}, expiresMs - 1), undefined);
    refuses(() => check([], {}, expiresMs), 'AccessDenied', /expired/);
  });

  it('give the narrowest range of sizes, from numbers or text', () => {
    const range = check(
      [
        ['content-length-range', '5', 2048],
        ['Content-Length-Range', 0, '1024'],
      ],
      {},
    );
    assert.deepEqual([range?.min, range?.max], [5, 1024]);
  });

  const bad: [string, unknown][] = [
    ['no expiration', { conditions: [] }],
    ['EXPIRATION', { EXPIRATION: EXPIRES, conditions: [] }],
    ['a wrong date', { expiration: '2015-12-30 12:00:00+00:00', conditions: [] }],
    ['no conditions', { expiration: EXPIRES }],
    ['CONDITIONS', { expiration: EXPIRES, CONDITIONS: [] }],
    ['an unknown operator', { expiration: EXPIRES, conditions: [['ends-with', '$key', 'x']] }],
    ['a missing size', { expiration: EXPIRES, conditions: [['content-length-range', 0]] }],
    ['a negative size', { expiration: EXPIRES, conditions: [['content-length-range', -1, 5]] }],
    ['a fractional size', { expiration: EXPIRES, conditions: [['content-length-range', 0, 5.5]] }],
    ['an empty range', { expiration: EXPIRES, conditions: [['content-length-range', 6, 5]] }],
    ['a field without $', { expiration: EXPIRES, conditions: [['eq', 'key', 'x']] }],
    ['a number', { expiration: EXPIRES, conditions: [{ key: 1 }] }],
    ['a null condition', { expiration: EXPIRES, conditions: [null] }],
    ['a list', []],
    ['null', null],
  ];
  for (const [name, document] of bad) {
    it(`are refused with ${name}`, () => refuses(() => parsePostPolicy(encode(document)), 'InvalidPolicyDocument'));
  }

  it('are refused when they are not JSON', () => {
    for (const text of ['', '!!!', Buffer.from('{').toString('base64')])
      refuses(() => parsePostPolicy(text), 'InvalidPolicyDocument');
  });

  it('expand the name of the file to the letter', () => {
    const variable = `$\{filename}`;
    assert.equal(expandFilename(`a/${variable}/b`, '$&.jpg'), 'a/$&.jpg/b');
  });
});

describe('the published example', () => {
  const fields = new Map(
    Object.entries({
      key: 'user/user1/MyPhoto.jpg',
      acl: 'public-read',
      success_action_redirect: 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html',
      'content-type': 'image/jpeg',
      'x-amz-meta-uuid': '14365123651274',
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-credential': `${ID}/20151229/us-east-1/s3/aws4_request`,
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-date': '20151229T000000Z',
      'x-amz-meta-tag': '',
      policy:
        'eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tl' +
        'dCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAg' +
        'ICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhh' +
        'bXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwg' +
        'IiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAg' +
        'ICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXot' +
        'bWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkv' +
        'dXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwN' +
        'CiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9',
      'x-amz-signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
    }),
  );

  it('is signed and allowed', () => {
    const lookupSecret = (): string => SECRET;
    assert.equal(verifyPost(fields, { nowMs: NOW, keys: new SigningKeyCache(1), lookupSecret }), ID);
    const policy = parsePostPolicy(fields.get('policy') ?? '');
    assert.equal(checkPostPolicy(policy, fields, 'sigv4examplebucket', NOW), undefined);
    refuses(() => checkPostPolicy(policy, fields, 'otherbucket', NOW), 'AccessDenied');
  });
});

describe('signed forms', () => {
  const keys = new SigningKeyCache(4);
  const context = { nowMs: NOW, keys, lookupSecret: (id: string) => (id === ID ? SECRET : undefined) };
  const policy = encode({ expiration: EXPIRES, conditions: [] });
  const signed = {
    policy,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${ID}/20151229/us-east-1/s3/aws4_request`,
    'x-amz-date': '20151229T000000Z',
    'x-amz-signature': deriveSigningKey(SECRET, '20151229', 'us-east-1').sign(policy),
  };
  const verify = (changes: Record<string, string | undefined>): string | undefined => {
    const entries = Object.entries({ ...signed, ...changes }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    return verifyPost(new Map(entries), context);
  };

  it('verify, and then their key is kept', () => {
    assert.equal(verify({}), ID);
    assert.equal(verify({}), ID);
    assert.equal(keys.size, 1);
  });

  it('are anonymous without a policy', () => assert.equal(verifyPost(new Map([['key', 'k']]), context), undefined));

  it('are refused with another policy, signature, day or key', () => {
    refuses(() => verify({ policy: encode({}) }), 'SignatureDoesNotMatch');
    refuses(() => verify({ 'x-amz-signature': '0'.repeat(64) }), 'SignatureDoesNotMatch');
    refuses(() => verify({ 'x-amz-date': '20151230T000000Z' }), 'InvalidArgument');
    refuses(
      () => verify({ 'x-amz-credential': signed['x-amz-credential'].replace(ID, 'OTHER') }),
      'InvalidAccessKeyId',
    );
    refuses(() => verify({ 'x-amz-credential': 'x' }), 'InvalidArgument');
    refuses(() => verify({ 'x-amz-algorithm': 'AWS4' }), 'InvalidArgument');
    refuses(() => verify({ policy: 'ā' }), 'InvalidArgument');
  });

  it('are refused when a field is missing', () => {
    for (const name of Object.keys(signed))
      refuses(() => verify({ [name]: undefined }), 'InvalidArgument', new RegExp(name));
  });

  it('are refused with Signature Version 2', () => {
    const old = new Map([
      ['awsaccesskeyid', ID],
      ['signature', 'x'],
      ['policy', policy],
    ]);
    refuses(() => verifyPost(old, context), 'InvalidRequest', /AWS4-HMAC-SHA256/);
  });
});
