/**
 * `penstock demo`: the whole of Penstock in half a minute. A gateway in a temporary folder, the sample images through the same
 * code as `penstock import`, and then what a training loop does: every image once an epoch, each epoch in a new order, over
 * many connections, every byte compared by SHA-256. What is measured is said; what is made is deleted.
 */
import { createHash, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { startDemoGateway } from './demo-gateway.ts';
import { CliError, EXIT, EXIT_HELP, type ExitCode } from './exit.ts';
import { formatBytes, formatCount, formatDuration, plural } from './figures.ts';
import { importPath } from './import.ts';
import { openClient } from './open-client.ts';
import { parseEpochs, parseJobs } from './options.ts';
import { cpuSecondsOf } from './process-cpu.ts';
import type { S3Client } from './s3-client.ts';
import { fetchStatus } from './status.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';

export interface DemoOptions {
  readonly epochs: number;
  readonly connections: number;
}

const BUCKET = 'demo-images';
const SAMPLES = new URL('../../samples/', import.meta.url);

const EXAMPLES = `
Examples:
  penstock demo
  penstock demo --epochs 1000 --connections 16
${EXIT_HELP}`;

export function register(program: Command): void {
  program
    .command('demo')
    .summary('see it work on sample images')
    .description(
      'Start a gateway in a temporary folder, import the sample images, read them like a training loop, clean up.',
    )
    .option('--epochs <N>', 'times that every image is read', parseEpochs, 100)
    .option('--connections <N>', 'connections that read at once', parseJobs, 64)
    .addHelpText('after', EXAMPLES)
    .action(async (options: DemoOptions) => {
      await runVerb((terminal) => demo(options, process.argv[1] ?? '', terminal));
    });
}

interface Sample {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The rows of samples/manifest.tsv. Pure. */
export function parseManifest(text: string): Sample[] {
  const rows = text.trimEnd().split('\n').slice(1);
  return rows.map((row) => {
    const [path = '', bytes = '', sha256 = ''] = row.split('\t');
    return { path, bytes: Number(bytes), sha256 };
  });
}

/** A new order of 0 to count - 1 (Fisher and Yates). */
export function shuffled(count: number, random: (below: number) => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = random(i + 1);
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return order;
}

/** The value below which a share of sorted values lies. Pure. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export async function demo(options: DemoOptions, entry: string, terminal: Terminal): Promise<ExitCode> {
  const say = (text: string): Promise<void> => printLine(terminal.stdout, text);
  const samples = parseManifest(readFileSync(new URL('manifest.tsv', SAMPLES), 'utf8'));
  await say(`Penstock demo: ${plural(samples.length, 'real image')} through a gateway of their own.\n`);
  const gateway = await startDemoGateway(entry, terminal.signal);
  try {
    await say(`1. penstock serve ${gateway.data}\n   ready at ${gateway.s3}\n`);
    const connection = { endpoint: gateway.s3, dir: gateway.data };
    const here: Terminal = { ...terminal, env: {} };
    await say(`2. penstock import samples s3://${BUCKET}`);
    const imported = await importPath(
      fileURLToPath(SAMPLES),
      `s3://${BUCKET}`,
      { ...connection, jobs: 32, create: true },
      here,
    );
    if (imported !== EXIT.ok) return imported;
    await say(
      `\n3. ${plural(options.epochs, 'epoch')} in new orders over ${plural(options.connections, 'connection')}, every image compared by SHA-256`,
    );
    const client = openClient(connection, options.connections, here);
    try {
      await readEpochs(client, new URL(gateway.admin), samples, options, here);
    } finally {
      client.close();
    }
  } finally {
    await gateway.stop();
  }
  await say(
    `\n4. The gateway has stopped and ${gateway.data} is deleted. Yours: \`npm start\`, then \`penstock import FOLDER s3://BUCKET\`.`,
  );
  return EXIT.ok;
}

interface Tally {
  readonly latenciesMs: number[];
  bytes: number;
}

async function readEpochs(
  client: S3Client,
  admin: URL,
  samples: readonly Sample[],
  options: DemoOptions,
  terminal: Terminal,
): Promise<void> {
  const status = await fetchStatus(admin, terminal.signal);
  const pids = [status.pid, status.keeper.pid, ...status.workers.map((worker) => worker.pid)];
  const tally: Tally = { latenciesMs: [], bytes: 0 };
  const cpuBefore = cpuSecondsOf(pids);
  const ownBefore = process.cpuUsage();
  const startMs = performance.now();
  for (let epoch = 0; epoch < options.epochs; epoch += 1) {
    await readEpoch(client, samples, options.connections, tally);
  }
  const elapsedMs = performance.now() - startMs;
  const cpuAfter = cpuSecondsOf(pids);
  const own = process.cpuUsage(ownBefore);
  for (const line of resultLines(tally, elapsedMs)) await printLine(terminal.stdout, `   ${line}`);
  if (cpuBefore === undefined || cpuAfter === undefined) return;
  const objects = tally.latenciesMs.length;
  const micros = ((cpuAfter - cpuBefore) * 1e6) / objects;
  const ownMicros = (own.user + own.system) / objects;
  await printLine(
    terminal.stdout,
    `   CPU an object: ${formatCount(micros)} µs in the gateway (all its processes), ${formatCount(ownMicros)} µs in this reader`,
  );
}

/** Every image once, in a new order, `width` at once. @throws CliError when one is not what was put */
async function readEpoch(client: S3Client, samples: readonly Sample[], width: number, tally: Tally): Promise<void> {
  const order = shuffled(samples.length, (below) => randomInt(below));
  let next = 0;
  const reader = async (): Promise<void> => {
    for (let at = next++; at < order.length; at = next++) {
      const sample = samples[order[at] ?? 0];
      if (sample === undefined) return;
      const startMs = performance.now();
      const bytes = await client.getBytes(BUCKET, sample.path);
      tally.latenciesMs.push(performance.now() - startMs);
      tally.bytes += bytes.length;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      if (sha256 !== sample.sha256)
        throw new CliError(`${sample.path} came back with another SHA-256: ${sha256}, not ${sample.sha256}.`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, samples.length) }, reader));
}

/** What happened, in numbers. Pure. */
export function resultLines({ latenciesMs, bytes }: Tally, elapsedMs: number): string[] {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const ms = (share: number): string => `${percentile(sorted, share).toFixed(1)} ms`;
  return [
    `${plural(sorted.length, 'object')}, ${formatBytes(bytes)}, in ${formatDuration(elapsedMs)}: all of them as they were put`,
    `${formatCount(sorted.length / seconds)} objects/s, ${formatBytes(bytes / seconds)}/s`,
    `latency: half under ${ms(0.5)}, 99 of 100 under ${ms(0.99)}`,
  ];
}
