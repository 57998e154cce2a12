/** Processor time of both sides of a load. */
import { cpuSoFar } from '../../bench/measure/processes.ts';

/** From this share of its core on a load process is its own limit: it is one thread, whatever cores there are. */
export const LOAD_CPU_SHARE_MAX = 0.9;

/** Of a target so far; `undefined` where its processes are not ours. */
export function serverSeconds(pids: readonly number[]): number | undefined {
  if (pids.length === 0) return undefined;
  const { user, system } = cpuSoFar(pids);
  return user + system;
}
