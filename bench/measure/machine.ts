/** Where figures were measured: without it they mean nothing. */
import { spawnSync } from 'node:child_process';
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the working tree, and whether it has changes that are in no commit. */
  readonly commit: string;
  /** Of the last minute, when the benchmark started: above 1 a core, others use the machine too. */
  readonly loadAverage: number;
  readonly date: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

function textOf(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function commitOf(): string {
  const commit = textOf('git', ['rev-parse', '--short=12', 'HEAD']);
  if (commit === undefined) return 'unknown';
  const changed = textOf('git', ['status', '--porcelain', '--', 'src']);
  return changed === '' ? commit : `${commit} and uncommitted changes`;
}

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    commit: commitOf(),
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    date: new Date().toISOString(),
  };
}

/** Device and file system of a folder, as df names them. */
export function diskOf(folder: string): string {
  const lines = textOf('df', ['--output=source,fstype', folder])?.split('\n') ?? [];
  return lines.at(-1)?.replace(/\s+/g, ' ') ?? 'unknown';
}
