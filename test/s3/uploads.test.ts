/** Multipart uploads through the official SDK and its uploader. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { codeOf, startFront } from './front-fixture.ts';
import { MAIN } from './users.ts';

const f = await startFront();
const s3 = f.client(MAIN);
const Bucket = 'uploads';
const MiB = 1024 * 1024;
const FIVE = Buffer.alloc(5 * MiB, 'a');
const LAST = Buffer.from('the end');
await s3.send(new CreateBucketCommand({ Bucket }));

async function begin(Key: string, algorithm?: ChecksumAlgorithm): Promise<string> {
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: algorithm, ContentType: 'image/x' }),
  );
  assert.ok(UploadId);
  return UploadId;
}

async function part(
  Key: string,
  UploadId: string,
  PartNumber: number,
  Body: Buffer,
  algorithm?: ChecksumAlgorithm,
): Promise<CompletedPart> {
  const done = await s3.send(
    new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm: algorithm }),
  );
  return {
    PartNumber,
    ETag: done.ETag,
    ...(algorithm !== undefined && { [`Checksum${algorithm}`]: done[`Checksum${algorithm}`] }),
  };
}

function complete(Key: string, UploadId: string, Parts: CompletedPart[], more = {}) {
  return s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more }));
}

test('parts become an object, each readable by its number', async () => {
  const id = await begin('whole', 'SHA256');
  const parts = [await part('whole', id, 3, FIVE, 'SHA256'), await part('whole', id, 7, LAST, 'SHA256')];
  const listed = await s3.send(new ListPartsCommand({ Bucket, Key: 'whole', UploadId: id }));
  assert.deepEqual(
    listed.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
    [
      [3, FIVE.length],
      [7, LAST.length],
    ],
  );
  const made = await complete('whole', id, parts);
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest();
  assert.equal(made.ETag, `"${createHash('md5').update(md5(FIVE)).update(md5(LAST)).digest('hex')}-2"`);
  assert.match(made.ChecksumSHA256 ?? '', /-2$/);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'whole', ChecksumMode: 'ENABLED' }));
  assert.deepEqual(
    [head.ContentLength, head.ContentType, head.ChecksumType],
    [FIVE.length + LAST.length, 'image/x', 'COMPOSITE'],
  );
  const second = await s3.send(new GetObjectCommand({ Bucket, Key: 'whole', PartNumber: 2, ChecksumMode: 'ENABLED' }));
  assert.equal(await second.Body?.transformToString(), 'the end');
  assert.deepEqual(
    [second.PartsCount, second.ContentRange, second.ChecksumSHA256],
    [2, `bytes ${FIVE.length}-${FIVE.length + 6}/${FIVE.length + 7}`, parts[1]?.ChecksumSHA256],
  );
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'whole', PartNumber: 3 })), {
    name: 'InvalidPartNumber',
  });
  const attributes = await s3.send(
    new GetObjectAttributesCommand({ Bucket, Key: 'whole', ObjectAttributes: ['ObjectParts'], MaxParts: 1 }),
  );
  assert.deepEqual(
    [
      attributes.ObjectParts?.TotalPartsCount,
      attributes.ObjectParts?.IsTruncated,
      attributes.ObjectParts?.Parts?.length,
    ],
    [2, true, 1],
  );
  assert.equal((await complete('whole', id, parts)).ETag, made.ETag, 'a repeated complete answers the same');
});

test('a full-object checksum is made of the parts', async () => {
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
    const { UploadId = '' } = await s3.send(
      new CreateMultipartUploadCommand({
        Bucket,
        Key: 'crc',
        ChecksumAlgorithm: algorithm,
        ChecksumType: 'FULL_OBJECT',
      }),
    );
    const parts = [await part('crc', UploadId, 1, FIVE, algorithm), await part('crc', UploadId, 2, LAST, algorithm)];
    const made = await complete('crc', UploadId, parts);
    const whole = await s3.send(
      new PutObjectCommand({ Bucket, Key: 'same', Body: Buffer.concat([FIVE, LAST]), ChecksumAlgorithm: algorithm }),
    );
    assert.equal(made[`Checksum${algorithm}`], whole[`Checksum${algorithm}`]);
  }
});

test('a complete that does not fit is refused, and the upload lives on', async () => {
  const id = await begin('strict');
  const [one, two, three] = [
    await part('strict', id, 1, FIVE),
    await part('strict', id, 2, LAST),
    await part('strict', id, 3, LAST),
  ] as [CompletedPart, CompletedPart, CompletedPart];
  const refused = (parts: CompletedPart[], name: string, more = {}) =>
    assert.rejects(complete('strict', id, parts, more), { name });
  await refused([two, one], 'InvalidPartOrder');
  await refused([one, one], 'InvalidPartOrder');
  await refused([one, { PartNumber: 9, ETag: one.ETag }], 'InvalidPart');
  await refused([one, { ...two, ETag: one.ETag }], 'InvalidPart');
  await refused([one, two, three], 'EntityTooSmall');
  await refused([], 'MalformedXML');
  await refused([one, two], 'InvalidRequest', { MpuObjectSize: 1 });
  await refused([one, two], 'NoSuchKey', { IfMatch: '"x"' });
  await complete('strict', id, [one, two], { MpuObjectSize: FIVE.length + LAST.length, IfNoneMatch: '*' });
});

test('uploads are listed in pages, and an aborted one is gone', async () => {
  const ids = [await begin('l/1'), await begin('l/1'), await begin('l/2')];
  const seen: (string | undefined)[] = [];
  let KeyMarker: string | undefined;
  let UploadIdMarker: string | undefined;
  for (let more = true; more; ) {
    const page = await s3.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix: 'l/', MaxUploads: 1, KeyMarker, UploadIdMarker }),
    );
    seen.push(...(page.Uploads ?? []).map(({ UploadId }) => UploadId));
    more = page.IsTruncated === true;
    KeyMarker = page.NextKeyMarker;
    UploadIdMarker = page.NextUploadIdMarker;
  }
  assert.deepEqual(seen, ids);
  const rolled = await s3.send(new ListMultipartUploadsCommand({ Bucket, Delimiter: '/' }));
  assert.deepEqual(
    rolled.CommonPrefixes?.map(({ Prefix }) => Prefix),
    ['l/'],
  );
  for (const [i, UploadId] of ids.entries())
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: i === 2 ? 'l/2' : 'l/1', UploadId }));
  await assert.rejects(s3.send(new ListPartsCommand({ Bucket, Key: 'l/2', UploadId: ids[2] })), {
    name: 'NoSuchUpload',
  });
  await assert.rejects(part('l/2', ids[2] ?? '', 1, LAST), { name: 'NoSuchUpload' });
});

test('parts can be copies and ranges of objects', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: FIVE }));
  for (const algorithm of [undefined, 'CRC32'] as const) {
    const id = await begin('copied', algorithm);
    const first = await s3.send(
      new UploadPartCopyCommand({ Bucket, Key: 'copied', UploadId: id, PartNumber: 1, CopySource: `${Bucket}/source` }),
    );
    const second = await s3.send(
      new UploadPartCopyCommand({
        Bucket,
        Key: 'copied',
        UploadId: id,
        PartNumber: 2,
        CopySource: `${Bucket}/source`,
        CopySourceRange: 'bytes=10-19',
      }),
    );
    await complete('copied', id, [
      { PartNumber: 1, ETag: first.CopyPartResult?.ETag },
      { PartNumber: 2, ETag: second.CopyPartResult?.ETag },
    ]);
    assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key: 'copied' }))).ContentLength, FIVE.length + 10);
    const beyond = new UploadPartCopyCommand({
      Bucket,
      Key: 'copied',
      UploadId: await begin('copied'),
      PartNumber: 1,
      CopySource: `${Bucket}/source`,
      CopySourceRange: `bytes=0-${FIVE.length}`,
    });
    await assert.rejects(s3.send(beyond), { name: 'InvalidRange' });
  }
});

test('a part of another checksum than the upload is refused', async () => {
  const id = await begin('mixed', 'SHA256');
  await assert.rejects(part('mixed', id, 1, LAST, 'CRC32'), { name: 'InvalidRequest' });
  const plain = await f.send({
    method: 'PUT',
    target: `/${Bucket}/mixed?partNumber=1&uploadId=${id}`,
    user: MAIN,
    body: LAST,
  });
  assert.ok(plain.headers['x-amz-checksum-sha256'], 'a part without a checksum gets that of its upload');
  for (const number of ['0', '10001', 'x']) {
    assert.equal(
      codeOf(
        await f.send({
          method: 'PUT',
          target: `/${Bucket}/mixed?partNumber=${number}&uploadId=${id}`,
          user: MAIN,
          body: LAST,
        }),
      ),
      'InvalidArgument',
    );
  }
});

test('the uploader of the SDK sends a stream of unknown length', async () => {
  const pieces = Array.from({ length: 12 }, (_, i) => Buffer.alloc(MiB, i));
  await new Upload({
    client: s3,
    params: { Bucket, Key: 'stream', Body: Readable.from(pieces) },
    partSize: 5 * MiB,
    queueSize: 2,
  }).done();
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream' }));
  assert.ok(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(Buffer.concat(pieces)));
});

test('nothing of this was an internal error', () => {
  assert.deepEqual(f.errors, []);
});
