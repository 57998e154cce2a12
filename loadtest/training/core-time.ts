/** What a core did, from /proc/stat (Linux): by it a run knows that others had a part of the core that it measures on. */
import { readFileSync } from 'node:fs';

/** USER_HZ, as in /proc/PID/stat. */
const TICKS_PER_SECOND = 100;

/**
 * User, nice and system time of a core since the machine started, in seconds; undefined where the text has no such core. Interrupts are left
 * out: those of the load itself are among them. Pure.
 */
export function coreSecondsIn(stat: string, core: number): number | undefined {
  const line = stat.split('\n').find((one) => one.startsWith(`cpu${core} `));
  if (line === undefined) return undefined;
  const [, user, nice, system] = line.split(/\s+/).map(Number);
  return ((user as number) + (nice as number) + (system as number)) / TICKS_PER_SECOND;
}

export function coreSeconds(core: number): number | undefined {
  try {
    return coreSecondsIn(readFileSync('/proc/stat', 'latin1'), core);
  } catch {
    return undefined; // not Linux
  }
}
