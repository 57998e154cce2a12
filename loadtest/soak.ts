/**
 * Soak: `npm run loadtest -- soak`. GETs, batches, PUTs and DELETEs at a steady rate for minutes or hours, every answer checked; memory and open
 * descriptors of the target must be flat after the warm-up.
 */
import { serveSoak } from './connections/soak-load.ts';
import { runSoak } from './connections/soak-run.ts';
import { VERSIONS } from './connections/soak-slots.ts';
import { isLoadProcess } from './suite/load-process.ts';
import { sizesWithin } from './suite/options.ts';
import { runScenario } from './suite/scenario.ts';

const OPTIONS = {
  minutes: [
    2,
    'length; at least a quarter of an hour for a verdict to believe',
    { min: 0.05, max: 10_080, fractions: true },
  ],
  rate: [200, 'operations a second: 60 % GET, 10 % GetBatch, 20 % PUT, 10 % DELETE', { min: 1, max: 10_000 }],
  connections: [16, 'S3 requests at once', { min: 1, max: 1024 }],
  objects: [2000, 'keys', { min: 32, max: 1_000_000 }],
  bytes: ['16k', 'mean size of an object; sizes spread by a third of it'],
  batch: [32, 'objects of a GetBatch', { min: 1, max: 1000 }],
  'warm-up': [25, '% of the time that is not judged', { min: 0, max: 90 }],
  growth: [10, '% of its median by which memory may grow in the time that is judged', { min: 0, max: 1000 }],
} as const;

if (isLoadProcess()) serveSoak();
else {
  await runScenario({
    name: 'soak',
    purpose:
      'A steady mixture of reads, writes and deletes for long: every answer checked, memory and descriptors flat.',
    options: OPTIONS,
    run: async (context) => {
      const { options } = context;
      const [bytes] = sizesWithin('bytes', options.bytes, { min: 16, max: 2 ** 20 }, 1) as [number];
      await runSoak(context, {
        minutes: options.minutes,
        rate: options.rate,
        connections: options.connections,
        batch: options.batch,
        dataSet: {
          count: options.objects * VERSIONS,
          sizes: { kind: 'normal', mean: bytes, deviation: bytes / 3 },
          bytesFrom: 'random',
          seed: options.seed,
          prefix: `soak/${bytes}-${options.seed}`,
        },
        warmUpShare: options['warm-up'] / 100,
        growthShare: options.growth / 100,
        self: import.meta.filename,
      });
    },
  });
}
