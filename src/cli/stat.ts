/** `penstock stat s3://bucket/key`: what the gateway says about one object, without its bytes. */
import type { Command } from 'commander';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { formatBytes, formatCount } from './figures.ts';
import { withClient } from './open-client.ts';
import { parseObjectAddress } from './s3-address.ts';
import type { RemoteHead } from './s3-client.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';

export interface StatOptions extends ConnectionOptions {
  readonly json?: boolean;
}

const EXAMPLES = `  penstock stat s3://train/ct/1.dcm
  penstock stat s3://train/ct/1.dcm --json | jq .size
  penstock stat s3://train/ct/1.dcm > /dev/null && echo there`;

export function register(program: Command): void {
  const command = program
    .command('stat')
    .summary('show what is known of an object')
    .description('Show size, ETag, checksum and metadata of one object. Exit code 1 when it does not exist.')
    .argument('<OBJECT>', 's3://bucket/key')
    .option('--json', 'as JSON');
  withConnection(command, EXAMPLES).action(async (object: string, options: StatOptions) => {
    await runVerb((terminal) => statObject(object, options, terminal));
  });
}

const SHOWN_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const;
const CHECKSUMS = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const;

/** The facts of an object by name, absent ones left out. Pure. */
export function objectFacts(key: string, head: RemoteHead): Record<string, string | number> {
  const facts: Record<string, string | number> = { key, size: head.size, etag: head.etag };
  facts.modified = new Date(head.modifiedMs).toISOString();
  if (head.contentType !== undefined) facts['content-type'] = head.contentType;
  for (const name of SHOWN_HEADERS) addHeader(facts, name, head.header(name));
  for (const name of CHECKSUMS) addHeader(facts, name, head.header(`x-amz-checksum-${name}`));
  addHeader(facts, 'parts', head.header('x-amz-mp-parts-count'));
  for (const name of head.metadataNames) addHeader(facts, name.replace('x-amz-', ''), head.header(name));
  return facts;
}

function addHeader(facts: Record<string, string | number>, name: string, value: string | undefined): void {
  if (value !== undefined) facts[name] = value;
}

export async function statObject(text: string, options: StatOptions, terminal: Terminal): Promise<ExitCode> {
  const { bucket, key } = parseObjectAddress(text);
  const head = await withClient(options, terminal, (client) => client.head(bucket, key));
  if (head === undefined) throw new CliError(`${text} does not exist.`, EXIT.failed);
  const facts = objectFacts(key, head);
  if (options.json === true) {
    await printLine(terminal.stdout, JSON.stringify(facts));
    return EXIT.ok;
  }
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  for (const [name, value] of Object.entries(facts)) {
    const shown = name === 'size' ? `${formatCount(head.size)} (${formatBytes(head.size)})` : value;
    await printLine(terminal.stdout, `${name.padEnd(width)}  ${shown}`);
  }
  return EXIT.ok;
}
