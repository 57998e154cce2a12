/** The verbs against the S3 front on a memory store: what they move, what they print, and how they exit. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { createBucket, removeBucket, setAcl } from '../../src/cli/bucket.ts';
import { EXIT } from '../../src/cli/exit.ts';
import { exportTo } from '../../src/cli/export.ts';
import { getObject } from '../../src/cli/get.ts';
import { importPath } from '../../src/cli/import.ts';
import { list } from '../../src/cli/ls.ts';
import { openClient } from '../../src/cli/open-client.ts';
import { putObject } from '../../src/cli/put.ts';
import { remove } from '../../src/cli/rm.ts';
import { statObject } from '../../src/cli/stat.ts';
import {
  type Outcome,
  type RunOptions,
  runVerbHere,
  startTestGateway,
  type TestGateway,
} from './in-process-gateway.ts';

const SAMPLES = fileURLToPath(new URL('../../samples/', import.meta.url));
const IMPORT = { jobs: 8, create: true };
const EXPORT = { jobs: 8 };
const MiB = 1024 * 1024;

let gateway: TestGateway;
let folder = '';

before(async () => {
  gateway = await startTestGateway();
});
after(() => gateway.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-verbs-'));
  gateway.requests.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (verb: Parameters<typeof runVerbHere>[0], options?: RunOptions): Promise<Outcome> =>
  runVerbHere(verb, gateway.env, options);

function write(path: string, content: string | Buffer): string {
  const full = join(folder, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, content);
  return full;
}

const contentsOf = (root: string): Map<string, string> =>
  new Map(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [
        path.slice(root.length).replace(/^\//, ''),
        createHash('sha256').update(readFileSync(path)).digest('hex'),
      ]),
  );

const sent = (operation: string): number =>
  gateway.requests.filter((request) => request.endsWith(` ${operation}`)).length;

test('the samples go in and come out byte for byte, and a second run moves nothing', async () => {
  const imported = await run((terminal) => importPath(SAMPLES, 's3://samples-in/set', IMPORT, terminal));
  assert.equal(imported.exitCode, EXIT.ok, imported.stderr);
  assert.match(imported.stderr, /made bucket samples-in/);
  const count = contentsOf(SAMPLES).size;
  assert.match(imported.stdout, new RegExp(`^sent ${count} objects, 3\\.`));
  assert.equal(sent('PutObject'), count);

  gateway.requests.length = 0;
  const again = await run((terminal) => importPath(SAMPLES, 's3://samples-in/set', IMPORT, terminal));
  assert.equal(again.exitCode, EXIT.ok);
  assert.match(again.stdout, new RegExp(`^sent 0 objects, .*\n${count} objects there already`));
  assert.equal(sent('PutObject'), 0);
  assert.equal(sent('HeadObject'), 0, 'what is there is known from list pages');

  const exported = await run((terminal) => exportTo('s3://samples-in/set', join(folder, 'out'), EXPORT, terminal));
  assert.equal(exported.exitCode, EXIT.ok, exported.stderr);
  assert.deepEqual(contentsOf(join(folder, 'out')), contentsOf(SAMPLES));
  const twice = await run((terminal) => exportTo('s3://samples-in/set', join(folder, 'out'), EXPORT, terminal));
  assert.match(twice.stdout, new RegExp(`^fetched 0 objects, .*\n${count} objects there already`));
});

test('only what is missing or different is sent, also when the size is the same', async () => {
  write('in/same', 'same');
  write('in/changed', 'old!');
  write('in/longer', 'short');
  await run((terminal) => importPath(join(folder, 'in'), 's3://partial', IMPORT, terminal));
  write('in/changed', 'new!');
  write('in/longer', 'not short');
  write('in/a/new', 'new');
  const outcome = await run((terminal) =>
    importPath(join(folder, 'in'), 's3://partial', { ...IMPORT, json: true }, terminal),
  );
  const { moved, same, failed, skipped } = JSON.parse(outcome.stdout) as Record<string, unknown>;
  assert.deepEqual({ moved, same, failed, skipped }, { moved: 3, same: 1, failed: 0, skipped: 0 });
  const read = await run((terminal) => getObject('s3://partial/changed', '-', {}, terminal));
  assert.equal(read.stdout, 'new!');
  const sizeOnly = await run((terminal) =>
    importPath(join(folder, 'in'), 's3://partial', { ...IMPORT, sizeOnly: true }, terminal),
  );
  assert.match(sizeOnly.stdout, /4 objects there already/);
});

test('links are left out and counted, and followed when asked', async () => {
  write('in/file', 'x');
  write('outside/target', 'y');
  symlinkSync(join(folder, 'outside'), join(folder, 'in/folder-link'));
  symlinkSync(join(folder, 'in'), join(folder, 'in/loop'));
  const plain = await run((terminal) => importPath(join(folder, 'in'), 's3://links', IMPORT, terminal));
  assert.match(plain.stdout, /^sent 1 object, .*\n2 left out: links/);
  const followed = await run((terminal) =>
    importPath(join(folder, 'in'), 's3://links', { ...IMPORT, followLinks: true }, terminal),
  );
  assert.equal(followed.exitCode, EXIT.failed);
  assert.match(
    followed.stdout,
    /^sent 1 object, .*\n1 object there already.*\n1 failure:\n {2}.*loop: the link leads to a folder that it lies in/,
  );
});

test('one bad file does not stop the others', async () => {
  write('in/good', 'x');
  write(
    `in/${'d'.repeat(200)}/${'e'.repeat(200)}/${'f'.repeat(200)}/${'g'.repeat(200)}/${'h'.repeat(200)}/${'i'.repeat(200)}`,
    'y',
  );
  const outcome = await run((terminal) => importPath(join(folder, 'in'), 's3://one-bad', IMPORT, terminal));
  assert.equal(outcome.exitCode, EXIT.failed);
  assert.match(
    outcome.stdout,
    /^sent 1 object, .*\n1 failure:\n.*the key would have 1205 bytes; at most 1024 are allowed\n/,
  );
});

async function writeTar(
  path: string,
  members: readonly [name: string, content: Buffer | 'link'][],
  gzip: boolean,
): Promise<string> {
  const archive = pack();
  for (const [name, content] of members) {
    if (content === 'link') archive.entry({ name, type: 'symlink', linkname: '/etc/passwd' });
    else archive.entry({ name }, content);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of gzip ? archive.pipe(createGzip()) : archive) chunks.push(chunk as Buffer);
  return write(path, Buffer.concat(chunks));
}

test('a tar becomes objects, and again only what differs', async () => {
  const large = Buffer.alloc(17 * MiB, 'large member ');
  const members: [string, Buffer | 'link'][] = [
    ['./z/last.txt', Buffer.from('z')],
    ['./large.bin', large],
    ['a/first.txt', Buffer.from('a')],
    ['link', 'link'],
    ['../evil', Buffer.from('evil')],
    ['empty', Buffer.alloc(0)],
  ];
  const path = await writeTar('set.tar.gz', members, true);
  const first = await run((terminal) => importPath(path, 's3://tarred', IMPORT, terminal));
  assert.equal(first.exitCode, EXIT.ok, first.stdout + first.stderr);
  assert.match(first.stdout, /^sent 4 objects, 17\.0 MiB.*\n2 left out/);
  large[16 * MiB] = 0;
  members[5] = ['empty', Buffer.from('no longer')];
  const changed = await writeTar('set.tar', members, false);
  const second = await run((terminal) => importPath(changed, 's3://tarred', IMPORT, terminal));
  assert.match(second.stdout, /^sent 2 objects, .*\n2 objects there already/);
  await run((terminal) => exportTo('s3://tarred', join(folder, 'out'), EXPORT, terminal));
  assert.deepEqual([...contentsOf(join(folder, 'out')).keys()].sort(), [
    'a/first.txt',
    'empty',
    'large.bin',
    'z/last.txt',
  ]);
  assert.ok(readFileSync(join(folder, 'out/large.bin')).equals(large));
});

test('a tar that is cut says so after what could be saved', async () => {
  const path = await writeTar(
    'set.tar',
    [
      ['one', Buffer.from('1')],
      ['two', Buffer.alloc(5000)],
    ],
    false,
  );
  writeFileSync(path, readFileSync(path).subarray(0, 3000));
  const outcome = await run((terminal) => importPath(path, 's3://cut', IMPORT, terminal));
  assert.equal(outcome.exitCode, EXIT.failed);
  assert.match(outcome.stdout, /^sent 1 object/);
  assert.match(
    outcome.stderr,
    /set\.tar is damaged or cut \(.*\)\. What came before is imported; get the file again\.\n$/,
  );
  assert.doesNotMatch(outcome.stderr, /bug/);
});

test('keys that would leave the folder are refused, counted, and nothing is written outside', async () => {
  const client = openClient({}, 2, { env: gateway.env, signal: new AbortController().signal } as Parameters<
    typeof openClient
  >[2]);
  await client.createBucket('hostile');
  for (const key of ['../escaped', 'a/../../escaped', '/absolute', 'a//b', 'ok/../..', 'folder/', 'ok/file']) {
    await client.put('hostile', key, Buffer.from(key), { contentType: 'text/plain' });
  }
  client.close();
  const target = join(folder, 'deep/out');
  const outcome = await run((terminal) => exportTo('s3://hostile', target, EXPORT, terminal));
  assert.equal(outcome.exitCode, EXIT.failed);
  assert.match(outcome.stdout, /^fetched 1 object, .*\n1 left out: keys that end in "\/"\n5 failures:\n/);
  assert.deepEqual([...contentsOf(folder).keys()], ['deep/out/ok/file']);
});

test('a prefix of export is a folder, not text', async () => {
  for (const key of ['ct/1', 'ct2/1', 'ct'])
    await run((terminal) => putObject(write('f', key), `s3://samples-in/p/${key}`, {}, terminal));
  await run((terminal) => exportTo('s3://samples-in/p/ct', join(folder, 'out'), EXPORT, terminal));
  assert.deepEqual([...contentsOf(join(folder, 'out')).keys()].sort(), ['1', 'ct']);
});

test('put and get stream through standard input and output', async () => {
  const content = Buffer.from('through a pipe\0\xff', 'latin1');
  const put = await run((terminal) => putObject('-', 's3://samples-in/piped', { contentType: 'x/y' }, terminal), {
    stdin: content,
  });
  assert.equal(put.exitCode, EXIT.ok, put.stderr);
  const path = join(folder, 'piped');
  assert.equal((await run((terminal) => getObject('s3://samples-in/piped', path, {}, terminal))).exitCode, EXIT.ok);
  assert.ok(readFileSync(path).equals(content));
  assert.equal(
    (await run((terminal) => getObject('s3://samples-in/piped', '-', { range: '8-8' }, terminal))).stdout,
    'a',
  );
  const facts = JSON.parse(
    (await run((terminal) => statObject('s3://samples-in/piped', { json: true }, terminal))).stdout,
  ) as Record<string, unknown>;
  assert.equal(facts.size, content.length);
  assert.equal(facts['content-type'], 'x/y');
  assert.ok(!('class' in facts) && !('stored-bytes' in facts), 'storage in memory knows of no classes');
  assert.equal(facts.etag, createHash('md5').update(content).digest('hex'));
});

test('a large object travels in parts with a checksum of the whole', async () => {
  const content = Buffer.alloc(65 * MiB, 'a large image ');
  const path = write('large', content);
  assert.equal((await run((terminal) => putObject(path, 's3://samples-in/large', {}, terminal))).exitCode, EXIT.ok);
  assert.equal(sent('UploadPart'), 5);
  const back = join(folder, 'back');
  assert.equal((await run((terminal) => getObject('s3://samples-in/large', back, {}, terminal))).exitCode, EXIT.ok);
  assert.ok(readFileSync(back).equals(content));
  const facts = JSON.parse(
    (await run((terminal) => statObject('s3://samples-in/large', { json: true }, terminal))).stdout,
  ) as Record<string, unknown>;
  assert.match(String(facts.crc32), /^[A-Za-z0-9+/]{6}==$/);
  await run((terminal) => remove('s3://samples-in/large', {}, terminal));
});

test('ls shows folders and objects, everything, or JSON lines', async () => {
  await run((terminal) => importPath(SAMPLES, 's3://listed', IMPORT, terminal));
  const flat = await run((terminal) => list('s3://listed', {}, terminal));
  assert.match(flat.stdout, /PREFIX {2}blood\/\n/);
  assert.match(flat.stdout, /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ KiB {2}manifest\.tsv\n/);
  const all = await run((terminal) => list('s3://listed', { recursive: true, json: true, summary: true }, terminal));
  const lines = all.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(lines.length, contentsOf(SAMPLES).size + 1);
  assert.equal(lines.at(-1)?.objects, contentsOf(SAMPLES).size);
  assert.match((await run((terminal) => list(undefined, {}, terminal))).stdout, / {2}s3:\/\/listed\n/);
});

test('rm -r removes what is below a prefix, over more than one page, and nothing else', async () => {
  for (let i = 0; i < 1100; i += 1) write(`in/many/${i}`, '');
  write('in/kept', 'x');
  await run((terminal) => importPath(join(folder, 'in'), 's3://thousands', IMPORT, terminal));
  const dry = await run((terminal) => remove('s3://thousands/many/', { recursive: true, dryRun: true }, terminal));
  assert.equal(dry.stdout.trimEnd().split('\n').length, 1100);
  const done = await run((terminal) => remove('s3://thousands/many/', { recursive: true }, terminal));
  assert.match(done.stderr, /deleted 1,100 objects/);
  assert.equal(
    (await run((terminal) => list('s3://thousands', { recursive: true, json: true }, terminal))).stdout
      .trimEnd()
      .split('\n').length,
    1,
  );
  const whole = await run((terminal) => remove('s3://thousands', {}, terminal));
  assert.equal(whole.exitCode, EXIT.usage);
  assert.match(whole.stderr, /names a bucket\. Use `penstock rm -r s3:\/\/thousands`/);
});

test('buckets are made once, opened to others, and deleted when empty', async () => {
  assert.match((await run((terminal) => createBucket('mine', {}, terminal))).stderr, /made bucket mine/);
  assert.match(
    (await run((terminal) => createBucket('s3://mine', {}, terminal))).stderr,
    /bucket mine is there already/,
  );
  assert.equal((await run((terminal) => setAcl('mine', 'public-read', {}, terminal))).exitCode, EXIT.ok);
  assert.equal((await fetch(`${gateway.endpoint}/mine`)).status, 200);
  await run((terminal) => putObject(write('f', 'x'), 's3://mine/f', {}, terminal));
  const full = await run((terminal) => removeBucket('mine', {}, terminal));
  assert.equal(full.exitCode, EXIT.failed);
  assert.match(full.stderr, /BucketNotEmpty/);
  await run((terminal) => remove('s3://mine/f', {}, terminal));
  assert.equal((await run((terminal) => removeBucket('mine', {}, terminal))).exitCode, EXIT.ok);
});

test('what does not exist is exit code 1 and a message, never a stack', async () => {
  for (const verb of [
    (terminal: Parameters<typeof statObject>[2]) => statObject('s3://samples-in/absent', {}, terminal),
    (terminal: Parameters<typeof statObject>[2]) => getObject('s3://samples-in/absent', '-', {}, terminal),
    (terminal: Parameters<typeof statObject>[2]) => list('s3://absent-bucket', {}, terminal),
  ]) {
    const outcome = await run(verb);
    assert.equal(outcome.exitCode, EXIT.failed);
    assert.match(outcome.stderr, /^penstock: .*does not exist/);
    assert.doesNotMatch(outcome.stderr, /\n {4}at /);
  }
  const noCreate = await run((terminal) =>
    importPath(SAMPLES, 's3://absent-bucket', { ...IMPORT, create: false }, terminal),
  );
  assert.equal(noCreate.exitCode, EXIT.usage);
  assert.match(noCreate.stderr, /penstock bucket create absent-bucket/);
});

test('a wrong key and an absent gateway are exit code 3 and say what to do', async () => {
  const wrong = await runVerbHere((terminal) => list(undefined, {}, terminal), {
    ...gateway.env,
    PENSTOCK_SECRET_KEY: 'not-the-secret',
  });
  assert.equal(wrong.exitCode, EXIT.unreachable);
  assert.match(wrong.stderr, /SignatureDoesNotMatch: .*Check PENSTOCK_SECRET_KEY/);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  const absent = await runVerbHere((terminal) => list(undefined, {}, terminal), {
    ...gateway.env,
    PENSTOCK_ENDPOINT: `http://127.0.0.1:${port}`,
  });
  assert.equal(absent.exitCode, EXIT.unreachable);
  assert.match(
    absent.stderr,
    /No gateway answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)\. Start one with `penstock serve`/,
  );
  const keyless = await runVerbHere((terminal) => list(undefined, { dir: folder }, terminal), {});
  assert.equal(keyless.exitCode, EXIT.unreachable);
  assert.match(
    keyless.stderr,
    /No key to sign with: .*keys\.json does not exist\. Set both variables, or name the folder/,
  );
});

test('Ctrl-C ends an import with its summary and exit code 130, and the next run goes on', async () => {
  for (let i = 0; i < 50; i += 1) write(`in/${i}`, String(i));
  const controller = new AbortController();
  const watch = setInterval(() => {
    if (sent('PutObject') >= 10) controller.abort(new Error('interrupted'));
  }, 1);
  const outcome = await run(
    (terminal) => importPath(join(folder, 'in'), 's3://interrupted', { ...IMPORT, jobs: 1 }, terminal),
    { signal: controller.signal },
  );
  clearInterval(watch);
  assert.equal(outcome.exitCode, EXIT.interrupted);
  assert.match(outcome.stdout, /Interrupted\. Run the same command again to go on/);
  const rest = await run((terminal) =>
    importPath(join(folder, 'in'), 's3://interrupted', { ...IMPORT, json: true }, terminal),
  );
  const { moved, same } = JSON.parse(rest.stdout) as { moved: number; same: number };
  assert.equal(moved + same, 50);
  assert.ok(same >= 10 && moved > 0, `${same} were there, ${moved} were sent`);
});

test('an export that fails leaves no half file behind', async () => {
  await run((terminal) => putObject(write('f', Buffer.alloc(MiB)), 's3://samples-in/half', {}, terminal));
  // A gateway that promises the object and sends other bytes of the same length.
  const liar = createServer((_request, response) => {
    response
      .writeHead(200, { 'content-length': '4', etag: `"${createHash('md5').update('true').digest('hex')}"` })
      .end('lies');
  }).listen(0, '127.0.0.1');
  await once(liar, 'listening');
  const env = { ...gateway.env, PENSTOCK_ENDPOINT: `http://127.0.0.1:${(liar.address() as AddressInfo).port}` };
  const outcome = await runVerbHere(
    (terminal) => getObject('s3://samples-in/half', join(folder, 'out'), {}, terminal),
    env,
  );
  liar.close();
  assert.equal(outcome.exitCode, EXIT.failed);
  assert.match(outcome.stderr, /samples-in\/half arrived damaged: its MD5 is/);
  assert.equal(existsSync(join(folder, 'out')), false);
  assert.deepEqual(readdirSync(folder), ['f']);
});
