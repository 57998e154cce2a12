/**
 * One trial, in the process of the accelerators: so many of them, for so many epochs, against one target. Promises: it ends; it opens its own
 * connections and closes them; and it tells its own CPU time and lateness, so that its limits are not taken for the target's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestWriter, SignedGets } from '../suite/request-writer.ts';
import { countErrors, type LoadErrors } from '../suite/run-report.ts';
import type { Credentials } from '../suite/target.ts';
import { BatchConnection } from './batch-reader.ts';
import { runEpoch } from './epoch.ts';
import { GetReader } from './get-reader.ts';
import { type BatchReader, type Expected, newTally, type Tally } from './outcome.ts';
import { Prefetch, type ReadStep } from './prefetch.ts';
import { EpochOrder, stepsOfPass } from './shuffle.ts';
import { quantileOf, steadyUtilizationOf, utilizationOf } from './utilization.ts';

export type By = 's3' | 'batch';

/** Plain data: it is sent to the process. */
export interface TrialOrder {
  readonly by: By;
  readonly endpoint: string;
  /** `host:port`; empty where only S3 is known. */
  readonly grpcAddress: string;
  readonly credentials: Credentials;
  readonly bucket: string;
  /** Of the data set, which was announced before. */
  readonly prefix: string;
  readonly accelerators: number;
  readonly batch: number;
  readonly computeMs: number;
  /** Reader workers of a rank. */
  readonly readers: number;
  /** Batches that a worker may be ahead. */
  readonly prefetch: number;
  readonly epochs: number;
  /** Length of an epoch. */
  readonly seconds: number;
  /** The epoch ends with the data set; else it is read again and again, in other orders. */
  readonly isOnePass: boolean;
  readonly seed: number;
  /** Each request tells the batch that this rank reads after those under way. */
  readonly withHints: boolean;
}

export interface EpochFigures {
  /** Shares of 1. */
  readonly au: number;
  readonly steadyAu: number;
  readonly steps: number;
  readonly seconds: number;
  /** Samples that were trained on, of all ranks. */
  readonly samples: number;
}

export interface TrialFigures {
  readonly epochs: readonly EpochFigures[];
  /** Everything that was read, also ahead of the end. */
  readonly objects: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly errors: LoadErrors;
  readonly firstError: string | undefined;
  readonly loadCpuSeconds: number;
  /** While accelerators ran. */
  readonly loadCpuShare: number;
  /** Nine of ten steps were noticed less late. */
  readonly lateMs: number;
  readonly batchP50Ms: number;
  readonly batchP99Ms: number;
}

/** Beyond this a trial that goes wrong is not worth going on with. */
const ERRORS_MAX = 1000;
/** Epochs that wait take up to so many times their length. */
const SLOWEST = 3;
/** A target that does not answer at all is given so much more. */
const HANGING_MS = 15_000;
/** Steps of an epoch, in parts of what is read ahead: fewer would be all gift. */
const STEPS_PER_DEPTH = 3;

export async function runTrial(
  order: TrialOrder,
  expected: Expected & { readonly count: number },
  signal: AbortSignal,
): Promise<TrialFigures> {
  const tally = newTally();
  const given = new AbortController();
  const either = AbortSignal.any([signal, given.signal]);
  const ranks = openRanks(order, expected, tally);
  const closeAll = (): void => {
    for (const { opened } of ranks) for (const reader of opened) reader.close();
  };
  either.addEventListener('abort', closeAll, { once: true });
  const run = new TrialRun(order, expected, tally, either, given);
  const [cpu, startMs] = [process.cpuUsage(), performance.now()];
  for (let epoch = 0; epoch < order.epochs && !either.aborted; epoch += 1) await run.epoch(epoch, ranks);
  const seconds = (performance.now() - startMs) / 1000;
  closeAll();
  return run.figures(seconds, cpuSeconds(cpu));
}

interface Rank {
  /** One for each worker; some may be the same. */
  readonly readers: readonly BatchReader[];
  readonly opened: readonly BatchReader[];
}

function openRanks(order: TrialOrder, expected: Expected, tally: Tally): Rank[] {
  const { by, accelerators, readers, grpcAddress: address, bucket, credentials } = order;
  const endpoint = new URL(order.endpoint);
  const gets = new SignedGets(new RequestWriter(endpoint.host, bucket, credentials));
  return Array.from({ length: accelerators }, () => {
    if (by === 's3') {
      const own = Array.from({ length: readers }, () => new GetReader({ endpoint, gets, expected, tally }));
      return { readers: own, opened: own };
    }
    const connection = new BatchConnection({ address, bucket, credentials, expected, tally });
    return { readers: Array.from({ length: readers }, () => connection), opened: [connection] };
  });
}

