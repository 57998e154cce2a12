/** How many cores this process may really use: what the scheduler allows, cut by the CPU quota of a container (cgroup v2, then v1). */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

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
