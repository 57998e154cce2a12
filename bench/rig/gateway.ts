/** A gateway as its users run it, from dist/, on ports of the system's choice, with a root key that the benchmark knows. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { addressesIn } from '../../src/cli/demo-gateway.ts';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';
import { type Belongings, onCore } from '../measure/belongings.ts';
import { BenchError } from '../measure/options.ts';
import { SIGNER } from './signed-requests.ts';

export interface Gateway {
  readonly child: ChildProcess;
  readonly s3Port: number;
  readonly grpcPort: number;
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
  /** dist/ of another build; this one's by default. */
  readonly dist?: string;
  /** Folder for a V8 CPU profile of each of its processes, written when it stops; empty for none. */
  readonly profiles?: string;
}

/** The keeper begins within five seconds of the start. */
const EXAMINED_EVERY_MS = 250;
const EXAMINED_TRIES = 120;

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** Starts the processes; they are not ready yet. */
export function spawnGateway(owned: Belongings, options: GatewayOptions): ChildProcess {
  const { dir, workers, core, cores, adminPort = 0, dist = DIST, profiles = '' } = options;
  const entry = join(dist, 'main.js');
  if (!existsSync(entry)) throw new BenchError(`${entry} is missing; run "npm run build".`);
  const fronts = ['--s3', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--admin', `127.0.0.1:${adminPort}`];
  const profiling = profiles === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const count = workers === 0 ? [] : ['--workers', String(workers)];
  const args = [...profiling, entry, 'serve', dir, ...fronts, ...count];
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

/** Of the event loop of one process since the last look at the metrics, which this is too. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** From the text of the metrics. Pure. */
export function loopDelayIn(metrics: string, process: string): LoopDelay {
  const ms = (name: string, more: string): number =>
    Number(new RegExp(`^${name}\\{process="${process}"${more}\\} (\\S+)$`, 'm').exec(metrics)?.[1] ?? Number.NaN) *
    1000;
  return {
    p99Ms: ms('penstock_event_loop_delay_seconds', ',quantile="0.99"'),
    maxMs: ms('penstock_event_loop_delay_max_seconds', ''),
  };
}

export async function loopDelay(admin: string, process: string): Promise<LoopDelay> {
  return loopDelayIn(await (await fetch(`${admin}/metrics`)).text(), process);
}

export async function startGateway(owned: Belongings, options: GatewayOptions): Promise<Gateway> {
  const child = spawnGateway(owned, options);
  const { s3, admin } = await bannerOf(child);
  const { addresses } = await gatewayStatus(admin);
  const grpcPort = Number(new URL(`http://${addresses.grpc}`).port);
  return {
    child,
    s3Port: Number(new URL(s3).port),
    grpcPort,
    admin,
    status: () => gatewayStatus(admin),
    stop: () => owned.end(child),
  };
}

/** Looks at a new store would else be counted as the cost of whatever is measured first. @throws BenchError when it makes no progress */
export async function untilExamined({ status }: Pick<Gateway, 'status'>): Promise<void> {
  let left = Number.POSITIVE_INFINITY;
  for (let still = 0; still < EXAMINED_TRIES; still += 1) {
    const objects = (await status()).stored?.backlog.objects ?? 0;
    if (objects === 0) return;
    if (objects < left) still = 0;
    left = objects;
    await sleep(EXAMINED_EVERY_MS);
  }
  throw new BenchError(`the keeper does not get on with the ${left} objects that it has to examine.`);
}