class TrialRun {
  readonly #order: TrialOrder;
  readonly #expected: { readonly count: number };
  readonly #tally: Tally;
  readonly #signal: AbortSignal;
  readonly #end: AbortController;
  readonly #epochs: EpochFigures[] = [];
  readonly #lateMs: number[] = [];
  readonly #batchMs: number[] = [];
  #busySeconds = 0;
  #ranSeconds = 0;

  /** @param signal aborts when the trial shall end, for whatever reason @param end aborts it */
  constructor(
    order: TrialOrder,
    expected: { readonly count: number },
    tally: Tally,
    signal: AbortSignal,
    end: AbortController,
  ) {
    this.#order = order;
    this.#expected = expected;
    this.#tally = tally;
    this.#signal = signal;
    this.#end = end;
  }

  async epoch(epoch: number, ranks: readonly Rank[]): Promise<void> {
    const { accelerators, batch, readers, prefetch, seed, seconds, computeMs, isOnePass } = this.#order;
    const sharding = { count: this.#expected.count, batch, ranks: accelerators, seed };
    const order = new EpochOrder(sharding, epoch);
    const depth = readers * prefetch;
    const stepsMax = isOnePass ? stepsOfPass(sharding) : Number.POSITIVE_INFINITY;
    const stepsMin = Math.min(stepsMax, depth * STEPS_PER_DEPTH);
    const ms = seconds * 1000;
    const msMax = Math.max(ms, stepsMin * computeMs) * SLOWEST;
    const nowMs = (): number => performance.now();
    const cpu = process.cpuUsage();
    const hanging = setTimeout(() => this.#end.abort(), msMax + HANGING_MS);
    const loaders = ranks.map(
      (rank, i) => new Prefetch({ readers: this.#stepReaders(rank, i, order, depth), depth, stepsMax, nowMs }),
    );
    const options = { loaders, computeMs, stepsMax, ms, stepsMin, msMax, nowMs, until, signal: this.#signal };
    const { block, lateMs } = await runEpoch(options);
    const ran = (performance.now() - block.startMs) / 1000;
    this.#ranSeconds += ran;
    this.#busySeconds += cpuSeconds(cpu);
    await Promise.all(loaders.map((loader) => loader.stop()));
    clearTimeout(hanging);
    this.#lateMs.push(...lateMs);
    for (const loader of loaders) this.#batchMs.push(...loader.batchMs);
    if (this.#signal.aborted) return; // what was cut short is no epoch
    const steps = block.releasedMs.length;
    const took = ((block.releasedMs.at(-1) ?? block.startMs) - block.startMs) / 1000;
    this.#epochs.push({
      au: utilizationOf(block),
      steadyAu: steadyUtilizationOf(block, depth),
      steps,
      seconds: took,
      samples: steps * batch * accelerators,
    });
  }

  figures(seconds: number, loadCpuSeconds: number): TrialFigures {
    const { objects, bytes, broken, refused, short, wrong, firstError } = this.#tally;
    return {
      epochs: this.#epochs,
      objects,
      bytes,
      seconds,
      errors: { broken, refused, short, wrong },
      firstError,
      loadCpuSeconds,
      loadCpuShare: this.#ranSeconds === 0 ? 0 : this.#busySeconds / this.#ranSeconds,
      lateMs: quantileOf(this.#lateMs, 0.9),
      batchP50Ms: quantileOf(this.#batchMs, 0.5),
      batchP99Ms: quantileOf(this.#batchMs, 0.99),
    };
  }

  #stepReaders({ readers }: Rank, rank: number, order: EpochOrder, depth: number): ReadStep[] {
    const { withHints } = this.#order;
    return readers.map((reader) => async (step: number): Promise<void> => {
      if (this.#signal.aborted) return;
      await reader.read(order.batchAt(rank, step), withHints ? order.batchAt(rank, step + depth) : undefined);
      if (countErrors(this.#tally) > ERRORS_MAX) this.#end.abort();
    });
  }
}

async function until(ms: number): Promise<void> {
  for (let left = ms - performance.now(); left > 0; left = ms - performance.now()) await sleep(Math.ceil(left));
}

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}
