/** Options that the S3 scenarios share, and what they come to. Pure. */
import { BenchError } from '../../bench/measure/options.ts';
import { formatBytes } from '../../src/cli/figures.ts';
import type { DataSetSpec } from '../suite/data-set.ts';
import {
  numbersWithin,
  numberWithin,
  oneOf,
  ROUND_OPTIONS,
  type ScenarioOptions,
  sizesWithin,
} from '../suite/options.ts';

export const S3_OPTIONS = {
  sizes: ['16k', 'sizes of objects, with commas between them'],
  connections: ['', 'kept connections, with commas between them (default: 1,16,64,256; with --rate 64)'],
  rate: [
    '',
    'requests a second over all connections, or "half" of what is reached without one; latency is claimed only then',
  ],
  'bytes-from': ['random', 'random bytes, or "samples": real images, made unique'],
  ...ROUND_OPTIONS,
} as const satisfies ScenarioOptions;

const CONNECTIONS = { min: 1, max: 4096 };
const SIZES = { min: 16, max: 64 * 2 ** 20 };
const RATES = { min: 1, max: 1_000_000 };
/** Of all objects of a size together: they are made, sent, and kept by the target. */
export const TOTAL_BYTES_MAX = 16 * 2 ** 30;
/** Of one load at a rate: for each there is a time at which it is due. */
const TURNS_MAX = 20_000_000;

export interface S3Plan {
  readonly sizes: readonly number[];
  readonly connections: readonly number[];
  /** 0: as fast as answers come. */
  readonly rate: number | 'half';
  readonly bytesFrom: DataSetSpec['bytesFrom'];
  readonly rounds: number;
  readonly seconds: number;
  readonly objects: number;
  readonly seed: number;
}

export interface S3PlanOptions {
  readonly sizes: string;
  readonly connections: string;
  readonly rate: string;
  readonly 'bytes-from': string;
  readonly rounds: number;
  readonly seconds: number;
  readonly objects: number;
  readonly seed: number;
}

/** @throws BenchError */
export function s3PlanOf(options: S3PlanOptions): S3Plan {
  const { rate: rateText, rounds, seconds, objects, seed } = options;
  const bytesFrom = oneOf('bytes-from', options['bytes-from'], ['random', 'samples']);
  const rate = rateText === '' ? 0 : rateText === 'half' ? 'half' : numberWithin('rate', rateText, RATES);
  if (rate !== 'half' && rate * seconds > TURNS_MAX)
    throw new BenchError(
      `--rate ${rate} for --seconds ${seconds} is too much for one load; at most ${TURNS_MAX} requests.`,
    );
  const sizes = sizesWithin('sizes', options.sizes, SIZES);
  for (const size of sizes) {
    if (size * objects > TOTAL_BYTES_MAX)
      throw new BenchError(
        `--objects ${objects} of ${formatBytes(size)} are more than ${formatBytes(TOTAL_BYTES_MAX)}; give fewer.`,
      );
  }
  const connections = numbersWithin(
    'connections',
    options.connections || (rate === 0 ? '1,16,64,256' : '64'),
    CONNECTIONS,
  );
  return { sizes, connections, rate, bytesFrom, rounds, seconds, objects, seed };
}

/** Words that tell sets of different bytes apart stand in the prefix, so that objects of an earlier run are found again or left alone. */
export function dataSetOf(plan: S3Plan, scenario: string, bytes: number, count: number): DataSetSpec {
  const { bytesFrom, seed } = plan;
  const prefix = `${scenario}/${bytesFrom}-${bytes}-${seed}`;
  return { count, sizes: { kind: 'fixed', bytes }, bytesFrom, seed, prefix };
}
