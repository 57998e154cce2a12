/** A whole gateway as its users start it, for tests: its processes, what it prints, how it ends. Ports are the system's choice. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';

export const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const ANY_PORT = '127.0.0.1:0';
export const ROOT = { PENSTOCK_ACCESS_KEY: 'root-of-tests', PENSTOCK_SECRET_KEY: 'secret-of-tests' };

export interface LogRecord {
  readonly level: string;
  readonly role: string;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class GatewayProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly logs: LogRecord[] = [];
  s3 = '';
  admin = '';
  grpc = '';
  #stdout = '';
  #stderr = '';
  #unread = '';
  readonly #waiting = new Set<() => void>();

  /** @param node the binary that runs all of its processes */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = ROOT, node = process.execPath) {
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(PENSTOCK_|NODE_TEST_)/.test(name)),
    );
    this.child = spawn(node, ['--import', 'tsx', ENTRY, 'serve', ...args], {
      env: { ...clean, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
        this.#changed();
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Waits for the banner, and reads the addresses from it. */
  async ready(): Promise<this> {
    await this.until(() => this.logs.some(({ msg }) => msg === 'the gateway is ready'), 'the gateway to be ready');
    const address = (name: string) => new RegExp(`^ {4}${name} +(\\S+)`, 'm').exec(this.#stdout)?.[1] ?? '';
    this.s3 = address('S3');
    this.admin = address('admin');
    this.grpc = address('gRPC');
    return this;
  }

  /** Waits until something that the gateway printed makes the condition true. */
  async until(condition: () => boolean, what: string): Promise<void> {
    let over: Ending | undefined;
    void this.ended.then((ending) => {
      over = ending;
    });
    while (!condition()) {
      if (over !== undefined)
        throw new Error(`the gateway ended (${over.code ?? over.signal}) while waiting for ${what}:\n${over.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async untilLogged(pattern: RegExp): Promise<LogRecord> {
    const find = () => this.logs.find(({ msg }) => pattern.test(msg));
    await this.until(() => find() !== undefined, String(pattern));
    return find() as LogRecord;
  }

  async status(): Promise<GatewayStatus> {
    return (await (await fetch(`${this.admin}/status`)).json()) as GatewayStatus;
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.admin}/metrics`)).text();
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** @returns how it ended */
  async stop(): Promise<Ending> {
    this.signal('SIGTERM');
    return this.ended;
  }

  #read(text: string): void {
    this.#stderr += text;
    const lines = (this.#unread + text).split('\n');
    this.#unread = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) this.logs.push(JSON.parse(line) as LogRecord);
    }
    this.#changed();
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export function anyPorts(dir: string): string[] {
  return [dir, '--s3', ANY_PORT, '--admin', ANY_PORT, '--grpc', ANY_PORT];
}

/** Starts a gateway on ports of the system's choice and waits until it serves. */
export async function startGateway(dir: string, ...more: string[]): Promise<GatewayProcess> {
  return new GatewayProcess([...anyPorts(dir), ...more]).ready();
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
