/**
 * What is trained, and how fast an accelerator eats: sizes, batch, computation of a step and the utilization to reach. Those of the storage
 * benchmark of record (MLPerf Storage, training workloads) are as it publishes them. Ours are of medical images, whose batch is stated here
 * and whose computation is derived: batch / images per second of one H100, which takes 1,500 (large images) to 4,600 (small ones) a second.
 */
import { BenchError } from '../../bench/measure/options.ts';
import type { Sizes } from '../suite/data-set.ts';

type ObjectSizes = Extract<Sizes, { readonly kind: 'fixed' | 'normal' }>;

export interface Workload {
  /** `retinanet-b200`. */
  readonly name: string;
  readonly sizes: ObjectSizes;
  /** Objects of a step of one accelerator: an object is a sample. */
  readonly batch: number;
  /** Simulated computation of one step. */
  readonly computeMs: number;
  /** Least utilization that passes. */
  readonly auMin: number;
  /** Reader workers of an accelerator, where an S3 client reads object by object. */
  readonly readers: number;
  /** Where the figures are from. */
  readonly basis: string;
}

const RETINANET: ObjectSizes = { kind: 'fixed', bytes: 322_957 };
const RESNET50: ObjectSizes = { kind: 'fixed', bytes: 114_660 };
const UNET3D: ObjectSizes = { kind: 'normal', mean: 146_600_628, deviation: 68_341_808 };
const COSMOFLOW: ObjectSizes = { kind: 'fixed', bytes: 2_828_486 };
const BENCHMARK = 'Batch, computation and sizes are those of MLPerf Storage';

/** Images that one H100 trains on in a second: the ends of what is reported. */
const H100_LARGE_IMAGES = 1500;
const H100_SMALL_IMAGES = 4600;

function ofBenchmark(name: string, sizes: ObjectSizes, figures: readonly number[]): Workload {
  const [batch, seconds, auMin, readers] = figures as readonly [number, number, number, number];
  return { name, sizes, batch, computeMs: seconds * 1000, auMin, readers, basis: BENCHMARK };
}

function ofImages(name: string, bytes: number, batch: number, imagesPerSecond: number): Workload {
  return {
    name,
    sizes: { kind: 'fixed', bytes },
    batch,
    computeMs: (batch / imagesPerSecond) * 1000,
    auMin: 0.9,
    readers: 8,
    basis: `Derived, for there is no published workload: a batch of ${batch} at the ${imagesPerSecond} images/s of one H100`,
  };
}

export const WORKLOADS: readonly Workload[] = [
  ofBenchmark('retinanet-b200', RETINANET, [24, 0.04755, 0.85, 8]),
  ofBenchmark('retinanet-mi355', RETINANET, [32, 0.0634, 0.85, 8]),
  ofBenchmark('resnet50-a100', RESNET50, [400, 0.435, 0.9, 8]),
  ofBenchmark('resnet50-h100', RESNET50, [400, 0.224, 0.9, 8]),
  ofBenchmark('unet3d-a100', UNET3D, [7, 0.636, 0.9, 4]),
  ofBenchmark('unet3d-h100', UNET3D, [7, 0.323, 0.9, 4]),
  ofBenchmark('unet3d-b200', UNET3D, [7, 0.162, 0.9, 4]),
  ofBenchmark('cosmoflow-a100', COSMOFLOW, [1, 0.00551, 0.7, 4]),
  ofBenchmark('cosmoflow-h100', COSMOFLOW, [1, 0.0035, 0.7, 4]),
  ofImages('chest-xray', 400_000, 64, H100_LARGE_IMAGES),
  ofImages('ct-slices', 524_288, 64, H100_LARGE_IMAGES),
  ofImages('pathology-tiles', 40_000, 256, H100_SMALL_IMAGES),
  ofImages('medmnist', 1000, 512, H100_SMALL_IMAGES),
];

/** @throws BenchError that lists what there is */
export function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found !== undefined) return found;
  const names = WORKLOADS.map((workload) => workload.name).join(', ');
  throw new BenchError(`--workload is "${name}"; expected one of: ${names}.`);
}

export function meanBytesOf(sizes: ObjectSizes): number {
  return sizes.kind === 'fixed' ? sizes.bytes : sizes.mean;
}

/** Objects a `scale`-th as large, everything else as it was: an accelerator then asks for a `scale`-th of the bytes a second. */
export function scaled(workload: Workload, scale: number): Workload {
  const shrink = (bytes: number): number => Math.max(1, Math.round(bytes / scale));
  const { sizes } = workload;
  return {
    ...workload,
    sizes:
      sizes.kind === 'fixed'
        ? { kind: 'fixed', bytes: shrink(sizes.bytes) }
        : { kind: 'normal', mean: shrink(sizes.mean), deviation: shrink(sizes.deviation) },
  };
}

/** What one accelerator asks for when it never waits. */
export function demandOf({ batch, computeMs, sizes }: Workload): { objectsPerSecond: number; bytesPerSecond: number } {
  const objectsPerSecond = (batch * 1000) / computeMs;
  return { objectsPerSecond, bytesPerSecond: objectsPerSecond * meanBytesOf(sizes) };
}

/** Steps of an epoch that the benchmark asks for at least: the data set is so many batches for each accelerator. */
export const BATCHES_PER_ACCELERATOR = 500;

export interface DataSetSize {
  readonly objects: number;
  /** As many as the rules of the benchmark ask for. */
  readonly asked: number;
}

/**
 * @param asked objects that were asked for by hand; 0: what the rules ask for
 * @param bytesMax largest data set @throws BenchError when it is too small for one batch of each accelerator
 */
export function dataSetSizeOf(
  { batch, sizes }: Workload,
  accelerators: number,
  limits: { readonly asked: number; readonly objectsMax: number; readonly bytesMax: number },
): DataSetSize {
  const asked = BATCHES_PER_ACCELERATOR * batch * accelerators;
  const most = Math.min(limits.objectsMax, Math.floor(limits.bytesMax / meanBytesOf(sizes)));
  const objects = Math.min(most, limits.asked > 0 ? limits.asked : asked);
  const least = batch * accelerators;
  if (objects >= least) return { objects, asked };
  throw new BenchError(
    `${accelerators} accelerators need ${least} objects for one step, and the data set would have ${objects}; raise --data-mib or --objects, or --scale.`,
  );
}
