/**
 * One forked process, from its start to its exit. It never restarts anything: `slot.ts` does.
 *
 * Hardest decision: children are forked with plain `child_process`, and connections travel to them one by one over IPC, instead of
 * `node:cluster`: cluster closes the listening socket when its last worker dies, so a gateway with one worker would refuse
 * connections until the restart. Here the port outlives every worker.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { LIMITS } from '../base/limits.ts';
import {
  type ChildSetup,
  type FromChild,
  type PortName,
  type ProcessReport,
  ROLE_VERBS,
  type ToChild,
} from './messages.ts';

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** "signal SIGKILL" or "exit code 1". */
export function describeExit({ code, signal }: ChildExit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** A child ended before it was ready; the message is its own where it had one. */
export class ChildFailure extends Error {
  override readonly name = 'ChildFailure';
}

export class Child {
  readonly setup: ChildSetup;
  /** Rejects with ChildFailure. */
  readonly ready: Promise<void>;
  readonly exited: Promise<ChildExit>;
  /** Resolves when it was told to start: from then on its start takes its own time, and nobody else's. */
  readonly started: Promise<void>;
  /** What it reported last; kept so that the counters of a dead process are not lost. */
  lastReport: ProcessReport | undefined;
  isReady = false;
  readonly #process: ChildProcess;
  readonly #reports = new Map<number, (report: ProcessReport) => void>();
  readonly #handed = new Map<number, (taken: boolean) => void>();
  #greeted: () => void = () => {};
  #nextId = 1;
  #failure: string | undefined;

  /** @param mayStart until it resolves the child loads its modules and waits */
  constructor(entry: string, setup: ChildSetup, mayStart: Promise<void> = Promise.resolve()) {
    this.setup = setup;
    const hello = new Promise<void>((resolve) => {
      this.#greeted = resolve;
    });
    this.started = Promise.all([hello, mayStart]).then(() => this.send({ kind: 'start', setup }));
    this.started.catch(() => {}); // what it waits for failed: the gateway stops, and the child with it
    this.#process = fork(entry, [ROLE_VERBS[setup.role]], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => resolve({ code, signal }));
      this.#process.on('error', (error) => {
        this.#failure ??= error.message;
        if (this.#process.pid === undefined) resolve({ code: null, signal: null }); // it never ran
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.#process.on('message', (message: FromChild) => {
        if (message.kind === 'ready') {
          this.isReady = true;
          resolve();
        } else this.#receive(message);
      });
      void this.exited.then((exit) => {
        this.isReady = false;
        reject(
          new ChildFailure(
            this.#failure ?? `the ${setup.name} process ended before it was ready (${describeExit(exit)})`,
          ),
        );
      });
    });
    this.ready.catch(() => {}); // whoever waits for it hears it; an exit after `ready` is nobody's rejection
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  send(message: ToChild): void {
    // An error means that the child is going; its exit says so.
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  /**
   * Gives a connection away; `done` hears whether it was taken, unless the child exits first. Until it was taken the socket stays
   * open here, unread, and can be given to another. (Node would close it by itself, but forgets to when the child dies.)
   */
  hand(port: PortName, socket: Socket, done: (taken: boolean) => void): void {
    if (!this.#process.connected) {
      done(false);
      return;
    }
    const id = this.#nextId++;
    this.#handed.set(id, done);
    this.#process.send({ kind: 'connection', id, port } satisfies ToChild, socket, { keepOpen: true }, (error) => {
      if (error !== null && this.#handed.delete(id)) done(false);
    });
  }

  /** The figures of now, or those that it gave last when it does not answer in time. */
  async report(): Promise<ProcessReport | undefined> {
    if (!this.isReady || !this.#process.connected) return this.lastReport;
    const id = this.#nextId++;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<ProcessReport | undefined>((resolve) => {
      timer = setTimeout(() => resolve(this.lastReport), LIMITS.metricsTimeoutMs);
      this.#reports.set(id, resolve);
      void this.exited.then(() => resolve(this.lastReport));
      this.send({ kind: 'report', id });
    });
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.#reports.delete(id);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  #receive(message: Exclude<FromChild, { kind: 'ready' }>): void {
    switch (message.kind) {
      case 'hello':
        this.#greeted();
        return;
      case 'failed':
        this.#failure = message.message;
        return;
      case 'taken':
        this.#handed.get(message.id)?.(true);
        this.#handed.delete(message.id);
        return;
      case 'drained':
        this.lastReport = message.report;
        return;
      case 'report':
        this.lastReport = message.report;
        this.#reports.get(message.id)?.(message.report);
    }
  }
}
