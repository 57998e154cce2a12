/** Tables, plots and the verdict of connection scale. Pure, but for what it adds to the report. */
import type { RunRecorder } from '../suite/run-recorder.ts';
import { countErrors, type Line, type Percentiles } from '../suite/run-report.ts';
import type { Opened, Paced } from './herd.ts';
import type { Protocol } from './member.ts';
import { type ProcessState, totalOf } from './process-state.ts';

/** What was seen at one number of connections; before the first and after the last without a load. */
export interface ClientStep {
  readonly target: string;
  readonly name: string;
  readonly connections: number;
  readonly protocol: Protocol;
  /** At its end, idle; empty for a target that the run did not start. */
  readonly states: readonly ProcessState[];
  readonly opening?: Opened;
  readonly pacing?: Paced;
  /** After the connections were opened. */
  readonly openBytes?: number;
  /** Bytes more than before in processes that hold connections, for each of them. */
  readonly perConnection?: number;
  readonly latency?: Percentiles;
}

/** For which number of connections the bound of memory holds. */
const JUDGED_CONNECTIONS = 10_000;
const MB = 1e6;

/** Called once, at the end, also of a run that was cut short. */
export function addClientFigures(report: RunRecorder, steps: readonly ClientStep[]): void {
  if (steps.length === 0) return;
  report.table({ title: 'Connections that idle, and a slow load over all of them', rows: stepRows(steps) });
  if (steps.some(({ states }) => states.length > 0)) {
    const rows = memoryRows(steps);
    report.table({ title: 'Resident memory without the page cache, MB, by process', rows });
    report.remark(
      'Memory is RssAnon of every process of the target: buffers of the kernel are not in it. KB each leaves out the keeper, which has no connections.',
    );
  }
  addPlots(report, steps);
}

function stepRows(steps: readonly ClientStep[]): string[][] {
  const head = [
    'target',
    'connections',
    'failed',
    'opened/s',
    'MB opened',
    'MB after',
    'KB each',
    'p50 ms',
    'p99 ms',
    'max ms',
  ];
  const rows = steps.map(({ target, name, states, opening, pacing, openBytes, perConnection, latency }) => {
    const isOwn = states.length > 0;
    const mb = (bytes: number | undefined): string => (isOwn && bytes !== undefined ? (bytes / MB).toFixed(0) : '');
    return [
      target,
      name,
      opening === undefined || pacing === undefined
        ? ''
        : `${countErrors(opening.load.errors) + countErrors(pacing.load.errors)}`,
      opening === undefined ? '' : (opening.opened / opening.seconds).toFixed(0),
      mb(openBytes),
      mb(totalOf(states, 'anonymousBytes')),
      isOwn && perConnection !== undefined ? (perConnection / 1e3).toFixed(1) : '',
      latency?.p50.toFixed(2) ?? '',
      latency?.p99.toFixed(2) ?? '',
      latency?.max.toFixed(1) ?? '',
    ];
  });
  return [head, ...rows];
}

function memoryRows(steps: readonly ClientStep[]): string[][] {
  const own = steps.filter(({ states }) => states.length > 0);
  const roles = [...new Set(own.flatMap(({ states }) => states.map(({ role }) => role)))];
  const rows = own.map(({ target, name, states }) => [
    target,
    name,
    ...roles.map((role) => {
      const state = states.find((one) => one.role === role);
      return state === undefined ? '' : (state.anonymousBytes / MB).toFixed(0);
    }),
    String(totalOf(states, 'descriptors')),
  ]);
  return [['target', 'connections', ...roles, 'open files'], ...rows];
}

function addPlots(report: RunRecorder, steps: readonly ClientStep[]): void {
  const s3 = steps.filter(({ protocol, opening }) => protocol === 's3' && opening !== undefined);
  const targets = [...new Set(s3.map(({ target }) => target))];
  const x = { label: 'S3 connections', scale: 'linear' } as const;
  const linesOf = (suffix: string, yOf: (step: ClientStep) => number | undefined): Line[] =>
    targets.map((name) => ({
      name: `${name}${suffix}`,
      points: s3.flatMap((step) => {
        const y = step.target === name ? yOf(step) : undefined;
        return y === undefined ? [] : [{ x: step.connections, y }];
      }),
    }));
  const memory = linesOf('', ({ states }) => (states.length > 0 ? totalOf(states, 'anonymousBytes') / MB : undefined));
  const add = (title: string, label: string, lines: readonly Line[]): void => {
    const drawn = lines.filter(({ points }) => points.length > 0);
    if (drawn.length > 0) report.plot({ title, kind: 'lines', x, y: { label, scale: 'linear' }, lines: drawn });
  };
  add('Memory by idle connections', 'resident, without the page cache, MB', memory);
  add('Latency of a slow load over idle connections', 'ms', [
    ...linesOf(' p50', ({ latency }) => latency?.p50),
    ...linesOf(' p99', ({ latency }) => latency?.p99),
  ]);
  add(
    'Connections opened and served',
    'a second',
    linesOf('', ({ opening }) => opening && opening.opened / opening.seconds),
  );
}

/** `undefined` where nothing is bounded, or the target's memory is not known. Pure. */
export function judgeClients(
  steps: readonly ClientStep[],
  target: string,
  memoryMaxMB: number,
): { readonly isPassed: boolean; readonly text: string } | undefined {
  const judged = steps.filter(
    (step) =>
      step.target === target &&
      step.protocol === 's3' &&
      step.states.length > 0 &&
      step.connections > 0 &&
      step.connections <= JUDGED_CONNECTIONS,
  );
  const last = judged.at(-1);
  if (last === undefined || memoryMaxMB === 0) return undefined;
  const mb = Math.max(last.openBytes ?? 0, totalOf(last.states, 'anonymousBytes')) / MB;
  const text = `${mb.toFixed(0)} MB of resident memory with ${last.name} connections; aim: at most ${memoryMaxMB} MB`;
  return { isPassed: mb <= memoryMaxMB, text };
}
