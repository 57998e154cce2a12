/** What the load process of the S3 scenarios is asked to do, and how it does it. */
import { BenchError } from '../../bench/measure/options.ts';
import { type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import { serveOrders } from '../suite/load-process.ts';
import { RequestWriter } from '../suite/request-writer.ts';
import type { Credentials } from '../suite/target.ts';
import { BUCKET } from '../suite/upload.ts';
import { GetSource } from './get-source.ts';
import type { Mix } from './mix.ts';
import { MixedSource } from './mixed-source.ts';
import type { OperationSource } from './operation.ts';
import { PutSource, type Written } from './put-source.ts';
import { type LoadResult, runLoad } from './run-load.ts';

/** What to load with; plain data. */
export interface SourceOrder {
  /** The same id again: the same objects, in the state in which the last load left them. */
  readonly id: string;
  readonly kind: 'get' | 'put' | 'mixed';
  readonly origin: string;
  /** As the Host header names it. */
  readonly host: string;
  readonly credentials: Credentials;
  readonly dataSet: DataSetSpec;
  /** Of puts: keys to write to. Of a mixture: objects that are there. */
  readonly objects: number;
  readonly mix?: Mix;
}

export interface LoadOrder {
  readonly id: string;
  readonly connections: number;
  readonly seconds: number;
  readonly rate: number;
}

// A type and not an interface, so that it has an index signature.
export type S3Orders = {
  /** Makes data and requests, so that none of that is done while the load is measured. */
  readonly prepare: { readonly order: SourceOrder; readonly result: undefined };
  readonly load: { readonly order: LoadOrder; readonly result: LoadResult };
  /** Some of what must be there now. */
  readonly written: { readonly order: { readonly id: string; readonly countMax: number }; readonly result: Written[] };
};

interface Prepared {
  readonly origin: string;
  readonly source: OperationSource & { prepare?(): void; written?(countMax: number): Written[] };
}

function sourceOf({ kind, host, credentials, dataSet: spec, objects, mix }: SourceOrder): Prepared['source'] {
  const dataSet = makeDataSet(spec);
  const writer = new RequestWriter(host, BUCKET, credentials);
  switch (kind) {
    case 'get':
      return new GetSource(dataSet, writer);
    case 'put':
      return new PutSource(dataSet, objects, writer);
    case 'mixed':
      if (mix === undefined) throw new BenchError('a mixed load without its mixture');
      return new MixedSource(dataSet, objects, mix, writer);
  }
}

/** Serves them until the parent goes away. */
export function serveS3Load(): void {
  const prepared = new Map<string, Prepared>();
  const find = (id: string): Prepared => {
    const found = prepared.get(id);
    if (found === undefined) throw new BenchError(`a load of "${id}", which was not prepared`);
    return found;
  };
  serveOrders<S3Orders>({
    prepare: async (order) => {
      const known = prepared.get(order.id);
      const { source } = known ?? { source: sourceOf(order) };
      source.prepare?.();
      prepared.set(order.id, { origin: order.origin, source });
      return undefined;
    },
    load: ({ id, connections, seconds, rate }, signal) => {
      const { origin, source } = find(id);
      return runLoad({ origin, connections, seconds, rate }, source, signal);
    },
    written: async ({ id, countMax }) => find(id).source.written?.(countMax) ?? [],
  });
}
