/** Keys on disk: made once, private, never half written, and in force within a second of a change. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import {
  createCredential,
  ensureRootCredential,
  environmentRoot,
  listCredentials,
  openCredentials,
  ownerIdOf,
  revokeCredential,
} from '../../src/service/credentials.ts';
import { KeyFileError, keyFilePath, parseKeyFile } from '../../src/service/key-file.ts';

let root = '';
let nowMs = 1_000_000;
const clock = { now: () => nowMs };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'penstock-keys-'));
  nowMs = 1_000_000;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function refusal(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof KeyFileError && pattern.test(error.message);
}

test('the first start makes a root key of the documented form, the second finds it', () => {
  const first = ensureRootCredential(root, {}, clock);
  assert.equal(first.created, true);
  assert.match(first.credential.accessKeyId, /^[A-Z0-9]{20}$/);
  assert.equal(first.credential.secretKey.length, 40);
  assert.equal(first.credential.root, true);
  assert.equal(first.credential.displayName, 'root');
  assert.deepEqual(ensureRootCredential(root, {}, clock), { credential: first.credential, created: false });
});

test('the key file is private, and nothing else is left beside it', () => {
  ensureRootCredential(root, {}, clock);
  createCredential(root, 'alice', clock);
  assert.equal(statSync(keyFilePath(root)).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(root), ['keys.json']);
});

test('the environment sets the root key, writes nothing down, and shuts out the root key of the file', () => {
  const ofFile = ensureRootCredential(root, {}, clock).credential;
  const alice = createCredential(root, 'alice', clock);
  const env = { PENSTOCK_ACCESS_KEY: 'operator', PENSTOCK_SECRET_KEY: 'a-long-secret' };
  const before = readFileSync(keyFilePath(root), 'utf8');
  assert.equal(ensureRootCredential(root, env, clock).credential.accessKeyId, 'operator');
  assert.equal(readFileSync(keyFilePath(root), 'utf8'), before);
  const source = openCredentials(root, { clock, env });
  assert.equal(source.find('operator')?.root, true);
  assert.equal(source.find('operator')?.ownerId, ofFile.ownerId);
  assert.equal(source.find(ofFile.accessKeyId), undefined);
  assert.equal(source.find(alice.accessKeyId)?.root, false);
});

test('half a pair or a malformed pair in the environment is refused by name', () => {
  assert.equal(environmentRoot({ PENSTOCK_ACCESS_KEY: '', PENSTOCK_SECRET_KEY: '' }), undefined);
  assert.throws(
    () => environmentRoot({ PENSTOCK_ACCESS_KEY: 'abc' }),
    refusal(/PENSTOCK_SECRET_KEY is not\. Set both/),
  );
  assert.throws(
    () => environmentRoot({ PENSTOCK_SECRET_KEY: 'abcdefgh' }),
    refusal(/PENSTOCK_ACCESS_KEY is not\. Set both/),
  );
  assert.throws(
    () => environmentRoot({ PENSTOCK_ACCESS_KEY: 'a b', PENSTOCK_SECRET_KEY: 'abcdefgh' }),
    refusal(/is "a b"/),
  );
  const secret = 'secret with spaces';
  const env = { PENSTOCK_ACCESS_KEY: 'abc', PENSTOCK_SECRET_KEY: secret };
  assert.throws(
    () => environmentRoot(env),
    (error) => refusal(/PENSTOCK_SECRET_KEY has 18 characters/)(error) && !String(error).includes(secret),
  );
});

test('keys of one owner name share a stable canonical id', () => {
  const first = createCredential(root, 'alice', clock);
  const second = createCredential(root, 'alice', clock);
  const other = createCredential(root, 'bob', clock);
  assert.equal(first.ownerId, second.ownerId);
  assert.notEqual(first.ownerId, other.ownerId);
  assert.equal(ownerIdOf('root'), 'c1880734519626732bc5cd18729703c55d6338c71f9b13918bc811664a644e29');
});

test('a key that is created or revoked while serving counts after one second', () => {
  const source = openCredentials(root, { clock, env: {} });
  const alice = createCredential(root, 'alice', clock);
  nowMs += 1000;
  assert.equal(source.find(alice.accessKeyId)?.displayName, 'alice');
  revokeCredential(root, alice.accessKeyId);
  assert.ok(source.find(alice.accessKeyId), 'within the second the known key costs no look at the disk');
  nowMs += 1000;
  assert.equal(source.find(alice.accessKeyId), undefined);
});

test('an unknown key id is looked for at once, but at most ten times a second', () => {
  const source = openCredentials(root, { clock, env: {} });
  const alice = createCredential(root, 'alice', clock);
  nowMs += 99;
  assert.equal(source.find(alice.accessKeyId), undefined);
  nowMs += 1;
  assert.ok(source.find(alice.accessKeyId));
});

test('a clock that is set back does not stop the checks', () => {
  const source = openCredentials(root, { clock, env: {} });
  const alice = createCredential(root, 'alice', clock);
  nowMs -= 3_600_000;
  assert.ok(source.find(alice.accessKeyId));
});

test('a file that is damaged or removed while serving is reported once and the last keys stay in force', () => {
  const alice = createCredential(root, 'alice', clock);
  const errors: unknown[] = [];
  const source = openCredentials(root, { clock, env: {}, onError: (error) => errors.push(error) });
  writeFileSync(keyFilePath(root), '{"version":1,"ke');
  nowMs += 1000;
  assert.ok(source.find(alice.accessKeyId));
  nowMs += 1000;
  assert.ok(source.find(alice.accessKeyId));
  assert.equal(errors.length, 1);
  rmSync(keyFilePath(root));
  nowMs += 1000;
  assert.ok(source.find(alice.accessKeyId));
  assert.equal(errors.length, 2);
});

test('the only root key cannot be revoked, the former one can', () => {
  const first = ensureRootCredential(root, {}, clock).credential;
  assert.throws(() => revokeCredential(root, first.accessKeyId), refusal(/only root key.*penstock key create root/));
  nowMs += 1;
  const second = createCredential(root, 'root', clock);
  assert.equal(revokeCredential(root, first.accessKeyId).accessKeyId, first.accessKeyId);
  assert.deepEqual(listCredentials(root), [second]);
});

test('refusals of create and revoke say what to do', () => {
  const pair = { accessKeyId: 'MINE', secretKey: 'long-enough-secret' };
  createCredential(root, 'alice', clock, pair);
  assert.throws(() => createCredential(root, 'bob', clock, pair), refusal(/MINE exists already\. Revoke it first/));
  assert.throws(() => createCredential(root, '-bob', clock), refusal(/"-bob" is not valid: use 1 to 64/));
  assert.throws(() => revokeCredential(root, 'NOBODY'), refusal(/has the id "NOBODY"\. See `penstock key list`/));
  const absent = join(root, 'absent');
  assert.throws(
    () => createCredential(absent, 'bob', clock),
    refusal(/cannot be changed \(ENOENT\)\. Start the gateway on that folder first/),
  );
});

test('a damaged file is refused with advice and without its secrets', () => {
  const alice = createCredential(root, 'alice', clock);
  const whole = readFileSync(keyFilePath(root), 'utf8');
  const cut = whole.indexOf(alice.secretKey) + 20;
  for (const text of [
    '',
    '[]',
    'null',
    '{}',
    whole.slice(0, cut),
    whole.replace(alice.accessKeyId, '?'),
    whole.replace('"alice"', '7'),
  ]) {
    writeFileSync(keyFilePath(root), text);
    assert.throws(
      () => openCredentials(root, { clock, env: {} }),
      (error) =>
        refusal(/keys\.json is damaged: .*Restore it from a backup/)(error) &&
        !inspectAll(error).includes(alice.secretKey.slice(0, 20)),
      text,
    );
  }
  assert.throws(
    () => parseKeyFile('keys.json', '{"version":2,"keys":[]}'),
    refusal(/has version 2; this Penstock reads version 1/),
  );
});

function inspectAll(error: unknown): string {
  return error instanceof Error ? `${error.message}${error.stack}${inspectAll(error.cause)}` : String(error);
}

test('any text is either a list of keys or a designed refusal', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseKeyFile('keys.json', text);
      } catch (error) {
        assert.ok(error instanceof KeyFileError, String(error));
      }
    }),
  );
});

test('many processes that create keys at once lose none', () => {
  mkdirSync(root, { recursive: true });
  const script = `
    import { spawn } from 'node:child_process';
    const child = (owner) => new Promise((resolve) => spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e',
      'const { createCredential } = await import(process.argv[1]); for (let i = 0; i < 5; i++) createCredential(process.argv[2], process.argv[3], { now: () => 1 });',
      ${JSON.stringify(new URL('../../src/service/credentials.ts', import.meta.url).href)}, ${JSON.stringify(root)}, owner], { stdio: 'inherit' }).on('exit', resolve));
    const codes = await Promise.all(['a', 'b', 'c'].map(child));
    process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
  `;
  const outcome = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(outcome.status, 0, outcome.stderr);
  assert.equal(listCredentials(root).length, 15);
});

test('a lock whose holder died is taken over', () => {
  const dead = spawnSync(process.execPath, ['-e', '0']).pid;
  writeFileSync(`${keyFilePath(root)}.lock`, String(dead));
  createCredential(root, 'alice', clock);
  writeFileSync(`${keyFilePath(root)}.lock`, '');
  utimesSync(`${keyFilePath(root)}.lock`, 1, 1);
  createCredential(root, 'alice', clock);
  assert.equal(listCredentials(root).length, 2);
});

test('a lock that is held is an error that names the holder', () => {
  writeFileSync(`${keyFilePath(root)}.lock`, String(process.ppid));
  assert.throws(() => createCredential(root, 'alice', clock), refusal(new RegExp(`held by process ${process.ppid}`)));
});
