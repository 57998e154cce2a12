/** Table, plot and verdict of fairness. */
import { summarise } from '../../bench/measure/rounds.ts';
import type { RunRecorder } from '../suite/run-recorder.ts';
import type { Percentiles } from '../suite/run-report.ts';
import { PROTOCOL_NAMES, type Protocol } from './member.ts';

/** The polite clients of one protocol, once. */
export interface Situation {
  readonly protocol: Protocol;
  readonly name: string;
  readonly round: number;
  /** Of the client that was served least: of what it asked for, or, where all were as fast as they could, of the mean. */
  readonly leastShare: number;
  /** Where all were as fast as they could. */
  readonly jain?: number;
  readonly greedyMBps: number;
  /** How late the load's own requests left, 99th percentile. */
  readonly latenessMs: number;
  readonly errors: number;
  readonly latency?: Percentiles;
}

/** A polite client that got less than this share of what it asked for starves. */
const LEAST_SHARE_MIN = 0.9;
/** From here on the delay of the load itself is worth a remark. */
const LATE_MS = 5;

/** Called once, at the end, also of a run that was cut short. */
export function addFairnessFigures(report: RunRecorder, situations: readonly Situation[]): void {
  if (situations.length === 0) return;
  const groups = grouped(situations);
  const head = [
    'clients',
    'situation',
    'p50 ms',
    'p99 ms',
    'max ms',
    'p99 / alone',
    "Jain's",
    'least served',
    'greedy MB/s',
    'errors',
  ];
  const rows = groups.map((group) => rowOf(group, groups));
  report.table({ title: 'Polite clients alone and beside a greedy one (medians of rounds)', rows: [head, ...rows] });
  report.plot({
    title: 'p99 of polite clients',
    kind: 'bars',
    x: { label: 'situation', scale: 'linear' },
    y: { label: 'ms', scale: 'linear' },
    lines: (['s3', 'grpc'] as const).flatMap((protocol) => {
      const mine = groups.filter((group) => group[0].protocol === protocol && group[0].jain === undefined);
      const points = mine.map((group, x) => ({ x, y: median(group, 'p99'), label: group[0].name }));
      return points.length === 0 ? [] : [{ name: `${PROTOCOL_NAMES[protocol]} clients`, points }];
    }),
  });
  report.remark(
    'Where all clients are as fast as they can, latencies are those of a closed loop: compare them with nothing else.',
  );
  const late = Math.max(...situations.map(({ latenessMs }) => latenessMs));
  if (late > LATE_MS)
    report.remark(
      `The load itself was late by ${late.toFixed(1)} ms (p99) at worst: that much of a latency is not the target's.`,
    );
}

type Group = readonly [Situation, ...Situation[]];

/** Rounds of the same situation. */
function grouped(situations: readonly Situation[]): Group[] {
  const groups = new Map<string, [Situation, ...Situation[]]>();
  for (const situation of situations) {
    const id = `${situation.protocol} ${situation.name}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [situation]);
    else group.push(situation);
  }
  return [...groups.values()];
}

function median(group: Group, which: 'p50' | 'p99' | 'max'): number {
  const values = group.flatMap(({ latency }) => (latency === undefined ? [] : [latency[which]]));
  return values.length === 0 ? Number.NaN : summarise(values).median;
}

function rowOf(group: Group, groups: readonly Group[]): string[] {
  const [{ protocol, name, jain }] = group;
  const alone = groups.find(([one]) => one.protocol === protocol && one.name === 'alone');
  const ratio =
    alone === undefined || alone === group || jain !== undefined
      ? Number.NaN
      : median(group, 'p99') / median(alone, 'p99');
  const text = (value: number, digits: number): string => (Number.isNaN(value) ? '' : value.toFixed(digits));
  const greedy = summarise(group.map(({ greedyMBps }) => greedyMBps)).median;
  return [
    PROTOCOL_NAMES[protocol],
    name,
    text(median(group, 'p50'), 2),
    text(median(group, 'p99'), 2),
    text(median(group, 'max'), 1),
    text(ratio, 1),
    jain === undefined ? '' : jain.toFixed(4),
    Math.min(...group.map(({ leastShare }) => leastShare)).toFixed(2),
    greedy === 0 ? '' : greedy.toFixed(0),
    String(group.reduce((sum, { errors }) => sum + errors, 0)),
  ];
}

/** Pure. */
export function judgeFairness(
  situations: readonly Situation[],
  { jainMin, waitMaxMs }: { readonly jainMin: number; readonly waitMaxMs: number },
): { readonly isPassed: boolean; readonly text: string } {
  const faults = situations.flatMap(({ protocol, name, leastShare, jain, latency }) => {
    const who = `${PROTOCOL_NAMES[protocol]} clients, ${name}`;
    if (jain !== undefined)
      return jain < jainMin ? [`${who}: Jain's index is ${jain.toFixed(3)}, below ${jainMin}`] : [];
    if (leastShare < LEAST_SHARE_MIN)
      return [`${who}: one got ${(100 * leastShare).toFixed(0)} % of what it asked for`];
    const longest = latency?.max ?? Number.POSITIVE_INFINITY;
    return longest > waitMaxMs ? [`${who}: one waited ${longest.toFixed(0)} ms, more than ${waitMaxMs}`] : [];
  });
  if (faults.length > 0) return { isPassed: false, text: faults.join('; ') };
  return {
    isPassed: true,
    text: `nobody starved: every polite client was answered, none waited more than ${waitMaxMs} ms`,
  };
}
