/**
 * A place for one process that is always filled: a process that dies is replaced after a back-off, and `replace` puts a new one
 * in before the old one goes (or after it, where two cannot live at once).
 *
 * Hardest decision: a slot never gives up once it has been ready, because a gateway that serves at times is better than none, and
 * its log says what is wrong; but the very first start is not repeated: what is wrong then, a person can fix now.
 */
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { type Child, type ChildExit, describeExit } from './child.ts';
import type { Grace } from './messages.ts';

export interface SlotEvents {
  /** The child serves from now on. */
  readonly onReady: (child: Child) => void;
  /** Give it nothing more: it is about to drain, or dead. */
  readonly onLeave: (child: Child) => void;
  readonly onExit: (child: Child, exit: ChildExit) => void;
}

export interface SlotOptions extends SlotEvents {
  readonly name: string;
  readonly create: () => Child;
  readonly log: Log;
  /** May old and new run side by side? */
  readonly overlap: boolean;
  /** Undefined: as long as it takes. */
  readonly startMs: number | undefined;
}

/** Delay before the next start: doubles with each failure, starts over after a long life. */
export function nextDelayMs(previousMs: number | undefined, aliveMs: number): number {
  const { restartDelayMinMs, restartDelayMaxMs, restartResetMs } = LIMITS;
  if (previousMs === undefined || aliveMs >= restartResetMs) return restartDelayMinMs;
  return Math.min(previousMs * 2, restartDelayMaxMs);
}

export class Slot {
  readonly name: string;
  readonly #options: SlotOptions;
  #current: Child | undefined;
  /** A replacement that is not ready yet. */
  #starting: Child | undefined;
  readonly #retiring = new Map<Child, Promise<void>>();
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  #delayMs: number | undefined;
  #readyAtMs = Number.POSITIVE_INFINITY;
  #restarts = 0;

  constructor(options: SlotOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get current(): Child | undefined {
    return this.#current;
  }

  /** How often a dead process was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Every process of this slot that may still run, those that drain included. */
  get children(): readonly Child[] {
    const children = [...this.#retiring.keys()];
    for (const child of [this.#current, this.#starting]) if (child !== undefined) children.push(child);
    return children;
  }

  /** The first start. @throws ChildFailure, and then nothing is started again */
  async start(): Promise<void> {
    if (this.#stopping) return;
    const child = this.#options.create();
    this.#current = child;
    await this.#becomeReady(child);
    void child.exited.then((exit) => this.#died(child, exit));
  }

  /** @throws ChildFailure when the new process does not come up; the old one then serves on, if it could */
  async replace(grace: Grace): Promise<void> {
    clearTimeout(this.#timer);
    const old = this.#current;
    if (!this.#options.overlap && old !== undefined) await this.#retire(old, grace);
    if (this.#stopping) return;
    const child = this.#options.create();
    if (!this.#options.overlap) {
      this.#current = child;
      void child.exited.then((exit) => this.#died(child, exit));
      return this.#becomeReady(child);
    }
    this.#starting = child; // so that a stop finds it
    try {
      await this.#becomeReady(child);
    } finally {
      this.#starting = undefined;
    }
    if (this.#stopping) return;
    const replaced = this.#current;
    clearTimeout(this.#timer); // the old one may have died meanwhile
    this.#current = child;
    void child.exited.then((exit) => this.#died(child, exit));
    if (replaced !== undefined) await this.#retire(replaced, grace);
  }

  /** Idempotent; resolves when no process of the slot is left. */
  async stop(grace: Grace): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    await Promise.all(this.children.map((child) => this.#retire(child, grace)));
  }

  /** At once, without asking. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#timer);
    for (const child of this.children) child.kill('SIGKILL');
  }

  async #becomeReady(child: Child): Promise<void> {
    const { startMs, log, name } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    let isSettled = false;
    const limit = (): void => {
      if (startMs === undefined || isSettled) return;
      timer = setTimeout(() => {
        log.error(
          { process: name, childPid: child.pid, startMs },
          `${name} was not ready in ${startMs / 1000} s and is killed`,
        );
        child.kill('SIGKILL');
      }, startMs);
    };
    child.started.then(limit, () => {});
    try {
      await child.ready;
    } finally {
      isSettled = true;
      clearTimeout(timer);
    }
    this.#readyAtMs = performance.now();
    this.#options.onReady(child);
  }

  #retire(child: Child, grace: Grace): Promise<void> {
    if (this.#current === child) this.#current = undefined;
    let end = this.#retiring.get(child);
    if (end === undefined) {
      this.#options.onLeave(child);
      end = this.#awaitEnd(child, grace);
      this.#retiring.set(child, end);
    }
    child.send({ kind: 'drain', grace }); // again, when the grace is now another
    return end;
  }

  async #awaitEnd(child: Child, grace: Grace): Promise<void> {
    const { log, name } = this.#options;
    const limitMs = grace.busyMs + LIMITS.shutdownMs - LIMITS.drainMs;
    const timer = setTimeout(() => {
      log.warn(
        { process: name, childPid: child.pid, limitMs },
        `${name} did not end in ${limitMs / 1000} s and is killed`,
      );
      child.kill('SIGKILL');
    }, limitMs);
    const exit = await child.exited;
    clearTimeout(timer);
    this.#retiring.delete(child);
    this.#options.onExit(child, exit);
  }

  #died(child: Child, exit: ChildExit): void {
    if (this.#current !== child) return; // it was retired: its end is expected
    this.#current = undefined;
    this.#options.onLeave(child);
    this.#options.onExit(child, exit);
    if (this.#stopping) return;
    const aliveMs = Math.max(0, performance.now() - this.#readyAtMs);
    this.#delayMs = nextDelayMs(this.#delayMs, Number.isFinite(this.#readyAtMs) ? aliveMs : 0);
    this.#readyAtMs = Number.POSITIVE_INFINITY;
    const { log, name } = this.#options;
    log.error(
      { process: name, childPid: child.pid, code: exit.code, signal: exit.signal, restartInMs: this.#delayMs },
      `${name} (pid ${child.pid}) died: ${describeExit(exit)}; a new one starts in ${this.#delayMs} ms`,
    );
    this.#timer = setTimeout(() => this.#restart(), this.#delayMs);
  }

  #restart(): void {
    if (this.#stopping || this.#current !== undefined) return;
    this.#restarts++;
    const child = this.#options.create();
    this.#current = child;
    void child.exited.then((exit) => this.#died(child, exit));
    this.#becomeReady(child).then(
      () =>
        this.#options.log.info(
          { process: this.name, childPid: child.pid, restarts: this.#restarts },
          `${this.name} serves again (pid ${child.pid})`,
        ),
      // That it died is reported by #died; why, only it knew.
      (error: Error) =>
        this.#options.log.error(
          { process: this.name, childPid: child.pid },
          `${this.name} could not start: ${error.message}`,
        ),
    );
  }
}
