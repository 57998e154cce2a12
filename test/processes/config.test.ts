import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Config } from '../../src/base/settings.ts';
import type { ServeFlags } from '../../src/cli/serve.ts';
import { ConfigError, loadConfig } from '../../src/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-config-'));
after(() => rmSync(folder, { recursive: true }));

function load(flags: ServeFlags = {}, env: Record<string, string> = {}, file?: unknown): Config {
  if (file === undefined) return loadConfig({ flags, env, cwd: folder, cores: 3 });
  writeFileSync(join(folder, 'c.json'), typeof file === 'string' ? file : JSON.stringify(file));
  return loadConfig({ flags: { config: 'c.json', ...flags }, env, cwd: folder, cores: 3 });
}

function refusal(flags: ServeFlags, env: Record<string, string> = {}, file?: unknown): string {
  try {
    load(flags, env, file);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail('the settings were accepted');
}

describe('settings', () => {
  test('nothing said gives a loopback gateway in ./data with a worker for each core, and is frozen', () => {
    const config = load();
    assert.deepEqual(config, {
      data: join(folder, 'data'),
      s3: { host: '127.0.0.1', port: 9000 },
      admin: { host: '127.0.0.1', port: 9001 },
      grpc: { host: '127.0.0.1', port: 9002 },
      workers: 3,
      region: 'us-east-1',
      domains: [],
      tls: undefined,
      insecure: false,
      accessLog: false,
      logLevel: 'info',
    });
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.s3) && Object.isFrozen(config.domains));
  });

  test('flags win over variables, variables over the file, the file over defaults', () => {
    const file = { workers: 5, region: 'file-1', s3: '127.0.0.1:1', logLevel: 'warn' };
    const env = { PENSTOCK_WORKERS: '6', PENSTOCK_REGION: 'env-1' };
    const config = load({ workers: '7' }, env, file);
    assert.deepEqual([config.workers, config.region, config.s3.port, config.logLevel], [7, 'env-1', 1, 'warn']);
  });

  test('PENSTOCK_CONFIG names the file, and paths in it are relative to the working directory', () => {
    writeFileSync(join(folder, 'd.json'), JSON.stringify({ data: 'flash', tls: { key: 'k.pem', cert: '/c.pem' } }));
    const config = load({}, { PENSTOCK_CONFIG: 'd.json' });
    assert.equal(config.data, join(folder, 'flash'));
    assert.deepEqual(config.tls, { key: join(folder, 'k.pem'), cert: '/c.pem' });
  });

  test('IPv6 addresses are written in brackets', () => {
    assert.deepEqual(load({ s3: '[::1]:0' }).s3, { host: '::1', port: 0 });
  });

  test('the example is valid, holds the defaults, and so is every setting that it leaves commented out', () => {
    const text = readFileSync(new URL('../../config/penstock.example.json', import.meta.url), 'utf8');
    assert.deepEqual(load({}, {}, text), load());
    const settings = JSON.parse(text) as Record<string, unknown>;
    const uncommented = Object.entries(settings).map(([key, value]) => [key.replace(/^\/\/(?=\w)/, ''), value]);
    assert.equal(load({}, {}, Object.fromEntries(uncommented)).workers, 4);
  });
});

describe('a setting that cannot be used is refused with its value, its origin and what to write', () => {
  const cases: readonly [string, () => string, string][] = [
    [
      'a flag',
      () => refusal({ workers: '0' }),
      'config: workers is 0 (from --workers); expected a whole number from 1 to 256.',
    ],
    [
      'a word for a number',
      () => refusal({ workers: 'many' }),
      'config: workers is "many" (from --workers); expected a whole number from 1 to 256.',
    ],
    [
      'a variable',
      () => refusal({}, { PENSTOCK_S3: '9000' }),
      'config: s3 is "9000" (from PENSTOCK_S3); expected HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000.',
    ],
    [
      'a switch',
      () => refusal({}, { PENSTOCK_INSECURE: 'yes' }),
      'config: insecure is "yes" (from PENSTOCK_INSECURE); expected true or false.',
    ],
    [
      'the file',
      () => refusal({}, {}, { region: 'EU' }),
      'config: region is "EU" (in c.json); expected 1 to 64 of a-z, 0-9 and "-", such as us-east-1.',
    ],
    [
      'a name that is none',
      () => refusal({}, {}, { worker: 1 }),
      'config: "worker" (in c.json) is not a setting; expected one of data, s3, admin, grpc, workers, region, domains, tls, insecure, accessLog, logLevel.',
    ],
    [
      'a port',
      () => refusal({ admin: 'localhost:70000' }),
      'config: admin is "localhost:70000" (from --admin); ports go from 0 to 65535 (0 lets the system choose).',
    ],
    [
      'half of TLS',
      () => refusal({ tlsKey: 'k' }),
      'config: tls is {"key":"k"} (from --tls-key and --tls-cert); expected both a key and a cert (--tls-key and --tls-cert), paths of PEM files.',
    ],
    [
      'one port twice',
      () => refusal({ grpc: '127.0.0.1:9000' }),
      'config: s3 and grpc are both 127.0.0.1:9000; give each its own port.',
    ],
    [
      'no file',
      () => refusal({ config: 'none.json' }),
      'config: the file none.json does not exist; name another with --config, or leave it out.',
    ],
    [
      'no object',
      () => refusal({}, {}, '[]'),
      'config: c.json does not hold a JSON object; see config/penstock.example.json.',
    ],
  ];
  for (const [name, message, expected] of cases) test(name, () => assert.equal(message(), expected));

  test('no JSON', () => {
    assert.match(
      refusal({}, {}, '{"s3": }'),
      /^config: c\.json is not valid JSON: .+\. Comments are written as keys that start with "\/\/"\.$/s,
    );
  });
});

describe('an address that other machines can reach', () => {
  test('is refused without TLS, with the reason and the ways out', () => {
    assert.equal(
      refusal({ s3: '0.0.0.0:9000' }),
      'config: s3 is 0.0.0.0:9000, which other machines can reach, and there is no TLS: images and signatures would cross the network in the clear. ' +
        'Give --tls-key and --tls-cert, or bind 127.0.0.1, or say --insecure if something in front of Penstock does TLS.',
    );
    for (const host of ['[::]', '10.0.0.1', 'gateway.example.org', '127.0.0.1.example.org', '1270.0.0.1']) {
      assert.match(refusal({ admin: `${host}:1` }), /other machines can reach/);
    }
  });

  test('is accepted with TLS or --insecure', () => {
    assert.equal(load({ s3: '0.0.0.0:9000', insecure: true }).s3.host, '0.0.0.0');
    assert.equal(load({ s3: '0.0.0.0:9000', tlsKey: 'k', tlsCert: 'c' }).s3.host, '0.0.0.0');
  });

  test('loopback in each of its forms is none', () => {
    for (const host of ['localhost', '127.8.9.10', '[::1]']) assert.ok(load({ s3: `${host}:9000` }));
  });
});
