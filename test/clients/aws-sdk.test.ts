/** @aws-sdk/client-s3 v3 with its own defaults: objects, lists, copies, conditions, tags, presigned URLs. */
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketLocationCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  paginateListObjectsV2,
  type S3Client,
  S3ServiceException,
  waitUntilBucketExists,
  waitUntilBucketNotExists,
  waitUntilObjectExists,
  waitUntilObjectNotExists,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { fillBucket, rawRequest } from './raw-http.ts';
import { HOSTILE_KEYS, LIMIT, md5, noise, PATH_KEYS, SAMPLES, Scene, sampleOf, sha256 } from './scene.ts';
import { sdkClient } from './sdk-client.ts';

const Bucket = 'sdk';

describe('@aws-sdk/client-s3', LIMIT, () => {
  const scene = new Scene();
  let client: S3Client;
  const slice = sampleOf('mr');
  const image = readFileSync(slice.file);

  before(async () => {
    await scene.start();
    client = sdkClient(scene.endpoint);
    await client.send(new CreateBucketCommand({ Bucket }));
  });
  after(async () => {
    client?.destroy();
    await scene.stop();
  });

  async function read(Key: string, more: Partial<GetObjectCommandInput> = {}): Promise<Buffer> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  function refused(promise: Promise<unknown>, status: number, name: string): Promise<void> {
    return assert.rejects(promise, (error) => {
      assert.ok(error instanceof S3ServiceException, String(error));
      assert.deepEqual([error.$metadata.httpStatusCode, error.name], [status, name]);
      return true;
    });
  }

  test('stores every sample as a buffer and gives it back, checked by its CRC-32', async () => {
    for (const sample of SAMPLES) {
      const Body = readFileSync(sample.file);
      const put = await client.send(new PutObjectCommand({ Bucket, Key: sample.path, Body }));
      assert.deepEqual([put.ETag, typeof put.ChecksumCRC32], [`"${md5(Body)}"`, 'string'], sample.path);
      const got = await client.send(new GetObjectCommand({ Bucket, Key: sample.path }));
      assert.deepEqual([got.ChecksumCRC32, got.ContentLength], [put.ChecksumCRC32, sample.bytes]);
      assert.equal(sha256((await got.Body?.transformToByteArray()) ?? ''), sample.sha256, sample.path);
    }
  });

  test('stores a stream, whose checksum comes in a trailer', async () => {
    const Body = createReadStream(slice.file);
    const put = await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'stream',
        Body,
        ContentLength: slice.bytes,
        ContentType: 'application/dicom',
      }),
    );
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
    assert.ok(put.ChecksumCRC32);
    assert.deepEqual(
      [head.ChecksumCRC32, head.ChecksumType, head.ContentType, head.ContentEncoding, head.ContentLength],
      [put.ChecksumCRC32, 'FULL_OBJECT', 'application/dicom', undefined, slice.bytes],
    );
    assert.equal(sha256(await read('stream')), slice.sha256);
  });

  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    test(`checks ${algorithm} of a buffer and of a stream, and gets the same back`, async () => {
      const field = `Checksum${algorithm}` as const;
      const sums = new Set<string | undefined>();
      for (const stream of [false, true]) {
        const Key = `${algorithm}-${stream}`;
        const put = await client.send(
          new PutObjectCommand({
            Bucket,
            Key,
            Body: stream ? createReadStream(slice.file) : image,
            ContentLength: slice.bytes,
            ChecksumAlgorithm: algorithm,
          }),
        );
        const got = await client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
        assert.equal(sha256((await got.Body?.transformToByteArray()) ?? ''), slice.sha256);
        const attributes = await client.send(
          new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['Checksum', 'ObjectSize', 'ETag'] }),
        );
        assert.deepEqual([attributes.ObjectSize, attributes.ETag], [slice.bytes, md5(image)]);
        for (const sum of [put[field], got[field], attributes.Checksum?.[field]]) sums.add(sum);
      }
      assert.ok(sums.size === 1 && !sums.has(undefined), [...sums].join(' '));
    });
  }

  test('is refused a body that does not have the checksum it promised, and the object stays as it was', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'before' }));
    const wrong = new PutObjectCommand({
      Bucket,
      Key: 'kept',
      Body: 'after',
      ChecksumSHA256: Buffer.alloc(32).toString('base64'),
    });
    await refused(client.send(wrong), 400, 'BadDigest');
    const wrongMd5 = new PutObjectCommand({
      Bucket,
      Key: 'kept',
      Body: 'after',
      ContentMD5: Buffer.alloc(16).toString('base64'),
    });
    await refused(client.send(wrongMd5), 400, 'BadDigest');
    assert.equal((await read('kept')).toString(), 'before');
  });

  test('stores without checksums of its own when it is told to send none', async () => {
    const plain = sdkClient(scene.endpoint, {
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    await plain.send(new PutObjectCommand({ Bucket, Key: 'plain', Body: image }));
    await plain.send(
      new PutObjectCommand({
        Bucket,
        Key: 'plain-stream',
        Body: createReadStream(slice.file),
        ContentLength: slice.bytes,
      }),
    );
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'plain', ChecksumMode: 'ENABLED' }));
    assert.equal(head.ETag, `"${md5(image)}"`);
    assert.equal(sha256(await read('plain')), slice.sha256);
    assert.equal(sha256(await read('plain-stream')), slice.sha256);
    const removed = await plain.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'plain' }, { Key: 'plain-stream' }] } }),
    );
    assert.deepEqual(removed.Deleted?.map(({ Key }) => Key).sort(), ['plain', 'plain-stream']);
    plain.destroy();
  });

  test('reads ranges', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'ranges', Body: image }));
    for (const [Range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1000-1999', 1000, 2000],
      [`bytes=${slice.bytes - 7}-`, -7, undefined],
      ['bytes=-7', -7, undefined],
      ['bytes=0-8388607', 0, undefined],
    ] as const) {
      const got = await client.send(new GetObjectCommand({ Bucket, Key: 'ranges', Range }));
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      assert.deepEqual([got.$metadata.httpStatusCode, bytes.equals(image.subarray(from, to))], [206, true], Range);
    }
    await refused(read('ranges', { Range: `bytes=${slice.bytes}-` }), 416, 'InvalidRange');
  });

  test('keeps metadata and headers, and replaces them by a copy of the object onto itself', async () => {
    const put = new PutObjectCommand({
      Bucket,
      Key: 'meta',
      Body: image,
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="slice.dcm"',
      ContentLanguage: 'de',
      ContentEncoding: 'identity',
      Expires: new Date('2030-01-01T00:00:00Z'),
      Metadata: { patient: 'anonymous', 'slice-thickness': '1.5 mm' },
    });
    await client.send(put);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'meta' }));
    assert.deepEqual(head.Metadata, { patient: 'anonymous', 'slice-thickness': '1.5 mm' });
    assert.deepEqual(
      [head.CacheControl, head.ContentDisposition, head.ContentLanguage, head.ContentEncoding, head.ExpiresString],
      ['max-age=60', 'attachment; filename="slice.dcm"', 'de', 'identity', 'Tue, 01 Jan 2030 00:00:00 GMT'],
    );
    await client.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'meta',
        CopySource: `${Bucket}/meta`,
        MetadataDirective: 'REPLACE',
        Metadata: { seen: 'yes' },
      }),
    );
    const after = await client.send(new HeadObjectCommand({ Bucket, Key: 'meta' }));
    assert.deepEqual([after.Metadata, after.ETag], [{ seen: 'yes' }, head.ETag]);
    const asked = await client.send(new GetObjectCommand({ Bucket, Key: 'meta', ResponseContentType: 'image/x-test' }));
    assert.equal(asked.ContentType, 'image/x-test');
    assert.equal(sha256((await asked.Body?.transformToByteArray()) ?? ''), slice.sha256);
  });

  test('tags objects', async () => {
    await client.send(
      new PutObjectCommand({ Bucket, Key: 'tagged', Body: image, Tagging: 'modality=MR&series=2%20d' }),
    );
    const TagSet = [
      { Key: 'modality', Value: 'MR' },
      { Key: 'series', Value: '2 d' },
    ];
    const read = async () => (await client.send(new GetObjectTaggingCommand({ Bucket, Key: 'tagged' }))).TagSet;
    assert.deepEqual(await read(), TagSet);
    await client.send(
      new PutObjectTaggingCommand({ Bucket, Key: 'tagged', Tagging: { TagSet: [{ Key: 'ü', Value: '' }] } }),
    );
    assert.deepEqual(await read(), [{ Key: 'ü', Value: '' }]);
    await client.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'tagged' }));
    assert.deepEqual(await read(), []);
  });

  test('puts, gets and copies under conditions', async () => {
    const first = await client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'first', IfNoneMatch: '*' }));
    await refused(
      client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'second', IfNoneMatch: '*' })),
      412,
      'PreconditionFailed',
    );
    await refused(
      client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'x', IfMatch: '"other"' })),
      412,
      'PreconditionFailed',
    );
    const second = await client.send(
      new PutObjectCommand({ Bucket, Key: 'once', Body: 'second', IfMatch: first.ETag }),
    );
    assert.equal((await read('once', { IfMatch: second.ETag })).toString(), 'second');
    await refused(read('once', { IfNoneMatch: second.ETag }), 304, 'Unknown'); // the SDK's word for an answer without a body
    await refused(read('once', { IfMatch: first.ETag }), 412, 'PreconditionFailed');
    await refused(read('once', { IfUnmodifiedSince: new Date(0) }), 412, 'PreconditionFailed');
    const copy = { Bucket, Key: 'twice', CopySource: `${Bucket}/once` };
    await refused(
      client.send(new CopyObjectCommand({ ...copy, CopySourceIfMatch: first.ETag })),
      412,
      'PreconditionFailed',
    );
    await client.send(new CopyObjectCommand({ ...copy, CopySourceIfMatch: second.ETag }));
    assert.equal((await read('twice')).toString(), 'second');
  });

  test('decides a race for the same new key for one writer', async () => {
    const writers = Array.from({ length: 8 }, (_, i) =>
      client.send(new PutObjectCommand({ Bucket, Key: 'raced', Body: `writer ${i}`, IfNoneMatch: '*' })).then(
        () => `writer ${i}`,
        (error: S3ServiceException) => error.name,
      ),
    );
    const outcomes = await Promise.all(writers);
    const winners = outcomes.filter((outcome) => outcome.startsWith('writer'));
    assert.equal(winners.length, 1, outcomes.join(' '));
    assert.equal((await read('raced')).toString(), winners[0]);
  });

  for (const Key of [...HOSTILE_KEYS, ...PATH_KEYS]) {
    test(`keeps the key ${JSON.stringify(Key.slice(0, 40))}`, async () => {
      const Body = noise(3000, Key);
      await client.send(new PutObjectCommand({ Bucket, Key, Body, Metadata: { sum: sha256(Body) } }));
      assert.ok((await read(Key)).equals(Body));
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
      assert.ok(Contents?.some((entry) => entry.Key === Key));
      const { Contents: first } = await client.send(
        new ListObjectsCommand({ Bucket, Prefix: Key, EncodingType: 'url' }),
      );
      assert.ok(first?.length);
      const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }));
      assert.ok((await rawRequest(url)).body.equals(Body), url);
      const CopySource = `${Bucket}/${Key.split('/').map(encodeURIComponent).join('/')}`;
      await client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource }));
      assert.ok((await read('copied')).equals(Body));
      const { Deleted } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }] } }));
      assert.deepEqual(Deleted, [{ Key }]);
      await refused(read(Key), 404, 'NoSuchKey');
    });
  }

  test('is refused a key of 1,025 bytes', async () => {
    await refused(
      client.send(new PutObjectCommand({ Bucket, Key: 'k'.repeat(1025), Body: '' })),
      400,
      'KeyTooLongError',
    );
  });

  test('uses presigned URLs to put and to get', async () => {
    const put = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'presigned' }), { expiresIn: 60 });
    const stored = await fetch(put, { method: 'PUT', body: image });
    assert.equal(stored.status, 200, await stored.text());
    const typed = new PutObjectCommand({ Bucket, Key: 'presigned-type', ContentType: 'application/dicom' });
    const signedType = await getSignedUrl(client, typed, { signableHeaders: new Set(['content-type']) });
    const wrong = await fetch(signedType, { method: 'PUT', body: image, headers: { 'content-type': 'text/plain' } });
    assert.equal(wrong.status, 403);
    const right = await fetch(signedType, {
      method: 'PUT',
      body: image,
      headers: { 'content-type': 'application/dicom' },
    });
    assert.equal(right.status, 200, await right.text());
    const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'presigned' }), { expiresIn: 60 });
    const got = await fetch(get, { headers: { range: 'bytes=0-99' } });
    assert.deepEqual([got.status, (await got.arrayBuffer()).byteLength], [206, 100]);
    assert.equal(sha256(new Uint8Array(await (await fetch(get)).arrayBuffer())), slice.sha256);
    assert.equal((await fetch(get, { method: 'DELETE' })).status, 403);
    assert.equal((await fetch(get.replace('presigned', 'other'))).status, 403);
    const long = new URL(get);
    long.searchParams.set('X-Amz-Expires', '3600');
    assert.equal((await fetch(long)).status, 403);
  });

  test('has the checksum that it signed into a presigned URL checked', async () => {
    const ChecksumSHA256 = Buffer.from(slice.sha256, 'hex').toString('base64');
    const put = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'presigned-sum', ChecksumSHA256 }));
    assert.equal((await fetch(put, { method: 'PUT', body: 'another image' })).status, 400);
    await refused(read('presigned-sum'), 404, 'NoSuchKey');
    const stored = await fetch(put, { method: 'PUT', body: image });
    assert.equal(stored.status, 200, await stored.text());
    assert.equal(stored.headers.get('x-amz-checksum-sha256'), ChecksumSHA256);
  });

  test('pages through 2,100 keys, whole and by folder, and deletes them a thousand at a time', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'many' }));
    const keys = await fillBucket(scene.endpoint, 'many', 2100);
    const seen: (string | undefined)[] = [];
    let pages = 0;
    for await (const page of paginateListObjectsV2({ client }, { Bucket: 'many' })) {
      pages++;
      seen.push(...(page.Contents ?? []).map(({ Key }) => Key));
    }
    assert.deepEqual([seen, pages], [keys, 3]);
    const folders: (string | undefined)[] = [];
    for await (const page of paginateListObjectsV2({ client, pageSize: 100 }, { Bucket: 'many', Delimiter: '/' })) {
      assert.equal(page.Contents, undefined);
      folders.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
    }
    assert.deepEqual(folders, [...new Set(keys.map((key) => key.slice(0, 5)))]);
    const { Contents, IsTruncated } = await client.send(
      new ListObjectsV2Command({ Bucket: 'many', StartAfter: '0150/3', MaxKeys: 5, FetchOwner: true }),
    );
    assert.deepEqual([Contents?.map(({ Key }) => Key), IsTruncated], [keys.slice(1504, 1509), true]);
    assert.ok(Contents?.[0]?.Owner?.ID);
    const { Contents: old, NextMarker } = await client.send(
      new ListObjectsCommand({ Bucket: 'many', Marker: '0150/3', MaxKeys: 5, Delimiter: '-' }),
    );
    assert.deepEqual([old?.map(({ Key }) => Key), NextMarker], [keys.slice(1504, 1509), keys[1508]]);
    for (let i = 0; i < keys.length; i += 1000) {
      const Objects = keys.slice(i, i + 1000).map((Key) => ({ Key }));
      const { Errors } = await client.send(
        new DeleteObjectsCommand({ Bucket: 'many', Delete: { Objects, Quiet: true } }),
      );
      assert.equal(Errors, undefined);
    }
    await client.send(new DeleteBucketCommand({ Bucket: 'many' }));
  });

  test('makes, finds and removes buckets, and waits for them and for objects', async () => {
    const limits = { client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 };
    await client.send(new CreateBucketCommand({ Bucket: 'waited' }));
    await waitUntilBucketExists(limits, { Bucket: 'waited' });
    const { Buckets } = await client.send(new ListBucketsCommand({}));
    assert.ok(Buckets?.some(({ Name, CreationDate }) => Name === 'waited' && CreationDate instanceof Date));
    const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket: 'waited' }));
    assert.equal(LocationConstraint, undefined, 'which is us-east-1');
    await client.send(new PutObjectCommand({ Bucket: 'waited', Key: 'k', Body: '' }));
    await waitUntilObjectExists(limits, { Bucket: 'waited', Key: 'k' });
    await refused(client.send(new DeleteBucketCommand({ Bucket: 'waited' })), 409, 'BucketNotEmpty');
    await client.send(new DeleteObjectCommand({ Bucket: 'waited', Key: 'k' }));
    await waitUntilObjectNotExists(limits, { Bucket: 'waited', Key: 'k' });
    await client.send(new DeleteBucketCommand({ Bucket: 'waited' }));
    await waitUntilBucketNotExists(limits, { Bucket: 'waited' });
    await refused(client.send(new ListObjectsV2Command({ Bucket: 'waited' })), 404, 'NoSuchBucket');
  });

  test('is refused by name with a wrong secret and an unknown key', async () => {
    for (const [accessKeyId, name] of [
      ['root-of-tests', 'SignatureDoesNotMatch'],
      ['nobody', 'InvalidAccessKeyId'],
    ] as const) {
      const stranger = sdkClient(scene.endpoint, { credentials: { accessKeyId, secretAccessKey: 'wrong' } });
      await refused(stranger.send(new PutObjectCommand({ Bucket, Key: 'k', Body: image })), 403, name);
      stranger.destroy();
    }
  });
});
