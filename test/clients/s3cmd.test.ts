/** s3cmd of Debian: it verifies the MD5 of all that it gets, and keeps files' attributes in metadata. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fillBucket, rawRequest } from './raw-http.ts';
import {
  ACCESS_KEY,
  absent,
  type ClientResult,
  LIMIT,
  md5,
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

const S3CMD = '/usr/bin/s3cmd';
const MiB = 1024 * 1024;

describe('s3cmd', { ...LIMIT, skip: absent(S3CMD) }, () => {
  const scene = new Scene();
  const slice = sampleOf('mr');

  before(async () => {
    await scene.start();
    const host = scene.endpoint.replace('http://', '');
    const settings = {
      access_key: ACCESS_KEY,
      secret_key: SECRET_KEY,
      host_base: host,
      host_bucket: host,
      bucket_location: REGION,
    };
    const lines = Object.entries({ ...settings, use_https: 'False', progress_meter: 'False', max_retries: '1' });
    writeFileSync(scene.path('.s3cfg'), `[default]\n${lines.map((line) => line.join(' = ')).join('\n')}\n`);
    await s3cmd('mb', 's3://scans');
  });
  after(() => scene.stop());

  function run(args: readonly string[], mayFail = false): Promise<ClientResult> {
    return scene.run(S3CMD, args, { mayFail });
  }
  async function s3cmd(...args: string[]): Promise<string> {
    return (await run(args)).stdout;
  }

  test('syncs every sample there and back by MD5, and then only what changed', async () => {
    await s3cmd('sync', '--check-md5', '--exclude', '*.md', '--exclude', '*.tsv', SAMPLE_FOLDER, 's3://scans/all/');
    const back = scene.path('all');
    mkdirSync(back);
    await s3cmd('sync', '--check-md5', 's3://scans/all/', `${back}/`);
    assert.deepEqual(sumsUnder(back), sumsOf(SAMPLES));
    writeFileSync(`${back}/${slice.path}`, readFileSync(slice.file).reverse()); // as long as before
    const changed = await s3cmd('sync', '--check-md5', '--delete-removed', `${back}/`, 's3://scans/all/');
    assert.deepEqual(changed.match(/^upload: .*-> '.*'/gm)?.length, 1);
    assert.match(changed, /N2D_0101/);
    const listed = await s3cmd('ls', '--recursive', '--list-md5', 's3://scans/all/pet/');
    const sums = samplesOf('pet').map(({ file }) => md5(readFileSync(file)));
    assert.deepEqual(listed.match(/\b[0-9a-f]{32}\b/g), sums);
    assert.match(await s3cmd('du', 's3://scans/all/xray/'), /686072\s+2 objects/);
  });

  test('puts, shows, copies, modifies, moves and deletes', async () => {
    await s3cmd(
      'put',
      '--mime-type=application/dicom',
      '--add-header=x-amz-meta-series:7',
      slice.file,
      's3://scans/one',
    );
    await s3cmd('cp', 's3://scans/one', 's3://scans/two');
    await s3cmd('modify', '--add-header=x-amz-meta-slice:3', 's3://scans/two');
    await s3cmd('mv', 's3://scans/two', 's3://scans/three');
    const info = await s3cmd('info', 's3://scans/three');
    assert.match(info, /MIME type: application\/dicom/);
    assert.match(info, /x-amz-meta-series: 7/);
    assert.match(info, /x-amz-meta-slice: 3/);
    assert.match(info, new RegExp(`MD5 sum: +${md5(readFileSync(slice.file))}`));
    await s3cmd('get', 's3://scans/three', scene.path('three'));
    assert.equal(sha256Of(scene.path('three')), slice.sha256);
    await s3cmd('del', 's3://scans/one', 's3://scans/three');
    assert.equal((await run(['info', 's3://scans/three'], true)).code, 12);
  });

  test('sends a large file in parts and continues a download', async () => {
    const volume = noise(12 * MiB + 77, 's3cmd');
    writeFileSync(scene.path('volume'), volume);
    await s3cmd('put', '--multipart-chunk-size-mb=5', scene.path('volume'), 's3://scans/volume');
    await s3cmd('cp', 's3://scans/volume', 's3://scans/volume-copy');
    writeFileSync(scene.path('back'), volume.subarray(0, 7 * MiB));
    await s3cmd('get', '--continue', 's3://scans/volume-copy', scene.path('back'));
    assert.equal(sha256Of(scene.path('back')), sha256(volume));
    assert.doesNotMatch(await s3cmd('multipart', 's3://scans'), /volume/);
  });

  test('opens an object to everybody and closes it again', async () => {
    await s3cmd('put', slice.file, 's3://scans/open');
    const url = `${scene.endpoint}/scans/open`;
    assert.equal((await rawRequest(url)).status, 403);
    await s3cmd('setacl', '--acl-public', 's3://scans/open');
    const { status, body } = await rawRequest(url);
    assert.deepEqual([status, sha256(body)], [200, slice.sha256]);
    await s3cmd('setacl', '--acl-private', 's3://scans/open');
    assert.equal((await rawRequest(url)).status, 403);
    await s3cmd('put', '--acl-public', slice.file, 's3://scans/public');
    assert.equal((await rawRequest(`${scene.endpoint}/scans/public`)).status, 200);
  });

  test('is told that signatures of version 2 are not spoken', async () => {
    const url = await s3cmd('signurl', 's3://scans/open', '+100');
    const { status, body } = await rawRequest(url.trim());
    assert.equal(status, 400);
    assert.match(body.toString(), /AWS4-HMAC-SHA256/);
  });

  test('keeps hostile names', async () => {
    const folder = scene.path('names');
    const names = [
      'with space',
      'plus+',
      'per%2Fcent%',
      'ünï/日本語/😀',
      'quote\'"&<>',
      '?x#y;',
      `d/${'k'.repeat(255)}`,
    ];
    for (const name of names) {
      mkdirSync(`${folder}/${name.split('/').slice(0, -1).join('/')}`, { recursive: true });
      writeFileSync(`${folder}/${name}`, noise(100, name));
    }
    await s3cmd('sync', `${folder}/`, 's3://scans/names/');
    mkdirSync(scene.path('names-back'));
    await s3cmd('sync', 's3://scans/names/', `${scene.path('names-back')}/`);
    assert.deepEqual(sumsUnder(scene.path('names-back')), sumsUnder(folder));
    const key = 's3://scans/odd//a/../b/./c+ %2F';
    await s3cmd('put', slice.file, key);
    await s3cmd('get', key, scene.path('odd'));
    assert.equal(sha256Of(scene.path('odd')), slice.sha256);
  });

  test('lists 1,100 keys and deletes them', async () => {
    await s3cmd('mb', 's3://many');
    const keys = await fillBucket(scene.endpoint, 'many', 1100);
    const listed = await s3cmd('ls', '--recursive', 's3://many');
    assert.deepEqual(listed.match(/(?<=s3:\/\/many\/)\S+/g), keys);
    assert.equal((await s3cmd('ls', 's3://many')).match(/DIR/g)?.length, 110);
    await s3cmd('del', '--recursive', '--force', '--quiet', 's3://many');
    await s3cmd('rb', 's3://many');
    assert.doesNotMatch(await s3cmd('ls'), /many/);
  });
});
