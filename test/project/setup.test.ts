/**
 * The set-up behind `npm start` and `npm test`: it works on a copy of the scripts in a temporary checkout with stand-ins for
 * npm and tsc that count their runs.
 */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const scripts = fileURLToPath(new URL('../../scripts/', import.meta.url));
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const lock = JSON.stringify({ packages: { '': {}, 'node_modules/typescript': { version: '1.0.0', integrity: 'x' } } });
const fakeNpm = `
  const fs = require('node:fs');
  fs.appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n');
  if (fs.existsSync('offline')) process.exit(7);
  fs.cpSync('tsc.js', 'node_modules/typescript/bin/tsc', { recursive: true });`;
const fakeTsc = `
  const fs = require('node:fs');
  fs.appendFileSync('tsc.log', 'tsc\\n');
  if (fs.existsSync('broken')) process.exit(2);
  const out = process.argv[process.argv.indexOf('--outDir') + 1];
  fs.mkdirSync(out);
  fs.copyFileSync('src/main.ts', out + '/main.js');`;

function checkout(): {
  folder: string;
  run: (script: string, ...args: string[]) => SpawnSyncReturns<string>;
} {
  const folder = mkdtempSync(path.join(tmpdir(), 'penstock-setup-'));
  folders.push(folder);
  cpSync(scripts, path.join(folder, 'scripts'), { recursive: true });
  mkdirSync(path.join(folder, 'src'));
  mkdirSync(path.join(folder, 'node_modules'));
  const files = {
    'package.json': '{ "type": "module", "engines": { "node": ">=20.19" } }',
    'package-lock.json': lock,
    'npm/npm-cli.js': fakeNpm,
    'npm/package.json': '{}',
    'tsc.js': fakeTsc,
    'node_modules/typescript/package.json': '{}',
    'src/main.ts': 'console.log(process.argv.slice(2).join(" ")); process.exitCode = 5;',
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  const env = { ...process.env, npm_execpath: path.join(folder, 'npm/npm-cli.js') };
  const run = (script: string, ...args: string[]) =>
    spawnSync(process.execPath, [path.join(folder, 'scripts', script), ...args], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
  return { folder, run };
}

const runsOf = (folder: string, tool: string) => {
  const log = path.join(folder, `${tool}.log`);
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0;
};

test('the first run installs and builds, the second does nothing and says nothing', () => {
  const { folder, run } = checkout();
  const first = run('setup.mjs');
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stderr, /installing dependencies[\s\S]*building dist/);
  const second = run('setup.mjs');
  assert.deepEqual([second.status, second.stdout, second.stderr], [0, '', '']);
  assert.deepEqual([runsOf(folder, 'npm'), runsOf(folder, 'tsc')], [1, 1]);
});

test('a changed source builds again, a changed lock file installs again', () => {
  const { folder, run } = checkout();
  run('setup.mjs');
  appendFileSync(path.join(folder, 'src/main.ts'), '\n// changed\n');
  run('setup.mjs');
  assert.deepEqual([runsOf(folder, 'npm'), runsOf(folder, 'tsc')], [1, 2]);
  writeFileSync(path.join(folder, 'package-lock.json'), lock.replace('1.0.0', '1.0.1'));
  run('setup.mjs');
  assert.deepEqual([runsOf(folder, 'npm'), runsOf(folder, 'tsc')], [2, 2]);
});

test('what somebody installed by hand is not installed again', () => {
  const { folder, run } = checkout();
  writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), lock);
  cpSync(path.join(folder, 'tsc.js'), path.join(folder, 'node_modules/typescript/bin/tsc'));
  assert.equal(run('setup.mjs').status, 0);
  assert.equal(runsOf(folder, 'npm'), 0);
});

test('an old Node is told which one it takes', () => {
  const { folder, run } = checkout();
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module", "engines": { "node": ">=99.7" } }');
  const result = run('setup.mjs');
  assert.equal(result.status, 1);
  assert.match(
    result.stderr,
    /^set-up: Penstock needs Node 99\.7 or newer; this is Node \d+\.\d+\.\d+ \(.*\)\. Install/,
  );
});

test('an installation that fails says so and is tried again next time', () => {
  const { folder, run } = checkout();
  writeFileSync(path.join(folder, 'offline'), '');
  const result = run('setup.mjs');
  assert.equal(result.status, 1);
  assert.match(result.stderr, /npm ci failed; its message is above\. Check the network .* \(exit 7\)/);
  rmSync(path.join(folder, 'offline'));
  assert.equal(run('setup.mjs').status, 0);
});

test('a build that fails leaves the last good one in place', () => {
  const { folder, run } = checkout();
  run('setup.mjs');
  const good = readFileSync(path.join(folder, 'dist/main.js'), 'utf8');
  appendFileSync(path.join(folder, 'src/main.ts'), '\n// changed\n');
  writeFileSync(path.join(folder, 'broken'), '');
  const result = run('setup.mjs');
  assert.equal(result.status, 1);
  assert.match(result.stderr, /the build failed; the errors of tsc are above\. dist\/ is as it was\. \(exit 2\)/);
  assert.equal(readFileSync(path.join(folder, 'dist/main.js'), 'utf8'), good);
});

test('a checkout without the source says that it is incomplete', () => {
  const { folder, run } = checkout();
  rmSync(path.join(folder, 'src'), { recursive: true });
  const result = run('setup.mjs');
  assert.equal(result.status, 1);
  assert.match(result.stderr, /src\/main\.ts is missing, so there is nothing to build/);
});

test('the lock of a set-up that was killed is taken over', () => {
  const { folder, run } = checkout();
  mkdirSync(path.join(folder, '.cache'));
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(path.join(folder, '.cache/setup.lock'), String(dead));
  assert.equal(run('setup.mjs').status, 0);
  assert.equal(existsSync(path.join(folder, '.cache/setup.lock')), false);
});

test('start passes its arguments on and ends with the exit code of the program', () => {
  const { run } = checkout();
  const result = run('start.mjs', 'serve', '--s3', '127.0.0.1:0');
  assert.deepEqual([result.status, result.stdout], [5, 'serve --s3 127.0.0.1:0\n']);
});

test('a test pattern that matches nothing is an error', () => {
  const { folder, run } = checkout();
  mkdirSync(path.join(folder, 'test'));
  writeFileSync(path.join(folder, 'test/one.test.ts'), '');
  const result = run('test.mjs', 'two');
  assert.equal(result.status, 2);
  assert.match(result.stderr, /none of the 1 test files has two in its path/);
});

test('a benchmark that does not exist is answered with those that do', () => {
  const { folder, run } = checkout();
  mkdirSync(path.join(folder, 'bench'));
  writeFileSync(path.join(folder, 'bench/get.ts'), '');
  const result = run('bench.mjs', 'bench', 'nothing');
  assert.equal(result.status, 2);
  assert.match(result.stderr, /there is no bench\/nothing\.ts; give one of: get/);
});
