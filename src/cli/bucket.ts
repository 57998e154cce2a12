/** `penstock bucket create|list|rm|acl`. */
import { Argument, type Command } from 'commander';
import type { CannedAcl } from '../base/bucket-store.ts';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { EXIT, type ExitCode, usageError } from './exit.ts';
import { list } from './ls.ts';
import { withClient } from './open-client.ts';
import { isS3Address, parseS3Address } from './s3-address.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';

const ACLS: readonly CannedAcl[] = ['private', 'public-read', 'public-read-write', 'authenticated-read'];

export function register(program: Command): void {
  const bucket = program
    .command('bucket')
    .summary('make, list and delete buckets')
    .description('Make, list and delete buckets.');
  const create = bucket
    .command('create')
    .description('Make a bucket. No error when it is yours already.')
    .argument('<NAME>');
  withConnection(create, '  penstock bucket create train').action(async (name: string, options: ConnectionOptions) => {
    await runVerb((terminal) => createBucket(name, options, terminal));
  });
  const show = bucket
    .command('list')
    .description('List the buckets that are yours.')
    .option('--json', 'one JSON object a line');
  withConnection(show, '  penstock bucket list').action(async (options: ConnectionOptions & { json?: boolean }) => {
    await runVerb((terminal) => list(undefined, options, terminal));
  });
  const remove = bucket.command('rm').description('Delete an empty bucket.').argument('<NAME>');
  withConnection(remove, '  penstock rm -r s3://old && penstock bucket rm old').action(
    async (name: string, options: ConnectionOptions) => {
      await runVerb((terminal) => removeBucket(name, options, terminal));
    },
  );
  const acl = bucket
    .command('acl')
    .description('Say who besides its owner may use a bucket.')
    .argument('<NAME>')
    .addArgument(new Argument('<ACL>', 'canned ACL').choices(ACLS));
  withConnection(acl, ACL_EXAMPLES).action(async (name: string, value: CannedAcl, options: ConnectionOptions) => {
    await runVerb((terminal) => setAcl(name, value, options, terminal));
  });
}

const ACL_EXAMPLES = `  penstock bucket acl train private               only its owner and the root key (as it is made)
  penstock bucket acl train authenticated-read    every key of this gateway may list it
  penstock bucket acl train public-read           everybody may list it, without a key
  penstock bucket acl train public-read-write     everybody may list it and write to it`;

/** A bucket's name, also when it is written as s3://name. */
function nameOf(text: string): string {
  const { bucket, key } = parseS3Address(isS3Address(text) ? text : `s3://${text}`);
  if (key !== '') throw usageError(`"${text}" is not the name of a bucket; leave out what follows the slash.`);
  return bucket;
}

export async function createBucket(text: string, options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const name = nameOf(text);
  const made = await withClient(options, terminal, (client) => client.createBucket(name));
  await printLine(terminal.stderr, made ? `made bucket ${name}` : `bucket ${name} is there already`);
  return EXIT.ok;
}

export async function removeBucket(text: string, options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const name = nameOf(text);
  await withClient(options, terminal, (client) => client.removeBucket(name));
  await printLine(terminal.stderr, `deleted bucket ${name}`);
  return EXIT.ok;
}

export async function setAcl(
  text: string,
  acl: CannedAcl,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const name = nameOf(text);
  await withClient(options, terminal, async ({ transport }) => {
    const headers = { 'x-amz-acl': acl };
    await transport.sendForHeaders({
      method: 'PUT',
      bucket: name,
      query: [['acl', '']],
      headers,
      body: Buffer.alloc(0),
    });
  });
  await printLine(terminal.stderr, `bucket ${name} is ${acl}`);
  return EXIT.ok;
}
