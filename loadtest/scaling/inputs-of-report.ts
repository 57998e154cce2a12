/** What a report of `scale` measured, as inputs of the model; what it did not measure is taken from inputs that there are. Pure. */

import { BenchError } from '../../bench/measure/options.ts';
import { summarise } from '../../bench/measure/rounds.ts';
import type { Point, RunReport } from '../suite/run-report.ts';
import { type CostPoint, fitCost } from './cost.ts';
import type { InputName, ModelInput, ModelInputs } from './model-inputs.ts';

const MEASURED = [
  ['S3 GET', 's3GetFixedMicros', 's3GetMicrosPerMiB'],
  ['GetBatch', 'getBatchFixedMicros', 'getBatchMicrosPerMiB'],
  ['PutBatch', 'putBatchFixedMicros', 'putBatchMicrosPerMiB'],
] as const satisfies readonly (readonly [string, InputName, InputName])[];

function microsOfPoint({ serverCpuSeconds, objects }: Point): number {
  return ((serverCpuSeconds ?? Number.NaN) * 1e6) / objects;
}

/** Medians over rounds, by load. */
function mediansOf(points: readonly Point[]): CostPoint[] {
  const loads = new Set(points.map(({ load }) => load));
  return [...loads].map((load) => {
    const same = points.filter((point) => point.load === load && point.objects > 0);
    const [first] = same as [Point];
    return { bytes: first.bytes / first.objects, micros: summarise(same.map(microsOfPoint)).median };
  });
}

function isOf(verb: string, { load, serverCpuSeconds, objects }: Point): boolean {
  return load.startsWith(`${verb} `) && serverCpuSeconds !== undefined && objects > 0;
}

/** GetBatch of the smallest objects, with the most stores over one; `undefined` where only one was measured. */
function growthWithStores(points: readonly Point[]): number | undefined {
  const batches = points.filter((point) => isOf('GetBatch', point) && point.at.stores !== undefined);
  const smallest = Math.min(...batches.map(({ bytes, objects }) => bytes / objects));
  const same = batches.filter(({ bytes, objects }) => bytes / objects < smallest * 1.5);
  const of = (stores: number): number =>
    summarise(same.filter(({ at }) => at.stores === stores).map(microsOfPoint)).median;
  const counts = same.map(({ at }) => at.stores as number);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return counts.length === 0 || least === most ? undefined : Math.max(1, of(most) / of(least));
}

/** @throws BenchError where the report has no such points */
export function inputsOfReport(report: RunReport, base: ModelInputs): ModelInputs {
  const { machine, startedAt } = report;
  const source = `measured by ${report.command}, ${startedAt}, on ${machine.cpu}, Node ${machine.node}, commit ${machine.commit}`;
  const inputs: Record<InputName, ModelInput> = { ...base };
  for (const [verb, fixed, perMiB] of MEASURED) {
    const alone = report.points.filter((point) => isOf(verb, point) && point.at.workers === 1);
    if (alone.length === 0)
      throw new BenchError(`the report has no ${verb} with one worker; give one of a whole run of scale.`);
    const medians = mediansOf(alone);
    if (medians.length < 2)
      throw new BenchError(
        `the report has ${verb} of one size; two tell the cost of an object from that of its bytes.`,
      );
    const { fixedMicros, microsPerMiB } = fitCost(medians);
    inputs[fixed] = { value: rounded(fixedMicros), source };
    inputs[perMiB] = { value: rounded(microsPerMiB), source };
  }
  const growth = growthWithStores(report.points);
  if (growth !== undefined) inputs.cpuWithStores = { value: rounded(growth), source };
  return inputs;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
