/** Objects through a whole gateway while its processes are killed, renewed and stopped: nothing acknowledged is lost, nothing breaks. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { anyPorts, GatewayProcess, ROOT, startGateway } from './gateway-process.ts';
import { startLoad } from './http-load.ts';

const LIMIT = { timeout: 120_000 };
const Bucket = 'scans';
const folder = mkdtempSync(join(tmpdir(), 'penstock-objects-'));
after(() => rmSync(folder, { recursive: true }));
let runs = 0;

const running: GatewayProcess[] = [];
const clients: S3Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const gateway of running.splice(0)) {
    gateway.signal('SIGKILL'); // does nothing to one that has ended; its children end with it
    await gateway.ended;
  }
});

async function start(workers: number, dir = join(folder, `store-${++runs}`), maxAttempts = 3) {
  const gateway = await startGateway(dir, '--workers', String(workers));
  running.push(gateway);
  const client = new S3Client({
    endpoint: gateway.s3,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts,
    credentials: { accessKeyId: ROOT.PENSTOCK_ACCESS_KEY, secretAccessKey: ROOT.PENSTOCK_SECRET_KEY },
  });
  clients.push(client);
  return { gateway, client, dir };
}

async function read(client: S3Client, Key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('objects', LIMIT, () => {
  test('are served and stored without a fault while SIGHUP replaces every process', async () => {
    const { gateway, client } = await start(2, undefined, 1); // one attempt: nothing is hidden by another
    await client.send(new CreateBucketCommand({ Bucket }));
    const body = randomBytes(200_000);
    await client.send(new PutObjectCommand({ Bucket, Key: 'slice', Body: body }));
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'slice' }), { expiresIn: 600 });
    const load = startLoad(url, 6, (answer) =>
      answer.status === 200 && answer.body.equals(body)
        ? undefined
        : `status ${answer.status}, ${answer.body.length} bytes`,
    );
    let over = false;
    const written = new Map<string, string>();
    const writer = (async () => {
      for (let i = 0; !over; i++) {
        const bytes = randomBytes(1000 + i);
        await client.send(new PutObjectCommand({ Bucket, Key: `w/${i}`, Body: bytes }));
        written.set(`w/${i}`, sha256(bytes));
      }
    })();
    gateway.signal('SIGHUP');
    await gateway.untilLogged(/^every process was replaced/);
    over = true;
    await writer;
    await load.stop();
    assert.deepEqual(load.faults, []);
    assert.ok(load.answers > 20 && written.size > 5, `${load.answers} reads, ${written.size} writes`);
    for (const [key, sum] of written) assert.equal(sha256(await read(client, key)), sum, key);
  });

  test('that were acknowledged survive kill -9 of a worker and of the keeper, and writes go on by themselves', async () => {
    const { gateway, client, dir } = await start(2);
    await client.send(new CreateBucketCommand({ Bucket }));
    const written = new Map<string, string>();
    let over = false;
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let i = 0; !over; i++) {
        const bytes = randomBytes(5000);
        await client.send(new PutObjectCommand({ Bucket, Key: `${w}/${i}`, Body: bytes })); // the SDK tries again what was cut
        written.set(`${w}/${i}`, sha256(bytes));
      }
    });
    const { keeper, workers } = await gateway.status();
    process.kill(workers[0]?.pid as number, 'SIGKILL');
    await gateway.untilLogged(/^worker-1 serves again/);
    process.kill(keeper.pid as number, 'SIGKILL');
    await gateway.untilLogged(/^keeper serves again/);
    const before = written.size;
    while (written.size < before + 8) await Promise.race([...writers, new Promise((resolve) => setImmediate(resolve))]);
    over = true;
    await Promise.all(writers);
    for (const [key, sum] of written) assert.equal(sha256(await read(client, key)), sum, key);
    gateway.signal('SIGKILL'); // and everything at once
    await gateway.ended;
    const next = await start(1, dir);
    for (const [key, sum] of written) assert.equal(sha256(await read(next.client, key)), sum, key);
  });

  test('that are being downloaded slowly come whole although SIGTERM came, and the gateway then ends with 0', async () => {
    const { gateway, client } = await start(1);
    await client.send(new CreateBucketCommand({ Bucket }));
    const body = randomBytes(24 * 1024 * 1024);
    await client.send(new PutObjectCommand({ Bucket, Key: 'volume', Body: body }));
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'volume' }), { expiresIn: 600 });
    const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
    response.pause(); // more than the sockets hold is still to come
    gateway.signal('SIGTERM');
    await gateway.untilLogged(/^draining$/);
    await assert.rejects(fetch(gateway.s3), 'new connections are refused');
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    assert.deepEqual([bytes, hash.digest('hex')], [body.length, sha256(body)]);
    assert.equal((await gateway.ended).code, 0);
  });

  test('are counted, with the store that holds them', async () => {
    const { gateway, client } = await start(2);
    await client.send(new CreateBucketCommand({ Bucket }));
    for (let i = 0; i < 4; i++)
      await client.send(new PutObjectCommand({ Bucket, Key: `k${i}`, Body: randomBytes(10_000) }));
    for (let i = 0; i < 4; i++) await read(client, `k${i}`);
    const { figures, operations, receivedBytes, sentBytes } = await gateway.status();
    assert.equal(figures.store_objects, 4);
    assert.ok((figures.store_live_bytes ?? 0) >= 40_000);
    assert.ok((figures.commit_groups_total ?? 0) >= 4);
    const requests = Object.fromEntries(operations.map((operation) => [operation.operation, operation.requests]));
    assert.deepEqual([requests.CreateBucket, requests.PutObject, requests.GetObject], [1, 4, 4]);
    assert.deepEqual([receivedBytes >= 40_000, sentBytes >= 40_000], [true, true]);
  });
});

test('a second gateway on the same folder is refused, and told who holds it', LIMIT, async () => {
  const { gateway, dir } = await start(1);
  const second = new GatewayProcess(anyPorts(dir));
  running.push(second);
  const { code, stderr, stdout } = await second.ended;
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^penstock: /);
  assert.ok(stderr.includes(String(gateway.child.pid)) && stderr.includes(hostname()), stderr);
  assert.equal((await fetch(`${gateway.admin}/readyz`)).status, 200);
});
