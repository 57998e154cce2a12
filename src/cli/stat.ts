/** `penstock stat s3://bucket/key`: what the gateway says about one object, without its bytes. */
import type { Command } from 'commander';
import { CLASS_TITLES, type ContentClassName } from '../format/content.ts';
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
    .description(
      'Show size, ETag, checksum and metadata of one object, what it was found to be, and what it takes. Exit code 1 when it does not exist.',
    )
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

/** Answered on HEAD alone, and only to who asks. */
const ASK_STORAGE = { 'x-penstock-storage-mode': 'ENABLED' };

const CODEC_TITLES: Readonly<Record<string, string>> = {
  raw: 'none, stored as it came',
  zstd: 'zstd, one frame',
  sections: 'in sections: headers and frames apart',
  mixed: 'differs from extent to extent',
};

/** The facts of an object by name, absent ones left out. Pure. */
export function objectFacts(key: string, head: RemoteHead): Record<string, string | number> {
  const facts: Record<string, string | number> = { key, size: head.size, etag: head.etag };
  facts.modified = new Date(head.modifiedMs).toISOString();
  if (head.contentType !== undefined) facts['content-type'] = head.contentType;
  for (const name of SHOWN_HEADERS) addHeader(facts, name, head.header(name));
  for (const name of CHECKSUMS) addHeader(facts, name, head.header(`x-amz-checksum-${name}`));
  addStorage(facts, head);
  addHeader(facts, 'parts', head.header('x-amz-mp-parts-count'));
  for (const name of head.metadataNames) addHeader(facts, name.replace('x-amz-', ''), head.header(name));
  return facts;
}

function addHeader(facts: Record<string, string | number>, name: string, value: string | undefined): void {
  if (value !== undefined) facts[name] = value;
}

/** Nothing where the gateway's storage knows of no classes, or the gateway is of an older release. */
function addStorage(facts: Record<string, string | number>, head: RemoteHead): void {
  addHeader(facts, 'class', head.header('x-penstock-class'));
  const stored = head.header('x-penstock-stored-bytes');
  if (stored !== undefined) facts['stored-bytes'] = Number(stored);
  addHeader(facts, 'codec', head.header('x-penstock-codec'));
}

export async function statObject(text: string, options: StatOptions, terminal: Terminal): Promise<ExitCode> {
  const { bucket, key } = parseObjectAddress(text);
  const head = await withClient(options, terminal, (client) => client.head(bucket, key, ASK_STORAGE));
  if (head === undefined) throw new CliError(`${text} does not exist.`, EXIT.failed);
  const facts = objectFacts(key, head);
  if (options.json === true) {
    await printLine(terminal.stdout, JSON.stringify(facts));
    return EXIT.ok;
  }
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  for (const [name, value] of Object.entries(facts)) {
    await printLine(terminal.stdout, `${name.padEnd(width)}  ${shownFact(name, value, head.size)}`);
  }
  return EXIT.ok;
}

function shownFact(name: string, value: string | number, size: number): string {
  if (name === 'class') return CLASS_TITLES[value as ContentClassName] ?? String(value);
  if (name === 'codec') return CODEC_TITLES[value] ?? String(value);
  if (typeof value !== 'number') return value;
  const ratio = name === 'stored-bytes' && value > 0 ? `, ratio ${(size / value).toFixed(2)}` : '';
  return `${formatCount(value)} (${formatBytes(value)}${ratio})`;
}
