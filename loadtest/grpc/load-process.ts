/** What the load process of the scenarios over gRPC, and of those compared with them, does. An order that is told to stop answers with what it had. */
import { LoadProcess, serveOrders } from '../suite/load-process.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { loadBatches } from './batch-load.ts';
import type { LoadOrder, LoadOrders, LoadResult } from './orders.ts';
import { loadPutBatches, verifyPuts } from './put-load.ts';
import type { StreamsRun } from './run-streams.ts';
import { loadGets, loadPuts, type PutRun } from './single-load.ts';
import { Tally } from './tally.ts';

/** For what is under way when it is told to stop: calls of gRPC have no time of their own. */
const STOP_MS_MAX = 5000;

type Ran = StreamsRun & Partial<Pick<PutRun, 'until'>>;

async function runOrder(order: LoadOrder, tally: Tally, isStopped: () => boolean, begin: () => void): Promise<Ran> {
  switch (order.kind) {
    case 'get-batch':
      return loadBatches(order, tally, isStopped, begin);
    case 's3-get':
      return loadGets(order, tally, isStopped, begin);
    case 's3-put':
      return loadPuts(order, tally, isStopped, begin);
    case 'put-batch':
      return loadPutBatches(order, tally, isStopped, begin);
    case 'verify': {
      const startedMs = performance.now();
      await verifyPuts(order, tally, isStopped);
      return { seconds: (performance.now() - startedMs) / 1000, spunSeconds: 0 };
    }
  }
}

async function obey(order: LoadOrder, isStopped: () => boolean): Promise<LoadResult> {
  const tally = new Tally();
  let before = process.cpuUsage();
  const { seconds, spunSeconds, until } = await runOrder(order, tally, isStopped, () => {
    before = process.cpuUsage();
  });
  const { user, system } = process.cpuUsage(before);
  const isCorrected = order.kind === 'get-batch' && order.rate > 0;
  return {
    seconds,
    requests: tally.requests,
    objects: tally.objects,
    bytes: tally.bytes,
    first: tally.first.percentiles(isCorrected),
    whole: tally.whole.percentiles(isCorrected),
    errors: tally.errors,
    failure: tally.failure,
    loadCpuSeconds: Math.max(0, (user + system) / 1e6 - spunSeconds),
    until,
  };
}

/** Serves orders of the parent until it goes away. */
export function serveLoads(): void {
  serveOrders<LoadOrders>({ load: (order, signal) => obey(order, () => signal.aborted) });
}

export type LoadCrew = LoadProcess<LoadOrders>;

/** @param self file of the scenario, which calls `serveLoads` */
export function openLoads(context: ScenarioContext, self: string): LoadCrew {
  return new LoadProcess<LoadOrders>(context, { self, stopMsMax: STOP_MS_MAX });
}
