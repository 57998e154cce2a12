/**
 * An opening of the index must not fall into a commit: LMDB would lose that commit. Whether it does depends on a few hundred
 * nanoseconds, so the test is of what keeps them apart: an opening waits for a transaction under way, and one who died in
 * a transaction keeps nobody waiting. With PENSTOCK_LONG=1 commits and openings race for a minute.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { IndexDatabase } from '../../src/store/index-database.ts';
import { compileScripts } from './compiled-scripts.ts';
import { IS_LONG } from './fault-scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-openings-'));
const indexPath = join(folder, 'index');
const [script] = compileScripts(join(folder, 'js'), 'gate-script') as [string];
after(() => rmSync(folder, { recursive: true, force: true }));

function run(what: 'open' | 'die', timeout: number) {
  return spawnSync(process.execPath, [script, indexPath, what], { timeout, killSignal: 'SIGKILL', encoding: 'utf8' });
}

test('an opening waits until the transaction under way is committed', async () => {
  const index = IndexDatabase.open(indexPath, 'write');
  index.transaction(() => index.setNumber('n', 1));
  index.transaction(() => {
    const meanwhile = run('open', 3_000);
    assert.equal(meanwhile.stdout, 'opening\n', 'it was killed while it waited');
    assert.equal(meanwhile.signal, 'SIGKILL');
    index.setNumber('n', 2);
  });
  const afterwards = run('open', 30_000);
  assert.equal(afterwards.stdout, 'opening\nsees 2\n', afterwards.stderr);
  await index.close();
});

test('who dies in a transaction keeps nobody waiting', async () => {
  const index = IndexDatabase.open(indexPath, 'write');
  index.transaction(() => index.setNumber('n', 3));
  const dead = run('die', 30_000);
  assert.equal(dead.signal, 'SIGKILL', dead.stderr);
  assert.equal(dead.stdout, 'opening\nsees 3\n');
  index.transaction(() => index.setNumber('n', 4));
  assert.equal(run('open', 30_000).stdout, 'opening\nsees 4\n');
  await index.close();
});

test('commits that race with openings are all there', { skip: !IS_LONG && 'a minute; PENSTOCK_LONG=1' }, async () => {
  const index = IndexDatabase.open(indexPath, 'write');
  const loop = `import(${JSON.stringify(script)}.replace('test/faults/gate-script', 'src/store/index-database')).then(async ({ IndexDatabase }) => {
    for (;;) await IndexDatabase.open(${JSON.stringify(indexPath)}, 'read').close();
  })`;
  const openers = [1, 2].map(() => spawn(process.execPath, ['--eval', loop], { stdio: 'inherit' }));
  const end = performance.now() + 60_000;
  let count = 0;
  index.transaction(() => index.setNumber('n', 0));
  while (performance.now() < end) {
    index.transaction(() => {
      assert.equal(index.number('n'), count);
      index.setNumber('n', ++count);
    });
  }
  for (const opener of openers) opener.kill('SIGKILL');
  await index.close();
});
