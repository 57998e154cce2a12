import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../src/base/errors.ts';
import { GatewayError } from '../../src/base/errors.ts';
import type { VerifiedRequest, VerifyContext } from '../../src/format/sigv4.ts';
import { verifyHeader, verifyPresigned } from '../../src/format/sigv4.ts';
import { canonicalQuery, canonicalValue, requestStringToSign } from '../../src/format/sigv4-canonical.ts';
import type { SignedRequest } from '../../src/format/sigv4-fields.ts';
import { authScheme } from '../../src/format/sigv4-fields.ts';
import { deriveSigningKey, SigningKey, SigningKeyCache } from '../../src/format/sigv4-key.ts';
import { presignUrl, signHeaders } from '../../src/format/sigv4-sign.ts';
import { canonicalise, percentEncode } from '../../src/format/uri.ts';

// The account and the requests of the examples that AWS publishes with the specification.
const ID = 'AKIAIOSFODNN7EXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const NOW = Date.UTC(2013, 4, 24);
const DATE = '20130524T000000Z';
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const EMPTY = createHash('sha256').update('').digest('hex');
const HOST = 'examplebucket.s3.amazonaws.com';
const signer = { accessKeyId: ID, secret: SECRET, region: 'us-east-1' };

function contextAt(nowMs = NOW, keys = new SigningKeyCache(8)): VerifyContext {
  return { nowMs, keys, lookupSecret: (id) => (id === ID ? SECRET : undefined) };
}

function raw(headers: Record<string, string>): string[] {
  return Object.entries(headers).flat();
}

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=${ID}/${SCOPE},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

function refuses(run: () => unknown, code: ErrorCode, message?: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}

function pathOf(url: string): string {
  return url.slice(url.indexOf('/', 'https://'.length));
}

