/** rclone of Debian: folders there and back with every byte compared, large files in parts, copies and moves on the server's side. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fillBucket, signedRequest } from './raw-http.ts';
import {
  absent,
  type ClientOptions,
  type ClientResult,
  LIMIT,
  md5,
  noise,
  REGION,
  SAMPLE_FOLDER,
  SAMPLES,
  Scene,
  sampleOf,
  samplesOf,
  sha256,
  sumsOf,
  sumsUnder,
} from './scene.ts';

const RCLONE = '/usr/bin/rclone';
const MiB = 1024 * 1024;
const IN_PARTS = ['--s3-chunk-size', '5M', '--s3-upload-cutoff', '5M', '--s3-copy-cutoff', '5M'];

describe('rclone', { ...LIMIT, skip: absent(RCLONE) }, () => {
  const scene = new Scene();
  let remote: Record<string, string>;

  before(async () => {
    await scene.start();
    writeFileSync(scene.path('rclone.conf'), '');
    remote = {
      RCLONE_CONFIG: scene.path('rclone.conf'),
      RCLONE_CONFIG_GATE_TYPE: 's3',
      RCLONE_CONFIG_GATE_PROVIDER: 'Other',
      RCLONE_CONFIG_GATE_ENV_AUTH: 'true',
      RCLONE_CONFIG_GATE_ENDPOINT: scene.endpoint,
      RCLONE_CONFIG_GATE_REGION: REGION,
      RCLONE_RETRIES: '1',
      RCLONE_LOW_LEVEL_RETRIES: '1',
    };
    await rclone('mkdir', 'gate:scans');
  });
  after(() => scene.stop());

  function run(args: readonly string[], options: ClientOptions = {}): Promise<ClientResult> {
    return scene.run(RCLONE, args, { ...options, env: remote });
  }
  async function rclone(...args: string[]): Promise<string> {
    return (await run(args)).stdout;
  }

  test('copies every sample, checks every byte, syncs what changed', async () => {
    const samples = ['--filter', '+ /*/**', '--filter', '- *'];
    await rclone('copy', ...samples, SAMPLE_FOLDER, 'gate:scans/all');
    const checked = await run(['check', '--download', ...samples, SAMPLE_FOLDER, 'gate:scans/all']);
    assert.match(checked.stderr, new RegExp(`${SAMPLES.length} matching files`));
    const sums = await rclone('hashsum', 'sha256', '--download', 'gate:scans/all');
    const lines = sums
      .trim()
      .split('\n')
      .map((line) => line.split('  ').reverse());
    assert.deepEqual(Object.fromEntries(lines), sumsOf(SAMPLES));
    await rclone('sync', 'gate:scans/all', scene.path('all'));
    assert.deepEqual(sumsUnder(scene.path('all')), sumsOf(SAMPLES));
    rmSync(scene.path('all', 'xray'), { recursive: true });
    writeFileSync(scene.path('all', 'new'), 'new');
    const synced = await run(['sync', '-v', scene.path('all'), 'gate:scans/all']);
    assert.deepEqual(
      synced.stderr.match(/(?<=INFO {2}: )\S+(?=: (Copied|Deleted))/g)?.sort(),
      ['new', ...samplesOf('xray').map(({ path }) => path)].sort(),
    );
    const nothing = await run(['sync', '-v', scene.path('all'), 'gate:scans/all']);
    assert.doesNotMatch(nothing.stderr, /Copied|Deleted/);
  });

  test('sends a large file in parts, copies and moves it without downloading', async () => {
    const volume = noise(17 * MiB + 99, 'rclone');
    writeFileSync(scene.path('volume'), volume);
    await rclone('copy', ...IN_PARTS, scene.path('volume'), 'gate:scans/large');
    await rclone('copyto', ...IN_PARTS, 'gate:scans/large/volume', 'gate:scans/large/copy');
    await rclone('moveto', 'gate:scans/large/copy', 'gate:scans/large/moved');
    assert.deepEqual((await rclone('lsf', 'gate:scans/large')).trim().split('\n'), ['moved', 'volume']);
    const sums = await rclone('hashsum', 'md5', 'gate:scans/large');
    assert.deepEqual(sums.trim().split('\n').sort(), [`${md5(volume)}  moved`, `${md5(volume)}  volume`]);
    await rclone('copyto', 'gate:scans/large/moved', scene.path('moved'));
    assert.equal(sha256(readFileSync(scene.path('moved'))), sha256(volume));
    const text = 'one two three '.repeat(500_000);
    await run(['rcat', ...IN_PARTS, '--streaming-upload-cutoff', '1M', 'gate:scans/large/piped'], { input: text });
    const across = String(5 * MiB - 20); // where the second part begins
    assert.equal(
      await rclone('cat', '--offset', across, '--count', '50', 'gate:scans/large/piped'),
      text.slice(5 * MiB - 20, 5 * MiB + 30),
    );
    assert.equal(sha256(await rclone('cat', 'gate:scans/large/piped')), sha256(text));
    const open = await rclone('backend', 'list-multipart-uploads', 'gate:scans');
    assert.deepEqual(JSON.parse(open), { scans: [] });
  });

  test('reads ranges and keeps times and types', async () => {
    const slice = sampleOf('nifti');
    await rclone('copyto', '--header-upload', 'Content-Type: image/x-nifti', slice.file, 'gate:scans/one');
    const [facts] = JSON.parse(await rclone('lsjson', '--hash', '--metadata', 'gate:scans/one')) as Record<
      string,
      unknown
    >[];
    assert.deepEqual([facts?.Size, facts?.MimeType], [slice.bytes, 'image/x-nifti']);
    assert.deepEqual(facts?.Hashes, { md5: md5(readFileSync(slice.file)) });
    await rclone('touch', '-t', '2020-02-03T04:05:06', 'gate:scans/one');
    assert.match(await rclone('lsl', 'gate:scans/one'), /2020-02-03 04:05:06/);
    const head = await signedRequest(`${scene.endpoint}/scans/one`, { method: 'HEAD' });
    assert.equal(head.headers['content-type'], 'image/x-nifti');
    const range = await signedRequest(`${scene.endpoint}/scans/one`, { headers: { range: 'bytes=100-199' } });
    assert.ok(range.body.equals(readFileSync(slice.file).subarray(100, 200)));
    const url = await rclone('link', '--expire', '1m', 'gate:scans/one');
    assert.equal(sha256(new Uint8Array(await (await fetch(url.trim())).arrayBuffer())), slice.sha256);
  });

  test('keeps hostile names', async () => {
    const folder = scene.path('names');
    for (const name of [
      'with space',
      ' lead',
      'plus+',
      'per%2Fcent%',
      'ünï/日本語/😀',
      'quote\'"&<>',
      '?x#y;',
      'back\\slash',
      `d/${'k'.repeat(255)}`,
    ]) {
      mkdirSync(`${folder}/${name.split('/').slice(0, -1).join('/')}`, { recursive: true });
      writeFileSync(`${folder}/${name}`, noise(100, name));
    }
    await rclone('sync', folder, 'gate:scans/names');
    await rclone('check', '--download', folder, 'gate:scans/names');
    await rclone('copy', 'gate:scans/names', 'gate:scans/names-copied');
    await rclone('copy', 'gate:scans/names-copied', scene.path('names-back'));
    assert.deepEqual(sumsUnder(scene.path('names-back')), sumsUnder(folder));
  });

  test('lists 2,100 keys and removes them', async () => {
    await rclone('mkdir', 'gate:many');
    const keys = await fillBucket(scene.endpoint, 'many', 2100);
    const list = await rclone('lsf', '-R', '--files-only', 'gate:many');
    assert.deepEqual(list.trim().split('\n').sort(), keys);
    const fast = await rclone(
      'lsf',
      '-R',
      '--files-only',
      '--fast-list',
      '--s3-list-version',
      '1',
      '--s3-list-chunk',
      '700',
      'gate:many',
    );
    assert.deepEqual(fast.trim().split('\n').sort(), keys);
    await rclone('delete', '--fast-list', 'gate:many');
    await rclone('rmdir', 'gate:many');
    assert.equal((await rclone('lsf', 'gate:')).includes('many'), false);
  });
});
