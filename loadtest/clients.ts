/**
 * Connection scale: `npm run loadtest -- clients`. Thousands of keep-alive S3 connections and a thousand gRPC clients with few requests each:
 * how fast they are taken, what they cost in memory, and what they do to the latency of the few that ask.
 */

import { runClients } from './connections/clients-run.ts';
import { Herd, type HerdOrders } from './connections/herd.ts';
import { isLoadProcess, serveOrders } from './suite/load-process.ts';
import { numbersWithin, sizesWithin } from './suite/options.ts';
import { runScenario } from './suite/scenario.ts';

const CONNECTIONS_MAX = 20_000;

const OPTIONS = {
  connections: ['1000,5000,10000', 'S3 connections, step by step: numbers up to 20000 with commas between them'],
  'grpc-clients': [1000, 'gRPC connections on top of the last step; 0 for none', { min: 0, max: 4000 }],
  rate: [200, 'requests a second over all connections of a step', { min: 1, max: 5000 }],
  seconds: [5, 'length of the slow load of a step', { min: 1, max: 600 }],
  settle: [2, 'seconds of rest before each look at the memory', { min: 0, max: 60, fractions: true }],
  bytes: ['16k', 'size of an object'],
  objects: [256, 'objects that are read', { min: 1, max: 100_000 }],
  batch: [4, 'objects of a GetBatch', { min: 1, max: 1000 }],
  'memory-max': [
    500,
    'MB of the target with up to 10000 S3 connections, more is a failure; 0: no bound',
    { min: 0, max: 1e6 },
  ],
} as const;

function serveHerd(): void {
  let herd: Herd | undefined;
  const begun = (): Herd => {
    if (herd === undefined) throw new Error('the herd was not told whom to load');
    return herd;
  };
  serveOrders<HerdOrders>({
    begin: (plan) => {
      herd = new Herd(plan);
      return herd.objects;
    },
    open: ({ protocol, count }, signal) => begun().open(protocol, count, signal),
    pace: (order, signal) => begun().pace(order, signal),
    close: () => begun().close(),
  });
}

if (isLoadProcess()) serveHerd();
else {
  await runScenario({
    name: 'clients',
    purpose: 'Thousands of idle keep-alive connections: memory, connect rate, latency of a slow load over them.',
    options: OPTIONS,
    run: async (context) => {
      const { options } = context;
      const steps = numbersWithin('connections', options.connections, { min: 1, max: CONNECTIONS_MAX });
      const [bytes] = sizesWithin('bytes', options.bytes, { min: 1, max: 4 * 2 ** 20 }, 1) as [number];
      await runClients(context, {
        connections: [...new Set(steps)].sort((a, b) => a - b),
        grpcClients: options['grpc-clients'],
        rate: options.rate,
        seconds: options.seconds,
        settleSeconds: options.settle,
        batch: options.batch,
        memoryMaxMB: options['memory-max'],
        dataSet: {
          count: options.objects,
          sizes: { kind: 'fixed', bytes },
          bytesFrom: 'random',
          seed: options.seed,
          prefix: `clients/${bytes}-${options.seed}`,
        },
        self: import.meta.filename,
      });
    },
  });
}
