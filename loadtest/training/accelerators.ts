/** The process that the simulated accelerators have for themselves: what it is asked to do, and how it does it. One trial at a time. */
import { type DataSet, type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import { serveOrders } from '../suite/load-process.ts';
import { runTrial, type TrialFigures, type TrialOrder } from './trial.ts';

// A type and not an interface, so that it has an index signature.
export type TrainingOrders = {
  /** What trials to come read. The process makes keys, sizes and checksums itself. Answers with how many there are. */
  readonly prepare: { readonly order: DataSetSpec; readonly result: number };
  readonly trial: { readonly order: TrialOrder; readonly result: TrialFigures };
};

/** Serves orders until whoever gives them goes away. */
export function serveAccelerators(): void {
  const dataSets = new Map<string, DataSet>();
  serveOrders<TrainingOrders>({
    prepare: (spec) => {
      const data = makeDataSet(spec);
      dataSets.set(spec.prefix, data);
      for (let i = 0; i < data.count; i += 1) data.crcOf(i); // or the first epoch would pay for it
      return data.count;
    },
    trial: (order, signal) => {
      const data = dataSets.get(order.prefix);
      if (data === undefined) throw new Error('a trial was ordered before its data set');
      return runTrial(order, data, signal);
    },
  });
}
