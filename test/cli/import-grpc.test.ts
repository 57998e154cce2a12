/** `penstock import` over gRPC: what goes which way, that a second run knows it, and that two gateways are not mixed up. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { pack } from 'tar-stream';
import { EXIT } from '../../src/cli/exit.ts';
import { exportTo } from '../../src/cli/export.ts';
import { resolveGrpcAddress } from '../../src/cli/grpc-address.ts';
import { importPath } from '../../src/cli/import.ts';
import type { ImportOptions } from '../../src/cli/import-run.ts';
import { openClient } from '../../src/cli/open-client.ts';
import {
  type Outcome,
  type RunOptions,
  runVerbHere,
  startTestGateway,
  type TestGateway,
} from './in-process-gateway.ts';

const MiB = 1024 * 1024;
let gateway: TestGateway;
let folder = '';

before(async () => {
  gateway = await startTestGateway();
});
after(() => gateway.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-import-'));
  gateway.requests.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

const importHere = (
  target: string,
  options: Partial<ImportOptions> = { grpc: gateway.grpc },
  how: RunOptions & { readonly env?: Record<string, string>; readonly path?: string } = {},
): Promise<Outcome> =>
  runVerbHere(
    (terminal) => importPath(how.path ?? join(folder, 'in'), target, { create: true, ...options }, terminal),
    { ...gateway.env, ...how.env },
    how,
  );

const sent = (request: string): number => gateway.requests.filter((one) => one === request).length;

test('small files go over gRPC, larger ones over S3, and a second run sends nothing either way', async () => {
  for (let i = 0; i < 300; i += 1) write(`in/${i % 7}/${i}.png`, `image ${i}`);
  write('in/empty', '');
  write('in/edge', Buffer.alloc(MiB, 'e'));
  write('in/large', Buffer.alloc(MiB + 1, 'l'));
  const first = await importHere('s3://two-ways/set');
  assert.equal(first.exitCode, EXIT.ok, first.stderr + first.stdout);
  assert.match(first.stderr, /sending files of up to 1 MiB over gRPC \(127\.0\.0\.1:\d+\), larger ones over S3\n/);
  assert.match(first.stdout, /^sent 303 objects, /);
  assert.equal(sent('PUT PutObject'), 1);

  gateway.requests.length = 0;
  for (const options of [{ grpc: gateway.grpc }, { grpc: false as const }]) {
    const again = await importHere('s3://two-ways/set', options);
    assert.match(again.stdout, /^sent 0 objects, .*\n303 objects there already/);
  }
  assert.equal(sent('PUT PutObject'), 0);
  const exported = await runVerbHere(
    (terminal) => exportTo('s3://two-ways/set', join(folder, 'in'), { jobs: 4 }, terminal),
    gateway.env,
  );
  assert.match(exported.stdout, /^fetched 0 objects, .*\n303 objects there already/);
});

test('what was put over S3 is known as well, and only what differs is sent', async () => {
  for (const name of ['same', 'changed', 'longer']) write(`in/${name}`, name);
  await importHere('s3://from-s3', { grpc: false });
  assert.equal(sent('PUT PutObject'), 3);
  write('in/changed', 'CHANGED');
  write('in/longer', 'longer than before');
  write('in/new', 'new');
  const second = await importHere('s3://from-s3');
  assert.match(second.stdout, /^sent 3 objects, .*\n1 object there already/);
  write('in/changed', 'changed'); // as it was, over what gRPC wrote, with the same size
  const third = await importHere('s3://from-s3', { grpc: false });
  assert.match(third.stdout, /^sent 1 object, .*\n3 objects there already/);
  assert.equal(sent('PUT PutObject'), 4);
});

test('a tar goes the same ways, with the types of its members', async () => {
  const archive = pack();
  archive.entry({ name: 'a.png' }, 'small');
  archive.entry({ name: 'b.bin' }, Buffer.alloc(2 * MiB));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  write('set.tar', Buffer.concat(chunks));
  const how = { path: join(folder, 'set.tar') };
  const first = await importHere('s3://tarred-grpc', { grpc: gateway.grpc }, how);
  assert.match(first.stdout, /^sent 2 objects, 2\.00 MiB/);
  assert.equal(sent('PUT PutObject'), 1);
  assert.match((await importHere('s3://tarred-grpc', { grpc: gateway.grpc }, how)).stdout, /^sent 0 objects/);
  const terminal = { env: gateway.env, signal: new AbortController().signal } as Parameters<typeof openClient>[2];
  const client = openClient({}, 1, terminal);
  assert.equal((await client.head('tarred-grpc', 'a.png'))?.contentType, 'image/png');
  client.close();
});

test('the address can come from the environment, and --no-grpc overrules it', async () => {
  write('in/a', 'a');
  const env = { PENSTOCK_GRPC_ENDPOINT: gateway.grpc };
  assert.match((await importHere('s3://by-env', {}, { env })).stderr, /over gRPC/);
  write('in/b', 'b');
  assert.match((await importHere('s3://by-env', { grpc: false }, { env })).stderr, /sending over S3/);
  assert.equal(sent('PUT PutObject'), 1);
  assert.match(
    (await importHere('s3://by-env', {})).stderr,
    /sending over S3 \(--grpc HOST:PORT sends small files faster\)\n/,
  );
});

test('an address that was named and is none of this gateway ends the import before anything is sent', async () => {
  write('in/a', 'a');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const nobody = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.close();
  const absent = await importHere('s3://absent-grpc', { grpc: nobody });
  assert.equal(absent.exitCode, EXIT.unreachable);
  assert.match(absent.stderr, /gRPC at 127\.0\.0\.1:\d+ cannot be used: UNAVAILABLE: .*ECONNREFUSED.*--no-grpc\.\n$/);
  const malformed = await importHere('s3://absent-grpc', { grpc: 'localhost' });
  assert.equal(malformed.exitCode, EXIT.usage);
  assert.match(malformed.stderr, /--grpc is "localhost"; write it as HOST:PORT/);
  const other = await startTestGateway();
  try {
    const noBucket = await importHere('s3://absent-grpc', { grpc: other.grpc });
    assert.match(noBucket.stderr, /it does not have the bucket, so it is another gateway/);
    assert.equal(noBucket.exitCode, EXIT.unreachable);
  } finally {
    await other.stop();
  }
  assert.equal(sent('PUT PutObject'), 0);
});

test('two gateways with one bucket name are told apart by the first object', async () => {
  for (let i = 0; i < 20; i += 1) write(`in/${i}`, String(i));
  const other = await startTestGateway();
  try {
    await importHere('s3://in-both', { grpc: false }, { env: { PENSTOCK_ENDPOINT: other.endpoint } });
    for (let i = 0; i < 20; i += 1) write(`in/${i}`, `new ${i}`);
    const mixed = await importHere('s3://in-both', { grpc: other.grpc });
    assert.equal(mixed.exitCode, EXIT.failed);
    assert.match(
      mixed.stderr,
      /was stored over gRPC at .* and is not there over S3: the two addresses belong to two gateways/,
    );
    assert.match(mixed.stdout, /^sent 0 objects/);
  } finally {
    await other.stop();
  }
});

test('Ctrl-C ends it with its summary, and the next run goes on', async () => {
  for (let i = 0; i < 200; i += 1) write(`in/${i}`, Buffer.alloc(10_000, String(i)));
  const controller = new AbortController();
  const seen = (async () => {
    const bucket = gateway.storage.objects;
    for (;;) {
      const page = await bucket
        .list('cut-short' as never, { prefix: '', delimiter: '', after: '', afterPrefix: false, limit: 10 })
        .catch(() => undefined);
      if ((page?.entries.length ?? 0) > 0) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    controller.abort(new Error('interrupted'));
  })();
  const outcome = await importHere('s3://cut-short', { grpc: gateway.grpc, jobs: 2 }, { signal: controller.signal });
  await seen;
  assert.equal(outcome.exitCode, EXIT.interrupted, outcome.stderr);
  assert.match(outcome.stdout, /Interrupted\. Run the same command again to go on/);
  const rest = await importHere('s3://cut-short', { grpc: gateway.grpc, json: true });
  const { moved, same } = JSON.parse(rest.stdout) as { moved: number; same: number };
  assert.equal(moved + same, 200);
  assert.ok(same > 0 && moved > 0, `${same} were there, ${moved} were sent`);
});

test('the default address is only looked for beside the default S3 address, with its TLS', () => {
  const at = (url: string, options: { readonly grpc?: string | false } = {}, env: Record<string, string> = {}) =>
    resolveGrpcAddress(options, new URL(url), env);
  const local = { hostAndPort: '127.0.0.1:9002', isTls: false, isNamed: false };
  assert.deepEqual(at('http://127.0.0.1:9000'), local);
  assert.equal(at('http://127.0.0.1:9001'), undefined);
  assert.equal(at('http://127.0.0.1:9000', { grpc: false }, { PENSTOCK_GRPC_ENDPOINT: 'h:1' }), undefined);
  const named = { hostAndPort: 'h:1', isTls: true, isNamed: true };
  assert.deepEqual(at('https://h:9000', { grpc: 'h:1' }), named);
  assert.deepEqual(at('https://h:9000', { grpc: 'http://h:1/' }), { ...named, isTls: false });
  assert.deepEqual(at('http://h:9000', {}, { PENSTOCK_GRPC_ENDPOINT: 'https://h:1' }), named);
  assert.deepEqual(at('http://h:9000', { grpc: '[::1]:9002' }), {
    hostAndPort: '[::1]:9002',
    isTls: false,
    isNamed: true,
  });
});
