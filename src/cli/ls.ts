/** `penstock ls [s3://bucket[/prefix]]`: buckets, or what lies below a prefix, page by page as it comes. */
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { formatBytes, formatTime, plural, printable } from './figures.ts';
import { withClient } from './open-client.ts';
import { parseS3Address, type S3Address } from './s3-address.ts';
import type { S3Client } from './s3-client.ts';
import type { RemoteObject } from './sync-plan.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';

export interface LsOptions extends ConnectionOptions {
  readonly recursive?: boolean;
  readonly bytes?: boolean;
  readonly json?: boolean;
  readonly summary?: boolean;
}

const EXAMPLES = `  penstock ls                             the buckets
  penstock ls s3://train/ct/              what lies in ct/: objects, and folders as PREFIX
  penstock ls s3://train -r --summary     every object, and how many bytes they have together
  penstock ls s3://train -r --json        one JSON object a line: key, size, etag, modified

A prefix is text, not a folder: s3://train/ct lists ct/ and ct2/. Sizes are in powers of 1,024 (--bytes for exact ones).`;

export function register(program: Command): void {
  const command = program
    .command('ls')
    .summary('list buckets or objects')
    .description('List buckets, or the objects below a prefix.')
    .argument('[PREFIX]', 's3://, s3://bucket or s3://bucket/prefix')
    .option('-r, --recursive', 'every object below the prefix')
    .option('--bytes', 'sizes in bytes')
    .option('--summary', 'a last line with the count and the sum of the sizes')
    .option('--json', 'one JSON object a line');
  withConnection(command, EXAMPLES).action(async (prefix: string | undefined, options: LsOptions) => {
    await runVerb((terminal) => list(prefix, options, terminal));
  });
}

export async function list(text: string | undefined, options: LsOptions, terminal: Terminal): Promise<ExitCode> {
  const address = text === undefined || text === 's3://' ? undefined : parseS3Address(text);
  await withClient(options, terminal, async (client) => {
    if (address === undefined) await listBuckets(client, options, terminal.stdout);
    else await listObjects(client, address, options, terminal);
  });
  return EXIT.ok;
}

async function listBuckets(client: S3Client, options: LsOptions, out: Writable): Promise<void> {
  for (const { name, createdMs } of await client.buckets()) {
    const json = (): string => JSON.stringify({ bucket: name, created: new Date(createdMs).toISOString() });
    await printLine(out, options.json === true ? json() : `${formatTime(new Date(createdMs))}  s3://${name}`);
  }
}

/** One object as a line. Pure. */
export function objectLine(object: RemoteObject, options: LsOptions): string {
  if (options.json === true) {
    const { key, size, etag, modifiedMs } = object;
    return JSON.stringify({ key, size, etag, modified: new Date(modifiedMs).toISOString() });
  }
  const size = options.bytes === true ? String(object.size).padStart(14) : formatBytes(object.size).padStart(10);
  return `${formatTime(new Date(object.modifiedMs))}  ${size}  ${printable(object.key)}`;
}

function prefixLine(prefix: string, options: LsOptions): string {
  if (options.json === true) return JSON.stringify({ prefix });
  return `${' '.repeat(19)}  ${'PREFIX'.padStart(options.bytes === true ? 14 : 10)}  ${printable(prefix)}`;
}

async function listObjects(
  client: S3Client,
  { bucket, key }: S3Address,
  options: LsOptions,
  terminal: Terminal,
): Promise<void> {
  let count = 0;
  let bytes = 0;
  for await (const page of client.pages(bucket, key, options.recursive === true ? '' : '/')) {
    for (const prefix of page.prefixes) await printLine(terminal.stdout, prefixLine(prefix, options));
    for (const object of page.objects) {
      count += 1;
      bytes += object.size;
      await printLine(terminal.stdout, objectLine(object, options));
    }
    terminal.signal.throwIfAborted();
  }
  if (options.summary !== true) return;
  const text =
    options.json === true
      ? JSON.stringify({ objects: count, bytes })
      : `${plural(count, 'object')}, ${formatBytes(bytes)}`;
  await printLine(terminal.stdout, text);
}
