/** Who may do what over the wire; settings of buckets and objects; what is refused by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketCorsCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectTaggingCommand,
  GetBucketAclCommand,
  GetBucketCorsCommand,
  GetBucketLocationCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketCorsCommand,
  PutBucketTaggingCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { codeOf, startFront } from './front-fixture.ts';
import { ALT, MAIN, ROOT } from './users.ts';

const f = await startFront();
const s3 = f.client(MAIN);
const alt = f.client(ALT);
const Bucket = 'settings';
await s3.send(new CreateBucketCommand({ Bucket }));

test('buckets: created once, never taken from another, removed when empty', async () => {
  await s3.send(new CreateBucketCommand({ Bucket }));
  await assert.rejects(alt.send(new CreateBucketCommand({ Bucket })), { name: 'BucketAlreadyExists' });
  await assert.rejects(
    s3.send(
      new CreateBucketCommand({
        Bucket: 'other-region',
        CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
      }),
    ),
    { name: 'IllegalLocationConstraintException' },
  );
  assert.equal(codeOf(await f.send({ method: 'PUT', target: '/Bad_Name', user: MAIN })), 'InvalidBucketName');
  assert.equal(codeOf(await f.send({ method: 'PUT', target: '/anonymous' })), 'AccessDenied');
  await s3.send(new CreateBucketCommand({ Bucket: 'brief' }));
  await s3.send(new PutObjectCommand({ Bucket: 'brief', Key: 'k', Body: 'x' }));
  await assert.rejects(s3.send(new DeleteBucketCommand({ Bucket: 'brief' })), { name: 'BucketNotEmpty' });
  await f.storage.objects.remove('brief' as never, 'k' as never);
  await s3.send(new DeleteBucketCommand({ Bucket: 'brief' }));
  await assert.rejects(s3.send(new ListObjectsV2Command({ Bucket: 'brief' })), { name: 'NoSuchBucket' });
  assert.equal((await s3.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint, undefined);
  assert.equal((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status, undefined);
  assert.equal((await s3.send(new HeadBucketCommand({ Bucket }))).BucketRegion, 'us-east-1');
});

test('what an ACL opens, and nothing else', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'secret', Body: 'x' }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'open', Body: 'x', ACL: 'public-read' }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'members', Body: 'x', ACL: 'authenticated-read' }));
  const anonymous = async (method: string, key: string, headers = {}) =>
    (await f.send({ method, target: `/${Bucket}/${key}`, headers })).status;
  assert.equal(await anonymous('GET', 'secret'), 403);
  assert.equal(await anonymous('GET', 'secret', { 'if-match': '"x"' }), 403, 'a condition tells nothing');
  assert.equal(await anonymous('GET', 'secret', { range: 'bytes=5-' }), 403);
  assert.equal(await anonymous('GET', 'absent'), 403, 'absence tells nothing');
  assert.equal(await anonymous('GET', 'open'), 200);
  assert.equal(await anonymous('HEAD', 'open'), 200);
  assert.equal(await anonymous('GET', 'members'), 403);
  assert.equal(await anonymous('DELETE', 'open'), 403);
  await assert.rejects(alt.send(new GetObjectCommand({ Bucket, Key: 'secret' })), { name: 'AccessDenied' });
  await alt.send(new GetObjectCommand({ Bucket, Key: 'members' }));
  await f.client(ROOT).send(new GetObjectCommand({ Bucket, Key: 'secret' }));

  await s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }));
  assert.equal((await f.send({ method: 'GET', target: `/${Bucket}` })).status, 200);
  assert.equal(await anonymous('GET', 'absent'), 404);
  assert.equal(await anonymous('PUT', 'new'), 403);
  await s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }));
  assert.equal((await f.send({ method: 'PUT', target: `/${Bucket}/new`, body: 'x' })).status, 200);
  assert.equal(await anonymous('GET', 'new'), 403);
  assert.equal((await f.send({ method: 'GET', target: `/${Bucket}?acl` })).status, 403);
  await s3.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
});

test('ACLs read back as they were written, as a header or as grants', async () => {
  for (const ACL of ['private', 'public-read', 'public-read-write', 'authenticated-read'] as const) {
    await s3.send(new PutBucketAclCommand({ Bucket, ACL }));
    const { Owner, Grants } = await s3.send(new GetBucketAclCommand({ Bucket }));
    assert.equal(Owner?.ID, MAIN.ownerId);
    await s3.send(new PutObjectAclCommand({ Bucket, Key: 'open', AccessControlPolicy: { Owner, Grants } }));
    assert.deepEqual((await s3.send(new GetObjectAclCommand({ Bucket, Key: 'open' }))).Grants, Grants);
  }
  const Grants = [{ Grantee: { Type: 'CanonicalUser' as const, ID: ALT.ownerId }, Permission: 'READ' as const }];
  await assert.rejects(
    s3.send(
      new PutObjectAclCommand({ Bucket, Key: 'open', AccessControlPolicy: { Owner: { ID: MAIN.ownerId }, Grants } }),
    ),
    { name: 'NotImplemented' },
  );
  await s3.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
});

test('tags of objects and buckets', async () => {
  const TagSet = [
    { Key: 'kind', Value: 'x-ray' },
    { Key: 'empty', Value: '' },
  ];
  await s3.send(
    new PutObjectCommand({ Bucket, Key: 'tagged', Body: 'x', Tagging: 'a=1&b=%2B+', Metadata: { kept: 'yes' } }),
  );
  assert.deepEqual((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'tagged' }))).TagSet, [
    { Key: 'a', Value: '1' },
    { Key: 'b', Value: '+ ' },
  ]);
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'tagged', Tagging: { TagSet } }));
  assert.deepEqual((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'tagged' }))).TagSet, TagSet);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'tagged' }));
  assert.deepEqual([got.TagCount, got.Metadata, await got.Body?.transformToString()], [2, { kept: 'yes' }, 'x']);
  await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'tagged' }));
  assert.deepEqual((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'tagged' }))).TagSet, []);
  const eleven = Array.from({ length: 11 }, (_, i) => ({ Key: `k${i}`, Value: 'v' }));
  await assert.rejects(s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'tagged', Tagging: { TagSet: eleven } })), {
    name: 'InvalidTag',
  });
  await assert.rejects(s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'absent', Tagging: { TagSet } })), {
    name: 'NoSuchKey',
  });

  await assert.rejects(s3.send(new GetBucketTaggingCommand({ Bucket })), { name: 'NoSuchTagSet' });
  await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
  assert.deepEqual((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet, TagSet);
  await s3.send(new DeleteBucketTaggingCommand({ Bucket }));
  await assert.rejects(s3.send(new GetBucketTaggingCommand({ Bucket })), { name: 'NoSuchTagSet' });
});

test('CORS: configuration, preflight, and headers on answers and on refusals', async () => {
  const CORSRules = [
    {
      AllowedMethods: ['GET', 'PUT'],
      AllowedOrigins: ['https://*.example.com'],
      AllowedHeaders: ['x-amz-*'],
      ExposeHeaders: ['ETag'],
      MaxAgeSeconds: 60,
    },
  ];
  await assert.rejects(s3.send(new GetBucketCorsCommand({ Bucket })), { name: 'NoSuchCORSConfiguration' });
  await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
  assert.deepEqual((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules, CORSRules);
  const origin = 'https://a.example.com';
  const ask = (headers: Record<string, string>) => f.send({ method: 'OPTIONS', target: `/${Bucket}/open`, headers });
  const allowed = await ask({
    origin,
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'X-Amz-Date',
  });
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers['access-control-allow-origin'], origin);
  assert.equal(allowed.headers['access-control-max-age'], '60');
  assert.equal((await ask({ origin, 'access-control-request-method': 'DELETE' })).status, 403);
  assert.equal(
    (await ask({ origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type' }))
      .status,
    403,
  );
  assert.equal((await ask({ origin: 'https://other.org', 'access-control-request-method': 'GET' })).status, 403);
  assert.equal((await ask({ origin })).status, 400);
  const got = await f.send({ method: 'GET', target: `/${Bucket}/open`, user: MAIN, headers: { origin } });
  assert.equal(got.headers['access-control-allow-origin'], origin);
  assert.equal(got.headers['access-control-expose-headers'], 'ETag');
  const denied = await f.send({ method: 'GET', target: `/${Bucket}/secret`, headers: { origin } });
  assert.deepEqual([denied.status, denied.headers['access-control-allow-origin']], [403, origin]);
  await s3.send(new DeleteBucketCorsCommand({ Bucket }));
  assert.equal((await ask({ origin, 'access-control-request-method': 'PUT' })).status, 403);
});

test('what changes the meaning of a request and is not implemented is refused, never ignored', async () => {
  const refused = async (
    method: string,
    target: string,
    headers: Record<string, string> = {},
    code = 'NotImplemented',
  ) =>
    assert.equal(
      codeOf(
        await f.send({
          method,
          target: `/${Bucket}${target}`,
          user: MAIN,
          headers,
          ...(method !== 'GET' && { body: '<x/>' }),
        }),
      ),
      code,
      `${method} ${target} ${Object.keys(headers).join()}`,
    );
  for (const sub of [
    'policy',
    'lifecycle',
    'encryption',
    'replication',
    'website',
    'notification',
    'logging',
    'versioning',
    'object-lock',
    'accelerate',
    'requestPayment',
    'ownershipControls',
    'publicAccessBlock',
    'no-such-thing',
  ]) {
    await refused('PUT', `?${sub}`);
  }
  for (const sub of ['lifecycle', 'encryption', 'no-such-thing', 'object-lock']) await refused('GET', `?${sub}`);
  await refused('GET', '?policy', {}, 'NoSuchBucketPolicy');
  for (const sub of ['retention', 'legal-hold', 'torrent', 'no-such-thing']) await refused('GET', `/open?${sub}`);
  await refused('POST', '/open?restore');
  await refused('POST', '/open?select&select-type=2');
  await refused('GET', '/open?versionId=abc');
  for (const name of [
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-customer-key',
    'x-amz-object-lock-mode',
    'x-amz-object-lock-legal-hold',
    'x-amz-grant-read',
    'x-amz-write-offset-bytes',
    'x-amz-unheard-of',
  ]) {
    await refused('PUT', '/refused', { [name]: 'x' });
  }
  await refused('PUT', '/refused', { 'x-amz-storage-class': 'GLACIER' });
  await refused('PUT', '/refused', { 'x-amz-acl': 'aws-exec-read' });
  await refused('PUT', '/refused', { 'x-amz-acl': 'public' }, 'InvalidArgument');
  await refused('PUT', '/refused', { 'x-amz-expected-bucket-owner': ALT.ownerId }, 'AccessDenied');
  assert.equal(await f.storage.objects.head(Bucket as never, 'refused' as never), undefined);
  const kept = await f.send({
    method: 'PUT',
    target: `/${Bucket}/kept?x-id=PutObject`,
    user: MAIN,
    body: 'x',
    headers: { 'x-amz-storage-class': 'STANDARD', 'x-amz-expected-bucket-owner': MAIN.ownerId },
  });
  assert.equal(kept.status, 200);
});

test('a claim of identity that fails is never taken for anonymous', async () => {
  const code = async (headers: Record<string, string>, query = '') =>
    codeOf(await f.send({ method: 'GET', target: `/${Bucket}/open${query}`, headers }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'open', Body: 'x', ACL: 'public-read' }));
  assert.equal(await code({ authorization: 'AWS MAIN:abc' }), 'InvalidRequest');
  assert.equal(await code({ authorization: 'Bearer x' }), 'InvalidArgument');
  assert.equal(await code({ authorization: 'AWS4-HMAC-SHA256 nonsense' }), 'AuthorizationHeaderMalformed');
  assert.equal(await code({}, '?X-Amz-Signature=1'), 'AuthorizationQueryParametersError');
  assert.equal(await code({}, '?AWSAccessKeyId=a&Signature=b&Expires=1'), 'InvalidRequest');
  const stranger = { ...MAIN, accessKeyId: 'STRANGER00000000' };
  assert.equal(
    codeOf(await f.send({ method: 'GET', target: `/${Bucket}/open`, user: stranger })),
    'InvalidAccessKeyId',
  );
  assert.equal(
    codeOf(await f.send({ method: 'GET', target: `/${Bucket}/open`, user: { ...MAIN, secretKey: 'wrong-secret' } })),
    'SignatureDoesNotMatch',
  );
});

test('nothing of this was an internal error', () => {
  assert.deepEqual(f.errors, []);
});
