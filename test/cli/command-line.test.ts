/** The command line as a process: help, exit codes, pipes that close, keys while serving, the live status and the demo. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Command, CommanderError } from 'commander';
import { createBucket } from '../../src/cli/bucket.ts';
import { parseManifest, percentile, resultLines, shuffled } from '../../src/cli/demo.ts';
import { addressesIn, startDemoGateway } from '../../src/cli/demo-gateway.ts';
import { createKey, listKeys, revokeKey } from '../../src/cli/key.ts';
import { list } from '../../src/cli/ls.ts';
import { cpuSecondsIn } from '../../src/cli/process-cpu.ts';
import { createProgram } from '../../src/cli/program.ts';
import { putObject } from '../../src/cli/put.ts';
import { showStatus, statusLines } from '../../src/cli/status.ts';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';
import { type Outcome, runVerbHere } from './in-process-gateway.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const NODE = ['--import', 'tsx', MAIN];
const folder = mkdtempSync(join(tmpdir(), 'penstock-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function penstock(words: readonly string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PENSTOCK_')));
  const cwd = fileURLToPath(new URL('../../', import.meta.url)); // where tsx is found
  return spawnSync(process.execPath, [...NODE, ...words], { encoding: 'utf8', env: { ...clean, ...env }, cwd });
}

interface Parsed {
  readonly out: string;
  readonly err: string;
  readonly error: unknown;
}

/** What the program prints for words that start nothing: help and wrong usage. */
async function parse(words: readonly string[]): Promise<Parsed> {
  let out = '';
  let err = '';
  const program = createProgram('0.0.0', () => assert.fail('serve ran'));
  const capture = (command: Command): void => {
    command.configureOutput({
      writeOut: (text) => {
        out += text;
      },
      writeErr: (text) => {
        err += text;
      },
    });
    command.commands.forEach(capture);
  };
  capture(program);
  const error: unknown = await program.parseAsync(words, { from: 'user' }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { out, err, error };
}

test('every verb has help with examples and exit codes', async () => {
  const top = await parse(['--help']);
  for (const verb of [
    'serve',
    'import',
    'export',
    'ls',
    'get',
    'put',
    'rm',
    'stat',
    'bucket',
    'key',
    'status',
    'demo',
  ]) {
    assert.match(top.out, new RegExp(`^  ${verb} .*  \\S`, 'm'));
  }
  const leaves = (command: Command, words: readonly string[]): (readonly string[])[] =>
    command.commands.length === 0
      ? [words]
      : command.commands.flatMap((child) => leaves(child, [...words, child.name()]));
  for (const words of leaves(
    createProgram('0.0.0', () => assert.fail()),
    [],
  )) {
    const { out } = await parse([...words, '--help']);
    assert.match(out, /\nExamples:\n {2}\S/, words.join(' '));
    if (words[0] !== 'serve') assert.match(out, /\nExit codes: 0 done; 1 failed/, words.join(' '));
  }
});

test('wrong usage is thrown with its message, also in verbs of verbs, and never ends the process', async () => {
  for (const words of [
    ['nonsense'],
    ['import'],
    ['bucket', 'nonsense'],
    ['key', 'create'],
    ['ls', '--nonsense'],
    ['bucket', 'acl', 'b', 'nonsense'],
    ['import', 'a', 's3://b', '--jobs', '0'],
  ]) {
    const { err, error } = await parse(words);
    assert.ok(error instanceof CommanderError && error.exitCode !== 0, words.join(' '));
    assert.match(err, /^error: .*\n/, words.join(' '));
  }
});

test('the exit code of wrong usage is 2', () => {
  const { status, stderr } = penstock(['bucket', 'nonsense']);
  assert.equal(status, 2, stderr);
  assert.match(stderr, /^error: unknown command 'nonsense'\n\(--help shows what is possible\)/);
});

test('the demo runs, proves every byte, and leaves nothing behind', () => {
  const TMPDIR = join(folder, 'demo');
  mkdirSync(TMPDIR);
  const { stdout, stderr, status } = penstock(['demo', '--epochs', '3'], { TMPDIR });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /sent 5\d objects/);
  assert.match(stdout, /15\d objects, .*: all of them as they were put/);
  assert.match(stdout, /latency: half under [\d.]+ ms/);
  assert.deepEqual(
    readdirSync(TMPDIR).filter((name) => name.startsWith('penstock')),
    [],
  );
});

test('a gateway that does not start ends the demo with what it printed', async () => {
  const entry = join(folder, 'broken.mjs');
  writeFileSync(entry, 'console.error("the disk is on fire"); process.exitCode = 7;');
  await assert.rejects(
    startDemoGateway(entry, new AbortController().signal),
    /ended with code 7\. It printed:\nthe disk is on fire/,
  );
});

test('help that nobody reads to its end is no error', () => {
  const script = '"$0" "$@" | true; echo $' + '{PIPESTATUS[0]}';
  const piped = spawnSync('bash', ['-c', script, process.execPath, ...NODE, 'doctor', '--help'], { encoding: 'utf8' });
  assert.deepEqual([piped.stdout, piped.stderr], ['0\n', '']);
});

