/**
 * The load of a soak, in a process of its own: a mixture of operations at a set rate, every answer checked against what must be there. It is
 * sent in slices, between which the target can be looked at.
 */
import { performance } from 'node:perf_hooks';
import { makeDataSet } from '../suite/data-set.ts';
import { serveOrders } from '../suite/load-process.ts';
import { keepPace } from '../suite/pace.ts';
import { RequestWriter, SignedGets } from '../suite/request-writer.ts';
import { BatchSession } from './batch-session.ts';
import { checkChange, checkGet } from './get-check.ts';
import type { Reading } from './member.ts';
import { RenewedConnection } from './renewed-connection.ts';
import type { Route } from './route.ts';
import { chanceFrom, type Operation, SoakSlots } from './soak-slots.ts';
import { faulty, isGood, type Load, type Outcome, Tally } from './tally.ts';

export interface SoakReading extends Reading {
  readonly prefix: string;
  /** S3 requests at once. */
  readonly connections: number;
}

export interface Slice {
  readonly load: Load;
  readonly spunSeconds: number;
}

export interface SoakOrders {
  begin: { order: SoakReading; result: number };
  /** Writes every object once. */
  fill: { order: undefined; result: Load };
  slice: { order: { readonly rate: number; readonly seconds: number }; result: Slice };
  /** Reads every object once. */
  verify: { order: undefined; result: Load };
  /** What became of everything since the fill, by operation; and how often connections were opened again. */
  totals: {
    order: undefined;
    result: { readonly loads: Readonly<Record<Operation, Load>>; readonly renewals: number };
  };
}

/** Of 100 operations; without gRPC batches become GETs. Deletes are half of the writes, which bring back what they took. */
const SHARES: readonly (readonly [Operation, number])[] = [
  ['GET', 60],
  ['GetBatch', 10],
  ['PUT', 20],
  ['DELETE', 10],
];

export function serveSoak(): void {
  let soak: SoakLoad | undefined;
  const begun = (): SoakLoad => {
    if (soak === undefined) throw new Error('the soak was not told whom to load');
    return soak;
  };
  serveOrders<SoakOrders>({
    begin: (reading) => {
      soak = new SoakLoad(reading);
      return soak.objects;
    },
    fill: (_, signal) => begun().fill(signal),
    slice: ({ rate, seconds }, signal) => begun().slice(rate, seconds, signal),
    verify: (_, signal) => begun().verify(signal),
    totals: () => begun().totals(),
  });
}

