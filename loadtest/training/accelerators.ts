/**
 * The process that the simulated accelerators have for themselves, and the one that orders trials from it. The protocol: an order or `end`
 * goes there, the figures or a failure come back; one trial at a time. Whoever ordered goes away: the process ends.
 */
import type { ChildProcess, Serializable } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Belongings, onCore } from '../../bench/measure/belongings.ts';
import { BenchError } from '../../bench/measure/options.ts';
import { type DataSet, type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import { runTrial, type TrialFigures, type TrialOrder } from './trial.ts';

type Order =
  /** What trials to come read. The process makes keys, sizes and checksums itself. */
  | { readonly kind: 'data'; readonly spec: DataSetSpec }
  | { readonly kind: 'trial'; readonly order: TrialOrder }
  /** Ends the trial that runs. */
  | { readonly kind: 'cut' };

type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'figures'; readonly figures: TrialFigures }
  | { readonly kind: 'failure'; readonly text: string };

/** Of the command line, for the file that serves orders. */
export const SERVE_FLAG = '--serve-accelerators';
const LOAD_CORE = 1;

/** Serves orders until whoever gives them goes away. */
export function serveAccelerators(): void {
  const dataSets = new Map<string, DataSet>();
  let cut = new AbortController();
  const obey = async (order: Exclude<Order, { readonly kind: 'cut' }>): Promise<Reply> => {
    if (order.kind === 'data') {
      const data = makeDataSet(order.spec);
      dataSets.set(order.spec.prefix, data);
      for (let i = 0; i < data.count; i += 1) data.crcOf(i); // or the first epoch would pay for it
      return { kind: 'ready' };
    }
    const data = dataSets.get(order.order.prefix);
    if (data === undefined) throw new Error('a trial was ordered before its data set');
    cut = new AbortController();
    return { kind: 'figures', figures: await runTrial(order.order, data, cut.signal) };
  };
  const reply = (message: Reply): void => void process.send?.(message);
  process.on('message', (order: Order) => {
    if (order.kind === 'cut') cut.abort();
    else obey(order).then(reply, (error: unknown) => reply({ kind: 'failure', text: String(error) }));
  });
  process.on('disconnect', () => process.exit(0));
}

export class Accelerators {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;

  /** @param signal cuts the trial that runs short */
  constructor(owned: Belongings, cores: number, signal: AbortSignal) {
    const entry = fileURLToPath(new URL('../training.ts', import.meta.url));
    const argv = [...process.execArgv, entry, SERVE_FLAG];
    const [command, args] = onCore(LOAD_CORE, cores, process.execPath, argv);
    this.#child = owned.spawn(command, args, 'util-linux', { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#send({ kind: 'cut' }), { once: true });
  }

  async prepare(spec: DataSetSpec): Promise<void> {
    await this.#ask({ kind: 'data', spec });
  }

  /** @throws BenchError with what the process says when it cannot; what the signal was aborted with when it was cut short */
  async run(order: TrialOrder): Promise<TrialFigures> {
    this.#signal.throwIfAborted();
    const reply = await this.#ask({ kind: 'trial', order });
    this.#signal.throwIfAborted();
    if (reply.kind !== 'figures') throw new BenchError('the process of the accelerators did not answer a trial');
    return reply.figures;
  }

  async #ask(order: Order): Promise<Reply> {
    if (!this.#child.connected) throw new BenchError('the process of the accelerators has ended');
    const over = new AbortController();
    const gone = once(this.#child, 'exit', { signal: over.signal }).then(() => {
      throw new BenchError('the process of the accelerators has ended; see above for what it printed');
    });
    try {
      const answered = once(this.#child, 'message', { signal: over.signal });
      this.#send(order);
      const [reply] = (await Promise.race([answered, gone])) as [Reply];
      if (reply.kind === 'failure') throw new BenchError(`the process of the accelerators failed: ${reply.text}`);
      return reply;
    } finally {
      over.abort();
      gone.catch(() => {}); // it was told to give up waiting
    }
  }

  #send(order: Order): void {
    if (this.#child.connected) this.#child.send(order as unknown as Serializable);
  }
}
