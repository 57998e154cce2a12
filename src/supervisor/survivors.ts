/**
 * The children of a supervisor that was killed. They end by themselves as soon as they notice, but one that is stuck in a slow write
 * could still write when the next gateway has begun. So a supervisor notes its children in the folder, and the next one waits for
 * those that are left, before it touches the store.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { StartRefusal } from './start-refusal.ts';

const FILE = 'children.json';
const POLL_MS = 50;

/**
 * Replaces the note. An empty list removes it. Never throws: a disk that is full or has failed must not end a gateway that still
 * reads from it, and an old note only makes the next start wait for fewer processes.
 */
export function noteChildren(root: string, pids: readonly number[]): void {
  const path = join(root, FILE);
  try {
    if (pids.length === 0) rmSync(path, { force: true });
    else writeFileSync(path, JSON.stringify(pids), { mode: 0o600 });
  } catch {
    // Whatever is wrong with the disk, the keeper says so.
  }
}

function notedChildren(root: string): number[] {
  try {
    const pids = JSON.parse(readFileSync(join(root, FILE), 'utf8')) as unknown;
    return Array.isArray(pids) ? pids.filter((pid) => Number.isSafeInteger(pid) && pid > 1) : [];
  } catch {
    return []; // there was an orderly stop, or a crash in the middle of the note, long before any child wrote
  }
}

/** A pid may be another program's by now; a zombie has an empty command line. */
function isOurs(pid: number): boolean {
  try {
    return /^penstock |(?:keeper|worker)-process/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return false; // gone; or no Linux, where nothing better can be known
  }
}

/** @throws StartRefusal when some do not end in time */
export async function awaitSurvivors(root: string, log: Log): Promise<void> {
  const endMs = performance.now() + LIMITS.survivorsMs;
  let left = notedChildren(root).filter(isOurs);
  if (left.length > 0) log.warn({ pids: left }, 'waiting for the processes of an earlier gateway to end');
  while (left.length > 0) {
    if (performance.now() > endMs) {
      throw new StartRefusal(
        `processes of an earlier gateway on ${root} still run (pid ${left.join(', ')}), although it was killed ` +
          'itself. Wait until the disk lets them end, or end them with `kill -9`, and start again.',
      );
    }
    await delay(POLL_MS);
    left = left.filter(isOurs);
  }
}
