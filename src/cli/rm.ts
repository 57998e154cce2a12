/** `penstock rm s3://bucket/key`: one object, or everything below a prefix in batches of a thousand. */
import type { Command } from 'commander';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { CliError, EXIT, type ExitCode, usageError } from './exit.ts';
import { formatCount, plural, printable } from './figures.ts';
import { withClient } from './open-client.ts';
import { formatS3Address, parseS3Address, type S3Address } from './s3-address.ts';
import type { S3Client } from './s3-client.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';

export interface RmOptions extends ConnectionOptions {
  readonly recursive?: boolean;
  readonly dryRun?: boolean;
}

const EXAMPLES = `  penstock rm s3://train/ct/1.dcm
  penstock rm -r s3://train/ct/ --dry-run     print what would be deleted
  penstock rm -r s3://train/ct/               everything below ct/
  penstock rm -r s3://train                   everything in the bucket; the bucket stays (see penstock bucket rm)

A prefix is text, not a folder: rm -r s3://train/ct deletes ct2/ too; write the slash. Deleting an absent object is no error.`;

export function register(program: Command): void {
  const command = program
    .command('rm')
    .summary('delete objects')
    .description('Delete one object, or everything below a prefix.')
    .argument('<OBJECT>', 's3://bucket/key, or a prefix with --recursive')
    .option('-r, --recursive', 'every object below the prefix')
    .option('--dry-run', 'print what would be deleted, and delete nothing');
  withConnection(command, EXAMPLES).action(async (object: string, options: RmOptions) => {
    await runVerb((terminal) => remove(object, options, terminal));
  });
}

export async function remove(text: string, options: RmOptions, terminal: Terminal): Promise<ExitCode> {
  const address = parseS3Address(text);
  if (options.recursive !== true && address.key === '') {
    throw usageError(
      `"${text}" names a bucket. Use \`penstock rm -r ${text}\` for its objects, \`penstock bucket rm\` for the empty bucket.`,
    );
  }
  return withClient(options, terminal, async (client) => {
    if (options.recursive === true) return removeBelow(client, address, options, terminal);
    if (options.dryRun === true) await printLine(terminal.stdout, formatS3Address(address.bucket, address.key));
    else await client.remove(address.bucket, address.key);
    return EXIT.ok;
  });
}

async function removeBelow(
  client: S3Client,
  { bucket, key }: S3Address,
  options: RmOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  let removed = 0;
  let failed = 0;
  for await (const page of client.pages(bucket, key)) {
    if (terminal.signal.aborted)
      throw new CliError(`Interrupted after ${plural(removed, 'object')}.`, EXIT.interrupted);
    const keys = page.objects.map((object) => object.key);
    if (keys.length === 0) continue;
    if (options.dryRun === true) {
      for (const one of keys) await printLine(terminal.stdout, printable(formatS3Address(bucket, one)));
      continue;
    }
    const failures = await client.removeMany(bucket, keys);
    removed += keys.length - failures.length;
    failed += failures.length;
    for (const failure of failures)
      await printLine(terminal.stderr, `${printable(failure.key)}: ${failure.code}: ${failure.message}`);
  }
  if (options.dryRun !== true)
    await printLine(
      terminal.stderr,
      `deleted ${plural(removed, 'object')}${failed > 0 ? `, ${formatCount(failed)} failed` : ''}`,
    );
  return failed > 0 ? EXIT.failed : EXIT.ok;
}
