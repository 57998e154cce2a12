/** What other processes cost, from /proc (Linux): CPU time of a family of processes, and memory by where it comes from. */
import { readFileSync } from 'node:fs';
import { cpuSecondsOf } from '../../src/cli/process-cpu.ts';

/** The process and everything that it started and that still runs. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  if (children === '') return [pid];
  return [pid, ...children.split(' ').flatMap((child) => familyOf(Number(child)))];
}

/** User and system time of them all while `work` ran, in seconds; and what `work` resolved to. */
export async function cpuOf<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly seconds: number; readonly result: T }> {
  const before = cpuSecondsOf(pids);
  const result = await work();
  const after = cpuSecondsOf(pids);
  if (before === undefined || after === undefined) throw new Error('a server process ended while it was measured');
  return { seconds: after - before, result };
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