describe('the published examples', () => {
  const put = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';
  const examples: { name: string; request: SignedRequest; signature: string; kind: string }[] = [
    {
      name: 'GET object',
      request: {
        method: 'GET',
        target: '/test.txt',
        rawHeaders: raw({
          Host: HOST,
          Authorization: authorization(
            'host;range;x-amz-content-sha256;x-amz-date',
            'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
          ),
          Range: 'bytes=0-9',
          'x-amz-content-sha256': EMPTY,
          'x-amz-date': DATE,
        }),
      },
      signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      kind: 'sha256',
    },
    {
      name: 'PUT object, dated by both headers',
      request: {
        method: 'PUT',
        target: '/test$file.text',
        rawHeaders: raw({
          Host: HOST,
          Date: 'Fri, 24 May 2013 00:00:00 GMT',
          Authorization: authorization(
            'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
            '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
          ),
          'x-amz-date': DATE,
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256': put,
        }),
      },
      signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      kind: 'sha256',
    },
    ...(
      [
        ['GET lifecycle', '/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
        ['list', '/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
      ] as const
    ).map(([name, target, signature]) => ({
      name,
      request: {
        method: 'GET',
        target,
        rawHeaders: raw({
          Host: HOST,
          Authorization: authorization('host;x-amz-content-sha256;x-amz-date', signature),
          'x-amz-date': DATE,
          'x-amz-content-sha256': EMPTY,
        }),
      },
      signature,
      kind: 'sha256',
    })),
    {
      name: 'seed of a chunked upload',
      request: {
        method: 'PUT',
        target: '/examplebucket/chunkObject.txt',
        rawHeaders: raw({
          Host: 's3.amazonaws.com',
          'x-amz-date': DATE,
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          Authorization: authorization(
            'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
            '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
          ),
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
          'Content-Encoding': 'aws-chunked',
          'x-amz-decoded-content-length': '66560',
          'Content-Length': '66824',
        }),
      },
      signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      kind: 'streaming-signed',
    },
    {
      name: 'seed of a chunked upload with a trailer',
      request: {
        method: 'PUT',
        target: '/examplebucket/chunkObject.txt',
        rawHeaders: raw({
          Host: 's3.amazonaws.com',
          'x-amz-date': DATE,
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          Authorization: authorization(
            'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
            '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
          ),
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
          'Content-Encoding': 'aws-chunked',
          'x-amz-decoded-content-length': '66560',
          'x-amz-trailer': 'x-amz-checksum-crc32c',
        }),
      },
      signature: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      kind: 'streaming-signed-trailer',
    },
  ];

  for (const { name, request, signature, kind } of examples) {
    it(`verifies: ${name}`, () => {
      const verified = verifyHeader(request, contextAt());
      assert.equal(verified.accessKeyId, ID);
      assert.equal(verified.signature, signature);
      assert.equal(verified.scope, SCOPE);
      assert.equal(verified.date, DATE);
      assert.equal(verified.payload.kind, kind);
    });
  }

  const url =
    'https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE' +
    '%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
    '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

  it('verifies: presigned GET', () => {
    const verified = verifyPresigned({ method: 'GET', target: pathOf(url), rawHeaders: ['Host', HOST] }, contextAt());
    assert.equal(verified.payload.kind, 'unsigned');
  });

  it('presigns the same URL', () => {
    const input = {
      method: 'GET',
      protocol: 'https',
      host: HOST,
      target: '/test.txt',
      expiresSeconds: 86400,
      nowMs: NOW,
    } as const;
    assert.equal(presignUrl(input, signer), url);
  });

  it('signs the same headers', () => {
    const input = {
      method: 'GET',
      target: '/test.txt',
      headers: { Host: HOST, Range: 'bytes=0-9' },
      payload: EMPTY,
      nowMs: NOW,
    };
    assert.match(
      signHeaders(input, signer).authorization ?? '',
      /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
    );
  });
});

describe('SigningKey', () => {
  it('is HMAC-SHA256 for messages short and long', () => {
    const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 1200 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), ascii, ascii, (bytes, first, second) => {
        const key = new SigningKey(bytes);
        for (const message of [first, second, first]) {
          const expected = createHmac('sha256', bytes).update(message).digest('hex');
          assert.equal(key.sign(message), expected);
          assert.equal(key.matches(message, expected), true);
          const alias = String.fromCharCode(expected.charCodeAt(0) + 256) + expected.slice(1);
          assert.equal(key.matches(message, alias), false);
          assert.equal(key.matches(message, expected.toUpperCase().padEnd(64, 'A')), /^\d+$/.test(expected));
        }
      }),
    );
  });

  it('derives the published key', () => {
    // "Deriving the signing key", IAM user guide, with the string to sign of GET object.
    const canonicalDigest = '7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972';
    const message = `AWS4-HMAC-SHA256\n${DATE}\n${SCOPE}\n${canonicalDigest}`;
    const signature = 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41';
    assert.equal(deriveSigningKey(SECRET, '20130524', 'us-east-1').sign(message), signature);
  });
});

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
const headerValue = fc
  .array(
    fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f),
    { maxLength: 30 },
  )
  .map((codes) => String.fromCharCode(...codes));

