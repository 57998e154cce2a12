/** GetBatch over HTTP: one member a slot, each as a GET of the same object would answer it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CannedAcl } from '../../src/base/bucket-store.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import { presignUrl } from '../../src/format/sigv4-sign.ts';
import { hostileKey } from '../contract/hostile-keys.ts';
import { bytesSource, key as keyOf, noise } from '../contract/scene.ts';
import { codeOf, REGION, type Reply, startFront } from './front-fixture.ts';
import { archiveOf, batchRequest, hex8, type Member } from './tar-reading.ts';
import { ALT, MAIN, ROOT } from './users.ts';

const f = await startFront();
const LARGE = LIMITS.batchFillBytes * 2 + 12_345;

async function put(bucket: string, key: string, bytes: Buffer, acl?: CannedAcl): Promise<void> {
  const source = bytesSource(bytes, acl === undefined ? {} : { acl });
  await f.storage.objects.put(bucket as BucketName, keyOf(key), source, {});
}

for (const bucket of ['images', 'labels', 'any']) await f.send({ method: 'PUT', target: `/${bucket}`, user: MAIN });
await f.send({ method: 'PUT', target: '/foreign', user: ALT });

function bytesOf(reply: Reply): Buffer {
  assert.equal(reply.status, 200, reply.body);
  return Buffer.from(reply.body, 'latin1');
}

async function fetchBatch(bucket: string, body: unknown, user = MAIN): Promise<readonly Member[]> {
  const { slots } = await archiveOf(bytesOf(await f.send(batchRequest(bucket, body, { user }))));
  return slots;
}

function statuses(slots: readonly Member[]): (string | undefined)[] {
  return slots.map(({ records }) => records.status);
}

test('every slot has its member with bytes and records, and the last says how many', async () => {
  const image = noise(10_000);
  const large = noise(LARGE);
  await put('images', 'cat.jpg', image);
  await put('images', 'large.bin', large);
  await put('images', 'empty', Buffer.alloc(0));
  await put('labels', 'cat.jpg', Buffer.from('a cat'));
  const objects = [
    { key: 'cat.jpg' },
    { key: 'large.bin' },
    { key: 'absent' },
    { key: 'empty' },
    { key: 'cat.jpg', bucket: 'labels' },
    { key: 'cat.jpg', start: 100, end: 200 },
    { key: 'large.bin', start: 7 },
    { key: 'cat.jpg' },
    { key: 'cat.jpg', start: 10_001 },
  ];
  const reply = await f.send(batchRequest('images', { objects, order: 'strict' }, { user: MAIN }));
  assert.equal(reply.headers['content-type'], 'application/x-tar');
  assert.equal(reply.headers['content-length'], undefined);
  const { slots, end } = await archiveOf(bytesOf(reply));
  const bodies = [image, large, '', '', 'a cat', image.subarray(100, 200), large.subarray(7), image, ''];
  assert.deepEqual(
    slots.map(({ body }) => hex8(body)),
    bodies.map((body) => hex8(Buffer.from(body))),
  );
  assert.deepEqual(
    slots.map(({ name }) => name),
    [
      'cat.jpg',
      'large.bin',
      'absent.penstock-failed',
      'empty',
      'labels/cat.jpg',
      'cat.jpg.bytes-100-200',
      'large.bin.bytes-7-',
      'cat.jpg',
      'cat.jpg.bytes-10001-.penstock-failed',
    ],
  );
  const info = await f.storage.objects.head('images' as BucketName, keyOf('cat.jpg'));
  assert.deepEqual(slots[5]?.records, {
    slot: '5',
    status: 'OK',
    key: 'cat.jpg',
    crc32: hex8(image.subarray(100, 200)),
    etag: info?.etag,
    size: '10000',
    offset: '100',
  });
  assert.equal(slots[5]?.header.mtime?.getTime(), Math.floor((info?.modifiedMs ?? 0) / 1000) * 1000);
  assert.deepEqual(slots[2]?.records, {
    slot: '2',
    status: 'NoSuchKey',
    key: 'absent',
    message: 'The key does not exist.',
  });
  assert.equal(slots[4]?.records.bucket, 'labels');
  assert.equal(slots[8]?.records.status, 'InvalidRange');
  assert.deepEqual(end, {
    slots: 9,
    ok: 7,
    failed: 2,
    bytes: 20_105 + LARGE * 2 - 7,
    crc32: { 6: hex8(large.subarray(7)) },
  });
});

test('any batch is what the GETs of its objects are', async () => {
  const keys = fc.uniqueArray(hostileKey, { minLength: 1, maxLength: 8 });
  const size = fc.oneof(fc.nat(2000), fc.nat(100_000), fc.integer({ min: LIMITS.batchFillBytes - 2, max: LARGE }));
  const pick = fc.record({
    at: fc.nat(20),
    start: fc.option(fc.nat(LARGE)),
    length: fc.option(fc.integer({ min: 1, max: LARGE })),
  });
  await fc.assert(
    fc.asyncProperty(
      keys,
      fc.array(size, { minLength: 8, maxLength: 8 }),
      fc.array(pick, { minLength: 1, maxLength: 30 }),
      async (names, sizes, picks) => {
        for (const [i, name] of names.entries()) await put('any', name, noise(sizes[i] ?? 0, i));
        const objects = picks.map(({ at, start, length }) => ({
          key: names[at] ?? `absent ${at}`,
          ...(start !== null && { start }),
          ...(length !== null && { end: (start ?? 0) + length }),
        }));
        const slots = await fetchBatch('any', { objects });
        for (const [i, { key, start, end }] of objects.entries()) {
          const range =
            start === undefined && end === undefined
              ? {}
              : { range: `bytes=${start ?? 0}-${end === undefined ? '' : end - 1}` };
          const got = await f.send({
            method: 'GET',
            target: `/any/${encodeURIComponent(key)}`,
            user: MAIN,
            headers: range,
          });
          const { records, body } = slots[i] as Member;
          assert.equal(records.key, key);
          assert.equal(records.status, got.status < 300 ? 'OK' : codeOf(got), key);
          if (got.status >= 300) continue;
          assert.ok(body.equals(Buffer.from(got.body, 'latin1')), `${key} ${JSON.stringify(range)}`);
          assert.equal(`"${records.etag}"`, got.headers.etag);
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('heads of every size fit, and what was in the buffers does not shine through', async () => {
  const names = Array.from({ length: 300 }, (_, i) => `${String(i).padStart(4, '0')}${'%'.repeat(1020)}`);
  await put('any', 'noise', noise(LIMITS.batchCopyBytes));
  await put('any', 'small', noise(1000));
  const slots = await fetchBatch('any', [...names, ...new Array(100).fill('noise')]);
  assert.deepEqual(statuses(slots), [...names.map(() => 'NoSuchKey'), ...new Array(100).fill('OK')]);
  const bytes = bytesOf(await f.send(batchRequest('any', ['small'], { user: MAIN })));
  assert.ok(bytes.subarray(3 * 512, 3 * 512 + 1000).equals(noise(1000)));
  assert.ok(bytes.subarray(3 * 512 + 1000, 5 * 512).every((byte) => byte === 0));
  assert.ok(bytes.subarray(-1024).every((byte) => byte === 0));
});

test('tar unpacks it and python reads it', async () => {
  const files = new Map<string, Buffer>();
  for (let i = 0; i < 300; i++) files.set(`set ${i % 7}/ü${i}.png`, noise((i * 997) % 40_000, i));
  files.set('large.bin', noise(LARGE, 7));
  for (const [key, bytes] of files) await put('any', key, bytes);
  const input = bytesOf(await f.send(batchRequest('any', [...files.keys(), '../outside', 'absent'], { user: MAIN })));
  const folder = mkdtempSync(path.join(tmpdir(), 'penstock-'));
  try {
    const tar = spawnSync('tar', ['--warning=no-unknown-keyword', '-xf', '-', '-C', folder], {
      input,
      encoding: 'utf8',
    });
    assert.deepEqual([tar.status, tar.stderr], [0, '']);
    for (const [key, bytes] of files) assert.ok(readFileSync(path.join(folder, key)).equals(bytes), key);
    assert.equal(readFileSync(path.join(folder, 'absent.penstock-failed')).length, 0);
    assert.match(readFileSync(path.join(folder, '__penstock__/end.json'), 'utf8'), /"ok":301,"failed":2/);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const script = [
    'import json, sys, tarfile, zlib',
    'crcs, end = {}, None',
    'with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:',
    '    for m in archive:',
    '        body, status = archive.extractfile(m).read(), m.pax_headers["PENSTOCK.status"]',
    '        if status == "END": end = json.loads(body)',
    '        elif status == "OK":',
    '            assert zlib.crc32(body) == int(m.pax_headers["PENSTOCK.crc32"], 16)',
    '            crcs[m.name] = "%08x" % zlib.crc32(body)',
    'print(json.dumps([crcs, end["ok"], end["failed"]]))',
  ].join('\n');
  const { stdout, stderr } = spawnSync('python3', ['-c', script], { input, encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout), [
    Object.fromEntries([...files].map(([key, bytes]) => [key, hex8(bytes)])),
    301,
    2,
  ]);
});

test('access is that of a GET, object by object', async () => {
  await put('images', 'secret', Buffer.from('x'));
  await put('images', 'open', Buffer.from('open'), 'public-read');
  await put('images', 'members', Buffer.from('members'), 'authenticated-read');
  await put('foreign', 'theirs', Buffer.from('x'));
  await put('foreign', 'open', Buffer.from('open too'), 'public-read');
  const objects = [
    ...['secret', 'open', 'members', 'absent'].map((key) => ({ key, bucket: 'images' })),
    ...['theirs', 'open', 'absent'].map((key) => ({ key, bucket: 'foreign' })),
    { key: 'k', bucket: 'no-such-bucket' },
  ];
  const as = async (user: typeof MAIN | undefined): Promise<readonly Member[]> => {
    const { user: _, ...anonymous } = batchRequest('images', { objects });
    return (await archiveOf(bytesOf(await f.send(user === undefined ? anonymous : { ...anonymous, user })))).slots;
  };
  const no = 'AccessDenied';
  const nowhere = 'NoSuchBucket';
  assert.deepEqual(statuses(await as(MAIN)), ['OK', 'OK', 'OK', 'NoSuchKey', no, 'OK', no, nowhere]);
  assert.deepEqual(statuses(await as(ROOT)), ['OK', 'OK', 'OK', 'NoSuchKey', 'OK', 'OK', 'NoSuchKey', nowhere]);
  assert.deepEqual(statuses(await as(ALT)), [no, 'OK', 'OK', no, 'OK', 'OK', 'NoSuchKey', nowhere]);
  const anonymous = await as(undefined);
  assert.deepEqual(statuses(anonymous), [no, 'OK', no, no, no, 'OK', no, nowhere]);
  const [forbidden, , , absent] = anonymous.map(({ records: { slot: _s, key: _k, ...told }, header }) => [
    told,
    header.size,
  ]);
  assert.deepEqual(forbidden, absent, 'nothing tells an absent object from a forbidden one');
});

test('a refused request is an S3 error', async () => {
  const refusal = async (request: Parameters<typeof f.send>[0]) => {
    const reply = await f.send(request);
    return [reply.status, codeOf(reply)];
  };
  const asked = (body: unknown, user = MAIN) => batchRequest('images', body, { user });
  assert.deepEqual(await refusal(asked([])), [400, 'InvalidArgument']);
  assert.deepEqual(await refusal({ ...asked([]), body: '' }), [400, 'MissingRequestBodyError']);
  assert.deepEqual(await refusal({ ...asked([]), body: Buffer.alloc(LIMITS.batchBodyBytesMax + 1) }), [
    400,
    'EntityTooLarge',
  ]);
  assert.deepEqual(await refusal({ ...asked(['a']), target: '/absent?batch' }), [404, 'NoSuchBucket']);
  assert.deepEqual(await refusal({ ...asked(['a']), payload: '0'.repeat(64) }), [400, 'XAmzContentSHA256Mismatch']);
  assert.deepEqual(await refusal({ ...asked(['a']), headers: { 'x-amz-expected-bucket-owner': 'x' } }), [
    403,
    'AccessDenied',
  ]);
  assert.deepEqual(await refusal(asked(['a'], { ...MAIN, secretKey: 'wrong' })), [403, 'SignatureDoesNotMatch']);
  assert.deepEqual(await refusal({ ...asked(['a']), method: 'GET' }), [501, 'NotImplemented']);
  assert.deepEqual(await refusal({ ...asked(['a']), target: '/images/key?batch' }), [501, 'NotImplemented']);
});

test('a presigned URL, chunked transfer and HTTP/1.0 do as well', async () => {
  await put('images', 'k', Buffer.from('bytes'));
  const host = `127.0.0.1:${f.port}`;
  const url = presignUrl(
    { method: 'POST', protocol: 'http', host, target: '/images?batch', expiresSeconds: 60, nowMs: Date.now() },
    { accessKeyId: MAIN.accessKeyId, secret: MAIN.secretKey, region: REGION },
  );
  const { slots } = await archiveOf(
    bytesOf(await f.send({ ...batchRequest('images', ['k']), target: url.slice(`http://${host}`.length) })),
  );
  assert.equal(slots[0]?.body.toString(), 'bytes');
  await put('images', 'open', Buffer.from('open'), 'public-read');
  const chunked = batchRequest('images', ['open'], { user: MAIN, headers: { 'transfer-encoding': 'chunked' } });
  assert.equal((await archiveOf(bytesOf(await f.send(chunked)))).end.ok, 1);
  const old = await f.raw('POST /images?batch HTTP/1.0\r\nContent-Length: 8\r\n\r\n["open"]');
  assert.equal((await archiveOf(Buffer.from(old.slice(old.indexOf('\r\n\r\n') + 4), 'latin1'))).end.ok, 1);
});

test('a batch is reported once, with its bytes', async () => {
  await put('images', 'k', noise(1000));
  const reply = await f.send(batchRequest('images', ['k', 'absent'], { user: MAIN }));
  const { operation, bucket, key, status, errorCode, bytesIn, bytesOut } = f.events.at(-1) as (typeof f.events)[number];
  assert.deepEqual(
    [operation, bucket, key, status, errorCode, bytesIn, bytesOut],
    ['GetBatch', 'images', '', 200, undefined, 14, reply.body.length],
  );
  assert.deepEqual(f.errors, []);
});

test('what will be asked for next is advice to the store', async () => {
  let advised: unknown;
  const objects = new Proxy(f.storage.objects, {
    get(target, name) {
      if (name === 'readAhead')
        return (refs: unknown) => {
          advised = refs;
        };
      return Reflect.get(target, name).bind(target);
    },
  });
  const advisable = await startFront({ storage: { ...f.storage, objects } });
  await put('images', 'k', Buffer.from('k'));
  const reply = await advisable.send(batchRequest('images', { keys: ['k'], next: ['l', 'm'] }, { user: MAIN }));
  assert.equal(reply.status, 200);
  assert.deepEqual(advised, [
    { bucket: 'images', key: 'l' },
    { bucket: 'images', key: 'm' },
  ]);
});
