/** Children and folders of a benchmark: ended and removed however it ends, each by its own pid and path. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BenchError } from './options.ts';

const STOP_MS_MAX = 30_000;
const OUTPUT_CHARS_MAX = 16 * 1024 * 1024;

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

export interface BelongingsOptions {
  /**
   * Whoever owns them ends by itself after Ctrl-C. Children then stand in process groups of their own, so that what the terminal sends to
   * everybody reaches only the owner, who ends them in order.
   */
  readonly endsItself?: boolean;
}

export class Belongings {
  readonly #children = new Set<ChildProcess>();
  readonly #folders = new Set<string>();
  readonly #endsItself: boolean;

  constructor({ endsItself = false }: BelongingsOptions = {}) {
    this.#endsItself = endsItself;
    if (!endsItself) {
      process.once('SIGINT', () => process.exit(130));
      process.once('SIGTERM', () => process.exit(143));
    }
    process.once('exit', () => {
      for (const child of this.#children) child.kill('SIGTERM');
      this.#removeFolders();
    });
  }

  temporaryFolder(parent: string): string {
    const folder = mkdtempSync(join(parent, 'penstock-bench-'));
    this.#folders.add(folder);
    return folder;
  }

  /** @param packageName what to install when the program is not there */
  spawn(command: string, args: readonly string[], packageName: string, options: SpawnOptions = {}): ChildProcess {
    const detached = this.#endsItself;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached, ...options });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.once('error', (error) => {
      this.#children.delete(child);
      process.stderr.write(`${missing(command, packageName, error).message}\n`);
    });
    return child;
  }

  /** Runs a program to its end. @returns what it wrote to stdout @throws BenchError when it fails */
  run(command: string, args: readonly string[], packageName: string, options: SpawnOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = this.spawn(command, args, packageName, options);
      let output = '';
      let errors = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        if (output.length < OUTPUT_CHARS_MAX) output += text;
      });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        if (errors.length < OUTPUT_CHARS_MAX) errors += text;
      });
      child.once('error', (error) => reject(missing(command, packageName, error)));
      child.once('close', (code, signal) => {
        if (code === 0) resolve(output);
        else reject(new BenchError(`${command} ended with ${code ?? signal}: ${errors.trim() || output.trim()}`));
      });
    });
  }

  async end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const tooLong = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(tooLong);
  }

  /** One of its folders, before the end. */
  removeFolder(folder: string): void {
    if (this.#folders.delete(folder)) rmSync(folder, { recursive: true, force: true });
  }

  /** Ends and removes everything. */
  async dispose(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.end(child)));
    this.#removeFolders();
  }

  #removeFolders(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    this.#folders.clear();
  }
}

function missing(command: string, packageName: string, error: Error): BenchError {
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new BenchError(
    absent ? `${command} is not installed; on Debian: apt-get install ${packageName}` : `${command}: ${error.message}`,
  );
}

/** The command on one core, where the machine has that core and taskset; else as it is. */
export function onCore(core: number, cores: number, command: string, args: readonly string[]): [string, string[]] {
  return core < cores ? ['taskset', ['-c', String(core), command, ...args]] : [command, [...args]];
}
