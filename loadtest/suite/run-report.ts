/**
 * What a load test leaves behind: one JSON file a run, from which the table on the terminal and the HTML page are made. Plain data, so
 * that a report of an old run can be drawn again. Units are in the names.
 */
import type { Machine } from '../../bench/measure/machine.ts';
import type { Ratio } from '../../bench/measure/rounds.ts';

/** Raised when a reader of an older report would misread a newer one. */
export const REPORT_FORMAT = 1;

export interface RunReport {
  readonly format: number;
  /** `s3-get`. */
  readonly scenario: string;
  /** As it can be typed again. */
  readonly command: string;
  readonly machine: Machine;
  /** Of what took part: `penstock`, `node`, `autocannon`, `nginx`, … */
  readonly versions: Readonly<Record<string, string>>;
  readonly startedAt: string;
  readonly seconds: number;
  /** It was stopped by hand before its end: the points are those that were whole by then. */
  readonly isCutShort: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly targets: readonly TargetFacts[];
  readonly points: readonly Point[];
  readonly ratios: readonly Ratio[];
  readonly plots: readonly Plot[];
  readonly tables: readonly Table[];
  /** What a reader must know to judge the figures: sentences. */
  readonly remarks: readonly string[];
  /** Absent where nothing can be failed but by errors. */
  readonly verdict?: { readonly isPassed: boolean; readonly text: string };
}

export interface TargetFacts {
  readonly name: string;
  readonly endpoint: string;
  /** The run started it, on this machine: its CPU and memory are known. */
  readonly isOwn: boolean;
}

/** One load on one target at one setting, once. */
export interface Point {
  readonly target: string;
  /** What was asked: `GET 16 KiB`, `GetBatch 64 x 10 KiB`. */
  readonly load: string;
  /** What was varied: `{ round: 1, connections: 64 }`. */
  readonly at: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly requests: number;
  readonly objects: number;
  readonly bytes: number;
  readonly latencyMs?: Percentiles;
  /** User and system time of every process of the target; absent for one that the run did not start. */
  readonly serverCpuSeconds?: number;
  readonly loadCpuSeconds?: number;
  /** The load generator had no CPU left, so that the figures are its own and not the target's. */
  readonly isLoadLimited: boolean;
  readonly errors: LoadErrors;
  /** Anything else that was measured, unit in the name: `accelerator utilization, %`, `memory, bytes`. */
  readonly more: Readonly<Record<string, number>>;
}

export interface LoadErrors {
  /** No answer: refused, reset, timed out. */
  readonly broken: number;
  /** An answer that was not a success. */
  readonly refused: number;
  readonly short: number;
  /** Bytes whose CRC-32 is not that of what was stored. */
  readonly wrong: number;
}

/** Latencies of all requests of a point; corrected for coordinated omission where the load had a rate. */
export interface Percentiles {
  readonly count: number;
  readonly isCorrected: boolean;
  readonly mean: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Figures for people; the first row names the columns. */
export interface Table {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

export interface Plot {
  readonly title: string;
  readonly kind: 'lines' | 'bars';
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** A line to reach, as `AU 85 %`. */
  readonly threshold?: { readonly y: number; readonly label: string };
}

export interface Axis {
  readonly label: string;
  readonly scale: 'linear' | 'log';
}

export interface Line {
  readonly name: string;
  /** Ascending in x. Of bars, x is the place of the bar and `label` what stands under it. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly label?: string }[];
}

export const NO_ERRORS: LoadErrors = { broken: 0, refused: 0, short: 0, wrong: 0 };

export function addErrors(a: LoadErrors, b: LoadErrors): LoadErrors {
  return {
    broken: a.broken + b.broken,
    refused: a.refused + b.refused,
    short: a.short + b.short,
    wrong: a.wrong + b.wrong,
  };
}

export function countErrors({ broken, refused, short, wrong }: LoadErrors): number {
  return broken + refused + short + wrong;
}

/** Of latencies in milliseconds, which are sorted in place. Nearest rank. @throws RangeError for none */
export function percentilesOf(latenciesMs: Float64Array, isCorrected: boolean): Percentiles {
  if (latenciesMs.length === 0) throw new RangeError('percentiles of no latencies');
  latenciesMs.sort();
  const at = (share: number): number => latenciesMs[Math.max(0, Math.ceil(share * latenciesMs.length) - 1)] as number;
  let sum = 0;
  for (const ms of latenciesMs) sum += ms;
  return {
    count: latenciesMs.length,
    isCorrected,
    mean: sum / latenciesMs.length,
    p50: at(0.5),
    p75: at(0.75),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
  };
}
