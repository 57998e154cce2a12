/** The real images, put over S3 and over gRPC, come back the same from S3, from GetBatch in both orders, and from its twin over HTTP. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { extract } from 'tar-stream';
import { PenstockClient } from '../../src/client/client.ts';
import { S3Caller } from '../faults/s3-caller.ts';
import { ACCESS_KEY, LIMIT, SAMPLES, Scene, SECRET_KEY, sha256 } from './scene.ts';

const BUCKETS = ['over-s3', 'over-grpc'] as const;
const KEYS = SAMPLES.map(({ path }) => path);
const SUMS = Object.fromEntries(SAMPLES.map(({ path, sha256: sum }) => [path, sum]));

describe('a batch of the sample images', LIMIT, () => {
  const scene = new Scene();
  let s3: S3Caller;
  let client: PenstockClient;
  before(async () => {
    await scene.start();
    s3 = new S3Caller(scene.endpoint);
    client = new PenstockClient({ endpoint: scene.gateway.grpc, accessKeyId: ACCESS_KEY, secretKey: SECRET_KEY });
    for (const bucket of BUCKETS) assert.equal((await s3.send('PUT', bucket, '')).status, 200);
    for (const { path, file } of SAMPLES) {
      const reply = await s3.send('PUT', 'over-s3', path, { body: readFileSync(file) });
      assert.equal(reply.status, 200, path);
    }
    const items = SAMPLES.map(({ path, file }) => ({ key: path, body: readFileSync(file) }));
    for await (const result of client.putBatch(items, { bucket: 'over-grpc' }))
      assert.ok(result.ok, `${result.key}: ${String(result.ok || result.error)}`);
  });
  after(async () => {
    client.close();
    s3.close();
    await scene.stop();
  });

  for (const bucket of BUCKETS) {
    it(`is what single GETs give, ${bucket}`, async () => {
      for (const key of KEYS) {
        const reply = await s3.send('GET', bucket, key);
        assert.equal(sha256(reply.body), SUMS[key], key);
      }
    });

    for (const order of ['completion', 'strict'] as const) {
      it(`comes whole over gRPC, ${bucket}, order of ${order}`, async () => {
        const sums: Record<string, string> = {};
        let next = 0;
        for await (const result of client.getBatch(KEYS, { bucket, order })) {
          assert.ok(result.ok, `${result.key}: ${String(result.ok || result.error)}`);
          if (order === 'strict') assert.equal(result.slot, next++);
          sums[result.key] = sha256(result.body);
        }
        assert.deepEqual(sums, SUMS);
      });
    }

    it(`comes whole over HTTP, ${bucket}`, async () => {
      const { status, body } = await s3.send('POST', bucket, '', { query: 'batch=', body: JSON.stringify(KEYS) });
      assert.equal(status, 200);
      const { end, ...sums } = await sumsOfTar(body);
      assert.deepEqual(sums, SUMS);
      assert.equal(JSON.parse(end ?? '').ok, KEYS.length);
    });
  }
});

/** SHA-256 by member, and the text of the closing one as `end`. */
async function sumsOfTar(body: Buffer): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  const reader = extract();
  reader.end(body);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    if (entry.header.name === '__penstock__/end.json') sums.end = bytes.toString();
    else sums[entry.header.name] = sha256(bytes);
  }
  return sums;
}
