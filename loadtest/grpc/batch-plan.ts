/** What `grpc-batch` measures, from its options: the data of each size, and the loads that each target gets. */
import { type DataSet, makeDataSet } from '../suite/data-set.ts';
import { numbersWithin, oneOf, sizesWithin } from '../suite/options.ts';
import { sizeText } from '../suite/size-text.ts';
import { BUCKET } from '../suite/upload.ts';
import type { GetBatchOrder, GetOrder, LoadOrder } from './orders.ts';
import type { Server } from './servers.ts';

export interface BatchOptions {
  readonly sizes: string;
  readonly batches: string;
  readonly streams: string;
  readonly clients: string;
  readonly by: string;
  readonly order: string;
  readonly rate: number;
  readonly objects: number;
  readonly 'bytes-from': string;
  readonly 'with-singles': boolean;
  readonly connections: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface BatchPlan {
  readonly sizes: readonly number[];
  readonly batches: readonly number[];
  readonly streams: readonly number[];
  readonly clients: readonly number[];
  readonly by: readonly GetBatchOrder['by'][];
  readonly order: GetBatchOrder['order'];
  readonly bytesFrom: 'random' | 'samples';
}

const MiB = 1024 ** 2;
const SET_BYTES_MAX = 512 * MiB;
const SIZE = { min: 0, max: 64 * MiB };

/** @throws BenchError that names option, value and what was expected */
export function batchPlan(options: BatchOptions): BatchPlan {
  const by = oneOf('by', options.by, ['client', 'http2', 'both']);
  return {
    sizes: sizesWithin('sizes', options.sizes, SIZE),
    batches: numbersWithin('batches', options.batches, { min: 1, max: 10_000 }),
    streams: numbersWithin('streams', options.streams, { min: 1, max: 1000 }),
    clients: numbersWithin('clients', options.clients, { min: 1, max: 64 }),
    by: by === 'both' ? ['client', 'http2'] : [by],
    order: oneOf('order', options.order, ['completion', 'strict']),
    bytesFrom: oneOf('bytes-from', options['bytes-from'], ['random', 'samples']),
  };
}

/** A whole batch at least. */
export function batchDataSet(
  { objects, seed }: BatchOptions,
  { bytesFrom, batches }: BatchPlan,
  bytes: number,
): DataSet {
  const fit = Math.floor(SET_BYTES_MAX / Math.max(1, bytes));
  const count = Math.max(...batches, Math.min(objects, fit));
  const prefix = `grpc-batch/${bytesFrom}-${seed}/${bytes}x${count}`;
  return makeDataSet({ count, sizes: { kind: 'fixed', bytes }, bytesFrom, seed, prefix });
}

export interface Load {
  readonly name: string;
  readonly at: Readonly<Record<string, number>>;
  readonly order: LoadOrder;
}

/** Of one target and one size. */
export function batchLoads(options: BatchOptions, plan: BatchPlan, dataSet: DataSet, server: Server): Load[] {
  const { seconds, rate, connections } = options;
  const base = { servers: [server], spread: 'ranges', bucket: BUCKET, dataSet: dataSet.spec, seconds } as const;
  const size = sizeText(dataSet.sizeMax);
  const batchesBy = (by: GetBatchOrder['by'], batch: number, clients: number): Load[] =>
    plan.streams.map((streams) => ({
      name: `GetBatch ${batch} x ${size}${plan.by.length > 1 ? `, ${by}` : ''}`,
      at: { streams, clients },
      order: { ...base, kind: 'get-batch', by, batch, streams, clients, order: plan.order, rate },
    }));
  const loads = plan.by.flatMap((by) =>
    plan.batches.flatMap((batch) => plan.clients.flatMap((clients) => batchesBy(by, batch, clients))),
  );
  if (!options['with-singles']) return loads;
  const singles: GetOrder = { ...base, kind: 's3-get', connections };
  return [...loads, { name: `S3 GET ${size}`, at: { connections }, order: singles }];
}
