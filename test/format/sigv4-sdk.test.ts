/** The official SDK signs, we verify: its signer shares no code with ours. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { VerifyContext } from '../../src/format/sigv4.ts';
import { verifyHeader, verifyPresigned } from '../../src/format/sigv4.ts';
import type { SignedRequest } from '../../src/format/sigv4-fields.ts';
import { SigningKeyCache } from '../../src/format/sigv4-key.ts';
import { parseQuery, percentEncode, splitPath, splitTarget } from '../../src/format/uri.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const context = (): VerifyContext => ({
  nowMs: Date.now(),
  keys: new SigningKeyCache(4),
  lookupSecret: (id) => (id === 'AKID+with/odd=chars' ? SECRET : undefined),
});

const KEYS = [
  'plain/key.jpg',
  "a!'()*b",
  'sp ace/+plus/%25/%',
  '../.././x//y/',
  '~tilde-_.:@&=,$;?#',
  'ünï/\u65e5\u672c/\u{1f600}',
  '\u0001\t\n\u007f',
  'x'.repeat(1024),
];

interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
}

/** A client that hands its signed requests to `take` in place of a network. */
function clientWith(take: (request: SignedRequest) => void): S3Client {
  return new S3Client({
    region: 'eu-west-3',
    endpoint: 'http://127.0.0.1:9000',
    forcePathStyle: true,
    credentials: { accessKeyId: 'AKID+with/odd=chars', secretAccessKey: SECRET },
    maxAttempts: 1,
    requestHandler: {
      handle: (sent: Outgoing) => {
        const query = Object.entries(sent.query ?? {}).map(
          ([name, value]) => `${percentEncode(name, false)}=${percentEncode(String(value ?? ''), false)}`,
        );
        const target = sent.path + (query.length > 0 ? `?${query.join('&')}` : '');
        take({ method: sent.method, target, rawHeaders: Object.entries(sent.headers).flat() });
        return Promise.reject(new Error('stop here'));
      },
    },
  });
}

describe('requests signed by the AWS SDK', () => {
  for (const key of KEYS) {
    it(`verify for the key ${JSON.stringify(key).slice(0, 40)}`, async () => {
      const seen: SignedRequest[] = [];
      const client = clientWith((request) => seen.push(request));
      await assert.rejects(
        client.send(new GetObjectCommand({ Bucket: 'bucket', Key: key, Range: 'bytes=0-9' })),
        /stop here/,
      );
      const Metadata = { note: 'a  b', 'x-y': '1' };
      await assert.rejects(
        client.send(new PutObjectCommand({ Bucket: 'bucket', Key: key, Body: 'body', Metadata })),
        /stop here/,
      );
      await assert.rejects(
        client.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: key, Delimiter: '/' })),
        /stop here/,
      );
      assert.equal(seen.length, 3);
      for (const request of seen) {
        const verified = verifyHeader(request, context());
        assert.equal(verified.accessKeyId, 'AKID+with/odd=chars');
      }
      assert.deepEqual(splitPath(splitTarget(seen[0]?.target ?? '').path), { bucket: 'bucket', key });
      assert.ok(
        parseQuery(splitTarget(seen[2]?.target ?? '').query).some(
          ([name, value]) => name === 'prefix' && value === key,
        ),
      );
    });

    it(`verify as URLs for the key ${JSON.stringify(key).slice(0, 40)}`, async () => {
      const client = clientWith(() => assert.fail('presigning sends nothing'));
      const input = { Bucket: 'bucket', Key: key, ResponseContentType: 'image/a+b c' };
      const url = await getSignedUrl(client, new GetObjectCommand(input), { expiresIn: 60 });
      const target = url.slice('http://127.0.0.1:9000'.length);
      verifyPresigned({ method: 'GET', target, rawHeaders: ['Host', '127.0.0.1:9000'] }, context());
    });
  }
});
