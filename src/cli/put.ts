/** `penstock put FILE s3://bucket/key`: one file, or standard input, as one object. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { contentTypeOf } from './content-types.ts';
import { EXIT, type ExitCode, usageError } from './exit.ts';
import { formatBytes } from './figures.ts';
import { withClient } from './open-client.ts';
import { formatS3Address, parseS3Address, type S3Address } from './s3-address.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';
import { uploadFile, uploadStream } from './upload.ts';
import { ByteBudget } from './work-queue.ts';

export interface PutOptions extends ConnectionOptions {
  readonly contentType?: string;
}

/** Two parts of a stream in flight and one that fills. */
const MEMORY_BYTES = 192 * 1024 * 1024;

const EXAMPLES = `  penstock put 1.dcm s3://train/ct/1.dcm
  penstock put 1.dcm s3://train/ct/                    as s3://train/ct/1.dcm
  tar c scans | penstock put - s3://train/scans.tar    standard input, of any length
  penstock put notes s3://train/notes --content-type text/plain`;

export function register(program: Command): void {
  const command = program
    .command('put')
    .summary('send one object')
    .description('Send one file, or standard input, as one object.')
    .argument('<FILE>', 'file, or - for standard input')
    .argument('<OBJECT>', 's3://bucket/key; a key that ends in / gets the name of the file')
    .option('--content-type <TYPE>', 'media type (default: by the name of the file)');
  withConnection(command, EXAMPLES).action(async (file: string, object: string, options: PutOptions) => {
    await runVerb((terminal) => putObject(file, object, options, terminal));
  });
}

function keyFor(file: string, text: string, { bucket, key }: S3Address): string {
  if (key !== '' && !key.endsWith('/')) return key;
  if (file === '-') throw usageError(`"${text}" does not name an object; write s3://${bucket}/key for standard input.`);
  return `${key}${basename(file)}`;
}

export async function putObject(
  file: string,
  text: string,
  options: PutOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const address = parseS3Address(text);
  const key = keyFor(file, text, address);
  const size = file === '-' ? undefined : await fileSize(file);
  return withClient(options, terminal, async (client) => {
    const target = { client, bucket: address.bucket, key, contentType: options.contentType ?? contentTypeOf(key) };
    const budget = new ByteBudget(MEMORY_BYTES);
    let sent = 0;
    const onSent = (bytes: number): void => {
      sent += bytes;
    };
    if (size === undefined) await uploadStream(target, terminal.stdin as AsyncIterable<Buffer>, budget, onSent);
    else await uploadFile(target, file, size, budget, onSent);
    await printLine(terminal.stderr, `${formatS3Address(address.bucket, key)}: ${formatBytes(sent)}`);
    return EXIT.ok;
  });
}

async function fileSize(file: string): Promise<number> {
  const what = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw usageError(`${file} cannot be sent: ${error.code === 'ENOENT' ? 'it does not exist' : error.message}.`);
  });
  if (what.isFile()) return what.size;
  throw usageError(`${file} is not a file. For a folder use \`penstock import\`; for a pipe, write - and redirect it.`);
}
