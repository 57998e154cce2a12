/** What other processes cost, from /proc (Linux): CPU time of a family of processes, and memory by where it comes from. */
import { readFileSync } from 'node:fs';

/** The process and everything that it started and that still runs. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  if (children === '') return [pid];
  return [pid, ...children.split(' ').flatMap((child) => familyOf(Number(child)))];
}

/** USER_HZ, which Linux fixes at 100 for every program that reads /proc: proc(5). */
const TICKS_PER_SECOND = 100;

export interface CpuSeconds {
  readonly user: number;
  /** In the kernel on its behalf: most of what the network costs. */
  readonly system: number;
}

/** Of a line of /proc/PID/stat. The name in it may hold spaces and parentheses. Pure. */
export function cpuIn(stat: string): CpuSeconds {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

/** Of all processes together since each began. @throws when one has ended */
export function cpuSoFar(pids: readonly number[]): CpuSeconds {
  const all = pids.map((pid) => cpuIn(readFileSync(`/proc/${pid}/stat`, 'latin1')));
  return { user: all.reduce((sum, one) => sum + one.user, 0), system: all.reduce((sum, one) => sum + one.system, 0) };
}

/** What they took while `work` ran, and what `work` resolved to. */
export async function cpuOf<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<CpuSeconds & { readonly result: T }> {
  const before = cpuSoFar(pids);
  const result = await work();
  const after = cpuSoFar(pids);
  return { user: after.user - before.user, system: after.system - before.system, result };
}

export interface Memory {
  /** Resident memory that is nobody's file: heap, stacks, buffers. */
  readonly anonymousBytes: number;
  /** Resident pages of mapped files: the page cache, which the kernel takes back when it needs it. */
  readonly fileBytes: number;
}

/** RssAnon and RssFile of /proc/PID/status. Pure. */
export function memoryIn(status: string): Memory {
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN);
  return { anonymousBytes: kib('RssAnon') * 1024, fileBytes: kib('RssFile') * 1024 };
}

export function memoryOf(pid: number | 'self'): Memory {
  return memoryIn(readFileSync(`/proc/${pid}/status`, 'latin1'));
}
