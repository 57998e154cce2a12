/**
 * One keeper and N workers, each in its slot: who is told what when one comes or goes. The keeper starts first and stops last,
 * because a worker's writes go through it.
 */
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../base/settings.ts';
import { Child } from './child.ts';
import type { ChildSetup, Grace, ProcessReport } from './messages.ts';
import { Slot } from './slot.ts';

const REPLACE_GRACE: Grace = { idleMs: LIMITS.drainIdleMs, busyMs: LIMITS.drainMs };

export interface PoolOptions {
  readonly config: Config;
  /** Script that every child runs. */
  readonly entry: string;
  /** What the machine or container has, for all processes. */
  readonly memoryBytes: number;
  readonly keeperSocket: string;
  readonly newSession: () => string;
  readonly log: Log;
  /** Gives connections to workers. */
  readonly add: (worker: Child) => void;
  readonly remove: (worker: Child) => void;
  readonly exited: (worker: Child) => void;
  /** What a dead process had counted. */
  readonly retire: (report: ProcessReport) => void;
  /** Told of every change: these processes may be writing. */
  readonly note: (pids: readonly number[]) => void;
}

export class WorkerPool {
  readonly keeper: Slot;
  readonly workers: readonly Slot[];
  readonly #options: PoolOptions;
  readonly #running = new Set<Child>();
  /** The first start of the keeper. */
  #keeperFirst: Promise<void> = Promise.resolve();
  #replacing: Promise<void> | undefined;
  #replaceAgain = false;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.keeper = this.#keeperSlot();
    this.workers = Array.from({ length: options.config.workers }, (_, index) =>
      this.#workerSlot(`worker-${index + 1}`),
    );
  }

  /** @throws ChildFailure with the reason of the first process that did not come up */
  async start(): Promise<void> {
    // Workers load their modules while the keeper brings the index up to date.
    this.#keeperFirst = this.keeper.start();
    await Promise.all([this.#keeperFirst, ...this.workers.map((slot) => slot.start())]);
  }

  /** One by one, so that all but one serve at any time. A second call while one runs makes it run once more. */
  replace(): Promise<void> {
    if (this.#replacing !== undefined) {
      this.#replaceAgain = true;
      return this.#replacing;
    }
    this.#replacing = this.#replaceAll().finally(() => {
      this.#replacing = undefined;
    });
    return this.#replacing;
  }

  /** Idempotent. */
  async stop(grace: Grace): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.workers.map((slot) => slot.stop(grace)));
    await this.keeper.stop(grace);
  }

  kill(): void {
    this.#stopping = true;
    for (const slot of [...this.workers, this.keeper]) slot.kill();
  }

  /** What is missing before requests can be served. */
  unready(): string[] {
    const missing: string[] = [];
    if (this.#stopping) missing.push('the gateway is stopping');
    if (this.keeper.current?.isReady !== true) missing.push('the keeper is not ready');
    if (!this.workers.some((slot) => slot.current?.isReady === true)) missing.push('no worker is ready');
    return missing;
  }

  /** Of every process that runs; those that end meanwhile are told of by `retire`, so that nothing is counted twice. */
  async reports(): Promise<ProcessReport[]> {
    const reports = new Map<Child, ProcessReport | undefined>();
    await Promise.all(this.#children().map(async (child) => reports.set(child, await child.report())));
    const running = this.#children().map((child) => reports.get(child));
    return running.filter((report) => report !== undefined);
  }

  #children(): Child[] {
    return [this.keeper, ...this.workers].flatMap((slot) => slot.children);
  }

  async #replaceAll(): Promise<void> {
    const { log } = this.#options;
    do {
      this.#replaceAgain = false;
      const startedMs = performance.now();
      log.info('replacing every process, one by one');
      try {
        for (const slot of this.workers) {
          if (this.#stopping) return;
          await slot.replace(REPLACE_GRACE);
        }
        if (this.#stopping) return;
        await this.keeper.replace(REPLACE_GRACE);
        log.info({ tookMs: Math.round(performance.now() - startedMs) }, 'every process was replaced');
      } catch (error) {
        if (this.#stopping) return;
        log.error({ error }, `the replacement stopped: ${(error as Error).message}; what ran before serves on`);
      }
    } while (this.#replaceAgain);
  }

  #keeperSlot(): Slot {
    const { config, keeperSocket, log } = this.#options;
    return new Slot({
      name: 'keeper',
      log,
      overlap: false, // one writer of the index at a time
      startMs: undefined,
      create: () =>
        this.#fork({ role: 'keeper', name: 'keeper', config, keeperSocket, liveSessions: this.#liveSessions() }),
      onReady: () => {},
      onLeave: () => {},
      onExit: (child) => this.#retire(child),
    });
  }

  #workerSlot(name: string): Slot {
    const { config, memoryBytes, keeperSocket, log, newSession, add, remove } = this.#options;
    const share = (memoryBytes * LIMITS.cacheMemoryShare) / config.workers;
    const cacheBytes = Math.max(LIMITS.cacheBytesMin, Math.floor(share));
    return new Slot({
      name,
      log,
      overlap: true,
      startMs: LIMITS.workerStartMs,
      create: () =>
        this.#fork(
          { role: 'worker', name, config, keeperSocket, cacheBytes, session: newSession() },
          this.#keeperFirst,
        ),
      onReady: add,
      onLeave: remove,
      onExit: (child) => this.#workerExited(child),
    });
  }

  #fork(setup: ChildSetup, mayStart?: Promise<void>): Child {
    const child = new Child(this.#options.entry, setup, mayStart);
    const note = () => this.#options.note([...this.#running].flatMap(({ pid }) => pid ?? []));
    this.#running.add(child);
    note();
    void child.exited.then(() => {
      this.#running.delete(child);
      note();
    });
    return child;
  }

  #workerExited(child: Child): void {
    this.#options.exited(child);
    this.#retire(child);
    if (child.setup.role !== 'worker') return;
    this.keeper.current?.send({ kind: 'worker-exit', session: child.setup.session });
  }

  #retire(child: Child): void {
    if (child.lastReport !== undefined) this.#options.retire(child.lastReport);
  }

  #liveSessions(): string[] {
    const sessions: string[] = [];
    for (const child of this.workers.flatMap((slot) => slot.children)) {
      if (child.setup.role === 'worker') sessions.push(child.setup.session);
    }
    return sessions;
  }
}
