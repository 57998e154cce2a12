/** What can be checked of the Dockerfile without a container engine: that it agrees with the tree, package.json and the defaults. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string) => readFileSync(path.join(root, name), 'utf8');

/** Instructions in order, comments dropped and continued lines joined. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line.trim())
  .map((line) => ({ name: line.split(/\s+/)[0] ?? '', rest: line.replace(/^\S+\s+/, '') }));
const lastFrom = instructions.map(({ name }) => name).lastIndexOf('FROM');
const finalStage = instructions.slice(lastFrom);
const inFinalStage = (name: string) => finalStage.filter((line) => line.name === name).map((line) => line.rest);

test('every file that is copied exists and is let through by .dockerignore', () => {
  const allowed = read('.dockerignore').split('\n');
  assert.ok(allowed.includes('*'), '.dockerignore is meant to be a list of what is let in');
  for (const { rest } of instructions.filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from='))) {
    for (const source of rest.split(/\s+/).slice(0, -1)) {
      assert.ok(existsSync(path.join(root, source)), `Dockerfile: COPY ${source}: no such file in the tree`);
      assert.ok(allowed.includes(`!${source}`), `Dockerfile: COPY ${source}: .dockerignore keeps it out`);
    }
  }
});

test('what the gateway reads beside dist/ is in the final stage', () => {
  const copied = new Set(inFinalStage('COPY').flatMap((rest) => rest.split(/\s+/).slice(0, -1)));
  for (const entry of readdirSync(path.join(root, 'src'), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = path.relative(root, path.join(entry.parentPath, entry.name));
    const depth = file.split(path.sep).length - 1;
    for (const [, up = '', first = ''] of read(file).matchAll(/new URL\(\s*['`]((?:\.\.\/)+)([\w.-]+)/g)) {
      if (up.length / '../'.length < depth || first === 'dist') continue;
      assert.ok(copied.has(first), `${file} reads ${first}, which the final stage of the Dockerfile does not COPY`);
    }
  }
});

test('the final stage runs as a user without privileges, with run-time packages only', () => {
  assert.deepEqual(inFinalStage('USER'), ['node']);
  const installs = inFinalStage('RUN').filter((line) => line.includes('npm ci'));
  assert.equal(installs.length, 1);
  assert.match(installs[0] ?? '', /npm ci --omit=dev/);
  assert.deepEqual(inFinalStage('VOLUME'), ['/data']);
});

test('both stages use the same pinned major of Node, one that package.json allows', () => {
  const images = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' ')[0] ?? '');
  assert.equal(new Set(images).size, 1, `Dockerfile: stages differ: ${images.join(', ')}`);
  const major = Number(/^node:(\d+)-slim$/.exec(images[0] ?? '')?.[1]);
  const wanted = />=(\d+)/.exec(JSON.parse(read('package.json')).engines.node)?.[1];
  assert.ok(major >= Number(wanted), `Dockerfile: ${images[0]} is older than engines.node (>=${wanted})`);
  assert.equal(major % 2, 0, `Dockerfile: Node ${major} never becomes an LTS release`);
});

test('the exposed ports are those of the command, of the health check and of the defaults in the configuration', () => {
  const [command = '[]'] = inFinalStage('CMD');
  const words: string[] = JSON.parse(command);
  assert.equal(words[0], 'serve');
  const ports = words.flatMap((word) => /^0\.0\.0\.0:(\d+)$/.exec(word)?.[1] ?? []);
  assert.deepEqual(inFinalStage('EXPOSE').join(' ').split(' '), [...ports].sort());
  const adminPort = /^0\.0\.0\.0:(\d+)$/.exec(words[words.indexOf('--admin') + 1] ?? '')?.[1];
  assert.ok(inFinalStage('HEALTHCHECK')[0]?.includes(`http://127.0.0.1:${adminPort}/healthz`));
  const defaults = read('src/config.ts');
  for (const port of ports)
    assert.match(defaults, new RegExp(`\\b${port}\\b`), `src/config.ts: no default port ${port}`);
});
