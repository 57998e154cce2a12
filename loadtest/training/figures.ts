/** From the figures of trials to points, a table, a plot and a verdict. Pure. */
import { formatFigure } from '../../bench/measure/report.ts';
import { type Ratio, ratioOf, type Series } from '../../bench/measure/rounds.ts';
import type { Plot, Point, Table } from '../suite/run-report.ts';
import type { Way } from './plan.ts';
import { type Found, foundBy } from './search.ts';
import type { TrialFigures } from './trial.ts';
import { type Judgement, judge, loadLimitOf, mean } from './utilization.ts';
import type { Workload } from './workloads.ts';

/** A trial that was made. */
export interface Tried {
  readonly target: string;
  readonly way: Way;
  readonly accelerators: number;
  readonly figures: TrialFigures;
  /** Absent for a target that is not ours. */
  readonly serverCpuSeconds: number | undefined;
  /** CPU time that others took on the core of the target meanwhile; absent where that cannot be told. */
  readonly othersCpuSeconds: number | undefined;
  readonly judgement: Judgement;
  /** Why the load generator is the limit; undefined when it is not. */
  readonly loadLimit: string | undefined;
}

export type Measured = Omit<Tried, 'judgement' | 'loadLimit'>;

export function judged(measured: Measured, { computeMs, auMin }: Workload): Tried {
  const { loadCpuShare: cpuShare, lateMs, epochs } = measured.figures;
  const loadLimit = loadLimitOf({ cpuShare, lateMs }, computeMs);
  return { ...measured, loadLimit, judgement: judge(epochs, auMin, loadLimit !== undefined) };
}

/** Of all ranks, averaged over the epochs: what was trained on. */
function samplesPerSecond({ epochs }: TrialFigures): number {
  return mean(epochs.map(({ samples, seconds }) => samples / seconds));
}

function megabytesPerSecond(figures: TrialFigures): number {
  const { bytes, objects } = figures;
  return objects === 0 ? 0 : (samplesPerSecond(figures) * bytes) / objects / 1e6;
}

export function pointOf(
  { target, way, accelerators, figures, serverCpuSeconds, judgement, loadLimit }: Tried,
  batch: number,
): Point {
  return {
    target,
    load: way.load,
    at: { accelerators },
    seconds: figures.seconds,
    requests: way.by === 's3' ? figures.objects : Math.round(figures.objects / batch),
    objects: figures.objects,
    bytes: figures.bytes,
    ...(serverCpuSeconds === undefined ? {} : { serverCpuSeconds }),
    loadCpuSeconds: figures.loadCpuSeconds,
    isLoadLimited: loadLimit !== undefined,
    errors: figures.errors,
    more: {
      'accelerator utilization, %': judgement.au * 100,
      'accelerator utilization after what was read ahead, %': judgement.steadyAu * 100,
      'samples/s': samplesPerSecond(figures),
      'a batch read in, p50 ms (closed loop)': figures.batchP50Ms,
      'a batch read in, p99 ms (closed loop)': figures.batchP99Ms,
      'CPU of the load process, % of a core': figures.loadCpuShare * 100,
      'steps noticed late, p90 ms': figures.lateMs,
    },
  };
}

const WORDS = { passed: 'passed', failed: 'failed', 'load-limited': 'limit of the load' } as const;

/** By target and way, in the order of the first trials; within, by accelerators. */
function groupsOf(tried: readonly Tried[]): Map<string, readonly Tried[]> {
  const names = new Set(tried.map(nameOf));
  const groups = [...names].map((name): [string, readonly Tried[]] => {
    const trials = tried.filter((one) => nameOf(one) === name);
    return [name, trials.sort((a, b) => a.accelerators - b.accelerators)];
  });
  return new Map(groups);
}

function nameOf({ target, way }: Tried): string {
  return `${way.load} on ${target}`;
}

export function tableOf(workload: Workload, tried: readonly Tried[]): Table {
  const names = ['target', 'by', 'accelerators', 'AU, %', 'without read-ahead, %', 'samples/s', 'MB/s'];
  const cpu = [
    'server CPU an object, µs',
    'objects/s a server core',
    'server CPU, %',
    'others on its core, %',
    'load CPU, %',
    '',
  ];
  const rows = [...groupsOf(tried).values()]
    .flat()
    .map(({ target, way, accelerators, figures, serverCpuSeconds, othersCpuSeconds, judgement }) => [
      target,
      way.load,
      String(accelerators),
      (judgement.au * 100).toFixed(1),
      (judgement.steadyAu * 100).toFixed(1),
      formatFigure(samplesPerSecond(figures)),
      formatFigure(megabytesPerSecond(figures)),
      serverCpuSeconds === undefined ? '' : formatFigure((serverCpuSeconds * 1e6) / figures.objects),
      serverCpuSeconds === undefined ? '' : formatFigure(figures.objects / serverCpuSeconds),
      shareOf(serverCpuSeconds, figures),
      shareOf(othersCpuSeconds, figures),
      (figures.loadCpuShare * 100).toFixed(0),
      WORDS[judgement.outcome],
    ]);
  return {
    title: `${workload.name}: AU of at least ${percent(workload.auMin)} passes`,
    rows: [[...names, ...cpu], ...rows],
  };
}

