/**
 * Reports of old runs, read from files that anybody may have written. Promises: what comes back has the shape of `RunReport`, or an error
 * says which file is at fault, where in it, and what to do. What no scenario writes is left in: newer reports of the same format may have
 * more.
 */
import { readFileSync, statSync } from 'node:fs';
import { Ajv } from 'ajv';
import { BenchError } from '../../bench/measure/options.ts';
import { REPORT_FORMAT, type RunReport } from './run-report.ts';

/** A soak of a day with a point a second is a third of it. */
const REPORT_BYTES_MAX = 128 * 1024 * 1024;

const text = { type: 'string' };
const number = { type: 'number' };
/** What is not a number (NaN) is null in JSON. */
const figure = { type: ['number', 'null'] };
const list = (items: object) => ({ type: 'array', items });
const record = (values: object) => ({ type: 'object', additionalProperties: values });
/** Every property must be there but those named in `optional`. */
const shape = (properties: Record<string, object>, ...optional: string[]) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});
const each = (names: readonly string[], schema: object) => Object.fromEntries(names.map((name) => [name, schema]));

const axis = shape({ label: text, scale: { enum: ['linear', 'log'] } });
const place = shape({ x: figure, y: figure, label: text }, 'label');
const percentiles = ['count', 'mean', 'p50', 'p75', 'p90', 'p95', 'p99', 'p999', 'max'];
const point = shape(
  {
    target: text,
    load: text,
    at: record(number),
    ...each(['seconds', 'requests', 'objects', 'bytes', 'serverCpuSeconds', 'loadCpuSeconds'], number),
    latencyMs: shape({ ...each(percentiles, figure), isCorrected: { type: 'boolean' } }),
    isLoadLimited: { type: 'boolean' },
    errors: shape(each(['broken', 'refused', 'short', 'wrong'], number)),
    more: record(figure),
  },
  ...['latencyMs', 'serverCpuSeconds', 'loadCpuSeconds'],
);
const REPORT_SCHEMA = shape(
  {
    format: number,
    ...each(['scenario', 'command', 'startedAt'], text),
    machine: shape({
      ...each(['cpu', 'kernel', 'node', 'commit', 'date'], text),
      ...each(['cores', 'memoryGiB', 'loadAverage'], number),
    }),
    versions: record(text),
    seconds: number,
    isCutShort: { type: 'boolean' },
    settings: { type: 'object' },
    targets: list(shape({ name: text, endpoint: text, isOwn: { type: 'boolean' } })),
    points: list(point),
    ratios: list(shape({ contender: text, peer: text, measure: text, median: figure, best: figure })),
    plots: list(
      shape(
        {
          title: text,
          kind: { enum: ['lines', 'bars'] },
          x: axis,
          y: axis,
          lines: list(shape({ name: text, points: list(place) })),
          threshold: shape({ y: figure, label: text }),
        },
        'threshold',
      ),
    ),
    tables: list(shape({ title: text, rows: list(list(text)) })),
    remarks: list(text),
    verdict: shape({ isPassed: { type: 'boolean' }, text }),
  },
  'verdict',
);

/** @throws BenchError for a file that is no report, or one of a format that this version does not know */
export function readReport(path: string): RunReport {
  return parseReport(path, readText(path));
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > REPORT_BYTES_MAX)
      throw new BenchError(
        `${path} has ${size} bytes; a report has ${REPORT_BYTES_MAX} at most. Name the JSON of a run.`,
      );
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof BenchError) throw error;
    throw new BenchError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}); name the JSON of a run.`);
  }
}

/** @param path for the messages */
export function parseReport(path: string, json: string): RunReport {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new BenchError(`${path} is not JSON; name the JSON that a load test wrote.`);
  }
  const { format } = (value ?? {}) as { readonly format?: unknown };
  if (typeof format !== 'number')
    throw new BenchError(
      `${path} is not the report of a load test (it has no "format"); name the JSON that one wrote.`,
    );
  if (format > REPORT_FORMAT)
    throw new BenchError(
      `${path} has format ${format}; this version reads ${REPORT_FORMAT}. Draw it with the version that wrote it.`,
    );
  const validate = new Ajv({ strict: false, allowUnionTypes: true }).compile<RunReport>(REPORT_SCHEMA);
  if (validate(value)) return value;
  const [problem] = validate.errors ?? [];
  const where = problem?.instancePath === '' ? 'the report' : problem?.instancePath.slice(1).replaceAll('/', '.');
  throw new BenchError(
    `${path} is not a whole report: ${where} ${problem?.message}. Was it written or changed by hand?`,
  );
}
