/**
 * Signed PUTs to any S3 endpoint, by autocannon. No two PUTs of a run bring the same bytes, and after every load some of what was
 * acknowledged is read back and compared.
 */
import { openContenders } from './s3/contenders.ts';
import { type S3Orders, serveS3Load } from './s3/load-orders.ts';
import { S3Rounds } from './s3/measure.ts';
import { cleanUp } from './s3/read-back.ts';
import { recordFigures } from './s3/s3-figures.ts';
import { dataSetOf, S3_OPTIONS, s3PlanOf } from './s3/s3-plan.ts';
import { isLoadProcess, LoadProcess } from './suite/load-process.ts';
import { runScenario } from './suite/scenario.ts';
import { makeBucket } from './suite/upload.ts';

const SCENARIO = {
  name: 's3-put',
  purpose: 'Signed PUTs of objects of one size after another, each with bytes of its own, over kept connections.',
  options: {
    ...S3_OPTIONS,
    objects: [10_000, 'keys that are written in turns, so that the disk does not fill', { min: 1, max: 100_000 }],
    keep: [false, 'leave the objects at an endpoint that the run did not start'],
  },
} as const;

/** PUTs before bytes come again. */
const BODIES = 1_000_000;

if (isLoadProcess()) serveS3Load();
else
  await runScenario({
    ...SCENARIO,
    run: async (context) => {
      const plan = s3PlanOf(context.options);
      const stages = plan.sizes.map((bytes) => ({ bytes, dataSet: dataSetOf(plan, 's3-put', bytes, BODIES) }));
      const targets = await openContenders(context, [], Math.max(...plan.connections));
      const load = new LoadProcess<S3Orders>(context, { self: import.meta.filename });
      const rounds = new S3Rounds(context, load, plan, targets);
      try {
        for (const target of targets) await makeBucket(target, context.signal);
        for (const stage of stages) await rounds.run({ kind: 'put', ...stage, objects: plan.objects });
      } finally {
        recordFigures(
          context.report,
          targets.map(({ name }) => name),
        );
        const prefixes = stages.map(({ dataSet }) => dataSet.prefix);
        if (!context.options.keep) await cleanUp(context.report, targets, prefixes);
      }
      context.report.remark(
        'After every load, 50 of the objects that were acknowledged last were read back: what differs is an error of that load.',
      );
    },
  });
