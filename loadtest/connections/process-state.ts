/** What the processes of a target hold at a moment, from /proc (Linux): memory that is nobody's file, and open descriptors. */
import { readdirSync, readFileSync } from 'node:fs';
import { memoryOf } from '../../bench/measure/processes.ts';

export interface ProcessState {
  /** `supervisor`, `keeper`, `worker-1`; of what is no gateway of ours, the name of its program. */
  readonly role: string;
  readonly anonymousBytes: number;
  readonly descriptors: number;
}

/** From /proc/PID/cmdline, whose words end in NUL, or which is the title that the process gave itself. Pure. */
export function roleIn(commandLine: string): string {
  const words = commandLine.split('\0');
  if (words.includes('serve')) return 'supervisor';
  const program = words[0]?.split('/').at(-1)?.trim() ?? '';
  return program.replace(/^penstock /, '') || 'process';
}

/** Of processes that run. One that ends while it is looked at is left out. */
export function statesOf(pids: readonly number[]): ProcessState[] {
  const states = pids.flatMap((pid) => {
    try {
      const role = roleIn(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
      const { anonymousBytes } = memoryOf(pid);
      return [{ role, anonymousBytes, descriptors: readdirSync(`/proc/${pid}/fd`).length }];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ESRCH') return [];
      throw error;
    }
  });
  return states.map((state, i) => {
    const same = states.filter(({ role }) => role === state.role);
    if (same.length === 1) return state;
    return {
      ...state,
      role: `${state.role} ${states.slice(0, i + 1).filter(({ role }) => role === state.role).length}`,
    };
  });
}

/** Of processes that hold connections: the keeper of a gateway never does, and what it gives back would hide what they cost. */
export function connectionBytes(states: readonly ProcessState[]): number {
  return totalOf(
    states.filter(({ role }) => role !== 'keeper'),
    'anonymousBytes',
  );
}

export function totalOf(states: readonly ProcessState[], what: 'anonymousBytes' | 'descriptors'): number {
  return states.reduce((sum, state) => sum + state[what], 0);
}
