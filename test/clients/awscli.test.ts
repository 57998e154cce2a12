/** Debian's awscli (its v2, with the CRT's checksums): the `s3` commands on folders, and `s3api` for what they leave out. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fillBucket } from './raw-http.ts';
import {
  absent,
  type ClientOptions,
  type ClientResult,
  LIMIT,
  md5,
  noise,
  SAMPLE_FOLDER,
  SAMPLES,
  Scene,
  sampleOf,
  samplesOf,
  sha256,
  sha256Of,
  sumsOf,
  sumsUnder,
} from './scene.ts';

const AWS = '/usr/bin/aws';
const MiB = 1024 * 1024;

describe('awscli', { ...LIMIT, skip: absent(AWS) }, () => {
  const scene = new Scene();
  const slice = sampleOf('mr');

  before(async () => {
    await scene.start();
    await aws('s3', 'mb', 's3://scans');
  });
  after(() => scene.stop());

  function aws(...args: string[]): Promise<ClientResult> {
    return run(args);
  }
  function run(args: readonly string[], options: ClientOptions = {}): Promise<ClientResult> {
    return scene.run(AWS, ['--endpoint-url', scene.endpoint, '--output', 'json', ...args], options);
  }
  async function api<Answer>(command: string, ...args: string[]): Promise<Answer> {
    const { stdout } = await aws('s3api', command, '--bucket', 'scans', ...args);
    return (stdout.trim() === '' ? {} : JSON.parse(stdout)) as Answer;
  }
  async function refusal(...args: string[]): Promise<string> {
    const { code, stderr } = await run(args, { mayFail: true });
    assert.notEqual(code, 0);
    return stderr;
  }

  test('syncs every sample there and back, and then only what changed', async () => {
    const sent = await aws(
      's3',
      'sync',
      '--no-progress',
      SAMPLE_FOLDER,
      's3://scans/all',
      '--exclude',
      '*.md',
      '--exclude',
      '*.tsv',
    );
    assert.equal(sent.stdout.match(/^upload: /gm)?.length, SAMPLES.length);
    const back = scene.path('all');
    await aws('s3', 'sync', '--no-progress', 's3://scans/all', back);
    assert.deepEqual(sumsUnder(back), sumsOf(SAMPLES));
    writeFileSync(`${back}/${slice.path}`, 'changed');
    const again = await aws('s3', 'sync', '--no-progress', back, 's3://scans/all');
    assert.match(again.stdout, /^upload: \S+ to s3:\/\/scans\/all\/mr\/N2D_0101\.dcm\s*$/);
    const restored = await aws('s3', 'sync', '--no-progress', '--delete', `${SAMPLE_FOLDER}pet`, 's3://scans/all/xray');
    assert.equal(restored.stdout.match(/^delete: /gm)?.length, samplesOf('xray').length);
    assert.equal(restored.stdout.match(/^upload: /gm)?.length, samplesOf('pet').length);
    const listed = await aws('s3', 'ls', '--recursive', '--summarize', 's3://scans/all/ct/');
    assert.match(listed.stdout, /Total Objects: 2\n\s+Total Size: 1052266/);
    const folders = await aws('s3', 'ls', 's3://scans/all/');
    assert.deepEqual(
      folders.stdout.match(/PRE \S+/g),
      ['blood', 'ct', 'dicom', 'mr', 'nifti', 'pet', 'xray'].map((folder) => `PRE ${folder}/`),
    );
  });

  test('copies a large file in parts, there, within and back', async () => {
    const file = scene.path('volume.bin');
    const volume = noise(17 * MiB + 5, 'awscli');
    writeFileSync(file, volume);
    await aws(
      's3',
      'cp',
      '--no-progress',
      file,
      's3://scans/volume.bin',
      '--metadata',
      'series=7',
      '--content-type',
      'application/x-volume',
    );
    await aws('s3', 'cp', '--no-progress', 's3://scans/volume.bin', 's3://scans/copy of volume');
    await aws('s3', 'cp', '--no-progress', 's3://scans/copy of volume', scene.path('back.bin'));
    assert.equal(sha256Of(scene.path('back.bin')), sha256(volume));
    const head = await api<Record<string, unknown>>('head-object', '--key', 'copy of volume');
    assert.deepEqual(
      [head.ContentLength, head.Metadata, head.ContentType],
      [volume.length, { series: '7' }, 'application/x-volume'],
    );
    assert.match(String(head.ETag), /-3"$/);
  });

  test('streams through a pipe, moves and removes', async () => {
    await run(['s3', 'cp', '-', 's3://scans/piped'], { input: 'from a pipe' });
    await aws('s3', 'mv', 's3://scans/piped', 's3://scans/moved/to');
    const { stdout } = await aws('s3', 'cp', 's3://scans/moved/to', '-');
    assert.equal(stdout, 'from a pipe');
    await aws('s3', 'rm', '--recursive', 's3://scans/moved');
    assert.match(await refusal('s3', 'cp', 's3://scans/piped', '-'), /404/);
  });

  test('presigns what curl then reads', async () => {
    await aws('s3', 'cp', '--no-progress', slice.file, 's3://scans/a b/ü+.dcm');
    const { stdout } = await aws('s3', 'presign', 's3://scans/a b/ü+.dcm', '--expires-in', '60');
    await scene.run('/usr/bin/curl', ['-sSf', '-o', scene.path('presigned'), stdout.trim()]);
    assert.equal(sha256Of(scene.path('presigned')), slice.sha256);
  });

  test('puts and gets with CRC32C', async () => {
    const named = ['--key', 'crc32c', '--body', slice.file, '--checksum-algorithm', 'CRC32C'];
    const put = await api<Record<string, string>>('put-object', ...named);
    const file = scene.path('crc32c');
    const got = await api<Record<string, string>>('get-object', '--key', 'crc32c', '--checksum-mode', 'ENABLED', file);
    assert.ok(put.ChecksumCRC32C);
    assert.equal(got.ChecksumCRC32C, put.ChecksumCRC32C);
    assert.equal(sha256Of(file), slice.sha256);
  });

  test('reads ranges and under conditions', async () => {
    const { ETag } = await api<{ ETag: string }>('put-object', '--key', 'r', '--body', slice.file);
    assert.equal(ETag, `"${md5(readFileSync(slice.file))}"`);
    const file = scene.path('range');
    await api('get-object', '--key', 'r', '--range', 'bytes=-1000', file);
    assert.equal(sha256Of(file), sha256(readFileSync(slice.file).subarray(-1000)));
    assert.match(
      await refusal('s3api', 'get-object', '--bucket', 'scans', '--key', 'r', '--if-none-match', ETag, file),
      /304/,
    );
    assert.match(
      await refusal('s3api', 'get-object', '--bucket', 'scans', '--key', 'r', '--range', 'bytes=300000-', file),
      /InvalidRange/,
    );
  });

  test('tags objects and shows attributes', async () => {
    const sum = ['--checksum-algorithm', 'SHA256'];
    await api('put-object', '--key', 'tagged', '--body', slice.file, '--tagging', 'modality=MR', ...sum);
    await api(
      'put-object-tagging',
      '--key',
      'tagged',
      '--tagging',
      'TagSet=[{Key=modality,Value=MR},{Key=a b,Value=ü}]',
    );
    const { TagSet } = await api<{ TagSet: unknown }>('get-object-tagging', '--key', 'tagged');
    assert.deepEqual(TagSet, [
      { Key: 'modality', Value: 'MR' },
      { Key: 'a b', Value: 'ü' },
    ]);
    const facts = await api<Record<string, unknown>>(
      'get-object-attributes',
      '--key',
      'tagged',
      '--object-attributes',
      'ETag',
      'ObjectSize',
      'Checksum',
    );
    assert.deepEqual(facts.Checksum, { ChecksumSHA256: Buffer.from(slice.sha256, 'hex').toString('base64') });
    assert.deepEqual([facts.ETag, facts.ObjectSize], [md5(readFileSync(slice.file)), slice.bytes]);
  });

  test('uploads part by part', async () => {
    const key = ['--key', 'by part'];
    const { UploadId } = await api<{ UploadId: string }>('create-multipart-upload', ...key, '--content-type', 'a/b');
    const upload = [...key, '--upload-id', UploadId];
    const { ETag } = await api<{ ETag: string }>('upload-part', ...upload, '--part-number', '4', '--body', slice.file);
    const { Parts } = await api<{ Parts: { PartNumber: number; ETag: string; Size: number }[] }>(
      'list-parts',
      ...upload,
    );
    assert.deepEqual(
      Parts.map(({ PartNumber, ETag, Size }) => [PartNumber, ETag, Size]),
      [[4, ETag, slice.bytes]],
    );
    await api(
      'complete-multipart-upload',
      ...upload,
      '--multipart-upload',
      JSON.stringify({ Parts: [{ PartNumber: 4, ETag }] }),
    );
    await api('get-object', ...key, scene.path('by part'));
    assert.equal(sha256Of(scene.path('by part')), slice.sha256);
  });

  test('keeps hostile names of files, and keys that no file can have', async () => {
    const folder = scene.path('names');
    const names = [
      'with space',
      'plus+',
      'per%2Fcent%',
      'ünï/日本語/😀',
      'quote\'"&<>',
      'semi;colon=#?',
      'k'.repeat(255),
    ];
    for (const name of names) {
      mkdirSync(`${folder}/${name.split('/').slice(0, -1).join('/')}`, { recursive: true });
      writeFileSync(`${folder}/${name}`, noise(100, name));
    }
    await aws('s3', 'sync', '--no-progress', folder, 's3://scans/names');
    await aws('s3', 'sync', '--no-progress', 's3://scans/names', scene.path('names-back'));
    assert.deepEqual(sumsUnder(scene.path('names-back')), sumsUnder(folder));
    const key = `a//b/../c/./${'ü'.repeat(505)}+%`;
    await api('put-object', '--key', key, '--body', slice.file);
    await api('get-object', '--key', key, scene.path('odd'));
    assert.equal(sha256Of(scene.path('odd')), slice.sha256);
    const { Contents } = await api<{ Contents: { Key: string }[] }>('list-objects-v2', '--prefix', 'a//');
    assert.deepEqual(
      Contents.map((entry) => entry.Key),
      [key],
    );
  });

  test('pages through 1,100 keys and deletes them', async () => {
    await aws('s3', 'mb', 's3://many');
    const keys = await fillBucket(scene.endpoint, 'many', 1100);
    const listing = await aws('s3api', 'list-objects-v2', '--bucket', 'many', '--query', 'Contents[].Key');
    assert.deepEqual(JSON.parse(listing.stdout), keys);
    const folders = await aws('s3', 'ls', '--page-size', '100', 's3://many/');
    assert.equal(folders.stdout.match(/PRE/g)?.length, 110);
    assert.match(await refusal('s3', 'rb', 's3://many'), /BucketNotEmpty/);
    const file = scene.path('delete.json');
    for (let i = 0; i < keys.length; i += 1000) {
      const Objects = keys.slice(i, i + 1000).map((Key) => ({ Key }));
      writeFileSync(file, JSON.stringify({ Objects }));
      const { stdout } = await aws('s3api', 'delete-objects', '--bucket', 'many', '--delete', `file://${file}`);
      assert.equal((JSON.parse(stdout) as { Deleted: unknown[] }).Deleted.length, Objects.length);
    }
    await aws('s3', 'rb', 's3://many');
  });

  test('asks about buckets', async () => {
    const { LocationConstraint } = await api<{ LocationConstraint: unknown }>('get-bucket-location');
    assert.equal(LocationConstraint, null);
    const rules = {
      CORSRules: [{ AllowedMethods: ['GET'], AllowedOrigins: ['https://viewer.example'], MaxAgeSeconds: 60 }],
    };
    await api('put-bucket-cors', '--cors-configuration', JSON.stringify(rules));
    assert.deepEqual(await api('get-bucket-cors'), rules);
    assert.match(
      await refusal(
        's3api',
        'put-bucket-lifecycle-configuration',
        '--bucket',
        'scans',
        '--lifecycle-configuration',
        '{"Rules":[]}',
      ),
      /NotImplemented/,
    );
    assert.match(await refusal('s3', 'ls', 's3://missing'), /NoSuchBucket/);
  });
});
