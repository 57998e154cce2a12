/** The clients over TLS, with a certificate that they are told to trust: some send other checksums and framing than over plain HTTP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { LIMITS } from '../../src/base/limits.ts';
import { Boto3Session, boto3Absent, type ReadBody } from './boto3-session.ts';
import {
  ACCESS_KEY,
  absent,
  LIMIT,
  noise,
  REGION,
  SAMPLE_FOLDER,
  SAMPLES,
  Scene,
  SECRET_KEY,
  sampleOf,
  samplesOf,
  sha256,
  sha256Of,
  sumsOf,
  sumsUnder,
} from './scene.ts';
import { sdkClient } from './sdk-client.ts';

const Bucket = 'scans';
const MiB = 1024 * 1024;
const OPENSSL = '/usr/bin/openssl';
const SELF_SIGNED = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'.split(
  ' ',
);

describe('clients over TLS', { ...LIMIT, skip: absent(OPENSSL) }, () => {
  const scene = new Scene();
  const cert = scene.path('tls.crt');
  const volume = noise(11 * MiB + 1, 'tls');
  const slice = sampleOf('mr');
  let client: S3Client;

  before(async () => {
    const key = scene.path('tls.key');
    const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    await scene.run(OPENSSL, [...SELF_SIGNED, ...names, '-keyout', key, '-out', cert]);
    await scene.start('--tls-key', key, '--tls-cert', cert);
    assert.match(scene.endpoint, /^https:/);
    const httpsAgent = new Agent({ keepAlive: true, ca: readFileSync(cert) });
    client = sdkClient(scene.endpoint, { requestHandler: { httpsAgent } });
    await client.send(new CreateBucketCommand({ Bucket }));
    writeFileSync(scene.path('volume'), volume);
  });
  after(async () => {
    client?.destroy();
    await scene.stop();
  });

  async function sumOf(Key: string): Promise<string> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return sha256((await Body?.transformToByteArray()) ?? '');
  }

  test('@aws-sdk: every sample, a stream with a trailer, an upload in parts', async () => {
    for (const { path: Key, file, sha256: sum } of SAMPLES) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: readFileSync(file) }));
      assert.equal(await sumOf(Key), sum, Key);
    }
    for (const ChecksumAlgorithm of ['CRC32', 'CRC64NVME', 'SHA256'] as const) {
      const Body = createReadStream(slice.file);
      await client.send(
        new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: slice.bytes, ChecksumAlgorithm }),
      );
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
      assert.ok(head[`Checksum${ChecksumAlgorithm}`]);
      assert.equal(await sumOf('stream'), slice.sha256);
    }
    const params = { Bucket, Key: 'volume', Body: createReadStream(scene.path('volume')) };
    await new Upload({ client, params }).done();
    assert.equal(await sumOf('volume'), sha256(volume));
  });

  test('@aws-sdk: a presigned URL, and a client that does not trust the certificate', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'signed', Body: readFileSync(slice.file) }));
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'signed' }));
    await scene.run('/usr/bin/curl', ['-sSf', '--cacert', cert, '-o', scene.path('signed'), url]);
    assert.equal(sha256Of(scene.path('signed')), slice.sha256);
    const stranger = sdkClient(scene.endpoint);
    await assert.rejects(stranger.send(new GetObjectCommand({ Bucket, Key: 'signed' })), /self-signed certificate/);
    stranger.destroy();
  });

  test('a client that leaves during the handshake is let go', { timeout: LIMITS.headMs / 2 }, async () => {
    const raw = connect({ host: '127.0.0.1', port: Number(new URL(scene.endpoint).port), allowHalfOpen: true });
    // Between the two, so that the TLS client's end is not the connection's.
    const between = new Duplex({ read() {}, write: (bytes: Buffer, _encoding, done) => void raw.write(bytes, done) });
    raw.on('data', (bytes: Buffer) => between.push(bytes));
    const [error] = (await once(connectTls({ socket: between }), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
    raw.end();
    await once(raw, 'close'); // the gateway has closed its side
  });

  test('awscli: a folder and a large file, there and back', { skip: absent('/usr/bin/aws') }, async () => {
    const aws = (...args: string[]) =>
      scene.run('/usr/bin/aws', [
        '--endpoint-url',
        scene.endpoint,
        '--ca-bundle',
        cert,
        's3',
        ...args,
        '--no-progress',
      ]);
    await aws('sync', `${SAMPLE_FOLDER}pet`, 's3://scans/aws/pet');
    await aws('cp', scene.path('volume'), 's3://scans/aws/volume');
    await aws('sync', 's3://scans/aws', scene.path('aws'));
    assert.deepEqual(sumsUnder(scene.path('aws')), { ...sumsOf(samplesOf('pet')), volume: sha256(volume) });
  });

  test('boto3: every algorithm, and a large file, there and back', { skip: boto3Absent }, async () => {
    const boto3 = new Boto3Session(scene.endpoint, { AWS_CA_BUNDLE: cert });
    await boto3.ready();
    for (const algorithm of [undefined, 'CRC32', 'SHA1', 'SHA256']) {
      const key = { Bucket, Key: `boto3/${algorithm}` };
      const named = algorithm === undefined ? {} : { ChecksumAlgorithm: algorithm };
      const put = await boto3.call('put_object', { ...key, Body: { $file: slice.file }, ...named });
      const got = await boto3.call<Record<string, unknown>>('get_object', { ...key, ChecksumMode: 'ENABLED' });
      if (algorithm !== undefined) assert.ok(put[`Checksum${algorithm}`]);
      assert.equal(got[`Checksum${algorithm}`], put[`Checksum${algorithm}`]);
      assert.equal((got.Body as ReadBody).sha256, slice.sha256);
    }
    await boto3.transfer('upload_file', { Filename: scene.path('volume'), Bucket, Key: 'boto3/volume' });
    await boto3.transfer('download_file', { Bucket, Key: 'boto3/volume', Filename: scene.path('boto3') });
    assert.equal(sha256Of(scene.path('boto3')), sha256(volume));
    await boto3.stop();
  });

  test('rclone: a folder and a large file, there and back', { skip: absent('/usr/bin/rclone') }, async () => {
    const env = { RCLONE_CONFIG: scene.path('rclone.conf'), RCLONE_CA_CERT: cert };
    writeFileSync(env.RCLONE_CONFIG, '');
    const remote = `:s3,provider=Other,env_auth,endpoint="${scene.endpoint}",region=${REGION}:scans/rclone`;
    await scene.run('/usr/bin/rclone', ['copy', `${SAMPLE_FOLDER}pet`, remote], { env });
    await scene.run('/usr/bin/rclone', ['copy', '--s3-upload-cutoff', '5M', scene.path('volume'), remote], { env });
    await scene.run('/usr/bin/rclone', ['copy', remote, scene.path('rclone')], { env });
    assert.deepEqual(sumsUnder(scene.path('rclone')), {
      ...sumsOf(samplesOf('pet'), 'pet/'.length),
      volume: sha256(volume),
    });
  });

  test('s3cmd: a large file, there and back', { skip: absent('/usr/bin/s3cmd') }, async () => {
    const host = scene.endpoint.replace('https://', '');
    const keys = [`--access_key=${ACCESS_KEY}`, `--secret_key=${SECRET_KEY}`, `--region=${REGION}`];
    const server = [`--host=${host}`, `--host-bucket=${host}`, '--ssl', `--ca-certs=${cert}`, '--no-progress'];
    const s3cmd = (...args: string[]) => scene.run('/usr/bin/s3cmd', [...server, ...keys, ...args]);
    await s3cmd('put', '--multipart-chunk-size-mb=5', scene.path('volume'), 's3://scans/s3cmd');
    await s3cmd('get', 's3://scans/s3cmd', scene.path('s3cmd'));
    assert.equal(sha256Of(scene.path('s3cmd')), sha256(volume));
  });
});
