/**
 * What the scaling model is computed from: every number with where it is from, in words. Promises: a file with one missing, below its
 * bound or without its source is refused with the name of the number.
 */
import { BenchError } from '../../bench/measure/options.ts';

/** Meaning and unit of each input; for people, and for the one who writes such a file. */
export const INPUTS = {
  s3GetFixedMicros: 'S3 GET: server CPU of an operation, µs',
  s3GetMicrosPerMiB: 'S3 GET: server CPU of a MiB, µs',
  getBatchFixedMicros: 'GetBatch: server CPU of an object, µs',
  getBatchMicrosPerMiB: 'GetBatch: server CPU of a MiB, µs',
  putBatchFixedMicros: 'PutBatch: server CPU of an object, µs',
  putBatchMicrosPerMiB: 'PutBatch: server CPU of a MiB, µs',
  cpuWithStores: 'CPU an object with many stores, as a multiple of one',
  durableShare: 'durable ingest, as a share of sequential writes with the same flushes',
  cores: 'cores of a node',
  coreShare: 'share of its cores that serves',
  networkGBPerSecond: 'network of a node, GB/s each way',
  networkShare: 'share of the network that carries bodies',
  drives: 'NVMe drives of a node',
  driveReadGBPerSecond: 'reads of a drive, GB/s',
  driveWriteGBPerSecond: 'sustained writes of a drive, GB/s',
  driveReadsPerSecond: 'random reads of a drive, a second',
  driveTB: 'size of a drive, TB',
  fullShare: 'share of the drives that holds live bytes',
  readKiB: 'object of the reads, KiB',
  writeKiB: 'object of the writes, KiB',
  operationKiB: 'object of the operations, KiB',
  objects: 'objects of a data set that is read evenly',
  reduction: 'bytes of objects for a byte stored',
  copies: 'copies of each byte on the drives of the nodes',
} as const;

export type InputName = keyof typeof INPUTS;
export const INPUT_NAMES = Object.keys(INPUTS) as InputName[];

export interface ModelInput {
  readonly value: number;
  /** Where it is from: a run and its machine, a vendor's sheet, an assumption and why. */
  readonly source: string;
}

export type ModelInputs = Readonly<Record<InputName, ModelInput>>;

const SHARES: ReadonlySet<InputName> = new Set(['durableShare', 'coreShare', 'networkShare', 'fullShare']);
const MAY_BE_ZERO: ReadonlySet<InputName> = new Set([
  's3GetFixedMicros',
  's3GetMicrosPerMiB',
  'getBatchFixedMicros',
  'getBatchMicrosPerMiB',
  'putBatchFixedMicros',
  'putBatchMicrosPerMiB',
]);
const OBJECTS_MAX = 10_000_000;

function isAllowed(name: InputName, value: unknown): value is number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return false;
  if (value === 0) return MAY_BE_ZERO.has(name);
  return value <= maxOf(name);
}

function maxOf(name: InputName): number {
  if (SHARES.has(name)) return 1;
  return name === 'objects' ? OBJECTS_MAX : Number.MAX_SAFE_INTEGER;
}

function checked(name: InputName, given: unknown, file: string): ModelInput {
  const { value, source } = (given ?? {}) as { readonly value?: unknown; readonly source?: unknown };
  if (!isAllowed(name, value)) {
    const expected = `a number ${MAY_BE_ZERO.has(name) ? 'of 0 or more' : `above 0 and at most ${maxOf(name)}`}`;
    throw new BenchError(`${file}: ${name} is ${JSON.stringify(value)}; expected ${expected} (${INPUTS[name]}).`);
  }
  if (typeof source !== 'string' || source.trim() === '')
    throw new BenchError(`${file}: ${name} has no source; say in words where ${value} is from.`);
  return { value, source };
}

/** Of what was read as JSON. @param file how messages name it @throws BenchError */
export function parseInputs(json: unknown, file: string): ModelInputs {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new BenchError(`${file} holds no inputs of the model; expected an object with ${INPUT_NAMES.join(', ')}.`);
  const given = json as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((name) => !(name in INPUTS));
  if (unknown !== undefined)
    throw new BenchError(`${file}: there is no input "${unknown}"; known are ${INPUT_NAMES.join(', ')}.`);
  const entries = INPUT_NAMES.map((name) => [name, checked(name, given[name], file)] as const);
  return Object.fromEntries(entries) as Record<InputName, ModelInput>;
}
