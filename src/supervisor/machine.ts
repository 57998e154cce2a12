/** What this process may really use of the machine: its cores and its memory, cut by the quota of a container (cgroup v2, then v1). */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** The quota in cores, rounded up, or `undefined` where there is none. Pure: takes the text of the files. */
export function quotaCores(
  cpuMax: string | undefined,
  quotaUs: string | undefined,
  periodUs: string | undefined,
): number | undefined {
  const [quota, period] = cpuMax === undefined ? [quotaUs, periodUs] : cpuMax.trim().split(' ');
  const cores = Number(quota) / Number(period); // "max" and "-1" mean no quota
  return Number.isFinite(cores) && cores > 0 ? Math.ceil(cores) : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // no cgroup file system, or another version of it
  }
}

export function usableCores(): number {
  const quota = quotaCores(
    readIfThere('/sys/fs/cgroup/cpu.max'),
    readIfThere('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'),
    readIfThere('/sys/fs/cgroup/cpu/cpu.cfs_period_us'),
  );
  return Math.max(1, Math.min(availableParallelism(), quota ?? Number.POSITIVE_INFINITY));
}

/** The least of the machine's memory and the limits, in bytes. "max", and the huge number that cgroup v1 has for it, mean no limit. */
export function boundMemory(machineBytes: number, limits: readonly (string | undefined)[]): number {
  const numbers = limits.map((text) => Number(text ?? 'none')).filter((limit) => Number.isFinite(limit) && limit > 0);
  return Math.min(machineBytes, ...numbers);
}

export function usableMemoryBytes(): number {
  const files = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
  return boundMemory(totalmem(), files.map(readIfThere));
}
