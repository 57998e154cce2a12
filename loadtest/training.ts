/**
 * Simulated accelerators that train: `npm run loadtest -- training`. In the shape of the storage benchmark of record: how many accelerators
 * can be kept busy, by S3 GETs and by GetBatch. It says when it is the load generator itself that keeps them waiting.
 */
import { isLoadProcess } from './suite/load-process.ts';
import { runScenario } from './suite/scenario.ts';
import { serveAccelerators } from './training/accelerators.ts';
import { runTraining } from './training/conduct.ts';
import { TRAINING_OPTIONS } from './training/plan.ts';

if (isLoadProcess()) serveAccelerators();
else {
  await runScenario({
    name: 'training',
    purpose: 'Simulated accelerators that train on images: how many are kept busy, over S3 GETs and over GetBatch.',
    options: TRAINING_OPTIONS,
    run: (context) => runTraining(context, import.meta.filename),
  });
}
