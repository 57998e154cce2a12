/** A gateway as its users run it, from dist/, on ports of the system's choice, with a root key that the benchmark knows. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addressesIn } from '../../src/cli/demo-gateway.ts';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';
import { type Belongings, onCore } from '../measure/belongings.ts';
import { BenchError } from '../measure/options.ts';
import { SIGNER } from './signed-requests.ts';

export interface Gateway {
  readonly child: ChildProcess;
  readonly s3Port: number;
  readonly admin: string;
  status(): Promise<GatewayStatus>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly dir: string;
  /** 0: as many as the gateway chooses by itself. */
  readonly workers: number;
  /** Core that all its processes are bound to, on a machine with more than one. */
  readonly core?: number | undefined;
  readonly cores: number;
  readonly adminPort?: number;
  /** Folder for a V8 CPU profile of each of its processes, written when it stops; empty for none. */
  readonly profiles?: string;
}

const ENTRY = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Starts the processes; they are not ready yet. */
export function spawnGateway(owned: Belongings, options: GatewayOptions): ChildProcess {
  if (!existsSync(ENTRY)) throw new BenchError(`${ENTRY} is missing; run "npm run build".`);
  const { dir, workers, core, cores, adminPort = 0, profiles = '' } = options;
  const fronts = ['--s3', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--admin', `127.0.0.1:${adminPort}`];
  const profiling = profiles === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const count = workers === 0 ? [] : ['--workers', String(workers)];
  const args = [...profiling, ENTRY, 'serve', dir, ...fronts, ...count];
  const [command, argv] = core === undefined ? [process.execPath, args] : onCore(core, cores, process.execPath, args);
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PENSTOCK_'));
  return owned.spawn(command, argv, 'util-linux', {
    env: {
      ...Object.fromEntries(kept),
      PENSTOCK_LOG_LEVEL: 'warn',
      PENSTOCK_ACCESS_KEY: SIGNER.accessKeyId,
      PENSTOCK_SECRET_KEY: SIGNER.secret,
    },
  });
}

/** Resolves with the addresses of the banner. @throws BenchError with what it printed when it ends before */
export function bannerOf(child: ChildProcess): Promise<{ readonly s3: string; readonly admin: string }> {
  return new Promise((resolve, reject) => {
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      const addresses = addressesIn(output);
      if (addresses !== undefined) resolve(addresses);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('close', (code, signal) =>
      reject(new BenchError(`the gateway ended (${code ?? signal}) before it was ready:\n${output}`)),
    );
  });
}

export async function gatewayStatus(admin: string): Promise<GatewayStatus> {
  return (await (await fetch(`${admin}/status`)).json()) as GatewayStatus;
}

export async function startGateway(owned: Belongings, options: GatewayOptions): Promise<Gateway> {
  const child = spawnGateway(owned, options);
  const { s3, admin } = await bannerOf(child);
  const s3Port = Number(new URL(s3).port);
  return { child, s3Port, admin, status: () => gatewayStatus(admin), stop: () => owned.end(child) };
}
