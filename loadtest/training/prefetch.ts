/**
 * How a data loader of one rank reads ahead. Promises: every reader worker makes one whole batch at a time; batches come out in the order of
 * their steps; read, being read and ready together are never more than `depth`.
 *
 * Hardest decision: a worker takes the next batch that nobody has, where the loaders of the usual framework deal them out in turns. A slow
 * answer then holds up one batch and not every batch of one worker, which is to the advantage of all targets alike.
 */

/** Reads the batch of a step; never rejects. */
export type ReadStep = (step: number) => Promise<void>;

export interface PrefetchOptions {
  /** One for each worker. */
  readonly readers: readonly ReadStep[];
  /** Batches that are read, being read or ready at once: at least one. */
  readonly depth: number;
  /** Steps of the epoch; the loader does not read beyond. */
  readonly stepsMax: number;
  readonly nowMs: () => number;
}

export class Prefetch {
  readonly #options: PrefetchOptions;
  /** When the batches that nobody has taken yet became ready, by step. */
  readonly #ready = new Map<number, number>();
  readonly #batchMs: number[] = [];
  readonly #workers: Promise<unknown>;
  #idle: (() => void)[] = [];
  #begun = 0;
  #taken = 0;
  #waiting: ((readyMs: number) => void) | undefined;
  #isStopped = false;

  /** Begins to read. */
  constructor(options: PrefetchOptions) {
    this.#options = options;
    this.#workers = Promise.all(options.readers.map((read) => this.#work(read)));
  }

  /** Milliseconds that each batch took to read. */
  get batchMs(): readonly number[] {
    return this.#batchMs;
  }

  /** Takes the next batch. One caller at a time. @returns when it became ready, on the clock of the options */
  async take(): Promise<number> {
    const step = this.#taken;
    const readyMs = this.#ready.get(step) ?? (await this.#untilReady());
    this.#ready.delete(step);
    this.#taken += 1;
    this.#wake();
    return readyMs;
  }

  /** Begins nothing more. Resolves when what was under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#workers;
  }

  #untilReady(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #wake(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resume of idle) resume();
  }

  async #work(read: ReadStep): Promise<void> {
    const { depth, stepsMax, nowMs } = this.#options;
    while (!this.#isStopped && this.#begun < stepsMax) {
      if (this.#begun - this.#taken >= depth) {
        await new Promise<void>((resolve) => this.#idle.push(resolve));
        continue;
      }
      const step = this.#begun++;
      const startMs = nowMs();
      await read(step);
      const readyMs = nowMs();
      this.#batchMs.push(readyMs - startMs);
      this.#deliver(step, readyMs);
    }
  }

  #deliver(step: number, readyMs: number): void {
    const waiting = this.#waiting;
    if (step !== this.#taken || waiting === undefined) {
      this.#ready.set(step, readyMs);
      return;
    }
    this.#waiting = undefined;
    waiting(readyMs);
  }
}
