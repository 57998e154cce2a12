/** Points of one load, from what its process and its target say of it. Pure. */
import { LOAD_CPU_SHARE_MAX } from '../suite/processor-time.ts';
import { addErrors, type LoadErrors, type Point } from '../suite/run-report.ts';
import type { OperationLoad } from './load-tally.ts';
import type { LoadResult } from './run-load.ts';

export interface Loaded {
  readonly target: string;
  /** `16 KiB`, or `16 KiB at 4,000/s`. */
  readonly what: string;
  readonly round: number;
  readonly connections: number;
  /** Absent: not known. */
  readonly serverCpuSeconds?: number;
  readonly result: LoadResult;
  /** Of objects that were read back afterwards. */
  readonly readBack: LoadErrors;
}

/** What it does not wait for answers, it computes, or is kept waiting by others on its core. */
const BUSY_SHARE = 0.95;

/** Whether the figures are those of the load generator: it had no time left, or most of the latency is its own lateness. */
export function isLoadLimited({ cpuSeconds, seconds, busyShare = 0, behindP99Ms, loads }: LoadResult): boolean {
  if (cpuSeconds / seconds >= LOAD_CPU_SHARE_MAX || busyShare >= BUSY_SHARE) return true;
  const p99 = loads[0]?.latencyMs?.p99;
  return behindP99Ms !== undefined && p99 !== undefined && behindP99Ms >= p99 / 2;
}

/**
 * One point for a load of one operation. Of a mixture, a point for all of it, which has the server's CPU, and one for each operation, which
 * have the errors.
 */
export function pointsOf(loaded: Loaded): Point[] {
  const { what, result, readBack, serverCpuSeconds } = loaded;
  const [all, ...operations] = result.loads as [OperationLoad, ...OperationLoad[]];
  const server = serverCpuSeconds === undefined ? {} : { serverCpuSeconds };
  const costs = { ...server, loadCpuSeconds: result.cpuSeconds };
  const behind = result.behindP99Ms === undefined ? {} : { 'load behind its time p99, ms': result.behindP99Ms };
  const point = (load: OperationLoad, name: string, errors: LoadErrors, more: Partial<Point>): Point => ({
    target: loaded.target,
    load: `${name} ${what}`,
    at: { round: loaded.round, connections: loaded.connections },
    seconds: result.seconds,
    requests: load.requests,
    objects: load.objects,
    bytes: load.bytes,
    ...(load.latencyMs === undefined ? {} : { latencyMs: load.latencyMs }),
    isLoadLimited: isLoadLimited(result),
    errors,
    more: {},
    ...more,
  });
  const total = { ...costs, more: behind };
  const [only] = operations;
  if (operations.length === 1 && only !== undefined)
    return [point(all, only.operation, addErrors(only.errors, readBack), total)];
  return [
    point(all, 'mixed', readBack, total),
    ...operations.map((load) => point(load, load.operation, load.errors, {})),
  ];
}
