/**
 * Fairness: `npm run loadtest -- fairness`. A hundred polite clients with a few requests a second, alone and beside one that takes all it can get,
 * over S3 and over gRPC; then all of them as fast as they can, and who got how much.
 */
import { serveFairness } from './connections/fairness-process.ts';
import { runFairness } from './connections/fairness-run.ts';
import { isLoadProcess } from './suite/load-process.ts';
import { sizesWithin } from './suite/options.ts';
import { runScenario } from './suite/scenario.ts';

const BYTES = { min: 1, max: 4 * 2 ** 20 };

const OPTIONS = {
  clients: [100, 'polite clients, one connection each', { min: 1, max: 4000 }],
  rate: [2, 'requests a second of each', { min: 0.1, max: 100, fractions: true }],
  rounds: [2, 'rounds; in each, the polite clients are alone, then beside each greedy one', { min: 1, max: 100 }],
  seconds: [3, 'length of each', { min: 1, max: 600 }],
  bytes: ['16k', 'size of the objects that polite clients read'],
  batch: [8, 'objects of their batches', { min: 1, max: 1000 }],
  objects: [256, 'objects of each set', { min: 1, max: 100_000 }],
  'greedy-bytes': ['64k', 'size of the objects that the greedy client reads'],
  'greedy-connections': [256, 'GETs of the greedy S3 client at once', { min: 1, max: 4096 }],
  'greedy-streams': [16, 'batches of the greedy gRPC client at once', { min: 1, max: 1024 }],
  'greedy-batch': [2048, 'objects of its batches', { min: 1, max: 100_000 }],
  'jain-min': [0.9, "Jain's index of equal clients, less is a failure", { min: 0, max: 1, fractions: true }],
  'wait-max': [2000, 'ms that one request of a polite client may take, more is a failure', { min: 1, max: 60_000 }],
} as const;

if (isLoadProcess()) serveFairness();
else {
  await runScenario({
    name: 'fairness',
    purpose: 'One greedy client against many polite ones: their latency beside it and alone, and who gets how much.',
    options: OPTIONS,
    run: async (context) => {
      const { options } = context;
      const [bytes] = sizesWithin('bytes', options.bytes, BYTES, 1) as [number];
      const [greedyBytes] = sizesWithin('greedy-bytes', options['greedy-bytes'], BYTES, 1) as [number];
      const setOf = (who: string, size: number) => ({
        count: options.objects,
        sizes: { kind: 'fixed' as const, bytes: size },
        bytesFrom: 'random' as const,
        seed: options.seed,
        prefix: `fairness/${who}-${size}-${options.seed}`,
      });
      await runFairness(context, {
        clients: options.clients,
        rate: options.rate,
        rounds: options.rounds,
        seconds: options.seconds,
        polite: { dataSet: setOf('polite', bytes), batch: options.batch },
        greedy: { dataSet: setOf('greedy', greedyBytes), batch: options['greedy-batch'] },
        greedyStreams: { s3: options['greedy-connections'], grpc: options['greedy-streams'] },
        jainMin: options['jain-min'],
        waitMaxMs: options['wait-max'],
        self: import.meta.filename,
      });
    },
  });
}