export function plotOf({ name, auMin }: Workload, tried: readonly Tried[]): Plot {
  const hasTargets = new Set(tried.map(({ target }) => target)).size > 1;
  const lines = [...groupsOf(tried)].map(([about, trials]) => ({
    name: hasTargets ? about : (trials[0] as Tried).way.load,
    points: trials.map(({ accelerators, judgement }) => ({ x: accelerators, y: judgement.au * 100 })),
  }));
  return {
    title: `${name}: accelerator utilization against accelerators`,
    kind: 'lines',
    x: { label: 'accelerators', scale: 'linear' },
    y: { label: 'AU, %', scale: 'linear' },
    lines,
    threshold: { y: auMin * 100, label: `AU ${percent(auMin)}` },
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

/** A sentence for each trial that was the load generator's limit. */
export function loadRemarks(tried: readonly Tried[]): string[] {
  return tried.flatMap(({ target, way, accelerators, loadLimit, judgement }) => {
    if (loadLimit === undefined) return [];
    const meaning = judgement.outcome === 'passed' ? 'it passed all the same' : 'this is no failure of the target';
    return [
      `${target}, ${way.load}, ${accelerators} accelerators: the load generator was the limit (${loadLimit}); ${meaning}.`,
    ];
  });
}

/** More than this of the target's core, and its figures are those of a smaller machine. */
const OTHERS_SHARE_MAX = 0.1;

/** A sentence where trials that did not pass shared the core of the target with others. */
export function neighbourRemarks(tried: readonly Tried[]): string[] {
  const disturbed = tried.filter(({ othersCpuSeconds = 0, figures, judgement }) => {
    return judgement.outcome !== 'passed' && othersCpuSeconds > OTHERS_SHARE_MAX * figures.seconds;
  });
  if (disturbed.length === 0) return [];
  const most = Math.max(...disturbed.map(({ othersCpuSeconds = 0, figures }) => othersCpuSeconds / figures.seconds));
  return [
    `Other processes took up to ${percent(most)} of the target's core in ${disturbed.length} of the trials that did not pass: on a core of its own it may hold more accelerators.`,
  ];
}

function shareOf(cpuSeconds: number | undefined, { seconds }: TrialFigures): string {
  return cpuSeconds === undefined ? '' : ((cpuSeconds / seconds) * 100).toFixed(0);
}

export interface Verdict {
  readonly isPassed: boolean;
  readonly text: string;
}

/** Of trials at numbers that were asked for. Undefined when the target could not be judged. */
export function verdictOf({ name, auMin }: Workload, tried: readonly Tried[]): Verdict | undefined {
  const failed = tried.filter(({ judgement }) => judgement.outcome === 'failed');
  const about = ({ target, way, accelerators, judgement }: Tried): string =>
    `${accelerators} by ${way.load} on ${target} (AU ${(judgement.au * 100).toFixed(1)} %)`;
  if (failed.length > 0) {
    const text = `${name}: ${failed.map(about).join('; ')}, where ${percent(auMin)} is asked for`;
    return { isPassed: false, text };
  }
  if (tried.length === 0 || tried.some(({ judgement }) => judgement.outcome !== 'passed')) return undefined;
  return { isPassed: true, text: `${name}: ${tried.map(about).join('; ')}` };
}

const ENDS: Readonly<Record<Found['limit'], string>> = {
  target: 'one more did not',
  load: 'beyond that the load generator was the limit, not the target',
  max: 'more were not tried',
};

/** Of searches, by target and way. Undefined when the load generator kept even one from passing. */
export function searchVerdictOf({ name }: Workload, tried: readonly Tried[]): Verdict | undefined {
  const found = [...groupsOf(tried)].map(([about, trials]) => ({
    about,
    ...foundBy(trials.map(({ accelerators, judgement }) => ({ accelerators, outcome: judgement.outcome }))),
  }));
  if (found.length === 0) return undefined;
  const text = found.map(({ about, accelerators, limit }) => `${accelerators} by ${about} (${ENDS[limit]})`).join('; ');
  if (found.some(({ accelerators, limit }) => accelerators === 0 && limit === 'load')) return undefined;
  return {
    isPassed: found.every(({ accelerators }) => accelerators > 0),
    text: `${name}, accelerators that pass: ${text}`,
  };
}

/** What an object costs the server, of the first way to each other, over the same numbers of accelerators. */
export function ratiosOf(tried: readonly Tried[]): Ratio[] {
  const measure = 'server CPU an object, µs';
  const series: Series[] = [...groupsOf(tried)].map(([contender, trials]) => ({
    contender,
    measure,
    values: trials.map(({ figures, serverCpuSeconds = Number.NaN }) => (serverCpuSeconds * 1e6) / figures.objects),
  }));
  const [first, ...rest] = series.filter(({ values }) => values.every(Number.isFinite));
  if (first === undefined) return [];
  return rest
    .filter(({ values }) => values.length === first.values.length)
    .map(({ contender }) => ratioOf(series, measure, first.contender, contender));
}
