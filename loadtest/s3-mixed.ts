/**
 * A mixture of GETs, PUTs, HEADs, DELETEs and LISTs against any S3 endpoint, by autocannon, with results for each operation. The objects
 * change while they are read, and every body that comes back is checked by its CRC-32.
 */
import { openContenders, uploadToAll } from './s3/contenders.ts';
import { type S3Orders, serveS3Load } from './s3/load-orders.ts';
import { S3Rounds } from './s3/measure.ts';
import { parseMix } from './s3/mix.ts';
import { cleanUp } from './s3/read-back.ts';
import { recordFigures } from './s3/s3-figures.ts';
import { dataSetOf, S3_OPTIONS, s3PlanOf } from './s3/s3-plan.ts';
import { makeDataSet } from './suite/data-set.ts';
import { isLoadProcess, LoadProcess } from './suite/load-process.ts';
import { runScenario } from './suite/scenario.ts';

const SCENARIO = {
  name: 's3-mixed',
  purpose: 'A mixture of signed GETs, PUTs, HEADs, DELETEs and LISTs of objects of one size after another.',
  options: {
    ...S3_OPTIONS,
    objects: [2000, 'objects of each size at the beginning', { min: 10, max: 100_000 }],
    mix: ['get=45,head=30,put=15,delete=10', 'shares of get, head, put, delete and list'],
    keep: [false, 'leave the objects at an endpoint that the run did not start'],
  },
} as const;

/** PUTs that make new objects; after them the places of deleted ones are filled. */
const NEW_OBJECTS = 1_000_000;

if (isLoadProcess()) serveS3Load();
else
  await runScenario({
    ...SCENARIO,
    run: async (context) => {
      const plan = s3PlanOf(context.options);
      const mix = parseMix(context.options.mix);
      const { objects } = plan;
      const stages = plan.sizes.map((bytes) => ({
        bytes,
        dataSet: dataSetOf(plan, 's3-mixed', bytes, objects + NEW_OBJECTS),
      }));
      const targets = await openContenders(context, [], Math.max(...plan.connections));
      const load = new LoadProcess<S3Orders>(context, { self: import.meta.filename });
      const rounds = new S3Rounds(context, load, plan, targets);
      try {
        for (const stage of stages) {
          await uploadToAll(targets, makeDataSet(stage.dataSet), context, objects);
          await rounds.run({ kind: 'mixed', ...stage, objects, mix });
        }
      } finally {
        recordFigures(
          context.report,
          targets.map(({ name }) => name),
        );
        const prefixes = stages.map(({ dataSet }) => dataSet.prefix);
        if (!context.options.keep) await cleanUp(context.report, targets, prefixes);
      }
    },
  });
