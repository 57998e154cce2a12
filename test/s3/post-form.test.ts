/** Uploads from browser forms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import { formatIsoBasic } from '../../src/format/http-date.ts';
import { deriveSigningKey } from '../../src/format/sigv4-key.ts';
import { codeOf, REGION, type Reply, startFront } from './front-fixture.ts';
import { MAIN } from './users.ts';

const f = await startFront();
const BUCKET = 'forms' as BucketName;
await f.send({ method: 'PUT', target: `/${BUCKET}`, user: MAIN });

type Fields = Readonly<Record<string, string>>;

/** Fields with policy and signature. The policy allows exactly these fields, and what `more` says. */
function signed(fields: Fields, more: readonly unknown[] = [], expiresMs = Date.now() + 60_000): Fields {
  const date = formatIsoBasic(Date.now());
  const day = date.slice(0, 8);
  const named = {
    ...fields,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${MAIN.accessKeyId}/${day}/${REGION}/s3/aws4_request`,
    'x-amz-date': date,
  };
  const conditions = [
    { bucket: BUCKET },
    ...Object.entries(named).map(([name, value]) => ['eq', `$${name}`, value]),
    ...more,
  ];
  const policy = Buffer.from(JSON.stringify({ expiration: new Date(expiresMs).toISOString(), conditions })).toString(
    'base64',
  );
  return { ...named, policy, 'x-amz-signature': deriveSigningKey(MAIN.secretKey, day, REGION).sign(policy) };
}

function post(fields: Fields, file: string, filename = 'a.jpg'): Promise<Reply> {
  const part = (name: string, value: string) =>
    `--frontier\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const head = Object.entries(fields)
    .map(([name, value]) => part(name, value))
    .join('');
  const last = `--frontier\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: image/jpeg\r\n\r\n${file}\r\n--frontier--\r\n`;
  return f.send({
    method: 'POST',
    target: `/${BUCKET}`,
    body: head + last,
    headers: { 'content-type': 'multipart/form-data; boundary=frontier' },
  });
}

async function stored(key: string): Promise<{ body: string; type: string | undefined; metadata: unknown } | undefined> {
  const read = await f.storage.objects.get(BUCKET, key as ObjectKey, {});
  if (read === undefined || 'kind' in read) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of Buffer.isBuffer(read.body) ? [read.body] : read.body) chunks.push(chunk);
  const { metadata = {} } = read.info.attributes;
  return { body: Buffer.concat(chunks).toString(), type: read.info.contentType, metadata: { ...metadata } };
}

test('a signed form stores its file under the name of the file', async () => {
  const fields = {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what browsers' forms hold
    key: 'up/${filename}',
    'Content-Type': 'image/x',
    'x-amz-meta-by': 'form',
    success_action_status: '201',
  };
  const more = [['starts-with', '$key', 'up/']];
  const { key: _key, ...exact } = fields;
  const reply = await post({ ...signed(exact, more), key: fields.key }, 'bytes', 'C:\\fakepath\\b c.jpg');
  assert.equal(reply.status, 201);
  assert.match(
    reply.body,
    /<PostResponse><Location>[^<]*\/forms\/up\/b%20c\.jpg<\/Location><Bucket>forms<\/Bucket><Key>up\/b c\.jpg<\/Key>/,
  );
  assert.deepEqual(await stored('up/b c.jpg'), { body: 'bytes', type: 'image/x', metadata: { by: 'form' } });
});

test('without a status the answer is 204, with a redirect 303', async () => {
  assert.equal((await post(signed({ key: 'k' }), 'x')).status, 204);
  const reply = await post(signed({ key: 'k', success_action_redirect: 'http://example.com/done?a=1' }), 'x');
  assert.equal(reply.status, 303);
  assert.equal(
    reply.headers.location,
    'http://example.com/done?a=1&bucket=forms&key=k&etag=%229dd4e461268c8034f5c8564e155c67a6%22',
  );
});

test('forms that break their policy store nothing', async () => {
  const cases: [string, Fields][] = [
    ['AccessDenied', { ...signed({ key: 'bad' }), key: 'other' }],
    ['AccessDenied', { ...signed({ key: 'bad' }), acl: 'public-read' }],
    ['AccessDenied', signed({ key: 'bad' }, [], Date.now() - 1000)],
    ['SignatureDoesNotMatch', { ...signed({ key: 'bad' }), 'x-amz-signature': '0'.repeat(64) }],
    ['InvalidArgument', { policy: 'e30=', key: 'bad' }],
    ['InvalidRequest', { policy: 'e30=', key: 'bad', AWSAccessKeyId: 'x', signature: 'y' }],
    ['EntityTooLarge', signed({ key: 'bad' }, [['content-length-range', 0, 3]])],
    ['EntityTooSmall', signed({ key: 'bad' }, [['content-length-range', 10, 20]])],
    ['NotImplemented', signed({ key: 'bad', 'x-amz-server-side-encryption': 'AES256' })],
    ['BadDigest', signed({ key: 'bad', 'x-amz-checksum-crc32': 'AAAAAA==' })],
    ['AccessDenied', { key: 'bad' }],
  ];
  for (const [code, fields] of cases) assert.equal(codeOf(await post(fields, 'bytes')), code, JSON.stringify(fields));
  assert.equal(await stored('bad'), undefined);
  assert.equal(await stored('other'), undefined);
});

test('a large file streams through', async () => {
  const file = 'z'.repeat(3_000_000);
  assert.equal((await post(signed({ key: 'large' }), file)).status, 204);
  assert.equal((await stored('large'))?.body, file);
});

test('what is no form is refused', async () => {
  const send = (type: string, body: string) =>
    f.send({ method: 'POST', target: `/${BUCKET}`, body, headers: { 'content-type': type } });
  assert.equal(codeOf(await send('application/json', '{}')), 'PreconditionFailed');
  assert.equal(codeOf(await send('multipart/form-data', 'x')), 'MalformedPOSTRequest');
  assert.equal(codeOf(await send('multipart/form-data; boundary=x', '--x--')), 'InvalidArgument');
  assert.equal((await f.send({ method: 'POST', target: '/', body: 'x' })).status, 405);
});

test('nothing of this was an internal error', () => {
  assert.deepEqual(f.errors, []);
});
