/**
 * Thousands of connections that idle, in a load process: opens them, each with a request that is checked, holds them, and sends a slow load over
 * all of them in turn. Promises: a request has a connection of its own while it lasts; one that finds none free waits, and its wait counts.
 *
 * Hardest decision: a connection counts as open when it was served, not when the kernel says so. The kernel accepts on behalf of a server
 * that is not there yet.
 */
import { performance } from 'node:perf_hooks';
import { keepPace } from '../suite/pace.ts';
import { type Member, Members, type Protocol, type Reading } from './member.ts';
import { faulty, isGood, type Load, type Outcome, Tally } from './tally.ts';

export interface HerdPlan extends Reading {
  /** Connects under way at once. */
  readonly connecting: number;
}

export interface Opened {
  /** By this order. */
  readonly opened: number;
  readonly seconds: number;
  /** Of connecting and the first request together. */
  readonly load: Load;
}

export interface PaceOrder {
  readonly protocol: Protocol;
  /** Requests a second over all connections. */
  readonly rate: number;
  readonly seconds: number;
}

export interface Paced {
  readonly load: Load;
  readonly spunSeconds: number;
  readonly latenessMs: Float64Array;
  /** Found closed by the target before they were asked; they are forgotten. */
  readonly lost: number;
}

export interface HerdOrders {
  /** Answers with how many objects there are to ask for. */
  begin: { order: HerdPlan; result: number };
  open: { order: { readonly protocol: Protocol; readonly count: number }; result: Opened };
  pace: { order: PaceOrder; result: Paced };
  /** Answers with how many were open. */
  close: { order: undefined; result: number };
}

/** A member with a request that is under way has no time for another. */
interface Held {
  readonly member: Member;
  isBusy: boolean;
}

/** A target that refuses so many connections one after the other takes no more. */
const FAILURES_IN_A_ROW_MAX = 100;

export class Herd {
  readonly #members: Members;
  readonly #connecting: number;
  readonly #held: Record<Protocol, Held[]> = { s3: [], grpc: [] };
  #asked = 0;

  constructor(plan: HerdPlan) {
    this.#members = new Members(plan);
    this.#connecting = plan.connecting;
  }

  get objects(): number {
    return this.#members.objects;
  }

  async open(protocol: Protocol, count: number, signal: AbortSignal): Promise<Opened> {
    const held = this.#held[protocol];
    const before = held.length;
    const tally = new Tally();
    const startMs = performance.now();
    let left = count;
    let failures = 0;
    const lane = async (): Promise<void> => {
      while (left > 0 && failures < FAILURES_IN_A_ROW_MAX && !signal.aborted) {
        left -= 1;
        const beganMs = performance.now();
        const outcome = await this.#add(protocol);
        tally.count(outcome, performance.now() - beganMs);
        failures = isGood(outcome) ? 0 : failures + 1;
      }
    };
    await Promise.all(Array.from({ length: this.#connecting }, lane));
    const seconds = (performance.now() - startMs) / 1000;
    return { opened: held.length - before, seconds, load: tally.load };
  }

  async pace({ protocol, rate, seconds }: PaceOrder, signal: AbortSignal): Promise<Paced> {
    const held = this.#held[protocol].filter(({ member }) => member.isOpen);
    const lost = this.#held[protocol].length - held.length;
    this.#held[protocol] = held;
    const tally = new Tally();
    const waiting: ((free: Held) => void)[] = [];
    const running: Promise<void>[] = [];
    let turn = 0;
    const nextFree = (): Held | undefined => {
      for (let tried = 0; tried < held.length; tried += 1) {
        const one = held[turn++ % held.length] as Held;
        if (!one.isBusy && one.member.isOpen) return one;
      }
      return undefined;
    };
    const run = async (one: Held, dueAtMs: number): Promise<void> => {
      one.isBusy = true;
      const outcome = await one.member.ask(this.#asked++);
      tally.count(outcome, performance.now() - dueAtMs);
      one.isBusy = false;
      if (waiting.length > 0 && one.member.isOpen) waiting.shift()?.(one);
    };
    const begin = (_: number, dueAtMs: number): void => {
      const free = nextFree();
      if (free !== undefined) running.push(run(free, dueAtMs));
      else if (held.some(({ member }) => member.isOpen)) waiting.push((one) => running.push(run(one, dueAtMs)));
      else tally.count(faulty('broken', 'every connection was closed'), 0);
    };
    const { spunSeconds, latenessMs } = await keepPace({ rate, turns: Math.round(rate * seconds) }, begin, signal);
    for (let i = 0; i < running.length; i += 1) await running[i]; // it grows while those that waited get their turn
    for (const _ of waiting) tally.count(faulty('broken', 'no connection was free'), 0);
    return { load: tally.load, spunSeconds, latenessMs, lost };
  }

  close(): number {
    let open = 0;
    for (const held of Object.values(this.#held)) {
      for (const { member } of held.splice(0)) {
        if (member.isOpen) open += 1;
        member.close();
      }
    }
    return open;
  }

  async #add(protocol: Protocol): Promise<Outcome> {
    try {
      const member = await this.#members.open(protocol);
      const outcome = await member.ask(this.#asked++);
      if (isGood(outcome)) this.#held[protocol].push({ member, isBusy: false });
      else member.close();
      return outcome;
    } catch (error) {
      return faulty('broken', `connecting: ${(error as Error).message}`);
    }
  }
}
