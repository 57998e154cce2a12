/**
 * Runs the S3 front alone on the memory store, for trials and for suites that speak S3 from outside.
 *
 *     node --import tsx test/s3/serve-memory.ts [PORT] [--tls KEY.pem CERT.pem] [--audit]
 *
 * Two users: `main` (not root) and `alt`; their keys, owner ids and names are printed as JSON on the first line.
 */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/base/clock.ts';
import { createS3Front } from '../../src/fronts/s3/server.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { ALT, credentialsOf, MAIN } from './users.ts';

const args = process.argv.slice(2);
const tlsAt = args.indexOf('--tls');
const tls =
  tlsAt < 0 ? undefined : { key: readFileSync(args[tlsAt + 1] ?? ''), cert: readFileSync(args[tlsAt + 2] ?? '') };
const port = /^\d+$/.test(args[0] ?? '') ? Number(args[0]) : 0;
const log = (facts: Readonly<Record<string, unknown>>, message: string) => console.error(message, facts);

const front = await createS3Front({
  storage: createMemoryStorage(),
  credentials: credentialsOf([MAIN, ALT]),
  clock: systemClock,
  log: { info: log, warn: log, error: log },
  observe: args.includes('--audit') ? (event) => console.log(JSON.stringify(event)) : undefined,
  region: 'us-east-1',
  domains: ['s3.localhost'],
  tls,
});
front.server.listen(port, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (front.server.address() as AddressInfo).port, main: MAIN, alt: ALT }));
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void front.drain(2000).then(() => process.exit(0));
  });
}
