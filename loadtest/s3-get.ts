/**
 * Loads an S3 endpoint with signed GETs of small objects, with autocannon: `npm run loadtest -- s3-get`. Any S3 endpoint can be
 * the target, so the same load runs against what is used today. Latency is corrected for coordinated omission when a rate is
 * given (`--rate`). Every run is bounded in time; without `--allow-remote` only loopback is loaded.
 */
import { randomBytes } from 'node:crypto';
import { cpus, release } from 'node:os';
import autocannon from 'autocannon';
import { Command } from 'commander';
import { type ConnectionOptions, resolveConnection } from '../src/cli/connection.ts';
import { CliError } from '../src/cli/exit.ts';
import { openClient } from '../src/cli/open-client.ts';
import { targetOf } from '../src/cli/s3-transport.ts';
import { runVerb, type Terminal } from '../src/cli/terminal.ts';
import { signHeaders } from '../src/format/sigv4-sign.ts';

interface Options extends ConnectionOptions {
  readonly objects: string;
  readonly bytes: string;
  readonly connections: string;
  readonly seconds: string;
  readonly rate?: string;
  readonly allowRemote?: boolean;
  readonly json?: boolean;
}

const BUCKET = 'penstock-loadtest';
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const BOUNDS = { objects: 10_000, bytes: 4 * 1024 * 1024, connections: 4096, seconds: 600, rate: 1_000_000 };

function bounded(name: keyof typeof BOUNDS, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= BOUNDS[name]) return value;
  throw new CliError(`--${name} is "${text}"; expected a whole number from 1 to ${BOUNDS[name]}.`, 2);
}

async function run(options: Options, terminal: Terminal): Promise<0 | 1> {
  const objects = bounded('objects', options.objects);
  const bytes = bounded('bytes', options.bytes);
  const connection = resolveConnection(options, terminal.env);
  const { endpoint } = connection;
  if (!LOOPBACK.has(endpoint.hostname) && options.allowRemote !== true) {
    throw new CliError(`${endpoint.origin} is not on this machine; say --allow-remote if it is yours to load.`, 2);
  }
  const keys = await upload(options, terminal, objects, bytes);
  const { accessKeyId, secretKey: secret, region } = connection;
  const requests = keys.map((key) => {
    const path = targetOf({ bucket: BUCKET, key });
    const headers = { host: endpoint.host };
    return {
      path,
      headers: signHeaders(
        { method: 'GET', target: path, headers, payload: EMPTY_SHA256, nowMs: Date.now() },
        { accessKeyId, secret, region },
      ),
    };
  });
  const result = await autocannon({
    url: endpoint.origin,
    connections: bounded('connections', options.connections),
    duration: bounded('seconds', options.seconds),
    requests,
    ...(options.rate === undefined ? {} : { overallRate: bounded('rate', options.rate) }),
  });
  report(result, bytes, options, terminal);
  return result.errors === 0 && result.non2xx === 0 ? 0 : 1;
}

async function upload(options: Options, terminal: Terminal, objects: number, bytes: number): Promise<string[]> {
  const client = openClient(options, 16, terminal);
  await client.createBucket(BUCKET);
  const body = randomBytes(bytes);
  const keys = Array.from({ length: objects }, (_, i) => `get/${bytes}/${i}`);
  const next = keys.values();
  const sendNext = async (): Promise<void> => {
    for (const key of next) await client.put(BUCKET, key, body, { contentType: 'application/octet-stream' });
  };
  await Promise.all(Array.from({ length: 16 }, sendNext));
  return keys;
}

function report(result: autocannon.Result, bytes: number, options: Options, terminal: Terminal): void {
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
  };
  if (options.json === true) {
    terminal.stdout.write(`${JSON.stringify({ machine, command: process.argv.slice(2).join(' '), result })}\n`);
    return;
  }
  const { requests, latency, throughput, errors, non2xx, duration } = result;
  const rows = [
    ['machine', `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}`],
    [
      'load',
      `${result.connections} connections, ${bytes} bytes an object, ${duration} s${options.rate === undefined ? '' : `, ${options.rate} requests/s`}`,
    ],
    ['requests/s', requests.average.toFixed(0)],
    ['MB/s', (throughput.average / 1e6).toFixed(1)],
    ['latency, ms', `p50 ${latency.p50}, p90 ${latency.p90}, p99 ${latency.p99}, max ${latency.max}`],
    ['errors', `${errors} broken, ${non2xx} not 2xx`],
  ];
  for (const [name, value] of rows) terminal.stdout.write(`${(name ?? '').padEnd(12)} ${value}\n`);
}

const program = new Command('s3-get')
  .description('Signed GETs of small objects against an S3 endpoint, with autocannon.')
  .option('--endpoint <URL>', 'S3 endpoint (default: PENSTOCK_ENDPOINT, else http://127.0.0.1:9000)')
  .option('--dir <DIR>', 'folder of a gateway to take the root key from (default: ./data)')
  .option('--objects <N>', 'objects to read in turn', '1000')
  .option('--bytes <N>', 'size of an object', '16384')
  .option('--connections <N>', 'keep-alive connections', '64')
  .option('--seconds <N>', 'length of the run', '10')
  .option('--rate <N>', 'requests a second over all connections; latency then counts from when a request was due')
  .option('--allow-remote', 'load an endpoint that is not on this machine')
  .option('--json', 'print the raw result')
  .action(async (options: Options) => {
    await runVerb((terminal) => run(options, terminal));
  });
await program.parseAsync();
