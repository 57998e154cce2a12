/** The S3 client of a verb, made of its options and the environment. */
import { type ConnectionOptions, resolveConnection } from './connection.ts';
import { S3Client } from './s3-client.ts';
import { S3Transport } from './s3-transport.ts';
import type { Terminal } from './terminal.ts';

/** Close it when done. @throws CliError when there is no credential, or the endpoint cannot be read */
export function openClient(options: ConnectionOptions, connections: number, terminal: Terminal): S3Client {
  const connection = resolveConnection(options, terminal.env);
  return new S3Client(new S3Transport(connection, { connections, signal: terminal.signal }));
}

/** Runs with a client that is closed afterwards, whatever happens. */
export async function withClient<T>(
  options: ConnectionOptions,
  terminal: Terminal,
  run: (client: S3Client) => Promise<T>,
): Promise<T> {
  const client = openClient(options, 4, terminal);
  try {
    return await run(client);
  } finally {
    client.close();
  }
}
