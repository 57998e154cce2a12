/**
 * `penstock key create|list|revoke`: the keys in a gateway's folder, changed on disk. A gateway that serves the folder follows
 * within a second, so there is no network and no root key in it: who may write the folder may make keys.
 */

import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import {
  type Credential,
  createCredential,
  type KeyPair,
  listCredentials,
  revokeCredential,
} from '../service/credentials.ts';
import { keyFilePath } from '../service/key-file.ts';
import { dataFolder, readSecret } from './connection.ts';
import { CliError, EXIT, EXIT_HELP, type ExitCode, usageError } from './exit.ts';
import { formatTime } from './figures.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';

export interface KeyOptions {
  readonly dir?: string;
  readonly json?: boolean;
}

export interface KeyCreateOptions extends KeyOptions {
  readonly accessKey?: string;
  readonly secretFile?: string;
}

const EXAMPLES = `
Examples:
  penstock key create alice                    a key; its secret is shown now (keys.json holds it too)
  penstock key create alice                    a second key for the same owner, who sees the same buckets
  penstock key create root                     a further root key; then the former one can be revoked
  penstock key list --dir /flash/penstock
  penstock key revoke PK3ZJ6Q0M1XW8E5T2N7A

The gateway may serve meanwhile: it follows within a second.
${EXIT_HELP}`;

function withFolder(command: Command): Command {
  return command
    .option('--dir <DIR>', "the gateway's folder (default: PENSTOCK_DATA, else ./data)")
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES);
}

export function register(program: Command): void {
  const key = program
    .command('key')
    .summary('make, list and revoke keys')
    .description("Make, list and revoke the keys in a gateway's folder.");
  key.addHelpText('after', EXAMPLES);
  const create = key
    .command('create')
    .description('Make a key and show its secret.')
    .argument('<OWNER>', 'name of the owner; keys of one name own the same buckets')
    .option('--access-key <ID>', 'an id of your own (with --secret-file)')
    .option('--secret-file <FILE>', 'file with the secret for --access-key, - for standard input');
  withFolder(create).action(async (owner: string, options: KeyCreateOptions) => {
    await runVerb((terminal) => createKey(owner, options, terminal));
  });
  withFolder(key.command('list').description('List keys, without their secrets.')).action(
    async (options: KeyOptions) => {
      await runVerb((terminal) => listKeys(options, terminal));
    },
  );
  const revoke = key
    .command('revoke')
    .description('Revoke a key; requests that it signs are refused from then on.')
    .argument('<ID>', 'access key id');
  withFolder(revoke).action(async (id: string, options: KeyOptions) => {
    await runVerb((terminal) => revokeKey(id, options, terminal));
  });
}

function givenPair(options: KeyCreateOptions): KeyPair | undefined {
  const { accessKey, secretFile } = options;
  if (accessKey === undefined && secretFile === undefined) return undefined;
  if (accessKey === undefined || secretFile === undefined)
    throw usageError('Give both --access-key and --secret-file, or neither.');
  return { accessKeyId: accessKey, secretKey: readSecret(secretFile) };
}

function factsOf(credential: Credential): Record<string, string | boolean> {
  const { accessKeyId, displayName, ownerId, createdMs, root } = credential;
  return { accessKeyId, owner: displayName, ownerId, created: new Date(createdMs).toISOString(), root };
}

export async function createKey(owner: string, options: KeyCreateOptions, terminal: Terminal): Promise<ExitCode> {
  const credential = createCredential(dataFolder(options, terminal.env), owner, systemClock, givenPair(options));
  const { accessKeyId, secretKey } = credential;
  const lines = [`PENSTOCK_ACCESS_KEY=${accessKeyId}`, `PENSTOCK_SECRET_KEY=${secretKey}`];
  await printLine(
    terminal.stdout,
    options.json === true ? JSON.stringify({ ...factsOf(credential), secretKey }) : lines.join('\n'),
  );
  return EXIT.ok;
}

export async function listKeys(options: KeyOptions, terminal: Terminal): Promise<ExitCode> {
  const folder = dataFolder(options, terminal.env);
  const path = keyFilePath(folder);
  if (!existsSync(path))
    throw new CliError(`${path} does not exist. Start the gateway on that folder first, or name another with --dir.`);
  for (const credential of listCredentials(folder)) {
    const { accessKeyId, displayName, createdMs } = credential;
    const text = `${accessKeyId.padEnd(20)}  ${formatTime(new Date(createdMs))}  ${displayName}`;
    await printLine(terminal.stdout, options.json === true ? JSON.stringify(factsOf(credential)) : text);
  }
  return EXIT.ok;
}

export async function revokeKey(id: string, options: KeyOptions, terminal: Terminal): Promise<ExitCode> {
  const revoked = revokeCredential(dataFolder(options, terminal.env), id);
  if (options.json === true) await printLine(terminal.stdout, JSON.stringify(factsOf(revoked)));
  else await printLine(terminal.stderr, `revoked ${revoked.accessKeyId} of ${revoked.displayName}`);
  return EXIT.ok;
}
