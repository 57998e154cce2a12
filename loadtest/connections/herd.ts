/**
 * Thousands of connections that idle, in a load process: opens them, each with a request that is checked, holds them, and sends a slow load over
 * all of them in turn. Promises: a request has a connection of its own while it lasts; one that finds none free waits, and its wait counts.
 *
 * Hardest decision: a connection counts as open when it was served, not when the kernel says so. The kernel accepts on behalf of a server
 * that is not there yet.
 */
import { performance } from 'node:perf_hooks';
import { type DataSet, type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import type { Wanted } from './batch-check.ts';
import { BatchSession } from './batch-session.ts';
import { checkGet } from './get-check.ts';
import { KeptConnection } from './kept-connection.ts';
import { sourceOf } from './open-files.ts';
import { keepPace } from './pace.ts';
import { grpcOf, type Route } from './route.ts';
import { SignedHeads } from './signed-heads.ts';
import { faulty, isGood, type Load, type Outcome, Tally } from './tally.ts';

export type Protocol = 's3' | 'grpc';

export interface HerdPlan {
  readonly route: Route;
  readonly dataSet: DataSetSpec;
  readonly bucket: string;
  /** Objects of one GetBatch. */
  readonly batch: number;
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
  /** Closed by the target since they were opened, without having been asked. */
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

/** What can be asked over one connection. */
interface Member {
  readonly isOpen: boolean;
  isBusy: boolean;
  ask(position: number): Promise<Outcome>;
  close(): void;
}

/** A target that refuses so many connections one after the other takes no more. */
const FAILURES_IN_A_ROW_MAX = 100;

export class Herd {
  readonly #plan: HerdPlan;
  readonly #dataSet: DataSet;
  readonly #heads: SignedHeads;
  readonly #members: Readonly<Record<Protocol, Member[]>> = { s3: [], grpc: [] };
  #made = 0;
  #asked = 0;

  constructor(plan: HerdPlan) {
    this.#plan = plan;
    this.#dataSet = makeDataSet(plan.dataSet);
    this.#heads = new SignedHeads(plan.route);
  }

  get objects(): number {
    return this.#dataSet.count;
  }

  async open(protocol: Protocol, count: number, signal: AbortSignal): Promise<Opened> {
    const members = this.#members[protocol];
    const before = members.length;
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
    await Promise.all(Array.from({ length: this.#plan.connecting }, lane));
    const seconds = (performance.now() - startMs) / 1000;
    return { opened: members.length - before, seconds, load: tally.load };
  }

  async pace({ protocol, rate, seconds }: PaceOrder, signal: AbortSignal): Promise<Paced> {
    const members = this.#members[protocol].filter(({ isOpen }) => isOpen);
    const lost = this.#members[protocol].length - members.length;
    const tally = new Tally();
    const waiting: ((member: Member) => void)[] = [];
    const running: Promise<void>[] = [];
    let turn = 0;
    const nextFree = (): Member | undefined => {
      for (let tried = 0; tried < members.length; tried += 1) {
        const member = members[turn++ % members.length] as Member;
        if (!member.isBusy && member.isOpen) return member;
      }
      return undefined;
    };
    const run = async (member: Member, dueAtMs: number): Promise<void> => {
      member.isBusy = true;
      const outcome = await member.ask(this.#position());
      tally.count(outcome, performance.now() - dueAtMs);
      member.isBusy = false;
      if (waiting.length > 0 && member.isOpen) waiting.shift()?.(member);
    };
    const begin = (_: number, dueAtMs: number): void => {
      const member = nextFree();
      if (member !== undefined) running.push(run(member, dueAtMs));
      else if (members.some(({ isOpen }) => isOpen)) waiting.push((free) => running.push(run(free, dueAtMs)));
      else tally.count(faulty('broken', 'every connection was closed'), 0);
    };
    const { spunSeconds, latenessMs } = await keepPace({ rate, turns: Math.round(rate * seconds) }, begin, signal);
    for (let i = 0; i < running.length; i += 1) await running[i]; // it grows while those that waited get their turn
    for (const _ of waiting) tally.count(faulty('broken', 'no connection was free'), 0);
    return { load: tally.load, spunSeconds, latenessMs, lost };
  }

  close(): number {
    let open = 0;
    for (const members of Object.values(this.#members)) {
      for (const member of members.splice(0)) {
        if (member.isOpen) open += 1;
        member.close();
      }
    }
    return open;
  }

  async #add(protocol: Protocol): Promise<Outcome> {
    try {
      const member = protocol === 's3' ? await this.#openS3() : await this.#openGrpc();
      const outcome = await member.ask(this.#position());
      if (isGood(outcome)) this.#members[protocol].push(member);
      else member.close();
      return outcome;
    } catch (error) {
      return faulty('broken', `connecting: ${(error as Error).message}`);
    }
  }

  async #openS3(): Promise<Member> {
    const { route, bucket } = this.#plan;
    const connection = await KeptConnection.open(route, sourceOf(this.#made++, route.host));
    const ask = async (position: number): Promise<Outcome> => {
      const wanted = this.#wanted(position);
      try {
        return checkGet(await connection.exchange(this.#heads.get(bucket, wanted.key)), wanted);
      } catch (error) {
        return faulty('broken', `GET: ${(error as Error).message}`);
      }
    };
    return memberOf(connection, ask);
  }

  async #openGrpc(): Promise<Member> {
    const { route, bucket, batch } = this.#plan;
    const session = await BatchSession.open(route, sourceOf(this.#made++, grpcOf(route).host));
    const ask = (position: number): Promise<Outcome> =>
      session.getBatch(
        bucket,
        Array.from({ length: batch }, (_, i) => this.#wanted(position + i)),
      );
    return memberOf(session, ask);
  }

  #position(): number {
    return this.#asked++;
  }

  #wanted(position: number): Wanted {
    const at = position % this.#dataSet.count;
    return {
      key: this.#dataSet.keyOf(at),
      content: { size: this.#dataSet.sizeOf(at), crc: this.#dataSet.crcOf(at) },
    };
  }
}

function memberOf(connection: { readonly isOpen: boolean; close(): void }, ask: Member['ask']): Member {
  return {
    get isOpen() {
      return connection.isOpen;
    },
    isBusy: false,
    ask,
    close: () => connection.close(),
  };
}
