/** A gateway over TLS: every front, and a certificate that is renewed without a stop. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import { anyPorts, GatewayProcess } from './gateway-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-tls-'));
const key = join(folder, 'tls.key');
const cert = join(folder, 'tls.crt');
let gateway: GatewayProcess | undefined;
after(async () => {
  gateway?.signal('SIGKILL');
  await gateway?.ended;
  rmSync(folder, { recursive: true });
});

function makeCertificate(): Buffer {
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1';
  execFileSync('openssl', [...args.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return readFileSync(cert);
}

async function ask(url: string, options: RequestOptions): Promise<{ status: number | undefined; fingerprint: string }> {
  const [response] = (await once(get(url, { agent: false, ...options }), 'response')) as [IncomingMessage];
  const { fingerprint256 } = (response.socket as TLSSocket).getPeerCertificate();
  response.resume();
  return { status: response.statusCode, fingerprint: fingerprint256 };
}

function grpcHealth(url: string, ca: Buffer): Promise<Buffer> {
  const client = new Client(new URL(url).host, credentials.createSsl(ca));
  return new Promise<Buffer>((resolve, reject) => {
    const whole = (message: Buffer) => message;
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      whole,
      whole,
      Buffer.alloc(0),
      (error, response?: Buffer) => (response === undefined ? reject(error) : resolve(response)),
    );
  }).finally(() => client.close());
}

test('every front speaks TLS, and SIGHUP takes a renewed certificate', { timeout: 90_000 }, async () => {
  const ca = makeCertificate();
  gateway = new GatewayProcess([
    ...anyPorts(join(folder, 'store')),
    '--tls-key',
    key,
    '--tls-cert',
    cert,
    '--workers',
    '1',
  ]);
  await gateway.ready();
  assert.match(gateway.s3, /^https:/);
  const before = await ask(gateway.s3, { ca });
  assert.equal(before.status, 403);
  assert.equal((await ask(`${gateway.admin}/readyz`, { ca })).status, 200);
  assert.deepEqual(await grpcHealth(gateway.grpc, ca), Buffer.from([0x08, 1]));

  const renewed = makeCertificate();
  gateway.signal('SIGHUP');
  await gateway.untilLogged(/^every process was replaced/);
  const now = await ask(gateway.s3, { ca: renewed });
  assert.notEqual(now.fingerprint, before.fingerprint);
  assert.equal((await ask(gateway.admin, { ca: renewed })).fingerprint, now.fingerprint);
  assert.deepEqual(await grpcHealth(gateway.grpc, renewed), Buffer.from([0x08, 1]));
});

test('a certificate that is not there is named at the start', { timeout: 60_000 }, async () => {
  const none = join(folder, 'none.pem');
  const refused = new GatewayProcess([...anyPorts(join(folder, 'other')), '--tls-key', key, '--tls-cert', none]);
  const { code, stderr } = await refused.ended;
  assert.deepEqual(
    [code, stderr],
    [1, `penstock: the TLS cert ${none} does not exist. Name a PEM file with --tls-cert.\n`],
  );
});
