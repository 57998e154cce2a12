/** A load in a process of its own, as a point of the report: what it asked for, what it cost both sides, and whether it was the limit. */
import { performance } from 'node:perf_hooks';
import { LOAD_CPU_SHARE_MAX, serverSeconds } from '../suite/processor-time.ts';
import { type Percentiles, type Point, percentilesOf } from '../suite/run-report.ts';
import type { Target } from '../suite/target.ts';
import type { Load } from './tally.ts';

export interface Cost<R> {
  readonly result: R;
  readonly seconds: number;
  readonly serverCpuSeconds?: number;
  readonly loadCpuSeconds: number;
}

/** @param loads the processes of the load: one core has room for all of them */
export async function costOf<R>(
  target: Pick<Target, 'pids'>,
  loads: readonly { cpuSeconds(): number }[],
  work: () => Promise<R>,
): Promise<Cost<R>> {
  const server = (): number | undefined => serverSeconds(target.pids());
  const load = (): number => loads.reduce((sum, one) => sum + one.cpuSeconds(), 0);
  const [startMs, serverBefore, loadBefore] = [performance.now(), server(), load()];
  const result = await work();
  const seconds = (performance.now() - startMs) / 1000;
  const [serverAfter, loadCpuSeconds] = [server(), load() - loadBefore];
  if (serverBefore === undefined || serverAfter === undefined) return { result, seconds, loadCpuSeconds };
  return { result, seconds, serverCpuSeconds: serverAfter - serverBefore, loadCpuSeconds };
}

export interface PointFacts {
  readonly target: string;
  readonly load: string;
  readonly at: Readonly<Record<string, number>>;
  readonly more: Readonly<Record<string, number>>;
  /** The load had a rate, and latencies count from when a request was due. */
  readonly isCorrected: boolean;
  /** Processor time of the load that went into waiting. */
  readonly spunSeconds?: number;
}

export function pointOf(
  facts: PointFacts,
  { requests, objects, bytes, errors, latenciesMs }: Load,
  cost: Cost<unknown>,
): Point {
  const { isCorrected, spunSeconds = 0, ...rest } = facts;
  const { seconds, serverCpuSeconds, loadCpuSeconds } = cost;
  const latencyMs = latencyOf(latenciesMs, isCorrected);
  return {
    ...rest,
    seconds,
    requests,
    objects,
    bytes,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(serverCpuSeconds === undefined ? {} : { serverCpuSeconds }),
    loadCpuSeconds: Math.max(0, loadCpuSeconds - spunSeconds),
    isLoadLimited: loadCpuSeconds - spunSeconds >= LOAD_CPU_SHARE_MAX * seconds,
    errors,
  };
}

/** `undefined` for none. */
export function latencyOf(latenciesMs: Float64Array, isCorrected: boolean): Percentiles | undefined {
  return latenciesMs.length === 0 ? undefined : percentilesOf(latenciesMs, isCorrected);
}
