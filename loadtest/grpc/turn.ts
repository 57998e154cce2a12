/** One load, run by the load process, as a point of the report: with what it cost the servers, and whether the load was the limit. */
import type { Measures } from '../../bench/measure/rounds.ts';
import { LOAD_CPU_SHARE_MAX, serverSeconds } from '../suite/processor-time.ts';
import { countErrors, type Percentiles, type Point } from '../suite/run-report.ts';
import type { LoadCrew } from './load-process.ts';
import type { LoadOrder, LoadResult } from './orders.ts';

export const RATE = 'objects a second';
export const CPU = 'server CPU an object, µs';
/** Of puts: what the keeper did with them after they were acknowledged. Part of `CPU`. */
const AFTERWARDS = 'of it after the load, µs';

export interface Turn {
  readonly target: string;
  readonly load: string;
  readonly at: Readonly<Record<string, number>>;
  readonly order: LoadOrder;
  /** Of all servers; empty where they are not ours. */
  pids(): readonly number[];
  /** What must be over before the CPU is read: work that the load has left behind. */
  settle?(): Promise<void>;
}

export interface Measured {
  readonly point: Point;
  readonly result: LoadResult;
}

export async function runTurn(loads: LoadCrew, turn: Turn): Promise<Measured> {
  const pids = turn.pids();
  const cpu = (): number | undefined => serverSeconds(pids);
  const before = cpu();
  const result = await loads.ask('load', turn.order);
  const loaded = cpu();
  await turn.settle?.();
  const after = cpu();
  if (before === undefined || loaded === undefined || after === undefined)
    return { point: pointOf(turn, result, undefined), result };
  const point = pointOf(turn, result, after - before);
  if (turn.settle === undefined) return { point, result };
  const more = { ...point.more, [AFTERWARDS]: ((after - loaded) * 1e6) / point.objects };
  return { point: { ...point, more }, result };
}

/** Pure. */
export function pointOf(
  { target, load, at }: Pick<Turn, 'target' | 'load' | 'at'>,
  result: LoadResult,
  serverCpuSeconds: number | undefined,
): Point {
  const { seconds, requests, objects, bytes, errors, first, whole, loadCpuSeconds } = result;
  return {
    target,
    load,
    at,
    seconds,
    requests,
    objects,
    bytes,
    ...(whole === undefined ? {} : { latencyMs: whole }),
    ...(serverCpuSeconds === undefined ? {} : { serverCpuSeconds }),
    loadCpuSeconds,
    isLoadLimited: loadCpuSeconds >= LOAD_CPU_SHARE_MAX * seconds,
    errors,
    more: firstOf(first),
  };
}

function firstOf(first: Percentiles | undefined): Record<string, number> {
  if (first === undefined) return {};
  return { 'first frame p50, ms': first.p50, 'first frame p99, ms': first.p99 };
}

/** What ratios are taken of. */
export function measuresOf({ objects, seconds, serverCpuSeconds }: Point): Measures {
  const cpu = serverCpuSeconds === undefined || objects === 0 ? {} : { [CPU]: (serverCpuSeconds * 1e6) / objects };
  return { [RATE]: objects / seconds, ...cpu };
}

/** What a reader must be told, once. */
export function remarkOn(points: readonly Point[]): string | undefined {
  const limited = points.filter(({ isLoadLimited }) => isLoadLimited);
  if (limited.length === 0) return undefined;
  const loads = [...new Set(limited.map(({ load }) => load))].join('; ');
  return `The load generator had no CPU left in ${limited.length} of ${points.length} points (${loads}): objects a second are its limit there, and the target may do more. Server CPU an object holds all the same.`;
}

/** The first thing that went wrong, with the point in which it did. */
export function troubleOf({ point, result }: Measured): string | undefined {
  const count = countErrors(point.errors);
  return count === 0 ? undefined : `${point.target}, ${point.load}: ${count} errors, the first: ${result.failure}`;
}
