/** Gateways for the fault tests: started on a folder, killed in every way, and gone when the test ends. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { anyPorts, GatewayProcess, isAlive, ROOT } from '../processes/gateway-process.ts';
import type { Ledger } from './ledger.ts';
import { S3Caller } from './s3-caller.ts';
import { type LoadOptions, startWriteLoad, type WriteLoad } from './write-load.ts';

/** Longer variants run when this is set. */
export const IS_LONG = process.env.PENSTOCK_LONG === '1';
export const BUCKET = 'images';

export interface Pids {
  readonly supervisor: number;
  readonly keeper: number;
  readonly workers: readonly number[];
}

export class FaultScene {
  readonly folder = mkdtempSync(join(tmpdir(), 'penstock-faults-'));
  readonly #gateways: GatewayProcess[] = [];
  readonly #callers: S3Caller[] = [];
  readonly #loads: WriteLoad[] = [];

  constructor() {
    mkdirSync(join(this.folder, 'tmp'));
  }

  /** A gateway on a folder; sockets of killed ones go with the scene. */
  launch(store: string, workers = 2, node = process.execPath): GatewayProcess {
    const env = { ...ROOT, TMPDIR: join(this.folder, 'tmp') };
    const gateway = new GatewayProcess([...anyPorts(store), '--workers', String(workers)], env, node);
    this.#gateways.push(gateway);
    return gateway;
  }

  async start(store = join(this.folder, 'store'), workers = 2, node?: string): Promise<GatewayProcess> {
    return this.launch(store, workers, node).ready();
  }

  caller(gateway: GatewayProcess): S3Caller {
    const caller = new S3Caller(gateway.s3);
    this.#callers.push(caller);
    return caller;
  }

  /** Writes until it is stopped, or the scene closes. */
  load(gateway: GatewayProcess, ledger: Ledger, clients: number, more: Partial<LoadOptions> = {}): WriteLoad {
    const load = startWriteLoad({ origin: gateway.s3, bucket: BUCKET, ledger, clients, keysPerClient: 6, ...more });
    this.#loads.push(load);
    return load;
  }

  async withBucket(gateway: GatewayProcess): Promise<S3Caller> {
    const caller = this.caller(gateway);
    await caller.expect(200, 'PUT', BUCKET, '');
    return caller;
  }

  async endGateways(): Promise<void> {
    for (const caller of this.#callers.splice(0)) caller.close();
    for (const gateway of this.#gateways.splice(0)) await killAll(gateway);
    for (const load of this.#loads.splice(0)) await load.stop();
  }

  /** Ends what still runs, by pid, takes disks down, and removes the folder. */
  async close(disks: readonly { down(): Promise<void> }[] = []): Promise<void> {
    await this.endGateways();
    for (const disk of disks) await disk.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function pidsOf(gateway: GatewayProcess): Promise<Pids> {
  const { pid, keeper, workers } = await gateway.status();
  const known = (found: number | undefined) => {
    assert.ok(found !== undefined, 'every process has a pid');
    return found;
  };
  return { supervisor: pid, keeper: known(keeper.pid), workers: workers.map((worker) => known(worker.pid)) };
}

/** Children of a process, from /proc: also of one that cannot be asked. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]);
  } catch {
    return undefined;
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** kill -9 of supervisor, keeper and workers, as close together as one can; resolves when all are gone. */
export async function killAll(gateway: GatewayProcess): Promise<void> {
  const { pid } = gateway.child;
  if (pid === undefined || gateway.child.exitCode !== null || gateway.child.signalCode !== null) return;
  const pids = [pid, ...childrenOf(pid)];
  for (const each of pids) kill(each);
  await gateway.ended;
  await untilGone(pids);
}

export async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await sleep(10);
}

/** Waits for a condition of the world outside, which sends no event. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 30_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    assert.ok(performance.now() < endMs, `${what} did not come in ${limitMs / 1000} s`);
    await sleep(20);
  }
}

/** A reason to skip, or undefined. In CI a missing tool is a failure instead. */
export function lacking(reason: string | undefined): { skip?: string } {
  if (reason === undefined) return {};
  if (process.env.PENSTOCK_CI === '1') throw new Error(`this test must run here, but ${reason}`);
  return { skip: reason };
}

/** Established connections of a local port that a process holds, from /proc. */
export function connectionsOf(pid: number, port: number): number {
  const hexPort = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const table of ['tcp', 'tcp6'])
    for (const line of readFileSync(`/proc/net/${table}`, 'latin1').split('\n')) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(hexPort) === true && fields[3] === '01') inodes.add(fields[9] as string);
    }
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return inodes.has(/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '');
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}
