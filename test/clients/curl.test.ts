/** What browsers do, done by curl: forms, pre-flight requests, anonymous reads; and curl's own signatures. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ACCESS_KEY, absent, LIMIT, REGION, Scene, SECRET_KEY, sampleOf, sha256, sha256Of } from './scene.ts';
import { sdkClient } from './sdk-client.ts';

const CURL = '/usr/bin/curl';
const Bucket = 'browser';
const ORIGIN = 'https://viewer.example';

interface CurlAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Fields of a form as a web application would sign them. */
function signedFields(conditions: readonly unknown[], expiresMs = 60_000): Record<string, string> {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const day = date.slice(0, 8);
  const credential = `${ACCESS_KEY}/${day}/${REGION}/s3/aws4_request`;
  const fields = { 'x-amz-algorithm': 'AWS4-HMAC-SHA256', 'x-amz-credential': credential, 'x-amz-date': date };
  const all = [
    { bucket: Bucket },
    ...Object.entries(fields).map(([name, value]) => ({ [name]: value })),
    ...conditions,
  ];
  const expiration = new Date(Date.now() + expiresMs).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions: all })).toString('base64');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const key = [day, REGION, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${SECRET_KEY}`);
  return { ...fields, policy, 'x-amz-signature': hmac(key, policy).toString('hex') };
}

describe('curl', { ...LIMIT, skip: absent(CURL) }, () => {
  const scene = new Scene();
  const xray = sampleOf('xray');
  let client: S3Client;

  before(async () => {
    await scene.start();
    client = sdkClient(scene.endpoint);
    await client.send(new CreateBucketCommand({ Bucket }));
  });
  after(async () => {
    client?.destroy();
    await scene.stop();
  });

  async function curl(path: string, ...args: string[]): Promise<CurlAnswer> {
    const { stdout } = await scene.run(CURL, ['-sS', '-i', '--path-as-is', ...args, `${scene.endpoint}/${path}`]);
    const text = stdout.replace(/^HTTP\/1.1 100 Continue\r\n\r\n/, '');
    const end = text.indexOf('\r\n\r\n');
    const [first = '', ...lines] = text.slice(0, end).split('\r\n');
    const headers = lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]);
    return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers), body: text.slice(end + 4) };
  }

  function post(fields: Readonly<Record<string, string>>, file = `@${xray.file}`): Promise<CurlAnswer> {
    const form = Object.entries(fields).flatMap(([name, value]) => ['--form-string', `${name}=${value}`]);
    return curl(Bucket, ...form, '-F', `file=${file}`);
  }

  async function sumOf(Key: string): Promise<string> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return sha256((await Body?.transformToByteArray()) ?? '');
  }

  test('posts a form with an image', async () => {
    const conditions = [['starts-with', '$key', 'form/'], { 'content-type': 'image/png' }, { 'x-amz-meta-view': 'PA' }];
    // biome-ignore lint/suspicious/noTemplateCurlyInString: S3 puts the name of the file there.
    const said = { key: 'form/ü +${filename}', 'content-type': 'image/png', 'x-amz-meta-view': 'PA' };
    const stored = await post({ ...said, ...signedFields([...conditions, ['content-length-range', 1, 1e6]]) });
    assert.equal(stored.status, 204, stored.body);
    const Key = 'form/ü +00001280_004.png';
    assert.equal(await sumOf(Key), xray.sha256);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
    assert.deepEqual([head.ContentType, head.Metadata], ['image/png', { view: 'PA' }]);
  });

  test('is answered as the form asks', async () => {
    const free = [
      ['starts-with', '$key', ''],
      ['starts-with', '$success_action_status', ''],
    ];
    const created = await post({ key: 'created', success_action_status: '201', ...signedFields(free) });
    assert.equal(created.status, 201);
    assert.match(created.body, /<PostResponse>.*<Key>created<\/Key>/s);
    const redirect = 'https://viewer.example/done?a=b';
    const sent = await post({
      key: 'sent',
      success_action_redirect: redirect,
      ...signedFields([['eq', '$key', 'sent'], { success_action_redirect: redirect }]),
    });
    assert.equal(sent.status, 303);
    assert.match(sent.headers.location ?? '', /^https:\/\/viewer\.example\/done\?a=b&bucket=browser&key=sent&etag=/);
  });

  test('is refused forms that their policy does not allow', async () => {
    const small = ['content-length-range', 0, 1000];
    const any = ['starts-with', '$key', ''];
    const cases: [string, Record<string, string>, number, RegExp][] = [
      ['too large', { key: 'k', ...signedFields([any, small]) }, 400, /EntityTooLarge/],
      ['another key', { key: 'other', ...signedFields([['starts-with', '$key', 'form/']]) }, 403, /AccessDenied/],
      ['an unsigned field', { key: 'k', 'x-amz-meta-a': 'b', ...signedFields([any]) }, 403, /AccessDenied/],
      ['expired', { key: 'k', ...signedFields([any], -1000) }, 403, /AccessDenied/],
      [
        'a changed signature',
        { key: 'k', ...signedFields([any]), 'x-amz-signature': '0'.repeat(64) },
        403,
        /SignatureDoesNotMatch/,
      ],
      ['nobody', { key: 'k' }, 403, /AccessDenied/],
    ];
    for (const [what, fields, status, code] of cases) {
      const answer = await post(fields);
      assert.equal(answer.status, status, `${what}: ${answer.body}`);
      assert.match(answer.body, code, what);
    }
    await assert.rejects(client.send(new HeadObjectCommand({ Bucket, Key: 'k' })));
  });

  test('asks before it sends from another origin', async () => {
    const CORSRules = [
      {
        AllowedOrigins: ['https://*.example'],
        AllowedMethods: ['GET', 'PUT'],
        AllowedHeaders: ['x-amz-*', 'content-type'],
        ExposeHeaders: ['ETag'],
        MaxAgeSeconds: 600,
      },
    ];
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
    await client.send(new PutObjectCommand({ Bucket, Key: 'shown', Body: 'x', ACL: 'public-read' }));
    const ask = (origin: string, method: string, headers: string) =>
      curl(
        `${Bucket}/shown`,
        '-X',
        'OPTIONS',
        '-H',
        `Origin: ${origin}`,
        '-H',
        `Access-Control-Request-Method: ${method}`,
        '-H',
        `Access-Control-Request-Headers: ${headers}`,
      );
    const allowed = await ask(ORIGIN, 'PUT', 'content-type, x-amz-date');
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers['access-control-allow-origin'], ORIGIN);
    assert.match(allowed.headers['access-control-allow-methods'] ?? '', /PUT/);
    assert.match(allowed.headers['access-control-allow-headers'] ?? '', /content-type, ?x-amz-date/i);
    assert.equal(allowed.headers['access-control-max-age'], '600');
    for (const [origin, method, headers] of [
      ['https://elsewhere.test', 'PUT', 'content-type'],
      [ORIGIN, 'DELETE', 'content-type'],
      [ORIGIN, 'PUT', 'x-other'],
    ] as const) {
      const answer = await ask(origin, method, headers);
      assert.deepEqual(
        [answer.status, answer.headers['access-control-allow-origin']],
        [403, undefined],
        `${origin} ${method}`,
      );
    }
    const read = await curl(`${Bucket}/shown`, '-H', `Origin: ${ORIGIN}`);
    assert.equal(read.headers['access-control-allow-origin'], ORIGIN);
    assert.equal(read.headers['access-control-expose-headers'], 'ETag');
    const refused = await curl(`${Bucket}/hidden`, '-H', `Origin: ${ORIGIN}`);
    assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [403, ORIGIN]);
  });

  test('signs by itself, waits for 100 Continue, and reads ranges', async () => {
    const signed = ['--aws-sigv4', `aws:amz:${REGION}:s3`, '--user', `${ACCESS_KEY}:${SECRET_KEY}`];
    const unsignedBody = ['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
    const put = await curl(
      `${Bucket}/by-curl`,
      ...signed,
      ...unsignedBody,
      '-H',
      'Expect: 100-continue',
      '-T',
      xray.file,
    );
    assert.equal(put.status, 200, put.body);
    await scene.run(CURL, [
      '-sSf',
      ...signed,
      ...unsignedBody,
      '-r',
      '100-299',
      '-o',
      scene.path('range'),
      `${scene.endpoint}/${Bucket}/by-curl`,
    ]);
    assert.equal(sha256Of(scene.path('range')), sha256(readFileSync(xray.file).subarray(100, 300)));
    const head = await curl(`${Bucket}/by-curl`, ...signed, ...unsignedBody, '--head');
    assert.deepEqual([head.status, head.headers['content-length']], [200, String(xray.bytes)]);
    const gone = await curl(`${Bucket}/by-curl`, ...signed, ...unsignedBody, '-X', 'DELETE');
    assert.equal(gone.status, 204);
    const anonymous = await curl(`${Bucket}/new`, '-T', xray.file);
    assert.deepEqual([anonymous.status, /AccessDenied/.test(anonymous.body)], [403, true]);
  });
});
