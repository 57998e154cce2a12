/** What a load process of fairness does: many clients that are alike, or one that takes all it can get. */
import { performance } from 'node:perf_hooks';
import { serveOrders } from '../suite/load-process.ts';
import { type Member, Members, type Protocol, type Reading } from './member.ts';
import { type ClientsLoad, PoliteClients, type PoliteOrder } from './polite-clients.ts';
import { type Load, Tally } from './tally.ts';

export interface FairnessOrders {
  /** Opens connections for clients; those that were open are closed. Answers with how many there are. */
  open: { order: { readonly reading: Reading; readonly protocol: Protocol; readonly clients: number }; result: number };
  polite: { order: PoliteOrder; result: ClientsLoad };
  eager: { order: { readonly seconds: number }; result: ClientsLoad };
  /** Takes all it can get until it is told to end. Answers when everything that it wants is under way. */
  grab: { order: GrabOrder; result: number };
  end: { order: undefined; result: Grabbed };
}

export interface GrabOrder {
  readonly reading: Reading;
  readonly protocol: Protocol;
  /** S3: connections, each with one GET after the other. gRPC: connections with calls, as many together as this. */
  readonly streams: number;
}

export interface Grabbed {
  readonly load: Load;
  /** Also of what was cut off. */
  readonly receivedBytes: number;
  readonly seconds: number;
}

/** Calls of one connection at once: below the 128 that a gateway lets a client have. */
const CALLS_PER_CONNECTION = 64;
const OPENING = 32;

export function serveFairness(): void {
  let clients: PoliteClients | undefined;
  let greedy: GreedyClient | undefined;
  const begun = (): PoliteClients => {
    if (clients === undefined) throw new Error('no clients were opened');
    return clients;
  };
  serveOrders<FairnessOrders>({
    open: async ({ reading, protocol, clients: count }) => {
      clients?.close();
      const members = await openMany(new Members(reading), protocol, count);
      clients = new PoliteClients(members);
      return members.length;
    },
    polite: (order, signal) => begun().polite(order, signal),
    eager: ({ seconds }, signal) => begun().eager(seconds, signal),
    grab: async (order) => {
      greedy = await GreedyClient.start(order);
      return order.streams;
    },
    end: () => {
      if (greedy === undefined) throw new Error('nobody was greedy');
      return greedy.end();
    },
  });
}

async function openMany(factory: Members, protocol: Protocol, count: number): Promise<Member[]> {
  const members: Member[] = [];
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      members.push(await factory.open(protocol));
    }
  };
  await Promise.all(Array.from({ length: OPENING }, lane));
  return members;
}

/** One client with as many streams as it likes, each of which asks again at once. */
class GreedyClient {
  readonly #tally = new Tally();
  readonly #members: readonly Member[];
  readonly #streams: Promise<void>[];
  readonly #startMs = performance.now();
  #isOver = false;
  #asked = 0;

  private constructor(members: readonly Member[], streams: number, step: number) {
    this.#members = members;
    this.#streams = Array.from({ length: streams }, (_, i) =>
      this.#stream(members[i % members.length] as Member, step),
    );
  }

  static async start({ reading, protocol, streams }: GrabOrder): Promise<GreedyClient> {
    const connections = protocol === 's3' ? streams : Math.ceil(streams / CALLS_PER_CONNECTION);
    const members = await openMany(new Members(reading), protocol, connections);
    return new GreedyClient(members, streams, protocol === 's3' ? 1 : reading.batch);
  }

  /** What is under way is cut off, and counts as no request. */
  async end(): Promise<Grabbed> {
    this.#isOver = true;
    const seconds = (performance.now() - this.#startMs) / 1000;
    const { load } = this.#tally;
    const receivedBytes = this.#members.reduce((sum, member) => sum + member.receivedBytes, 0);
    for (const member of this.#members) member.close();
    await Promise.all(this.#streams);
    return { load, receivedBytes, seconds };
  }

  async #stream(member: Member, step: number): Promise<void> {
    while (!this.#isOver && member.isOpen) {
      const position = this.#asked;
      this.#asked += step;
      const beganMs = performance.now();
      const outcome = await member.ask(position);
      if (!this.#isOver) this.#tally.count(outcome, performance.now() - beganMs);
    }
  }
}
