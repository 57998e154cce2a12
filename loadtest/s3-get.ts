/**
 * Signed GETs of small objects against any S3 endpoint, by autocannon: throughput against connections, latency at a set rate, and CPU a
 * request where the server is one that the run started. Every body is checked by its CRC-32.
 */
import { openContenders, remarkLeft, uploadToAll } from './s3/contenders.ts';
import { type S3Orders, serveS3Load } from './s3/load-orders.ts';
import { S3Rounds } from './s3/measure.ts';
import { recordFigures } from './s3/s3-figures.ts';
import { dataSetOf, S3_OPTIONS, s3PlanOf } from './s3/s3-plan.ts';
import { makeDataSet } from './suite/data-set.ts';
import { isLoadProcess, LoadProcess } from './suite/load-process.ts';
import { runScenario } from './suite/scenario.ts';

const SCENARIO = {
  name: 's3-get',
  purpose: 'Signed GETs of objects of one size after another, in random order, over kept connections.',
  options: {
    ...S3_OPTIONS,
    objects: [1000, 'objects of each size', { min: 1, max: 100_000 }],
    compare: ['', 'a second S3 endpoint, or "nginx" over the same files, loaded in turns with the first'],
  },
} as const;

if (isLoadProcess()) serveS3Load();
else
  await runScenario({
    ...SCENARIO,
    run: async (context) => {
      const plan = s3PlanOf(context.options);
      const dataSets = plan.sizes.map((bytes) => makeDataSet(dataSetOf(plan, 's3-get', bytes, plan.objects)));
      const targets = await openContenders(context, dataSets, Math.max(...plan.connections));
      const load = new LoadProcess<S3Orders>(context, { self: import.meta.filename });
      const rounds = new S3Rounds(context, load, plan, targets);
      try {
        for (const dataSet of dataSets) {
          await uploadToAll(targets, dataSet, context);
          remarkLeft(context.report, targets);
          await rounds.run({ kind: 'get', bytes: dataSet.sizeMax, dataSet: dataSet.spec, objects: dataSet.count });
        }
      } finally {
        recordFigures(
          context.report,
          targets.map(({ name }) => name),
        );
      }
    },
  });
