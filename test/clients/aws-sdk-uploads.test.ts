/** Large objects through @aws-sdk: lib-storage's Upload, multipart by hand, copies by part; and buckets as host names. */
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListParts,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { LIMIT, md5, noise, SAMPLES, Scene, sampleOf, sha256 } from './scene.ts';
import { sdkClient } from './sdk-client.ts';

const Bucket = 'volumes';
const MiB = 1024 * 1024;
const PART = 5 * MiB;

/** In pieces that fit no part and no chunk. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_521) yield bytes.subarray(at, at + 65_521);
}

describe('@aws-sdk uploads', LIMIT, () => {
  const scene = new Scene();
  let client: S3Client;
  const volume = noise(13 * MiB + 4321, 'volume');
  const sum = sha256(volume);
  const parts = [volume.subarray(0, PART), volume.subarray(PART, 2 * PART), volume.subarray(2 * PART)];
  const etag = `"${md5(Buffer.concat(parts.map((part) => Buffer.from(md5(part), 'hex'))))}-3"`;

  before(async () => {
    await scene.start('--domain', 'localhost');
    client = sdkClient(scene.endpoint);
    await client.send(new CreateBucketCommand({ Bucket }));
  });
  after(async () => {
    client?.destroy();
    await scene.stop();
  });

  async function sumOf(Key: string): Promise<string> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return sha256((await Body?.transformToByteArray()) ?? '');
  }

  async function uploadsOpen(): Promise<string[]> {
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 10 }));
    return (Uploads ?? []).map(({ Key = '' }) => Key);
  }

  for (const algorithm of [undefined, 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as (ChecksumAlgorithm | undefined)[]) {
    test(`lib-storage sends a stream of unknown length in parts, with ${algorithm ?? 'its default checksum'}`, async () => {
      const params = {
        Bucket,
        Key: `stream-${algorithm}`,
        Body: Readable.from(pieces(volume)),
        ContentType: 'application/dicom',
      };
      const upload = new Upload({
        client,
        params: algorithm === undefined ? params : { ...params, ChecksumAlgorithm: algorithm },
        partSize: PART,
        queueSize: 3,
      });
      const done = await upload.done();
      assert.equal(done.ETag, etag);
      const field = `Checksum${algorithm ?? 'CRC32'}` as const;
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: params.Key, ChecksumMode: 'ENABLED' }));
      assert.deepEqual(
        [head.ContentLength, head.ContentType, head.ETag, head[field]],
        [volume.length, 'application/dicom', etag, done[field]],
      );
      assert.ok(done[field]);
      assert.equal(await sumOf(params.Key), sum);
    });
  }

  test('lib-storage sends what fits a part as one object', async () => {
    const slice = sampleOf('ct');
    const upload = new Upload({ client, params: { Bucket, Key: 'small', Body: createReadStream(slice.file) } });
    const done = await upload.done();
    assert.equal(done.ETag, `"${md5(readFileSync(slice.file))}"`);
    assert.equal(await sumOf('small'), slice.sha256);
  });

  test('an upload that lib-storage aborts leaves nothing', async () => {
    const upload = new Upload({
      client,
      params: { Bucket, Key: 'aborted', Body: Readable.from(pieces(volume)) },
      partSize: PART,
      queueSize: 1,
    });
    upload.on('httpUploadProgress', () => void upload.abort());
    await assert.rejects(upload.done(), { name: 'AbortError' });
    while ((await uploadsOpen()).length > 0); // it gives the upload up in the background
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'aborted' }));
    assert.equal(Contents, undefined);
  });

  test('parts by hand: listed by page, replaced, completed under a condition, read by number', async () => {
    const Key = 'by hand/ü+%2F';
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, Metadata: { series: '7' } }),
    );
    const upload = { Bucket, Key, UploadId };
    await client.send(new UploadPartCommand({ ...upload, PartNumber: 2, Body: 'to be replaced' }));
    const Parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = [];
    for (const [i, Body] of parts.entries()) {
      const PartNumber = i + 1;
      const sent = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
      Parts.push({ PartNumber, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32 });
    }
    assert.deepEqual(await uploadsOpen(), [Key]);
    const listed: unknown[] = [];
    for await (const page of paginateListParts({ client, pageSize: 2 }, upload))
      listed.push(...(page.Parts ?? []).map(({ PartNumber, ETag, Size }) => [PartNumber, ETag, Size]));
    assert.deepEqual(
      listed,
      parts.map((part, i) => [i + 1, `"${md5(part)}"`, part.length]),
    );
    const complete = { ...upload, MultipartUpload: { Parts }, IfNoneMatch: '*' };
    const done = await client.send(new CompleteMultipartUploadCommand(complete));
    assert.deepEqual([done.ETag, done.Bucket, done.Key], [etag, Bucket, Key]);
    const second = await client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }));
    assert.deepEqual([second.PartsCount, second.ContentRange], [3, `bytes ${PART}-${2 * PART - 1}/${volume.length}`]);
    assert.equal(sha256((await second.Body?.transformToByteArray()) ?? ''), sha256(parts[1] ?? ''));
    const across = await client.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${PART - 10}-${PART + 9}` }));
    assert.ok(
      Buffer.from((await across.Body?.transformToByteArray()) ?? '').equals(volume.subarray(PART - 10, PART + 10)),
    );
    const facts = await client.send(
      new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['ObjectParts', 'ObjectSize'] }),
    );
    assert.deepEqual([facts.ObjectParts?.TotalPartsCount, facts.ObjectSize], [3, volume.length]);
    assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key }))).Metadata?.series, '7');
    assert.equal(await sumOf(Key), sum);
    await client.send(new DeleteObjectCommand({ Bucket, Key }));
  });

  test('parts copied from an object make another', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: volume }));
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'target' }));
    const upload = { Bucket, Key: 'target', UploadId };
    const Parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = [];
    for (const [i, part] of parts.entries()) {
      const CopySourceRange = `bytes=${i * PART}-${i * PART + part.length - 1}`;
      const copy = { ...upload, PartNumber: i + 1, CopySource: `${Bucket}/source`, CopySourceRange };
      const { CopyPartResult } = await client.send(new UploadPartCopyCommand(copy));
      Parts.push({ PartNumber: i + 1, ETag: CopyPartResult?.ETag, ChecksumCRC32: CopyPartResult?.ChecksumCRC32 });
    }
    const done = await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
    assert.match(done.ETag ?? '', /^"[0-9a-f]{32}-3"$/);
    assert.equal(await sumOf('target'), sum);
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy of large', CopySource: `${Bucket}/target` }));
    assert.equal(await sumOf('copy of large'), sum);
  });

  test('a part through a presigned URL, and an upload that is given up', async () => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'signed part' }));
    const upload = { Bucket, Key: 'signed part', UploadId };
    const url = await getSignedUrl(client, new UploadPartCommand({ ...upload, PartNumber: 1 }));
    const sent = await fetch(url, { method: 'PUT', body: volume.subarray(0, 1000) });
    assert.equal(sent.status, 200, await sent.text());
    const ETag = sent.headers.get('etag') ?? '';
    await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
    );
    assert.equal(await sumOf('signed part'), sha256(volume.subarray(0, 1000)));
    const given = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'given up' }));
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'given up', UploadId: given.UploadId }));
    assert.deepEqual(await uploadsOpen(), []);
  });

  test('buckets are host names, too', async () => {
    const asked: string[] = [];
    const lookup: LookupFunction = (host, options, done) => {
      asked.push(host);
      if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
      else done(null, '127.0.0.1', 4);
    };
    const endpoint = scene.endpoint.replace('127.0.0.1', 'localhost');
    const agent = new Agent({ keepAlive: true, lookup } as ConstructorParameters<typeof Agent>[0]);
    const virtual = sdkClient(endpoint, { forcePathStyle: false, requestHandler: { httpAgent: agent } });
    await virtual.send(new CreateBucketCommand({ Bucket: 'host-style' }));
    for (const sample of SAMPLES.slice(0, 5)) {
      await virtual.send(
        new PutObjectCommand({ Bucket: 'host-style', Key: sample.path, Body: readFileSync(sample.file) }),
      );
      const { Body } = await virtual.send(new GetObjectCommand({ Bucket: 'host-style', Key: sample.path }));
      assert.equal(sha256((await Body?.transformToByteArray()) ?? ''), sample.sha256);
    }
    const hostile = 'host-style//../ü %2F';
    await virtual.send(new PutObjectCommand({ Bucket: 'host-style', Key: hostile, Body: 'x' }));
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'host-style', Prefix: 'host-style' }));
    assert.deepEqual(
      Contents?.map(({ Key }) => Key),
      [hostile],
    );
    const upload = new Upload({ client: virtual, params: { Bucket: 'host-style', Key: 'volume', Body: volume } });
    assert.equal((await upload.done()).ETag, etag);
    const [host = ''] = asked;
    assert.equal(host, 'host-style.localhost');
    virtual.destroy();
  });
});
