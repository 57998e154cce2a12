/** CPU time of other processes, from /proc where there is one (Linux). */
import { readFileSync } from 'node:fs';

/** USER_HZ, which Linux fixes at 100 for every program that reads /proc: proc(5). */
const TICKS_PER_SECOND = 100;

/** User and system time of a line of /proc/PID/stat. The name in it may hold spaces and parentheses. Pure. */
export function cpuSecondsIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Seconds of all of them together; `undefined` when one cannot be read. */
export function cpuSecondsOf(pids: readonly (number | undefined)[]): number | undefined {
  let seconds = 0;
  try {
    for (const pid of pids) if (pid !== undefined) seconds += cpuSecondsIn(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return seconds;
  } catch {
    return undefined;
  }
}
