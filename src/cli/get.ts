/** `penstock get s3://bucket/key [FILE]`: one object, checked, into a file or to standard output. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { EXIT, type ExitCode, usageError } from './exit.ts';
import { formatBytes } from './figures.ts';
import { withClient } from './open-client.ts';
import { parseObjectAddress, type S3Address } from './s3-address.ts';
import type { ByteRange } from './s3-client.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';
import { writeWhole } from './whole-file.ts';

export interface GetOptions extends ConnectionOptions {
  readonly range?: string;
}

const EXAMPLES = `  penstock get s3://train/ct/1.dcm                     into ./1.dcm
  penstock get s3://train/ct/1.dcm scans/              into scans/1.dcm, when scans is a folder
  penstock get s3://train/labels.json - | jq .         to standard output
  penstock get s3://train/ct/1.dcm - --range 0-131     the first 132 bytes

The bytes are checked against the checksum of the object. A file appears under its name only when it is whole; what goes to
standard output is proven only at its end, so look at the exit code.`;

export function register(program: Command): void {
  const command = program
    .command('get')
    .summary('fetch one object')
    .description('Fetch one object into a file, or to standard output.')
    .argument('<OBJECT>', 's3://bucket/key')
    .argument('[FILE]', 'file, folder, or - for standard output (default: the last part of the key)')
    .option('--range <FIRST-LAST>', 'only these bytes, both ends included; FIRST- for the rest');
  withConnection(command, EXAMPLES).action(async (object: string, file: string | undefined, options: GetOptions) => {
    await runVerb((terminal) => getObject(object, file, options, terminal));
  });
}

/** @throws CliError of usage */
export function parseRange(text: string): ByteRange {
  const [, first, last] = /^(\d{1,15})-(\d{0,15})$/.exec(text) ?? [];
  const range = { first: Number(first), ...(last === undefined || last === '' ? {} : { last: Number(last) }) };
  if (first === undefined || (range.last !== undefined && range.last < range.first)) {
    throw usageError(`--range is "${text}"; write it as FIRST-LAST, such as 0-131, or FIRST- for the rest.`);
  }
  return range;
}

export async function getObject(
  text: string,
  file: string | undefined,
  options: GetOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const address = parseObjectAddress(text);
  const range = options.range === undefined ? undefined : parseRange(options.range);
  return withClient(options, terminal, async (client) => {
    const path = file === '-' ? undefined : await targetPath(address, file);
    const body = await client.get(address.bucket, address.key, range);
    if (path !== undefined) {
      await writeWhole(path, body, () => {});
      await printLine(terminal.stderr, `${path}: ${formatBytes(body.head.size)}`);
      return EXIT.ok;
    }
    for await (const chunk of body.chunks) if (!terminal.stdout.write(chunk)) await once(terminal.stdout, 'drain');
    return EXIT.ok;
  });
}

async function targetPath({ key }: S3Address, file: string | undefined): Promise<string> {
  const name = basename(key);
  if (file === undefined) return nameFor(key, name);
  const what = await stat(file).catch(() => undefined);
  return what?.isDirectory() || file.endsWith('/') ? join(file, nameFor(key, name)) : file;
}

function nameFor(key: string, name: string): string {
  if (name === '' || name === '.' || name === '..' || key.endsWith('/')) {
    throw usageError(`The key "${key}" does not end in a file name; name the file to write.`);
  }
  return name;
}
