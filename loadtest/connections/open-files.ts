/**
 * What this machine lets a process open at once: file descriptors, and ports towards one address. Node raises its soft limit to the hard one
 * when it starts, so only the hard limit can be in the way; children inherit what is set here.
 *
 * Hardest decision: a run that needs more than the hard limit tries to raise it, which root may, and refuses before it has started anything
 * when it cannot: connections that fail for want of descriptors here would look like failures of the target.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BenchError } from '../../bench/measure/options.ts';

/** Beside connections: volumes, the index, channels to children, modules. A gateway keeps up to 512 volumes open. */
const OTHER_FILES = 768;
/** Of util-linux. */
const LIMITER = 'prlimit';
/**
 * Linux has 28,232 ephemeral ports by default, and an explicit source takes the odd ones first: with 8,000 connections of one source the
 * search for a free port took a millisecond of the load's core each, with 1,000 nothing that could be seen (2026-11).
 */
const CONNECTIONS_PER_SOURCE = 1000;
const LOOPBACK_V4 = /^127\.\d+\.\d+\.\d+$/;

/** From /proc/PID/limits. Pure. */
export function hardLimitIn(limits: string): number {
  const text = /^Max open files +\S+ +(\S+)/m.exec(limits)?.[1];
  return text === undefined || text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

/** Why so many connections of one process are too many, and what to do; `undefined` when they are not. Pure. */
export function tooMany(connections: number, hardLimit: number): string | undefined {
  const needed = connections + OTHER_FILES;
  if (needed <= hardLimit) return undefined;
  const possible = Math.max(0, hardLimit - OTHER_FILES);
  return (
    `${connections} connections need ${needed} open files in one process, and the hard limit here is ${hardLimit} (ulimit -Hn): ` +
    `${possible} connections are possible. Ask for no more with --connections and --grpc-clients, or raise the limit: ` +
    `run "ulimit -Hn ${needed}" as root in this shell first, or set nofile in /etc/security/limits.conf.`
  );
}

/** Lets this process and those that it starts have so many connections each. @throws BenchError when that cannot be */
export function allowConnections(connections: number): void {
  const limitNow = (): number => hardLimitIn(readFileSync('/proc/self/limits', 'latin1'));
  if (tooMany(connections, limitNow()) === undefined) return;
  const needed = connections + OTHER_FILES;
  spawnSync(LIMITER, [`--pid=${process.pid}`, `--nofile=${needed}:${needed}`]); // whether it may is seen from the limit
  const trouble = tooMany(connections, limitNow());
  if (trouble !== undefined) throw new BenchError(trouble);
}

/**
 * Where the n-th connection to a host comes from, so that ports suffice: all of 127.0.0.0/8 is this machine on Linux. `undefined`: as the
 * system likes, for every other host. Pure.
 */
export function sourceOf(n: number, host: string): string | undefined {
  if (!LOOPBACK_V4.test(host)) return undefined;
  const source = 1 + Math.floor(n / CONNECTIONS_PER_SOURCE);
  return `127.0.${source >> 8}.${source & 0xff}`;
}
