/** The client against the gRPC front itself, on a memory store, with the S3 front beside it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { openClient } from '../../src/cli/open-client.ts';
import { GrpcCode, Missing, PenstockClient, type PutItem } from '../../src/client/client.ts';
import { startTestGateway, type TestGateway } from '../cli/in-process-gateway.ts';

const SAMPLES = fileURLToPath(new URL('../../samples/', import.meta.url));
const MiB = 1024 * 1024;
const BUCKET = 'from-client';

let gateway: TestGateway;
let client: PenstockClient;

const s3 = () => {
  const terminal = { env: gateway.env, signal: new AbortController().signal } as Parameters<typeof openClient>[2];
  return openClient({}, 4, terminal);
};

before(async () => {
  gateway = await startTestGateway();
  const { PENSTOCK_ACCESS_KEY: accessKeyId = '', PENSTOCK_SECRET_KEY: secretKey = '' } = gateway.env;
  client = new PenstockClient({ endpoint: gateway.grpc, accessKeyId, secretKey, bucket: BUCKET, channels: 2 });
  const over = s3();
  await over.createBucket(BUCKET);
  over.close();
});
after(async () => {
  client.close();
  await gateway.stop();
});

const samples: PutItem[] = readdirSync(SAMPLES, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .map((path) => ({ key: path.slice(SAMPLES.length), body: readFileSync(path) }));

async function store(items: readonly PutItem[]): Promise<void> {
  for await (const result of client.putBatch(items)) assert.ok(result.ok, result.ok ? '' : result.error.message);
}

test('the samples go in by PutBatch and come out of GetBatch and S3 byte for byte', async () => {
  await store(samples);
  const keys = samples.map(({ key }) => key);
  const bodies = await client.getMany(keys);
  const over = s3();
  for (const [i, { key, body }] of samples.entries()) {
    assert.ok((bodies[i] as Buffer).equals(body), key);
    assert.ok((await over.getBytes(BUCKET, key)).equals(body), key);
  }
  over.close();
  const slots: number[] = [];
  for await (const result of client.getBatch(keys, { order: 'strict' })) slots.push(result.slot);
  assert.deepEqual(slots, [...slots.keys()]);
  assert.equal(slots.length, keys.length);
});

test('absent objects are missing, ranges are cut, other buckets are named', async () => {
  await store([{ key: 'digits', body: Buffer.from('0123456789') }]);
  const [absent, cut, rest, elsewhere] = await client.getMany(
    [
      'absent',
      { key: 'digits', range: { start: 2, end: 5 } },
      { key: 'digits', range: { start: 8 } },
      { key: 'digits', bucket: 'no-such-bucket' },
    ],
    { failures: 'return' },
  );
  assert.ok(absent instanceof Missing && absent.error.reason === 'NoSuchKey');
  assert.equal(String(cut), '234');
  assert.equal(String(rest), '89');
  assert.ok(elsewhere instanceof Missing && elsewhere.error.code === GrpcCode.NOT_FOUND);
});

test('objects of any size around the edges of frames come back as they were put', async () => {
  const size = fc.oneof(
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 65_530, max: 65_545 }),
    fc.integer({ min: MiB - 2, max: MiB + 2 }),
    fc.integer({ min: 4 * MiB - 1, max: 4 * MiB + 1 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 8 }), fc.boolean(), async (sizes, small) => {
      const items = sizes.map((bytes, i) => ({ key: `sized/${i}`, body: Buffer.alloc(bytes, `${i}-${bytes} `) }));
      await store(items);
      const keys = items.map(({ key }) => key);
      const found = await client.getMany(keys, small ? { maxFrameBytes: 65_536 } : {});
      assert.ok(items.every(({ body }, i) => body.equals(found[i] as Buffer)));
    }),
    { numRuns: 15 },
  );
});

test('one object is put, described, read in part, listed and deleted', async () => {
  const body = Buffer.alloc(3 * MiB + 5, 'one object ');
  const put = await client.put('one/large', body, { contentType: 'image/tiff', metadata: { slide: '7' } });
  const info = await client.stat('one/large');
  assert.deepEqual({ ...info, modified: undefined }, { ...put, modified: undefined });
  assert.deepEqual([info?.size, info?.contentType, info?.metadata.slide], [body.length, 'image/tiff', '7']);
  const whole = await client.get('one/large');
  assert.ok((await whole.bytes()).equals(body));
  const part = await client.get('one/large', { range: { start: MiB - 1, end: 2 * MiB + 1 }, ifMatch: put.etag });
  assert.ok((await part.bytes()).equals(body.subarray(MiB - 1, 2 * MiB + 1)));
  await assert.rejects(client.put('one/large', body, { ifAbsent: true }), { reason: 'PreconditionFailed' });
  await client.put('one/small', Buffer.from('s'));
  const keys: string[] = [];
  for await (const item of client.list({ prefix: 'one/' })) keys.push(item.kind === 'object' ? item.key : item.prefix);
  assert.deepEqual(keys, ['one/large', 'one/small']);
  assert.deepEqual(await client.delete(['one/large', 'one/small', 'one/absent']), [undefined, undefined, undefined]);
  assert.equal(await client.stat('one/large'), undefined);
});

test('a condition of one put does not hold back the others', async () => {
  await store([{ key: 'cond/taken', body: Buffer.from('first') }]);
  const outcomes = new Map<string, string>();
  const items = ['taken', 'free'].map((name) => ({ key: `cond/${name}`, body: Buffer.from('second'), ifAbsent: true }));
  for await (const result of client.putBatch(items))
    outcomes.set(result.key, result.ok ? 'stored' : `${result.error.reason} ${result.mayBeStored}`);
  assert.deepEqual(Object.fromEntries(outcomes), { 'cond/taken': 'PreconditionFailed false', 'cond/free': 'stored' });
});

test('a list of more than one page is whole and in order', async () => {
  const keys = Array.from({ length: 2500 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
  await store(keys.map((key) => ({ key, body: Buffer.alloc(0) })));
  const found: string[] = [];
  for await (const item of client.list({ prefix: 'many/' })) if (item.kind === 'object') found.push(item.key);
  assert.deepEqual(found, keys);
});

test('a wrong secret is UNAUTHENTICATED at once', async () => {
  const wrong = new PenstockClient({
    endpoint: gateway.grpc,
    accessKeyId: 'tester',
    secretKey: 'another',
    bucket: BUCKET,
  });
  await assert.rejects(wrong.getMany(['a']), { code: GrpcCode.UNAUTHENTICATED, reason: 'SignatureDoesNotMatch' });
  await assert.rejects(
    async () => {
      for await (const _result of wrong.putBatch([{ key: 'a', body: Buffer.from('a') }]));
    },
    { code: GrpcCode.UNAUTHENTICATED },
  );
  wrong.close();
});

test('many thousand references at once each get what is theirs', async () => {
  const refs = Array.from({ length: 20_000 }, (_, i) => `none/${i}`);
  refs[12_345] = 'digits';
  const found = await client.getMany(refs);
  assert.equal(String(found[12_345]), '0123456789');
  assert.equal(found.filter((one) => one instanceof Missing).length, 19_999);
});
