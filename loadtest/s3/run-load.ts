/**
 * One load on one endpoint, with autocannon: so many connections, for so long, as fast as the answers come (a closed loop) or at a set rate.
 * Promises: at a set rate, latency counts from when a request was due, also for requests that waited for a connection, and for those that
 * were not answered any more (coordinated omission); an endpoint that does not answer is an error and not a pause.
 *
 * Hardest decision: autocannon's own rate sends what is due in a second at once when the second begins, and corrects latencies as if one
 * request a millisecond were due on each connection, whatever the rate is (measured 2026-11-25: 147,700 latencies of 8,797 requests). So the
 * pace is set here, request by request.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { BenchError } from '../../bench/measure/options.ts';
import { keepPace, type PaceResult } from '../suite/pace.ts';
import { percentilesOf } from '../suite/run-report.ts';
import { type CannonClient, CheckedClient } from './checked-client.ts';
import { FreeConnections } from './free-connections.ts';
import { LoadTally, type OperationLoad } from './load-tally.ts';
import type { OperationSource } from './operation.ts';

export interface LoadSettings {
  /** `http://127.0.0.1:9000`. */
  readonly origin: string;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second over all connections; 0: as fast as answers come. */
  readonly rate: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly loads: readonly OperationLoad[];
  /** Of the load process, without what it spent on waiting for the next due request. */
  readonly cpuSeconds: number;
  /** Without a rate: share of the time in which it had something to do, or was kept from it by others on its core. */
  readonly busyShare?: number;
  /** At a set rate: how far behind its time the load itself began requests, 99th percentile. */
  readonly behindP99Ms?: number;
  readonly troubles: readonly string[];
}

/** How often autocannon looks whether it shall end. */
const LOOK_MS = 100;
const SILENCE_S_MAX = 30;
/** Without an answer for that long at the end, a request counts as broken. */
const HUNG_MS = 5000;
const DRAIN_LOOK_MS = 5;
/** Connections that ended without an answer. They are made anew at once, so that an endpoint that is not there would be hammered for long. */
const FRUITLESS_MAX = 200;

export async function runLoad(
  settings: LoadSettings,
  source: OperationSource,
  signal: AbortSignal,
): Promise<LoadResult> {
  const { connections, seconds, rate, origin } = settings;
  const isPaced = rate > 0;
  const tally = new LoadTally(isPaced);
  const pool = new FreeConnections<CannonClient>();
  const whenFree = (client: CannonClient, send: (dueMs: number) => void): void => pool.free(client, send);
  const clients: CheckedClient[] = [];
  let fruitless = 0;
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const loopBefore = performance.eventLoopUtilization();
  const cannon = autocannon({
    url: origin,
    connections,
    duration: seconds + (isPaced ? SILENCE_S_MAX : 0),
    timeout: SILENCE_S_MAX + (isPaced ? seconds : 0),
    sampleInt: LOOK_MS,
    setupClient: (client) => {
      const hooks = { source, tally, whenFruitless, ...(isPaced ? { whenFree } : {}) };
      clients.push(new CheckedClient(client as unknown as CannonClient, hooks));
    },
  }) as unknown as PromiseLike<unknown> & { stop(): void };
  const stop = (): void => cannon.stop();
  function whenFruitless(): boolean {
    fruitless += 1;
    if (fruitless === FRUITLESS_MAX) stop();
    return fruitless < FRUITLESS_MAX;
  }
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const pacing = isPaced ? pace(settings, pool, clients, signal).finally(stop) : undefined;
  await cannon;
  signal.removeEventListener('abort', stop);
  const paced = await pacing;
  const endMs = paced?.endMs ?? performance.now();
  const { user, system } = process.cpuUsage(cpuBefore);
  const { utilization } = performance.eventLoopUtilization(loopBefore);
  settleRest(tally, clients, pool, signal.aborted);
  if (tally.objects === 0 && !signal.aborted) throw new BenchError(nothingText(origin, tally));
  return {
    seconds: (endMs - startMs) / 1000,
    loads: tally.loads,
    cpuSeconds: (user + system) / 1e6 - (paced?.spunSeconds ?? 0),
    ...(paced === undefined || paced.turns === 0 ? {} : { behindP99Ms: percentilesOf(paced.latenessMs, true).p99 }),
    ...(isPaced ? {} : { busyShare: utilization }),
    troubles: tally.troubles,
  };
}

function nothingText(origin: string, { troubles }: LoadTally): string {
  return `${origin} answered no request as it should${troubles.length === 0 ? '' : ` (${troubles.join('; ')})`}.`;
}

/** Sets the pace, then waits a while for the answers that are still to come. */
async function pace(
  { rate, seconds }: LoadSettings,
  pool: FreeConnections<CannonClient>,
  clients: readonly CheckedClient[],
  signal: AbortSignal,
): Promise<PaceResult & { readonly endMs: number }> {
  const turns = Math.max(1, Math.round(rate * seconds));
  const result = await keepPace({ rate, turns }, (_, dueMs) => pool.due(dueMs), signal);
  const lastMs = performance.now() + HUNG_MS;
  const isDone = (): boolean => pool.waiting === 0 && clients.every(({ sentMs }) => sentMs === undefined);
  while (!isDone() && performance.now() < lastMs && !signal.aborted) await sleep(DRAIN_LOOK_MS);
  return { ...result, endMs: performance.now() };
}

/** What hangs is broken; what was cut off by the end of the load is nobody's fault; what was due and never sent has waited until now. */
function settleRest(
  tally: LoadTally,
  clients: readonly CheckedClient[],
  pool: FreeConnections<CannonClient>,
  isAborted: boolean,
): void {
  const nowMs = performance.now();
  for (const client of clients) {
    const isHung = client.sentMs !== undefined && nowMs - client.sentMs >= HUNG_MS;
    client.abandon(isHung && !isAborted ? 'broken' : undefined, `no answer within ${HUNG_MS / 1000} s`);
  }
  if (isAborted) return;
  for (const dueMs of pool.takeWaiting()) tally.unsent(nowMs - dueMs);
}