class SoakLoad {
  readonly #reading: SoakReading;
  readonly #slots: SoakSlots;
  readonly #bodies: SoakBodies;
  readonly #random: () => number;
  readonly #tallies: Readonly<Record<Operation, Tally>> = {
    GET: new Tally(),
    GetBatch: new Tally(),
    PUT: new Tally(),
    DELETE: new Tally(),
  };

  constructor(reading: SoakReading) {
    const dataSet = makeDataSet(reading.dataSet);
    this.#reading = reading;
    this.#random = chanceFrom(reading.dataSet.seed);
    this.#slots = new SoakSlots(dataSet, reading.prefix, this.#random);
    this.#bodies = new SoakBodies(reading, this.#slots);
  }

  get objects(): number {
    return this.#slots.count;
  }

  fill(signal: AbortSignal): Promise<Load> {
    return this.#all(signal, (slot) => this.#bodies.put(slot));
  }

  verify(signal: AbortSignal): Promise<Load> {
    return this.#all(signal, (slot) => this.#bodies.get(slot));
  }

  async slice(rate: number, seconds: number, signal: AbortSignal): Promise<Slice> {
    const tally = new Tally();
    const running = new Set<Promise<void>>();
    const begin = (_: number, dueAtMs: number): void => {
      const operation = this.#draw();
      const run = this.#run(operation, dueAtMs, tally).finally(() => running.delete(run));
      running.add(run);
    };
    const { spunSeconds } = await keepPace({ rate, turns: Math.max(1, Math.round(rate * seconds)) }, begin, signal);
    await Promise.all(running);
    return { load: tally.load, spunSeconds };
  }

  totals(): SoakOrders['totals']['result'] {
    const { GET, GetBatch, PUT, DELETE } = this.#tallies;
    const loads = { GET: GET.load, GetBatch: GetBatch.load, PUT: PUT.load, DELETE: DELETE.load };
    return { loads, renewals: this.#bodies.renewals };
  }

  async #run(operation: Operation, dueAtMs: number, slice: Tally): Promise<void> {
    const first = this.#slots.take(operation);
    if (first === undefined) return; // every key that was looked at is in use, or there is nothing to delete
    const slots = [first];
    for (let i = 1; operation === 'GetBatch' && i < this.#reading.batch; i += 1) {
      const another = this.#slots.take('GET');
      if (another !== undefined) slots.push(another);
    }
    const outcome = await this.#bodies.do(operation, slots);
    for (const slot of slots) this.#slots.done(slot);
    const ms = performance.now() - dueAtMs;
    this.#tallies[operation].count(outcome, ms);
    slice.count(outcome, ms);
  }

  #draw(): Operation {
    let left = this.#random() * 100;
    for (const [operation, share] of SHARES) {
      left -= share;
      if (left < 0) return operation === 'GetBatch' && this.#reading.route.grpc === undefined ? 'GET' : operation;
    }
    return 'GET';
  }

  async #all(signal: AbortSignal, act: (slot: number) => Promise<Outcome>): Promise<Load> {
    const tally = new Tally();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < this.#slots.count && !signal.aborted) {
        const slot = next++;
        const beganMs = performance.now();
        tally.count(await act(slot), performance.now() - beganMs);
      }
    };
    await Promise.all(Array.from({ length: this.#reading.connections }, lane));
    return tally.load;
  }
}

/** The four operations, over connections that are opened again when they were closed. */
class SoakBodies {
  readonly #route: Route;
  readonly #bucket: string;
  readonly #slots: SoakSlots;
  readonly #writer: RequestWriter;
  readonly #gets: SignedGets;
  readonly #connections: readonly RenewedConnection[];
  readonly #idle: RenewedConnection[];
  readonly #waiting: ((connection: RenewedConnection) => void)[] = [];
  #session: Promise<BatchSession> | undefined;
  #sessions = 0;

  constructor({ route, bucket, connections }: SoakReading, slots: SoakSlots) {
    this.#route = route;
    this.#bucket = bucket;
    this.#slots = slots;
    this.#writer = new RequestWriter(route.hostHeader, bucket, route.credentials);
    this.#gets = new SignedGets(this.#writer);
    this.#connections = Array.from({ length: connections }, () => new RenewedConnection(route));
    this.#idle = [...this.#connections];
  }

  get renewals(): number {
    const ofS3 = this.#connections.reduce((sum, { renewals }) => sum + renewals, 0);
    return ofS3 + Math.max(0, this.#sessions - 1);
  }

  async do(operation: Operation, slots: readonly number[]): Promise<Outcome> {
    const [slot] = slots as [number];
    switch (operation) {
      case 'GET':
        return this.get(slot);
      case 'PUT':
        return this.put(slot);
      case 'DELETE':
        return this.#delete(slot);
      case 'GetBatch':
        return this.#getBatch(slots);
    }
  }

  /** Of a key that nobody can be certain of, only that there is an answer. */
  get(slot: number): Promise<Outcome> {
    const wanted = this.#slots.wanted(slot);
    const isCertain = this.#slots.isCertain(slot);
    return this.#over('GET', async (connection) => {
      const answer = await connection.exchange(this.#gets.of(wanted.key));
      if (isCertain) return checkGet(answer, wanted);
      return { objects: 0, bytes: 0, errors: { broken: 0, refused: 0, short: 0, wrong: 0 } };
    });
  }

  put(slot: number): Promise<Outcome> {
    const key = this.#slots.keyOf(slot);
    const body = this.#slots.nextBody(slot);
    return this.#over('PUT', async (connection) => {
      const answer = await connection.exchange(this.#writer.putHead(key, body.length, Date.now()), body);
      const outcome = checkChange('PUT', key, answer);
      if (isGood(outcome)) this.#slots.written(slot);
      return isGood(outcome) ? { ...outcome, bytes: body.length } : outcome;
    });
  }

  #delete(slot: number): Promise<Outcome> {
    const key = this.#slots.keyOf(slot);
    this.#slots.deleting(slot);
    return this.#over('DELETE', async (connection) => {
      const outcome = checkChange(
        'DELETE',
        key,
        await connection.exchange(this.#writer.plain('DELETE', key, Date.now())),
      );
      if (isGood(outcome)) this.#slots.gone(slot);
      return outcome;
    });
  }

  async #getBatch(slots: readonly number[]): Promise<Outcome> {
    try {
      const session = await this.#openSession();
      return await session.getBatch(
        this.#bucket,
        slots.map((slot) => this.#slots.wanted(slot)),
      );
    } catch (error) {
      return faulty('broken', `GetBatch: ${(error as Error).message}`);
    }
  }

  /** A gateway renews connections of gRPC after half an hour; calls that run go on. */
  async #openSession(): Promise<BatchSession> {
    const session = await this.#session?.catch(() => undefined);
    if (session?.isOpen === true) return session;
    this.#sessions += 1;
    this.#session = BatchSession.open(this.#route);
    return this.#session;
  }

  async #over(what: string, act: (connection: RenewedConnection) => Promise<Outcome>): Promise<Outcome> {
    const connection = this.#idle.pop() ?? (await new Promise<RenewedConnection>((free) => this.#waiting.push(free)));
    try {
      return await act(connection);
    } catch (error) {
      return faulty('broken', `${what}: ${(error as Error).message}`);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(connection);
      else next(connection);
    }
  }
}
