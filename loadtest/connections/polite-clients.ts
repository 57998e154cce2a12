/**
 * Clients that are all alike, one connection each, in a load process: either polite, with a few requests a second at set times, or as fast as
 * they get answers. Promises: what each of them got is known by client; a client has one request under way, and one that is due meanwhile
 * waits behind it, which counts.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { keepPace } from '../suite/pace.ts';
import type { Member } from './member.ts';
import { faulty, isGood, type Load, type Outcome, Tally } from './tally.ts';

export interface PoliteOrder {
  /** Requests a second of each. */
  readonly rate: number;
  readonly seconds: number;
}

export interface ClientsLoad {
  readonly load: Load;
  /** Requests of each that were answered and right. */
  readonly answered: Float64Array;
  /** Of each; 0 for an order without times. */
  readonly due: number;
  readonly spunSeconds: number;
  readonly latenessMs: Float64Array;
}

/** After the last turn, for what is still under way or waits: longer is no answer. */
const REST_MS_MAX = 10_000;

export class PoliteClients {
  readonly #members: readonly Member[];
  #asked = 0;

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /** Client 0 at 0, client 1 a little later, and so on, so that they never come all at once. */
  async polite({ rate, seconds }: PoliteOrder, signal: AbortSignal): Promise<ClientsLoad> {
    const members = this.#members;
    const due = Math.max(1, Math.round(rate * seconds));
    const tally = new Tally();
    const answered = new Float64Array(members.length);
    const chains: Promise<void>[] = members.map(() => Promise.resolve());
    let isOver = false;
    let open = 0;
    const ask = async (client: number, dueAtMs: number): Promise<void> => {
      const outcome = isOver ? UNANSWERED : await (members[client] as Member).ask(this.#asked++);
      open -= 1;
      if (isOver) return;
      tally.count(outcome, performance.now() - dueAtMs);
      if (isGood(outcome)) answered[client] = (answered[client] as number) + 1;
    };
    const begin = (turn: number, dueAtMs: number): void => {
      const client = turn % members.length;
      open += 1;
      chains[client] = (chains[client] as Promise<void>).then(() => ask(client, dueAtMs));
    };
    const pace = { rate: rate * members.length, turns: due * members.length };
    const { spunSeconds, latenessMs } = await keepPace(pace, begin, signal);
    await Promise.race([Promise.all(chains), pause(REST_MS_MAX, undefined, { ref: false })]);
    isOver = true;
    for (; open > 0; open -= 1) tally.count(UNANSWERED, REST_MS_MAX);
    return { load: tally.load, answered, due, spunSeconds, latenessMs };
  }

  /** Each asks again as soon as it has its answer. */
  async eager(seconds: number, signal: AbortSignal): Promise<ClientsLoad> {
    const tally = new Tally();
    const answered = new Float64Array(this.#members.length);
    const endMs = performance.now() + seconds * 1000;
    const client = async (member: Member, place: number): Promise<void> => {
      while (!signal.aborted && member.isOpen) {
        const beganMs = performance.now();
        if (beganMs >= endMs) return;
        const outcome = await member.ask(this.#asked++);
        tally.count(outcome, performance.now() - beganMs);
        // What comes after the end was given to nobody in the time that is compared.
        if (isGood(outcome) && performance.now() < endMs) answered[place] = (answered[place] as number) + 1;
      }
    };
    await Promise.all(this.#members.map(client));
    return { load: tally.load, answered, due: 0, spunSeconds: 0, latenessMs: new Float64Array(0) };
  }

  close(): void {
    for (const member of this.#members) member.close();
  }
}

const UNANSWERED: Outcome = faulty('broken', 'a request had no answer 10 s after the load had ended');
