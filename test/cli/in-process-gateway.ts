/** The S3 front and the gRPC front on one memory store, in the process of the test, and a terminal whose output can be read. */
import { setMaxListeners } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Storage } from '../../src/base/object-store.ts';
import type { ExitCode } from '../../src/cli/exit.ts';
import { runToExitCode, type Terminal, type Verb } from '../../src/cli/terminal.ts';
import { loadEntityHashes } from '../../src/format/entity-hash.ts';
import { newBatchStats } from '../../src/fronts/grpc/get-batch.ts';
import { createGrpcFront } from '../../src/fronts/grpc/server.ts';
import { penstockMethods } from '../../src/fronts/grpc/services.ts';
import { createS3Front } from '../../src/fronts/s3/server.ts';
import { type Environment, openCredentials } from '../../src/service/credentials.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';

export interface TestGateway {
  readonly endpoint: string;
  /** Address of the gRPC front, which verbs are not told of. */
  readonly grpc: string;
  readonly env: Environment;
  readonly storage: Storage;
  /** Requests that were answered, as `METHOD Operation`; calls as `GRPC Method`. */
  readonly requests: string[];
  stop(): Promise<void>;
}

const KEY = { PENSTOCK_ACCESS_KEY: 'tester', PENSTOCK_SECRET_KEY: 'secret-of-the-test' };

export async function startTestGateway(): Promise<TestGateway> {
  const storage = createMemoryStorage();
  const requests: string[] = [];
  const credentials = openCredentials('/nonexistent', { clock: systemClock, env: KEY });
  const plane = { storage, credentials, clock: systemClock, log: silentLog, hashes: await loadEntityHashes() };
  const grpcFront = createGrpcFront({
    methods: penstockMethods(plane, newBatchStats()),
    log: silentLog,
    observe: ({ method }) => requests.push(`GRPC ${method.slice(method.lastIndexOf('/') + 1)}`),
  });
  await new Promise<void>((resolve) => grpcFront.server.listen(0, '127.0.0.1', resolve));
  const front = await createS3Front({
    storage,
    credentials,
    clock: systemClock,
    log: silentLog,
    observe: ({ method, operation }) => requests.push(`${method} ${operation}`),
    region: 'us-east-1',
    domains: [],
  });
  await new Promise<void>((resolve) => front.server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(front.server.address() as AddressInfo).port}`;
  const env = { ...KEY, PENSTOCK_ENDPOINT: endpoint };
  const grpc = `127.0.0.1:${(grpcFront.server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    grpcFront.server.close();
    await Promise.all([front.drain(1000), grpcFront.drain(1000)]);
  };
  return { endpoint, grpc, env, storage, requests, stop };
}

export interface Outcome {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: Buffer | string;
  readonly signal?: AbortSignal;
}

/** Runs a verb as the command line does, without a process of its own. */
export async function runVerbHere(verb: Verb, env: Environment, options: RunOptions = {}): Promise<Outcome> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const stdin = Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]);
  const signal = options.signal ?? new AbortController().signal;
  setMaxListeners(0, signal); // as the command line does
  const terminal: Terminal = { stdin, stdout, stderr, env, signal };
  const printed = Promise.all([text(stdout), text(stderr)]);
  const exitCode = await runToExitCode(verb, terminal);
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { exitCode, stdout: out, stderr: err };
}