test('against a running gateway: keys follow, status answers, a closed pipe is quiet', async () => {
  const gateway = await startDemoGateway(MAIN, new AbortController().signal);
  try {
    const here = { endpoint: gateway.s3, dir: gateway.data };
    const asRoot = (verb: Parameters<typeof runVerbHere>[0]): Promise<Outcome> => runVerbHere(verb, {});
    assert.equal((await asRoot((terminal) => createBucket('mine', here, terminal))).exitCode, 0);
    const created = await asRoot((terminal) => createKey('alice', { dir: gateway.data, json: true }, terminal));
    const { accessKeyId, secretKey } = JSON.parse(created.stdout) as { accessKeyId: string; secretKey: string };
    const alice = { PENSTOCK_ACCESS_KEY: accessKeyId, PENSTOCK_SECRET_KEY: secretKey, PENSTOCK_ENDPOINT: gateway.s3 };
    const listed = await runVerbHere((terminal) => list(undefined, {}, terminal), alice);
    assert.deepEqual(listed, { exitCode: 0, stdout: '', stderr: '' }, 'alice is known at once and has no bucket');
    const put = await runVerbHere((terminal) => putObject(MAIN, 's3://mine/main.ts', {}, terminal), alice);
    assert.equal(put.exitCode, 3, 'and may not write to those of root');
    assert.equal((await asRoot((terminal) => revokeKey(accessKeyId, { dir: gateway.data }, terminal))).exitCode, 0);
    const keys = await asRoot((terminal) => listKeys({ dir: gateway.data }, terminal));
    assert.match(keys.stdout, /^[A-Z0-9]{20} {2}.* {2}root\n$/);

    const json = await asRoot((terminal) => showStatus({ admin: gateway.admin, json: true }, terminal));
    assert.equal((JSON.parse(json.stdout) as GatewayStatus).ready, true);
    const text = await asRoot((terminal) => showStatus({ admin: gateway.admin }, terminal));
    assert.match(text.stdout, /^Penstock \S+ {2}ready {2}up /);

    const zeros = join(folder, 'zeros');
    writeFileSync(zeros, Buffer.alloc(4 * 1024 * 1024));
    await asRoot((terminal) => putObject(zeros, 's3://mine/zeros', here, terminal));
    const script = '"$0" "$@" | head -c 10 | wc -c; echo $' + '{PIPESTATUS[0]}';
    const words = ['get', 's3://mine/zeros', '-', '--endpoint', gateway.s3, '--dir', gateway.data];
    const piped = spawnSync('bash', ['-c', script, process.execPath, ...NODE, ...words], { encoding: 'utf8' });
    assert.equal(piped.stdout, '10\n0\n', piped.stderr);
    assert.equal(piped.stderr, '');
  } finally {
    await gateway.stop();
  }
  assert.equal(existsSync(gateway.data), false);
});

test('the banner is read when it is whole, and not before', () => {
  assert.equal(addressesIn('  Penstock is ready\n    S3      http://127.0.0.1:4000   region x\n'), undefined);
  const whole = '    S3      http://127.0.0.1:4000   region x\n    admin   http://127.0.0.1:4001   /healthz\n';
  assert.deepEqual(addressesIn(whole), { s3: 'http://127.0.0.1:4000', admin: 'http://127.0.0.1:4001' });
});

test('an epoch is a permutation, and another one for other luck', () => {
  const order = shuffled(100, (below) => below - 1);
  assert.deepEqual(
    [...order],
    Array.from({ length: 100 }, (_, i) => i),
  );
  const other = shuffled(100, () => 0);
  assert.notDeepEqual([...other], [...order]);
  assert.deepEqual(
    [...other].sort((a, b) => a - b),
    [...order],
  );
});

test('the figures of the demo are what was measured', () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i);
  assert.equal(percentile(sorted, 0.5), 50);
  assert.equal(percentile(sorted, 0.99), 99);
  assert.equal(percentile([7], 0.99), 7);
  const [first] = resultLines({ latenciesMs: [3, 1, 2], bytes: 3 * 1024 }, 1000);
  assert.equal(first, '3 objects, 3.00 KiB, in 1.0 s: all of them as they were put');
  assert.deepEqual(parseManifest('path\tbytes\tsha256\nct/1\t5\tabc\n'), [{ path: 'ct/1', bytes: 5, sha256: 'abc' }]);
  assert.equal(cpuSecondsIn(`1 (a (b) c) S ${Array.from({ length: 30 }, (_, i) => i).join(' ')}`), 0.21);
});

test('the status shows totals at first, and rates from the second look on', () => {
  const look: GatewayStatus = {
    version: '0.1.0',
    pid: 10,
    ready: false,
    startedMs: 0,
    uptimeMs: 60_000,
    data: '/data',
    tls: true,
    addresses: { s3: '127.0.0.1:9000', grpc: '127.0.0.1:9002', admin: '127.0.0.1:9001' },
    keeper: { name: 'keeper', pid: 11, state: 'ready', restarts: 0 },
    workers: [{ name: 'worker-1', pid: undefined, state: 'down', restarts: 3 }],
    operations: [{ operation: 'GetObject', requests: 1000, errors: 1, meanMs: 0.5, p99Ms: null }],
    receivedBytes: 0,
    sentBytes: 1024 * 1024,
    figures: { store_live_bytes: 2048, cache_hits_total: 3, cache_misses_total: 1 },
  };
  const text = statusLines(look, undefined).join('\n');
  assert.match(text, /NOT READY {2}up 1 m 00 s/);
  assert.match(text, /keeper 11 ready, worker-1 - down \(restarted 3x\)/);
  assert.match(text, /live 2\.00 KiB, cache hits 75\.0 %/);
  assert.match(text, /sent +1\.00 MiB$/m);
  const later = {
    ...look,
    uptimeMs: 62_000,
    sentBytes: 5 * 1024 * 1024,
    operations: [{ operation: 'GetObject', requests: 3000, errors: 1, meanMs: 0.5, p99Ms: 2 }],
  };
  const rates = statusLines(later, look).join('\n');
  assert.match(rates, /sent +5\.00 MiB {2}2\.00 MiB\/s/);
  assert.match(rates, /GetObject +3,000 +1,000 +1 +0\.50 +<2/);
});
