/**
 * The load in a process of its own, on core 1 where the machine has one, so that it takes nothing from what it loads and its CPU is known
 * apart. Promises: one order at a time, each with one reply; an order that is told to stop replies with what it had; the process goes when its
 * parent does.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Belongings, onCore } from '../../bench/measure/belongings.ts';
import { BenchError } from '../../bench/measure/options.ts';
import { loadBatches } from './batch-load.ts';
import type { LoadMessage, LoadOrder, LoadReply, LoadResult } from './orders.ts';
import { loadPutBatches, verifyPuts } from './put-load.ts';
import type { StreamsRun } from './run-streams.ts';
import { loadGets, loadPuts, type PutRun } from './single-load.ts';
import { Tally } from './tally.ts';

/** The entry of a scenario calls `serveLoads` when this is its first argument. */
export const AS_LOAD = '--as-load';
const LOAD_CORE = 1;
/** For what is under way when it is told to stop. */
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
  let isStopped = false;
  process.on('message', (message: LoadMessage) => {
    if (message.kind === 'stop') {
      isStopped = true;
      return;
    }
    const send = (reply: LoadReply): void => void process.send?.(reply);
    obey(message, () => isStopped).then(
      (result) => send({ result }),
      (error: unknown) => send({ failure: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;

  /** @param self file of the scenario, which calls `serveLoads` for `AS_LOAD` */
  constructor(
    owned: Belongings,
    options: { readonly self: string; readonly cores: number; readonly signal: AbortSignal },
  ) {
    const argv = [...process.execArgv, options.self, AS_LOAD];
    const [command, args] = onCore(LOAD_CORE, options.cores, process.execPath, argv);
    this.#child = owned.spawn(command, args, 'util-linux', { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#signal = options.signal;
  }

  /** @throws BenchError when it cannot be done, and the signal's reason when it does not end after it was told to */
  async run(order: LoadOrder): Promise<LoadResult> {
    this.#signal.throwIfAborted();
    const over = new AbortController();
    const stop = (): void => {
      this.#child.send({ kind: 'stop' } satisfies LoadMessage);
      setTimeout(() => over.abort(), STOP_MS_MAX).unref();
    };
    const gone = (code: number | null): void => over.abort(new BenchError(`the load process ended with ${code}.`));
    this.#signal.addEventListener('abort', stop, { once: true });
    this.#child.once('exit', gone);
    try {
      this.#child.send(order);
      const [reply] = (await once(this.#child, 'message', { signal: over.signal })) as [LoadReply];
      if ('failure' in reply) throw new BenchError(reply.failure);
      return reply.result;
    } catch (error) {
      this.#signal.throwIfAborted();
      throw over.signal.aborted ? over.signal.reason : error;
    } finally {
      this.#signal.removeEventListener('abort', stop);
      this.#child.off('exit', gone);
    }
  }
}
