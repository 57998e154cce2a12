/**
 * A gateway of the demo's own: in a temporary folder, on ports that the system chooses, with none of the user's settings. It is
 * stopped and its folder deleted whatever happens, also when this process is ended in the middle.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CliError } from './exit.ts';

export interface DemoGateway {
  readonly s3: string;
  readonly admin: string;
  readonly data: string;
  /** Idempotent. Resolves when it has ended and its folder is gone. */
  stop(): Promise<void>;
}

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;
const OUTPUT_CHARS_MAX = 64 * 1024;

/** Where the banner of `penstock serve` says that it listens; `undefined` until it has said so. Pure. */
export function addressesIn(output: string): { s3: string; admin: string } | undefined {
  const s3 = /^\s*S3\s+(https?:\/\/\S+)/m.exec(output)?.[1];
  const admin = /^\s*admin\s+(https?:\/\/\S+)/m.exec(output)?.[1];
  return s3 === undefined || admin === undefined ? undefined : { s3, admin };
}

function gatewayEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('PENSTOCK_'));
  return { ...Object.fromEntries(kept), PENSTOCK_LOG_LEVEL: 'warn' };
}

/** @throws CliError with what the gateway printed when it does not start */
export async function startDemoGateway(entry: string, signal: AbortSignal): Promise<DemoGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-demo-'));
  const data = join(folder, 'data');
  const anyPort = ['s3', 'admin', 'grpc'].flatMap((front) => [`--${front}`, '127.0.0.1:0']);
  const argv = [...process.execArgv, entry, 'serve', data, ...anyPort];
  const child = spawn(process.execPath, argv, {
    env: gatewayEnvironment(process.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const endAtOnce = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', endAtOnce);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= endGateway(child).finally(() => {
      process.off('exit', endAtOnce);
      rmSync(folder, { recursive: true, force: true });
    });
    return stopping;
  };
  try {
    return { ...(await readAddresses(child, signal)), data, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function endGateway(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const tooLong = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await ended;
  clearTimeout(tooLong);
}

function readAddresses(child: ChildProcess, signal: AbortSignal): Promise<{ s3: string; admin: string }> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string): void =>
      reject(new CliError(`The gateway of the demo ${why}. It printed:\n${output.trimEnd()}`));
    const timer = setTimeout(() => fail(`was not ready after ${START_MS_MAX / 1000} s`), START_MS_MAX);
    const settle = (): void => clearTimeout(timer);
    const take = (chunk: Buffer): void => {
      if (output.length < OUTPUT_CHARS_MAX) output += chunk.toString('utf8');
      const addresses = addressesIn(output);
      if (addresses === undefined) return;
      settle();
      resolve(addresses);
    };
    (child.stdout as Readable).on('data', take);
    (child.stderr as Readable).on('data', take);
    child.on('error', (error) => fail(`could not be started (${error.message})`));
    child.on('close', (code) => {
      settle();
      fail(`ended with code ${code}`);
    });
    signal.addEventListener('abort', () => {
      settle();
      reject(signal.reason as Error);
    });
  });
}
