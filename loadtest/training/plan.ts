/** What a run of `training` does, made of its options: checked, and with sentences about what is not as the benchmark has it. Pure. */
import { BenchError } from '../../bench/measure/options.ts';
import type { DataSetSpec } from '../suite/data-set.ts';
import { numbersWithin, type ScenarioValues } from '../suite/options.ts';
import type { By } from './trial.ts';
import {
  BATCHES_PER_ACCELERATOR,
  dataSetSizeOf,
  demandOf,
  meanBytesOf,
  scaled,
  type Workload,
  workloadOf,
} from './workloads.ts';

const MIB = 2 ** 20;
const ACCELERATORS_MAX = 1024;
const READERS_MAX = 64;
/** Uploading more takes longer than anybody waits. */
const OBJECTS_MAX = 1_000_000;
/** Batches under way with GetBatch: one that is sent while another is read. */
const BATCH_READERS = 2;

export const TRAINING_OPTIONS = {
  workload: [
    'retinanet-b200',
    'retinanet-b200|mi355, resnet50-a100|h100, unet3d-a100|h100|b200, cosmoflow-a100|h100, chest-xray, ct-slices, pathology-tiles or medmnist',
  ],
  by: ['batch,s3', 'how they read: batch (GetBatch), s3 (keep-alive GETs), or both'],
  accelerators: [
    '1',
    'simulated accelerators: numbers with commas between them, one trial each; where --search begins',
  ],
  search: [false, 'find the largest number of accelerators that passes'],
  'max-accelerators': [64, 'end of --search', { min: 1, max: ACCELERATORS_MAX }],
  readers: [
    0,
    'reader workers an accelerator; 0: as the workload has with s3, 2 with batch',
    { min: 0, max: READERS_MAX },
  ],
  prefetch: [2, 'batches for each reader that are read, being read or ready', { min: 1, max: 16 }],
  epochs: [2, 'epochs of a trial', { min: 1, max: 100 }],
  seconds: [5, 'length of an epoch', { min: 0.1, max: 3600, fractions: true }],
  'with-hints': [
    false,
    'a third way: GetBatch that tells the keys of a later batch. The rules of the benchmark forbid this',
  ],
  objects: [0, 'objects of the data set; 0: 500 batches for each accelerator', { min: 0, max: OBJECTS_MAX }],
  'data-mib': [1024, 'largest data set in MiB; each way to read has one of its own', { min: 1, max: 64 * 1024 * 1024 }],
  scale: [1, 'divides the size of the objects, for those that are too large for this machine', { min: 1, max: 1e6 }],
  'bytes-from': ['random', 'random bytes, or samples: the images of samples/'],
} as const;

export type TrainingValues = Pick<ScenarioValues<typeof TRAINING_OPTIONS>, keyof typeof TRAINING_OPTIONS> & {
  readonly seed: number;
};

/** One way to read. */
export interface Way {
  /** As it stands in the report. */
  readonly load: string;
  readonly by: By;
  readonly withHints: boolean;
  readonly readers: number;
}

/** Each way reads objects of its own: what one of them brings into the memory of a target must not serve another. */
export function dataSetFor({ dataSet }: TrainingPlan, { by, withHints }: Way): DataSetSpec {
  return { ...dataSet, prefix: `${dataSet.prefix}/${withHints ? 'hints' : by}` };
}

export interface TrainingPlan {
  readonly workload: Workload;
  readonly ways: readonly Way[];
  /** Ascending; of a search its beginning alone. */
  readonly accelerators: readonly number[];
  /** Absent: no search. */
  readonly searchMax?: number;
  /** Of every way, but for the prefix. */
  readonly dataSet: DataSetSpec;
  readonly remarks: readonly string[];
}

export interface Room {
  /** For the data set. */
  readonly diskBytes: number;
  readonly memoryBytes: number;
}

/** @throws BenchError */
export function planOf(options: TrainingValues, room: Room): TrainingPlan {
  const workload = scaled(workloadOf(options.workload), options.scale);
  const bounds = { min: 1, max: ACCELERATORS_MAX };
  const numbers = [...new Set(numbersWithin('accelerators', options.accelerators, bounds))].sort((a, b) => a - b);
  const first = numbers[0] as number;
  if (options.search && numbers.length > 1)
    throw new BenchError(`--accelerators is "${options.accelerators}"; with --search give the one to begin with.`);
  const most = options.search ? Math.max(first, options['max-accelerators']) : (numbers.at(-1) as number);
  const bytesMax = Math.min(options['data-mib'] * MIB, room.diskBytes);
  const limits = { asked: options.objects, objectsMax: OBJECTS_MAX, bytesMax };
  const size = dataSetSizeOf(workload, options.search ? first : most, limits);
  const objects = options.search ? Math.max(size.objects, searchObjects(workload, most, limits)) : size.objects;
  const searchMax = Math.min(most, Math.floor(objects / workload.batch));
  return {
    workload,
    ways: waysOf(options, workload),
    accelerators: numbers,
    ...(options.search ? { searchMax } : {}),
    dataSet: dataSetOf(options, workload, objects),
    remarks: [
      ...remarksOn(options, workload),
      ...remarksOnData(workload, objects, options.search ? searchMax : most, room),
    ],
  };
}

