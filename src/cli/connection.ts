/**
 * Which gateway a verb talks to, and as whom: options, then PENSTOCK_* variables, then the folder of a gateway on this machine.
 * Every verb that talks S3 has the same options, and a missing credential is answered with the ways to give one.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Environment, environmentRoot } from '../service/credentials.ts';
import { KeyFileError, keyFilePath, readKeyFile } from '../service/key-file.ts';
import { CliError, EXIT, EXIT_HELP, usageError } from './exit.ts';

export const DEFAULT_ENDPOINT = 'http://127.0.0.1:9000';

export interface ConnectionOptions {
  readonly endpoint?: string;
  readonly dir?: string;
}

export interface Connection {
  /** Scheme, host and port. */
  readonly endpoint: URL;
  readonly accessKeyId: string;
  readonly secretKey: string;
  readonly region: string;
}

/** The options that every verb of the S3 client takes, and the end of its help. */
export function withConnection(command: Command, examples: string): Command {
  return command
    .option('--endpoint <URL>', `S3 address of the gateway (default: PENSTOCK_ENDPOINT, else ${DEFAULT_ENDPOINT})`)
    .option('--dir <DIR>', "a gateway's folder, to take its root key from (default: PENSTOCK_DATA, else ./data)")
    .addHelpText('after', `\nExamples:\n${examples.trimEnd()}\n${CREDENTIAL_HELP}${EXIT_HELP}`);
}

const CREDENTIAL_HELP = `
The key is that of PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY; without them the root key in --dir, when it can be read.`;

export function dataFolder(options: { readonly dir?: string }, env: Environment): string {
  return options.dir ?? (env.PENSTOCK_DATA || './data');
}

/** @throws CliError of usage */
export function parseEndpoint(text: string, source: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw usageError(`${source} is "${text}"; write it as http://HOST:PORT or https://HOST:PORT.`);
  }
  if (url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw usageError(`${source} is "${text}"; it takes a scheme, a host and a port, and nothing after them.`);
  }
  return url;
}

/** @throws CliError when the endpoint cannot be read or no credential is found */
export function resolveConnection(options: ConnectionOptions, env: Environment): Connection {
  const named = options.endpoint ?? env.PENSTOCK_ENDPOINT;
  const source = options.endpoint === undefined ? 'PENSTOCK_ENDPOINT' : '--endpoint';
  const endpoint = parseEndpoint(named || DEFAULT_ENDPOINT, source);
  return { endpoint, region: env.PENSTOCK_REGION || 'us-east-1', ...resolveKey(options, env) };
}

function resolveKey(options: ConnectionOptions, env: Environment): { accessKeyId: string; secretKey: string } {
  const ofEnvironment = environmentRoot(env);
  if (ofEnvironment !== undefined) return ofEnvironment;
  const folder = dataFolder(options, env);
  const path = keyFilePath(folder);
  const keys = readableKeys(folder);
  const root = keys?.find((key) => key.owner === 'root');
  if (root !== undefined) return root;
  const found = keys === undefined ? `${path} does not exist` : `${path} holds no root key`;
  throw new CliError(
    `No key to sign with: PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY are not set, and ${found}. ` +
      'Set both variables, or name the folder of the gateway with --dir.',
    EXIT.unreachable,
  );
}

function readableKeys(folder: string): ReturnType<typeof readKeyFile> {
  try {
    return readKeyFile(folder);
  } catch (error) {
    if (error instanceof KeyFileError) throw new CliError(error.message, EXIT.unreachable, error);
    throw error;
  }
}

/** A secret from a file, or from standard input for `-`. */
export function readSecret(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').trim();
  } catch (error) {
    throw new CliError(`The secret cannot be read from ${path}: ${(error as Error).message}`, EXIT.usage, error);
  }
}
