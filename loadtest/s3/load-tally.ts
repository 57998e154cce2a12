/** What became of the requests of one load, by operation. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { addErrors, type LoadErrors, NO_ERRORS, type Percentiles } from '../suite/run-report.ts';
import { OPERATIONS, type Operation, type OperationName } from './operation.ts';

/** Plain data: it goes from process to process. */
export interface OperationLoad {
  readonly operation: OperationName | 'all';
  /** Answered, in whatever way, and those that broke. */
  readonly requests: number;
  /** Answered as they should be. */
  readonly objects: number;
  /** Of bodies that were right, received or sent. */
  readonly bytes: number;
  readonly errors: LoadErrors;
  /** Of good answers; absent when there was none. */
  readonly latencyMs?: Percentiles;
}

const LATENCY_US_MAX = 3_600_000_000;
const TROUBLES_MAX = 5;

class Counts {
  requests = 0;
  objects = 0;
  bytes = 0;
  readonly errors = { ...NO_ERRORS } as { -readonly [K in keyof LoadErrors]: number };
  /** Of microseconds. */
  readonly latencies = createHistogram({ lowest: 1, highest: LATENCY_US_MAX, figures: 3 });
}

export class LoadTally {
  readonly #isCorrected: boolean;
  readonly #counts = new Map<OperationName, Counts>();
  readonly #all = new Counts();
  readonly #troubles: string[] = [];

  /** @param isCorrected latencies count from when a request was due */
  constructor(isCorrected: boolean) {
    this.#isCorrected = isCorrected;
  }

  good({ name }: Operation, bytes: number, ms: number): void {
    const us = Math.min(LATENCY_US_MAX, Math.max(1, Math.round(ms * 1000)));
    for (const counts of [this.#of(name), this.#all]) {
      counts.requests += 1;
      counts.objects += 1;
      counts.bytes += bytes;
      counts.latencies.record(us);
    }
  }

  bad({ name }: Operation, fault: keyof LoadErrors, about: string): void {
    for (const counts of [this.#of(name), this.#all]) {
      counts.requests += 1;
      counts.errors[fault] += 1;
    }
    if (this.#troubles.length < TROUBLES_MAX && !this.#troubles.includes(about)) this.#troubles.push(about);
  }

  /** One that was due and was not even sent: its latency is that at least. */
  unsent(ms: number): void {
    this.#all.latencies.record(Math.min(LATENCY_US_MAX, Math.max(1, Math.round(ms * 1000))));
  }

  /** The first few kinds of trouble, in words. */
  get troubles(): readonly string[] {
    return this.#troubles;
  }

  /** Answered as they should be. */
  get objects(): number {
    return this.#all.objects;
  }

  /** All together first, then each operation that there was. */
  get loads(): OperationLoad[] {
    const known = OPERATIONS.flatMap((name) => {
      const counts = this.#counts.get(name);
      return counts === undefined ? [] : [[name, counts] as const];
    });
    const rows = [['all', this.#all] as const, ...known];
    return rows.map(([operation, { requests, objects, bytes, errors, latencies }]) => {
      const load = { operation, requests, objects, bytes, errors: addErrors(errors, NO_ERRORS) };
      return objects === 0 ? load : { ...load, latencyMs: percentilesIn(latencies, this.#isCorrected) };
    });
  }

  #of(name: OperationName): Counts {
    const known = this.#counts.get(name);
    if (known !== undefined) return known;
    const counts = new Counts();
    this.#counts.set(name, counts);
    return counts;
  }
}

function percentilesIn(latencies: RecordableHistogram, isCorrected: boolean): Percentiles {
  const at = (percent: number): number => latencies.percentile(percent) / 1000;
  return {
    count: latencies.count,
    isCorrected,
    mean: latencies.mean / 1000,
    p50: at(50),
    p75: at(75),
    p90: at(90),
    p95: at(95),
    p99: at(99),
    p999: at(99.9),
    max: latencies.max / 1000,
  };
}