/** As many as the last trial of a search asks for, or as there is room for. */
function searchObjects(workload: Workload, most: number, limits: Parameters<typeof dataSetSizeOf>[2]): number {
  const asked = limits.asked > 0 ? limits.asked : BATCHES_PER_ACCELERATOR * workload.batch * most;
  return Math.min(asked, limits.objectsMax, Math.floor(limits.bytesMax / meanBytesOf(workload.sizes)));
}

function waysOf(options: TrainingValues, workload: Workload): Way[] {
  const names = [...new Set(options.by.split(',').map((name) => name.trim()))];
  const unknown = names.find((name) => name !== 's3' && name !== 'batch');
  if (unknown !== undefined) throw new BenchError(`--by is "${options.by}"; expected batch, s3, or batch,s3.`);
  if (options['with-hints'] && !names.includes('batch'))
    throw new BenchError('--with-hints needs --by batch: S3 GETs have no place for hints.');
  const plain = names.map((name) =>
    name === 's3'
      ? { load: 'S3 GETs', by: 's3' as const, withHints: false, readers: options.readers || workload.readers }
      : { load: 'GetBatch', by: 'batch' as const, withHints: false, readers: options.readers || BATCH_READERS },
  );
  const hinted = plain.filter(({ by }) => options['with-hints'] && by === 'batch');
  return [...plain, ...hinted.map((way) => ({ ...way, load: 'GetBatch with hints', withHints: true }))];
}

function dataSetOf(options: TrainingValues, workload: Workload, count: number): DataSetSpec {
  const from = options['bytes-from'];
  if (from !== 'random' && from !== 'samples')
    throw new BenchError(`--bytes-from is "${from}"; expected random or samples.`);
  const { sizes } = workload;
  const size = sizes.kind === 'fixed' ? sizes.bytes : `${sizes.mean}-${sizes.deviation}`;
  return {
    count,
    sizes,
    bytesFrom: from,
    seed: options.seed,
    prefix: `training/${size}-${from}-${options.seed}`,
  };
}

function remarksOn(options: TrainingValues, workload: Workload): string[] {
  const { objectsPerSecond, bytesPerSecond } = demandOf(workload);
  const share = `AU ${(workload.auMin * 100).toFixed(0)} %`;
  const remarks = [
    'A load test in the shape of the training workloads of MLPerf Storage, and no result of that benchmark.',
    `${workload.name}: batches of ${workload.batch}, ${workload.computeMs.toFixed(2)} ms of computation a step, ${Math.round(objectsPerSecond).toLocaleString('en-US')} objects/s and ${(bytesPerSecond / 1e6).toFixed(1)} MB/s for each accelerator that never waits; ${share} passes. ${workload.basis}.`,
    'To pass, AU must reach the threshold over the epoch without its first step, as the benchmark defines it, and also from where the batches that were read ahead at the beginning are used up, lest short epochs flatter.',
  ];
  if (options.scale > 1)
    remarks.push(
      `Objects are 1/${options.scale} as large as the workload's and the computation is not shortened: an accelerator here asks for 1/${options.scale} of the bytes a second.`,
    );
  if (options['with-hints'])
    remarks.push(
      'GetBatch with hints tells the gateway the keys of a later batch of its rank. The rules of the benchmark forbid telling the storage the order: these figures compare with nothing published.',
    );
  return remarks;
}

function remarksOnData(workload: Workload, objects: number, accelerators: number, room: Room): string[] {
  const remarks: string[] = [];
  const asked = BATCHES_PER_ACCELERATOR * workload.batch * accelerators;
  if (objects < asked)
    remarks.push(
      `The data set has ${objects.toLocaleString('en-US')} objects, where ${accelerators} accelerators ask for ${asked.toLocaleString('en-US')} (${BATCHES_PER_ACCELERATOR} batches each): trials for which it is too small read it several times in an epoch, each time in another order. --data-mib and --objects make it larger.`,
    );
  if (objects * meanBytesOf(workload.sizes) < room.memoryBytes)
    remarks.push('The data set fits into the memory of this machine, so that no disk is measured here.');
  return remarks;
}
