/** boto3 of Debian, and its s3transfer. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Boto3Session, boto3Absent, type ReadBody } from './boto3-session.ts';
import { fillBucket, rawRequest } from './raw-http.ts';
import { HOSTILE_KEYS, LIMIT, md5, noise, PATH_KEYS, SAMPLES, Scene, sampleOf, sha256, sha256Of } from './scene.ts';

const Bucket = 'scans';
const MiB = 1024 * 1024;

describe('boto3', { ...LIMIT, skip: boto3Absent }, () => {
  const scene = new Scene();
  const slice = sampleOf('mr');
  const Body = { $file: slice.file };
  let boto3: Boto3Session;

  before(async () => {
    await scene.start();
    boto3 = new Boto3Session(scene.endpoint);
    await boto3.ready();
    await boto3.call('create_bucket', { Bucket });
  });
  after(async () => {
    await boto3?.stop();
    await scene.stop();
  });

  async function sumOf(Key: string, more: Record<string, unknown> = {}): Promise<string> {
    return (await boto3.call<{ Body: ReadBody }>('get_object', { Bucket, Key, ...more })).Body.sha256;
  }

  test('stores and reads every sample', async () => {
    for (const { path: Key, file, sha256: sum } of SAMPLES) {
      const { ETag } = await boto3.call('put_object', { Bucket, Key, Body: { $file: file } });
      assert.equal(ETag, `"${md5(readFileSync(file))}"`);
      assert.equal(await sumOf(Key), sum, Key);
    }
  });

  for (const algorithm of ['CRC32', 'SHA1', 'SHA256']) {
    test(`checks ${algorithm}`, async () => {
      const field = `Checksum${algorithm}`;
      const put = await boto3.call('put_object', { Bucket, Key: algorithm, Body, ChecksumAlgorithm: algorithm });
      const got = await boto3.call<Record<string, unknown>>('get_object', {
        Bucket,
        Key: algorithm,
        ChecksumMode: 'ENABLED',
      });
      assert.ok(put[field]);
      assert.deepEqual([got[field], (got.Body as ReadBody).sha256], [put[field], slice.sha256]);
      const wrong = { Bucket, Key: 'wrong', Body: { $text: 'x' }, [field]: put[field] };
      assert.deepEqual(await boto3.refused('put_object', wrong), [400, 'BadDigest']);
    });
  }

  test('keeps metadata, tags and headers through copies', async () => {
    const said = { ContentType: 'application/dicom', CacheControl: 'no-cache', Metadata: { series: '7' } };
    await boto3.call('put_object', { Bucket, Key: 'said', Body, ...said, Tagging: 'modality=MR&a%20b=%C3%BC' });
    await boto3.call('copy_object', { Bucket, Key: 'copied', CopySource: { Bucket, Key: 'said' } });
    const { ContentType, CacheControl, Metadata } = await boto3.call('head_object', { Bucket, Key: 'copied' });
    assert.deepEqual({ ContentType, CacheControl, Metadata }, said);
    const { TagSet } = await boto3.call('get_object_tagging', { Bucket, Key: 'copied' });
    assert.deepEqual(TagSet, [
      { Key: 'modality', Value: 'MR' },
      { Key: 'a b', Value: 'ü' },
    ]);
    const attributes = { Bucket, Key: 'copied', ObjectAttributes: ['ETag', 'ObjectSize'] };
    const { ObjectSize } = await boto3.call('get_object_attributes', attributes);
    assert.equal(ObjectSize, slice.bytes);
  });

  test('reads ranges and under conditions', async () => {
    const { ETag } = await boto3.call('put_object', { Bucket, Key: 'r', Body });
    const image = readFileSync(slice.file);
    assert.equal(await sumOf('r', { Range: 'bytes=5-' }), sha256(image.subarray(5)));
    assert.equal(await sumOf('r', { Range: 'bytes=-5' }), sha256(image.subarray(-5)));
    assert.equal(await sumOf('r', { Range: 'bytes=0-9', IfMatch: ETag }), sha256(image.subarray(0, 10)));
    const key = { Bucket, Key: 'r' };
    assert.deepEqual(await boto3.refused('get_object', { ...key, Range: 'bytes=9999999-' }), [416, 'InvalidRange']);
    assert.deepEqual(await boto3.refused('get_object', { ...key, IfNoneMatch: ETag }), [304, '304']);
    assert.deepEqual(await boto3.refused('get_object', { ...key, IfMatch: '"x"' }), [412, 'PreconditionFailed']);
    assert.deepEqual(await boto3.refused('get_object', { Bucket, Key: 'none' }), [404, 'NoSuchKey']);
    assert.deepEqual(await boto3.refused('head_object', { Bucket: 'none', Key: 'none' }), [404, '404']);
  });

  test('transfers a large file in parts, both ways, and copies it', async () => {
    const volume = noise(16 * MiB + 3, 'boto3');
    writeFileSync(scene.path('volume'), volume);
    const at = { Bucket, Key: 'volume' };
    await boto3.transfer('upload_file', { Filename: scene.path('volume'), ...at, ExtraArgs: { Metadata: { a: 'b' } } });
    await boto3.transfer('copy', { CopySource: at, Bucket, Key: 'volume-copy' });
    await boto3.transfer('download_file', { Bucket, Key: 'volume-copy', Filename: scene.path('back') });
    assert.equal(sha256Of(scene.path('back')), sha256(volume));
    const { ETag, Metadata } = await boto3.call('head_object', at);
    assert.match(String(ETag), /-4"$/);
    assert.deepEqual(Metadata, { a: 'b' });
    const part = await boto3.call<{ ContentLength: number; PartsCount: number }>('head_object', {
      ...at,
      PartNumber: 4,
    });
    assert.deepEqual([part.ContentLength, part.PartsCount], [MiB + 3, 4]);
  });

  for (const Key of [...HOSTILE_KEYS, ...PATH_KEYS]) {
    test(`keeps the key ${JSON.stringify(Key.slice(0, 40))}`, async () => {
      await boto3.call('put_object', { Bucket, Key, Body: { $text: Key } });
      assert.equal(await sumOf(Key), sha256(Key));
      const { Contents } = await boto3.call<{ Contents: { Key: string }[] }>('list_objects_v2', {
        Bucket,
        Prefix: Key,
      });
      assert.ok(Contents.some((entry) => entry.Key === Key));
      const url = await boto3.sign('get_object', { Bucket, Key });
      assert.equal((await rawRequest(url)).body.toString(), Key, url);
      await boto3.call('copy_object', { Bucket, Key: 'odd', CopySource: { Bucket, Key } });
      assert.equal(await sumOf('odd'), sha256(Key));
      const { Deleted } = await boto3.call('delete_objects', { Bucket, Delete: { Objects: [{ Key }] } });
      assert.deepEqual(Deleted, [{ Key }]);
    });
  }

  test('presigns a put', async () => {
    const url = await boto3.sign('put_object', { Bucket, Key: 'signed', ContentType: 'application/dicom' });
    const headers = { 'content-type': 'application/dicom' };
    const body = readFileSync(slice.file);
    assert.equal((await rawRequest(url, { method: 'PUT', headers, body })).status, 200);
    assert.equal((await rawRequest(url, { method: 'PUT', body })).status, 403);
    assert.equal(await sumOf('signed'), slice.sha256);
  });

  test('signs a form that a browser then posts', async () => {
    type Post = { url: string; fields: Record<string, string> };
    const Conditions = [['content-length-range', 1, 1_000_000], { acl: 'private' }];
    const post = await boto3.call<Post>('generate_presigned_post', {
      Bucket,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: S3 puts the name of the file there.
      Key: 'forms/${filename}',
      Fields: { acl: 'private' },
      Conditions,
    });
    const form = new FormData();
    for (const [name, value] of Object.entries(post.fields)) form.append(name, value);
    form.append('file', new Blob([readFileSync(slice.file)]), 'slice.dcm');
    const answer = await fetch(post.url, { method: 'POST', body: form });
    assert.equal(answer.status, 204, await answer.text());
    assert.equal(await sumOf('forms/slice.dcm'), slice.sha256);
  });

  test('pages through 2,100 keys and deletes them', async () => {
    const many = { Bucket: 'many' };
    await boto3.call('create_bucket', many);
    const keys = await fillBucket(scene.endpoint, 'many', 2100);
    type Page = { Contents?: { Key: string }[]; CommonPrefixes?: { Prefix: string }[] };
    for (const name of ['list_objects_v2', 'list_objects']) {
      const pages = await boto3.pages<Page>(name, { ...many, PaginationConfig: { PageSize: 999 } });
      assert.equal(pages.length, 3);
      assert.deepEqual(
        pages.flatMap(({ Contents = [] }) => Contents.map(({ Key }) => Key)),
        keys,
      );
      const folders = await boto3.pages<Page>(name, { ...many, Delimiter: '/', PaginationConfig: { PageSize: 100 } });
      assert.equal(folders.flatMap(({ CommonPrefixes = [] }) => CommonPrefixes).length, 210);
    }
    for (let i = 0; i < keys.length; i += 1000) {
      const Objects = keys.slice(i, i + 1000).map((Key) => ({ Key }));
      const { Errors } = await boto3.call('delete_objects', { ...many, Delete: { Objects, Quiet: true } });
      assert.equal(Errors, undefined);
    }
    await boto3.call('delete_bucket', many);
    await boto3.wait('bucket_not_exists', many);
  });
});