/** Any key, query and metadata, encoded as a careful client does. */
const hostileRequest = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'DELETE', 'POST', 'HEAD'),
    key: text,
    query: fc.array(fc.tuple(text, fc.option(text)), { maxLength: 4 }),
    metadata: fc.array(headerValue, { maxLength: 3 }),
    payload: fc.constantFrom(EMPTY, 'UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'),
  })
  .map(({ method, key, query, metadata, payload }) => {
    const pairs = query.map(([name, value]) => {
      const encoded = percentEncode(`q${name}`, false);
      return value === null ? encoded : `${encoded}=${percentEncode(value, false)}`;
    });
    const target = `/bucket/${percentEncode(key, true)}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
    const headers: Record<string, string> = { host: 'localhost:9000' };
    for (const [i, value] of metadata.entries()) headers[`x-amz-meta-${i}`] = value;
    return { method, target, headers, payload, nowMs: NOW };
  });

describe('canonical forms', () => {
  it('sort a query by name and then by value, after encoding', () => {
    assert.equal(
      canonicalQuery('b&a-b=1&a=2&a=1&a=%c3%a9&a=B&X-Amz-Signature=s', true),
      'a=%C3%A9&a=1&a=2&a=B&a-b=1&b=',
    );
    assert.equal(canonicalQuery('X-Amz-Signature=s', false), 'X-Amz-Signature=s');
  });

  it('hash headers as the bytes that came', () => {
    const canonical = 'GET\n/\n\nx-amz-meta-a:\xe9\xff\n\nx-amz-meta-a\n';
    const digest = createHash('sha256').update(canonical, 'latin1').digest('hex');
    assert.equal(requestStringToSign(DATE, SCOPE, canonical), `AWS4-HMAC-SHA256\n${DATE}\n${SCOPE}\n${digest}`);
  });
});

describe('sign, then verify', () => {
  it('accepts any key, query and metadata, with a cold and with a warm key cache', () => {
    const keys = new SigningKeyCache(8);
    fc.assert(
      fc.property(hostileRequest, (request) => {
        const rawHeaders = raw(signHeaders(request, signer));
        const signed = { method: request.method, target: request.target, rawHeaders };
        verifyHeader(signed, contextAt(NOW, keys));
        verifyHeader(signed, contextAt());
      }),
    );
    assert.equal(keys.size, 1);
  });

  it('accepts any presigned URL', () => {
    fc.assert(
      fc.property(hostileRequest, ({ method, target, headers }) => {
        const input = {
          method,
          protocol: 'http',
          host: 'localhost:9000',
          target,
          headers,
          expiresSeconds: 1,
          nowMs: NOW,
        } as const;
        const rawHeaders = raw({ ...headers, 'User-Agent': 'x' });
        verifyPresigned({ method, target: pathOf(presignUrl(input, signer)), rawHeaders }, contextAt());
      }),
    );
  });

  it('reads the target in any equivalent escaping', () => {
    const headers = signHeaders(
      { method: 'GET', target: '/b/a%20%7Eb?x=%2B+1', headers: { host: HOST }, payload: EMPTY, nowMs: NOW },
      signer,
    );
    for (const target of ['/b/a%20~b?x=%2b%201', '/b%2Fa%20~b?x=%2B+1', '/%62/a%20%7eb?&x=%2B%201&']) {
      verifyHeader({ method: 'GET', target, rawHeaders: raw(headers) }, contextAt());
    }
  });

  it('joins repeated headers and collapses spaces', () => {
    const input = {
      method: 'GET',
      target: '/',
      headers: { host: HOST, 'x-amz-meta-a': 'x  y,z' },
      payload: EMPTY,
      nowMs: NOW,
    };
    const headers = signHeaders(input, signer);
    delete headers['x-amz-meta-a'];
    const rawHeaders = ['X-Amz-Meta-A', ' x    y ', ...raw(headers), 'x-amz-META-a', '\tz'];
    verifyHeader({ method: 'GET', target: '/', rawHeaders }, contextAt());
    assert.equal(canonicalValue('\u00a0a\u00a0'), '\u00a0a\u00a0');
  });
});

function mutations(value: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    for (const other of [code ^ 1, code ^ 32, code ^ 128])
      out.push(value.slice(0, i) + String.fromCharCode(other) + value.slice(i + 1));
    out.push(value.slice(0, i) + value.slice(i + 1));
  }
  return out;
}

describe('tampering', () => {
  const target = '/bucket/a%20b.jpg?partNumber=1&uploadId=x';
  const headers = signHeaders(
    {
      method: 'PUT',
      target,
      headers: { host: HOST, 'x-amz-meta-a': 'v1', 'content-type': 'image/png' },
      payload: EMPTY,
      nowMs: NOW,
    },
    signer,
  );
  const keys = new SigningKeyCache(8);
  const verify = (request: SignedRequest): VerifiedRequest => verifyHeader(request, contextAt(NOW, keys));
  const refused = (request: SignedRequest): void =>
    assert.throws(() => verify(request), GatewayError, JSON.stringify(request));

  it('refuses every change of one character of the target', () => {
    verify({ method: 'PUT', target, rawHeaders: raw(headers) });
    for (const changed of mutations(target)) {
      let same = false;
      try {
        same = canonicalise(changed, 'path') === canonicalise(target, 'path');
      } catch {}
      if (!same) refused({ method: 'PUT', target: changed, rawHeaders: raw(headers) });
    }
  });

  it('refuses every change of one character of a signed header', () => {
    for (const [name, value] of Object.entries(headers)) {
      for (const changed of mutations(value)) {
        if (
          name === 'authorization' &&
          canonicalValue(changed.replaceAll(',', ' ')) === canonicalValue(value.replaceAll(',', ' '))
        )
          continue;
        if (name === 'authorization' && changed === value.replace(', ', ',')) continue;
        if (name === 'authorization' && changed.split(', ').sort().join() === value.split(', ').sort().join()) continue;
        refused({ method: 'PUT', target, rawHeaders: raw({ ...headers, [name]: changed }) });
      }
    }
  });

  it('refuses another method, a header more or less, and another name', () => {
    refused({ method: 'GET', target, rawHeaders: raw(headers) });
    refused({ method: 'PUT', target, rawHeaders: [...raw(headers), 'x-amz-meta-a', 'v2'] });
    const { 'x-amz-meta-a': _, ...fewer } = headers;
    refused({ method: 'PUT', target, rawHeaders: raw(fewer) });
    refused({ method: 'PUT', target, rawHeaders: [...raw(fewer), 'x-amz-meta-b', 'v1'] });
  });

  it('refuses every change of one character of a presigned URL', () => {
    const input = {
      method: 'GET',
      protocol: 'http',
      host: HOST,
      target: '/b/k.jpg?versionId=null',
      expiresSeconds: 60,
      nowMs: NOW,
    } as const;
    const signed = pathOf(presignUrl(input, signer));
    const canonical = (query: string): string =>
      query
        .split('&')
        .filter(Boolean)
        .map((pair) => canonicalise(pair, 'query'))
        .sort()
        .join('&');
    for (const changed of mutations(signed)) {
      try {
        if (canonical(changed) === canonical(signed)) continue;
      } catch {}
      assert.throws(
        () => verifyPresigned({ method: 'GET', target: changed, rawHeaders: ['Host', HOST] }, contextAt(NOW, keys)),
        GatewayError,
        changed,
      );
    }
  });
});

describe('what the header must be', () => {
  const good = signHeaders(
    { method: 'GET', target: '/b/k', headers: { host: HOST }, payload: EMPTY, nowMs: NOW },
    signer,
  );
  const verifyWith = (changes: Record<string, string | undefined>, nowMs = NOW): VerifiedRequest => {
    const rawHeaders: string[] = [];
    for (const [name, value] of Object.entries({ ...good, ...changes }))
      if (value !== undefined) rawHeaders.push(name, value);
    return verifyHeader({ method: 'GET', target: '/b/k', rawHeaders }, contextAt(nowMs));
  };
  const auth = good.authorization ?? '';

  it('refuses malformed headers as AuthorizationHeaderMalformed', () => {
    for (const authorization of [
      '',
      'AWS4-HMAC-SHA256',
      'AWS4-HMAC-SHA256 ',
      'AWS4-HMAC-SHA256 Credential',
      auth.replace('s3/aws4', 'ec2/aws4'),
      auth.replace('aws4_request', 'aws4'),
      auth.replace('/20130524/', '/2013-5-24/'),
      auth.replace('/20130524/', '/20130525/'),
      auth.replace('us-east-1', 'us east'),
      auth.replace('us-east-1', 'x'.repeat(65)),
      auth.replace(`${ID}/`, ''),
      auth.replace('SignedHeaders=host;', 'SignedHeaders=Host;'),
      auth.replace('host;x-amz-content-sha256;x-amz-date', 'x-amz-content-sha256;host;x-amz-date'),
      auth.replace('host;', 'host;host;'),
      auth.replace('host;', ''),
      `${auth}, Signature=${'0'.repeat(64)}`,
      `${auth},`,
      auth.replace(/, Signature.*/, ''),
    ]) {
      refuses(() => verifyWith({ authorization }), 'AuthorizationHeaderMalformed');
    }
  });

  it('takes fields in any order, with or without spaces', () => {
    const [head = '', rest = ''] = [auth.slice(0, 17), auth.slice(17)];
    verifyWith({ authorization: head + rest.split(', ').reverse().join(',') });
    verifyWith({ authorization: head + rest.split(', ').join(' ,  ') });
  });

  it('names the access key id that it does not know', () => {
    refuses(() => verifyWith({ authorization: auth.replace(ID, 'AKIANOBODY') }), 'InvalidAccessKeyId');
  });

  it('shows what was signed when the signature differs', () => {
    try {
      verifyWith({ authorization: auth.replace(/.$/, (c) => (c === '0' ? '1' : '0')) });
      assert.fail('accepted');
    } catch (error) {
      assert.ok(error instanceof GatewayError);
      assert.equal(error.code, 'SignatureDoesNotMatch');
      assert.match(error.details?.CanonicalRequest ?? '', /^GET\n\/b\/k\n\nhost:/);
    }
  });

  it('needs a date', () => {
    refuses(() => verifyWith({ 'x-amz-date': undefined }), 'AccessDenied', /valid Date/);
    refuses(() => verifyWith({ 'x-amz-date': 'yesterday' }), 'AccessDenied', /valid Date/);
  });

  it('takes the Date header where there is no x-amz-date', () => {
    // Signed by hand: our signer always sends x-amz-date.
    const date = 'Fri, 24 May 2013 00:00:00 GMT';
    const canonical = `GET\n/b/k\n\ndate:${date}\nhost:${HOST}\nx-amz-content-sha256:${EMPTY}\n\ndate;host;x-amz-content-sha256\n${EMPTY}`;
    const digest = createHash('sha256').update(canonical).digest('hex');
    const signature = deriveSigningKey(SECRET, '20130524', 'us-east-1').sign(
      `AWS4-HMAC-SHA256\n${DATE}\n${SCOPE}\n${digest}`,
    );
    const changes = {
      'x-amz-date': undefined,
      date,
      authorization: authorization('date;host;x-amz-content-sha256', signature),
    };
    assert.equal(verifyWith(changes).date, DATE);
  });

  it('allows clocks to differ by 15 minutes both ways, no more', () => {
    const skew = 15 * 60 * 1000;
    verifyWith({}, NOW + skew);
    verifyWith({}, NOW - skew);
    refuses(() => verifyWith({}, NOW + skew + 1), 'RequestTimeTooSkewed');
    refuses(() => verifyWith({}, NOW - skew - 1), 'RequestTimeTooSkewed');
  });

  it('refuses x-amz- headers that are not signed, and a second host', () => {
    refuses(() => verifyWith({ 'X-Amz-Acl': 'public-read' }), 'AccessDenied', /not signed/);
    refuses(() => verifyWith({ HOST: 'other' }), 'InvalidRequest', /Host/);
    verifyWith({ 'x-amzn-trace-id': '1', 'content-type': 'text/plain' });
  });

  it('needs x-amz-content-sha256, and a value that it knows', () => {
    const signWith = (payload: string): string[] =>
      raw(signHeaders({ method: 'GET', target: '/', headers: { host: HOST }, payload, nowMs: NOW }, signer));
    refuses(() => verifyWith({ 'x-amz-content-sha256': undefined }), 'InvalidRequest');
    for (const payload of ['', 'x', EMPTY.toUpperCase(), 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', `${EMPTY}0`]) {
      refuses(
        () => verifyHeader({ method: 'GET', target: '/', rawHeaders: signWith(payload) }, contextAt()),
        'InvalidRequest',
      );
    }
  });

  it('refuses a target that cannot be decoded', () => {
    refuses(() => verifyHeader({ method: 'GET', target: '/b/%zz', rawHeaders: raw(good) }, contextAt()), 'InvalidURI');
  });
});

describe('what a presigned URL must be', () => {
  const input = {
    method: 'GET',
    protocol: 'http',
    host: HOST,
    target: '/b/k',
    expiresSeconds: 60,
    nowMs: NOW,
  } as const;
  const signed = pathOf(presignUrl(input, signer));
  const verify = (target: string, nowMs = NOW, extra: string[] = []): VerifiedRequest =>
    verifyPresigned({ method: 'GET', target, rawHeaders: ['Host', HOST, ...extra] }, contextAt(nowMs));

  it('lives from 15 minutes before its date to its expiry, both included', () => {
    verify(signed, NOW + 60_000);
    verify(signed, NOW - 900_000);
    refuses(() => verify(signed, NOW + 60_001), 'AccessDenied', /expired/);
    refuses(() => verify(signed, NOW - 900_001), 'AccessDenied', /not valid yet/);
  });

  it('refuses missing, doubled and wrong parameters', () => {
    for (const name of ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
      const without = signed.replace(new RegExp(`([?&])X-Amz-${name}=[^&]*`), '$1');
      refuses(() => verify(without), 'AuthorizationQueryParametersError', new RegExp(`X-Amz-${name}`));
      refuses(() => verify(`${signed}&X-Amz-${name}=1`), 'AuthorizationQueryParametersError', /twice/);
    }
    for (const expires of ['0', '-1', '604801', '1.5', '1e3', 'x', '']) {
      refuses(() => verify(signed.replace('Expires=60', `Expires=${expires}`)), 'AuthorizationQueryParametersError');
    }
    refuses(() => verify(signed.replace('AWS4-HMAC-SHA256', 'AWS4')), 'AuthorizationQueryParametersError');
    refuses(() => verify(signed.replace(DATE, '20130524')), 'AuthorizationQueryParametersError');
    refuses(
      () => verify(signed.replace('SignedHeaders=host', 'SignedHeaders=range')),
      'AuthorizationQueryParametersError',
    );
  });

  it('refuses an x-amz- header that is not signed, and another host', () => {
    refuses(() => verify(signed, NOW, ['x-amz-acl', 'public-read']), 'AccessDenied');
    const other = { method: 'GET', target: signed, rawHeaders: ['Host', 'other'] };
    refuses(() => verifyPresigned(other, contextAt()), 'SignatureDoesNotMatch');
  });
});

describe('authScheme', () => {
  const scheme = (target: string, authorization?: string): string =>
    authScheme({
      method: 'GET',
      target,
      rawHeaders: authorization === undefined ? [] : ['Authorization', authorization],
    });

  it('tells anonymous, header and query apart', () => {
    assert.equal(scheme('/b/k'), 'anonymous');
    assert.equal(scheme('/b/k?list-type=2'), 'anonymous');
    assert.equal(scheme('/b/k', 'AWS4-HMAC-SHA256 Credential=x'), 'header');
    assert.equal(scheme('/b/k?X-Amz-Signature=x'), 'query');
  });

  it('refuses version 2 by name', () => {
    refuses(() => scheme('/b/k', 'AWS AKID:c2ln'), 'InvalidRequest', /AWS4-HMAC-SHA256/);
    refuses(() => scheme('/b/k?AWSAccessKeyId=a&Signature=b&Expires=1'), 'InvalidRequest', /AWS4-HMAC-SHA256/);
  });

  it('refuses two ways at once and ways that it does not know', () => {
    refuses(() => scheme('/b/k?X-Amz-Algorithm=x', 'AWS4-HMAC-SHA256 x'), 'InvalidArgument');
    refuses(() => scheme('/b/k', 'Basic eDp5'), 'InvalidArgument');
    refuses(() => scheme('/b/k', ''), 'AccessDenied');
  });
});

describe('SigningKeyCache', () => {
  it('keeps at most its bound, and only keys that verified', () => {
    const keys = new SigningKeyCache(2);
    const request = (region: string): SignedRequest => {
      const headers = signHeaders(
        { method: 'GET', target: '/', headers: { host: HOST }, payload: EMPTY, nowMs: NOW },
        { ...signer, region },
      );
      return { method: 'GET', target: '/', rawHeaders: raw(headers) };
    };
    for (const region of ['a', 'b', 'c', 'c', 'a']) verifyHeader(request(region), contextAt(NOW, keys));
    assert.equal(keys.size, 2);
    assert.ok(keys.get(`${ID}/20130524/a/s3/aws4_request`) !== undefined);
    const forged = request('z');
    refuses(() => verifyHeader({ ...forged, method: 'PUT' }, contextAt(NOW, keys)), 'SignatureDoesNotMatch');
    assert.equal(keys.get(`${ID}/20130524/z/s3/aws4_request`), undefined);
  });

  it('does not trust a key whose secret has changed', () => {
    const keys = new SigningKeyCache(2);
    const headers = signHeaders(
      { method: 'GET', target: '/', headers: { host: HOST }, payload: EMPTY, nowMs: NOW },
      signer,
    );
    const request = { method: 'GET', target: '/', rawHeaders: raw(headers) };
    verifyHeader(request, contextAt(NOW, keys));
    const changed = { nowMs: NOW, keys, lookupSecret: () => 'another' };
    refuses(() => verifyHeader(request, changed), 'SignatureDoesNotMatch');
    refuses(() => verifyHeader(request, { ...changed, lookupSecret: () => undefined }), 'InvalidAccessKeyId');
  });
});
