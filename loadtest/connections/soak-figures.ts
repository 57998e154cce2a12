/** Tables, plots and the verdict of a soak. */
import type { RunRecorder } from '../suite/run-recorder.ts';
import { countErrors, type Line, type Table } from '../suite/run-report.ts';
import { latencyOf } from './measured.ts';
import { type ProcessState, totalOf } from './process-state.ts';
import { type Flatness, judgeFlat, type Tolerance } from './slope.ts';
import type { Operation } from './soak-slots.ts';
import type { Load } from './tally.ts';

export interface SoakSample {
  /** Since the start. */
  readonly seconds: number;
  readonly states: readonly ProcessState[];
  /** Of the gateway's status, by name. */
  readonly figures: Readonly<Record<string, number>>;
  readonly errors: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

const MB = 1e6;
/** Fewer prove nothing: the interval of their trend is endless, or nearly. */
const JUDGED_MIN = 8;
/** A heap grows to its working size for as long as code is still being compiled and its generations fill. */
const JUDGED_SECONDS_MIN = 60;
/** What a heap takes from one collection to the next is no leak. */
const MEMORY_AT_LEAST = 16 * MB;
const DESCRIPTORS: Tolerance = { share: 0.05, atLeast: 4 };

function memoryOf({ states, figures }: SoakSample): number {
  return totalOf(states, 'anonymousBytes') - (figures.cache_bytes ?? 0);
}

/** Of samples after the warm-up; `undefined` for too few. Pure. */
export function judgeSoak(
  samples: readonly SoakSample[],
  growthShare: number,
): { readonly isPassed: boolean; readonly text: string; readonly table: Table } | undefined {
  const seconds = (samples.at(-1)?.seconds ?? 0) - (samples[0]?.seconds ?? 0);
  if (samples.length < JUDGED_MIN || seconds < JUDGED_SECONDS_MIN) return undefined;
  const flatness = (of: (sample: SoakSample) => number, tolerance: Tolerance): Flatness =>
    judgeFlat(
      samples.map((sample) => ({ x: sample.seconds / 3600, y: of(sample) })),
      tolerance,
    );
  const memory = flatness(memoryOf, { share: growthShare, atLeast: MEMORY_AT_LEAST });
  const descriptors = flatness(({ states }) => totalOf(states, 'descriptors'), DESCRIPTORS);
  const mb = (bytes: number): string => (bytes / MB).toFixed(1);
  const whole = (count: number): string => count.toFixed(1);
  const table = {
    title: 'Growth after the warm-up (slope of Theil and Sen, 95 % confidence)',
    rows: [
      ['', 'median', 'an hour', 'from', 'to', 'grew', 'allowed', ''],
      ['memory without cache, MB', ...cellsOf(memory, mb)],
      ['open files', ...cellsOf(descriptors, whole)],
    ],
  };
  const faults = [
    ...(memory.isFlat ? [] : [`memory grew by ${mb(memory.growth)} MB`]),
    ...(descriptors.isFlat ? [] : [`open files grew by ${whole(descriptors.growth)}`]),
  ];
  const minutes = (seconds / 60).toFixed(1);
  const text =
    faults.length === 0
      ? `memory and open files were flat over the last ${minutes} min`
      : `${faults.join('; ')} over the last ${minutes} min`;
  return { isPassed: faults.length === 0, text, table };
}

function cellsOf({ median, trend, growth, allowed, isFlat }: Flatness, show: (value: number) => string): string[] {
  const { slope, low, high } = trend;
  return [show(median), ...[slope, low, high].map(show), show(growth), show(allowed), isFlat ? 'flat' : 'GREW'];
}

/** Called once, at the end, also of a run that was cut short. */
export function addSoakFigures(
  report: RunRecorder,
  samples: readonly SoakSample[],
  loads: Readonly<Record<Operation, Load>>,
  seconds: number,
): void {
  report.table({ title: 'Operations', rows: operationRows(loads, seconds) });
  const last = samples.at(-1);
  if (last === undefined) return;
  addPlots(report, samples);
  if (last.states.length === 0) return;
  const middle = samples[samples.length >> 1] as SoakSample;
  report.table({ title: 'The target over time', rows: stateRows([samples[0] as SoakSample, middle, last]) });
}

function operationRows(loads: Readonly<Record<Operation, Load>>, seconds: number): string[][] {
  const rows = Object.entries(loads).map(([operation, { requests, objects, errors, latenciesMs }]) => {
    const latency = latencyOf(latenciesMs, true);
    return [
      operation,
      '',
      String(requests),
      (requests / seconds).toFixed(1),
      String(objects),
      String(countErrors(errors)),
      latency?.p50.toFixed(2) ?? '',
      latency?.p99.toFixed(2) ?? '',
      latency?.max.toFixed(1) ?? '',
    ];
  });
  return [['operation', '', 'requests', 'a second', 'objects', 'errors', 'p50 ms', 'p99 ms', 'max ms'], ...rows];
}

function stateRows(samples: readonly SoakSample[]): string[][] {
  const roles = (samples.at(-1) as SoakSample).states.map(({ role }) => role);
  const mb = (bytes: number | undefined): string => (bytes === undefined ? '' : (bytes / MB).toFixed(1));
  const head = [
    'after',
    '',
    ...roles.map((role) => `${role} MB`),
    'cache MB',
    'open files',
    'live MB',
    'dead MB',
    'index MB',
  ];
  const rows = samples.map(({ seconds, states, figures }) => [
    `${(seconds / 60).toFixed(1)} min`,
    '',
    ...roles.map((role) => mb(states.find((state) => state.role === role)?.anonymousBytes)),
    mb(figures.cache_bytes),
    String(totalOf(states, 'descriptors')),
    mb(figures.store_live_bytes),
    mb(figures.store_dead_bytes),
    mb(figures.index_bytes),
  ]);
  return [head, ...rows];
}

function addPlots(report: RunRecorder, samples: readonly SoakSample[]): void {
  const line = (name: string, of: (sample: SoakSample) => number | undefined): Line => ({
    name,
    points: samples.flatMap((sample) => {
      const y = of(sample);
      return y === undefined ? [] : [{ x: sample.seconds / 60, y }];
    }),
  });
  const add = (title: string, label: string, lines: readonly Line[]): void => {
    const drawn = lines.filter(({ points }) => points.length > 1);
    if (drawn.length === 0) return;
    const x = { label: 'minutes', scale: 'linear' } as const;
    report.plot({ title, kind: 'lines', x, y: { label, scale: 'linear' }, lines: drawn });
  };
  const ofFigure =
    (name: string, by = MB) =>
    (sample: SoakSample): number | undefined => {
      const value = sample.figures[name];
      return value === undefined ? undefined : value / by;
    };
  const roles = samples.at(-1)?.states.map(({ role }) => role) ?? [];
  const ofRole =
    (role: string) =>
    (sample: SoakSample): number | undefined => {
      const state = sample.states.find((one) => one.role === role);
      return state === undefined ? undefined : state.anonymousBytes / MB;
    };
  add('Memory over time', 'resident, without the page cache, MB', [
    ...roles.map((role) => line(role, ofRole(role))),
    line('cache of the workers', ofFigure('cache_bytes')),
  ]);
  const descriptors = line('all processes', ({ states }) =>
    states.length === 0 ? undefined : totalOf(states, 'descriptors'),
  );
  add('Open files over time', 'open files', [descriptors]);
  add('Latency over time', 'ms', [line('p50', ({ p50Ms }) => p50Ms), line('p99', ({ p99Ms }) => p99Ms)]);
  add('Stored bytes over time', 'MB', [
    line('needed by objects', ofFigure('store_live_bytes')),
    line('dead', ofFigure('store_dead_bytes')),
    line('index', ofFigure('index_bytes')),
  ]);
}
