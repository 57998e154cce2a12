import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { nodeVersionFault } from '../../src/base/node-version.ts';
import { type BannerFacts, startBanner } from '../../src/supervisor/banner.ts';
import { prepareFolder } from '../../src/supervisor/folder.ts';
import { boundMemory, quotaCores } from '../../src/supervisor/machine.ts';
import { nextDelayMs } from '../../src/supervisor/slot.ts';
import { folderRefusal, portRefusal, tlsRefusal } from '../../src/supervisor/start-refusal.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-start-'));
after(() => rmSync(folder, { recursive: true }));

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: words of the system`), { code });
}

describe('the first error messages', () => {
  test('an old Node is told which one is needed', () => {
    for (const version of ['18.20.4', '20.18.3', '0.12.0']) {
      assert.equal(
        nodeVersionFault(version),
        `penstock needs Node.js 20.19 or newer; this is ${version}. Install a current LTS release from https://nodejs.org and start again.`,
      );
    }
    for (const version of ['20.19.0', '20.20.2', '22.0.0', '24.21.0'])
      assert.equal(nodeVersionFault(version), undefined);
  });

  test('a port that cannot be opened is named with the flag that changes it', () => {
    const text = (code: string, host = '127.0.0.1') =>
      portRefusal('s3', { host, port: 9000 }, systemError(code)).message;
    assert.equal(
      text('EADDRINUSE'),
      'the s3 address 127.0.0.1:9000 is in use by another process. Stop it (`ss -ltnp` shows which it is), or choose another address with --s3.',
    );
    assert.equal(
      text('EACCES', '::1'),
      'the s3 address [::1]:9000 may not be opened by this user: ports under 1024 are for root. Choose another with --s3.',
    );
    assert.equal(
      text('EADDRNOTAVAIL', '192.0.2.1'),
      'the s3 address 192.0.2.1:9000 is not an address of this machine. Choose one that `ip addr` shows with --s3.',
    );
    assert.equal(text('EOTHER'), 'the s3 address 127.0.0.1:9000 cannot be opened: EOTHER: words of the system.');
  });

  test('a folder that cannot be used is named with what to do', () => {
    assert.equal(
      folderRefusal('/flash', systemError('EACCES')).message,
      'the folder /flash is not writable by this user. Give it to the user that runs Penstock (chown), or name another folder.',
    );
    assert.equal(
      folderRefusal('/flash', systemError('EROFS')).message,
      'the folder /flash is on a read-only file system. Mount it writable, or name another folder.',
    );
    assert.equal(
      folderRefusal('/flash', systemError('ENOSPC')).message,
      'the disk of /flash is full. Make room, or name a folder on another disk.',
    );
  });

  test('a TLS file that cannot be read is named', () => {
    assert.equal(
      tlsRefusal('cert', '/tls.crt', systemError('ENOENT')).message,
      'the TLS cert /tls.crt does not exist. Name a PEM file with --tls-cert.',
    );
  });
});

describe('the folder of a store', () => {
  test('is made with its parents, for its owner alone, and left empty', () => {
    const path = join(folder, 'a/b');
    prepareFolder(path, 1);
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(path), []);
  });

  test('is refused when a file has its name', () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    assert.throws(() => prepareFolder(path, 1), {
      message: `${path} is not a folder. Name a folder, or one that does not exist yet.`,
    });
    assert.throws(() => prepareFolder(join(path, 'below'), 1), /is not a folder/);
  });

  test('is refused when it cannot be written', {
    skip: process.getuid?.() === 0 && 'root may write everywhere',
  }, () => {
    const path = join(folder, 'sealed');
    mkdirSync(path);
    chmodSync(path, 0o500);
    assert.throws(() => prepareFolder(path, 1), /is not writable by this user/);
  });
});

describe('the banner', () => {
  const facts: BannerFacts = {
    version: '1.2.3',
    data: '/flash',
    s3: { host: '0.0.0.0', port: 9000 },
    admin: { host: '::1', port: 9001 },
    grpc: { host: '127.0.0.1', port: 9002 },
    tls: false,
    workers: 2,
    region: 'eu-1',
    startMs: 640,
    accessKeyId: 'AKID',
    newSecretKey: 'SECRET',
    keyFile: '/flash/keys.json',
  };

  test('of the first start shows where the gateway is, the new credential once, and what to try', () => {
    assert.equal(
      startBanner(facts),
      `
  Penstock 1.2.3 is ready (2 workers, 0.6 s)

    S3      http://127.0.0.1:9000   region eu-1
    gRPC    http://127.0.0.1:9002   batches, for training clients
    admin   http://[::1]:9001   /healthz /readyz /metrics /status
    data    /flash

    A root credential was made. This is the only time that it is shown; it is kept in
    /flash/keys.json, readable by this user alone.

    export AWS_ACCESS_KEY_ID=AKID
    export AWS_SECRET_ACCESS_KEY=SECRET

  Try:
    aws --endpoint-url http://127.0.0.1:9000 --region eu-1 s3 mb s3://scans
    aws --endpoint-url http://127.0.0.1:9000 --region eu-1 s3 cp image.png s3://scans/
    curl http://[::1]:9001/status

  Stop with Ctrl-C.

`,
    );
  });

  test('of a later start names the key and where its secret is, never the secret', () => {
    const text = startBanner({ ...facts, newSecretKey: undefined });
    assert.match(text, /access key {3}AKID {3}\(its secret is in \/flash\/keys\.json\)/);
    assert.doesNotMatch(text, /SECRET/);
    assert.match(
      startBanner({ ...facts, newSecretKey: undefined, keyFile: undefined }),
      /AKID {3}\(from PENSTOCK_ACCESS_KEY\)/,
    );
  });

  test('speaks of https with TLS', () => {
    assert.match(startBanner({ ...facts, tls: true }), /S3 {6}https:\/\/127\.0\.0\.1:9000/);
  });
});

test('restarts slow down from 100 ms to 10 s and are quick again after a long life', () => {
  const delays = [undefined, 100, 200, 6400, 10_000].map((previous) => nextDelayMs(previous, 0));
  assert.deepEqual(delays, [100, 200, 400, 10_000, 10_000]);
  assert.equal(nextDelayMs(6400, 60_000), 100);
});

test('the CPU quota of a container bounds the workers, in both versions of cgroups', () => {
  assert.equal(quotaCores('250000 100000\n', undefined, undefined), 3);
  assert.equal(quotaCores('max 100000\n', undefined, undefined), undefined);
  assert.equal(quotaCores(undefined, '50000\n', '100000\n'), 1);
  assert.equal(quotaCores(undefined, '-1\n', '100000\n'), undefined);
  assert.equal(quotaCores(undefined, undefined, undefined), undefined);
});

test('the memory limit of a container bounds the memory, in both versions of cgroups', () => {
  assert.equal(boundMemory(1000, ['max\n', undefined]), 1000);
  assert.equal(boundMemory(1000, [undefined, '9223372036854771712\n']), 1000);
  assert.equal(boundMemory(1000, ['600\n', undefined]), 600);
  assert.equal(boundMemory(1000, [undefined, undefined]), 1000);
});
