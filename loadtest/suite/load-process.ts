/**
 * A process of its own that makes load: it is given orders by name and answers each with its result. Promises: it ends when its parent does;
 * an order is told to stop when the run is cut short, and still answers; when the process dies, whoever waits for it hears so. It has core 1,
 * where the machine has one, so that it takes nothing from what it loads.
 */
import type { ChildProcess } from 'node:child_process';
import { onCore } from '../../bench/measure/belongings.ts';
import { BenchError } from '../../bench/measure/options.ts';
import { cpuSoFar } from '../../bench/measure/processes.ts';
import type { ScenarioContext } from './scenario.ts';

/** `{ open: { order: …; result: … } }`. Both go through structured clone. */
export type OrderBook<T> = { readonly [K in keyof T]: { readonly order: unknown; readonly result: unknown } };

type Handlers<T extends OrderBook<T>> = {
  readonly [K in keyof T]: (order: T[K]['order'], signal: AbortSignal) => T[K]['result'] | Promise<T[K]['result']>;
};

type Request = { readonly id: number; readonly kind: string; readonly order: unknown } | { readonly stop: true };
type Reply = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly failure: string };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface LoadProcessOptions {
  /** File of the scenario, which calls `serveOrders` where `isLoadProcess()`: import.meta.filename. */
  readonly self: string;
  /** Gives way to other load on its core. */
  readonly isNice?: boolean;
  /** What has not answered so long after it was told to stop is given up. */
  readonly stopMsMax?: number;
}

const AS_LOAD = '--as-load';
const LOAD_CORE = 1;
/** Exchanges end within 30 s by themselves. */
const STOP_MS_MAX = 35_000;

/** Whether this process was started to make load, and not by a user. */
export function isLoadProcess(): boolean {
  return process.argv[2] === AS_LOAD;
}

export class LoadProcess<T extends OrderBook<T>> {
  readonly #child: ChildProcess;
  readonly #end: () => Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(
    { owned, cores, signal }: Pick<ScenarioContext, 'owned' | 'cores' | 'signal'>,
    { self, isNice = false, stopMsMax = STOP_MS_MAX }: LoadProcessOptions,
  ) {
    const node = [process.execPath, ...process.execArgv, self, AS_LOAD] as const;
    const [first, ...rest] = isNice ? (['nice', '-n', '19', ...node] as const) : node;
    const [command, args] = onCore(LOAD_CORE, cores, first, rest);
    this.#child = owned.spawn(command, args, 'util-linux', {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.#end = () => owned.end(this.#child);
    this.#child.on('message', (reply: Reply) => this.#take(reply));
    this.#child.once('close', (code, by) => this.#failAll(new BenchError(`a load process ended (${by ?? code})`)));
    const stop = (): void => {
      this.#send({ stop: true });
      setTimeout(() => this.#failAll(signal.reason as Error), stopMsMax).unref();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    this.#child.once('exit', () => signal.removeEventListener('abort', stop));
  }

  ask<K extends keyof T & string>(kind: K, order: T[K]['order']): Promise<T[K]['result']> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (!this.#send({ id, kind, order })) this.#failAll(new BenchError('a load process is not there any more'));
    });
  }

  /** Since it began. */
  cpuSeconds(): number {
    const { user, system } = cpuSoFar([this.#child.pid as number]);
    return user + system;
  }

  /** Idempotent. */
  async end(): Promise<void> {
    await this.#end();
  }

  #send(request: Request): boolean {
    if (!this.#child.connected) return false;
    this.#child.send(request, () => {}); // an error means that it is going; its end says so
    return true;
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('failure' in reply) waiting?.reject(new BenchError(reply.failure));
    else waiting?.resolve(reply.result);
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Serves the orders of the parent until it goes away. */
export function serveOrders<T extends OrderBook<T>>(handlers: Handlers<T>): void {
  const stop = new AbortController();
  const send = (reply: Reply): void => void process.send?.(reply);
  process.on('message', (request: Request) => {
    if ('stop' in request) {
      stop.abort();
      return;
    }
    const { id, kind, order } = request;
    const run = async (): Promise<unknown> => handlers[kind as keyof T](order, stop.signal);
    run().then(
      (result) => send({ id, result }),
      (error: unknown) => send({ id, failure: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}
