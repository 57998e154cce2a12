/**
 * Points of the same load at the same setting, over all rounds, as one: figures of it are medians. Hardest decision: what was varied is
 * found from the points and not told by the scenario, so that a report of any scenario, old ones too, can be drawn. Pure.
 */
import { summarise } from '../../bench/measure/rounds.ts';
import { countErrors, type Point } from './run-report.ts';

/** Repetitions; not something that the load is varied by. */
const ROUND = 'round';

export interface Setting {
  readonly target: string;
  readonly load: string;
  /** Without the round. */
  readonly at: Readonly<Record<string, number>>;
  readonly points: readonly Point[];
}

/** What is read off a point, or `undefined` where it was not measured. */
export type Measure = (point: Point) => number | undefined;

export const MEASURES = {
  objectsPerSecond: ({ objects, seconds }: Point) => objects / seconds,
  megabytesPerSecond: ({ bytes, seconds }: Point) => bytes / 1e6 / seconds,
  serverMicrosecondsPerObject: ({ serverCpuSeconds, objects }: Point) =>
    serverCpuSeconds === undefined ? undefined : (1e6 * serverCpuSeconds) / objects,
} as const satisfies Record<string, Measure>;

/** In order of their first points. */
export function settingsOf(points: readonly Point[]): Setting[] {
  const settings = new Map<string, Setting & { readonly points: Point[] }>();
  for (const point of points) {
    const at = Object.fromEntries(Object.entries(point.at).filter(([key]) => key !== ROUND));
    const id = JSON.stringify([point.target, point.load, Object.entries(at).sort()]);
    const setting = settings.get(id) ?? { target: point.target, load: point.load, at, points: [] };
    setting.points.push(point);
    settings.set(id, setting);
  }
  return [...settings.values()];
}

/** Median of the rounds that have it. */
export function medianOf({ points }: Setting, measure: Measure): number | undefined {
  const values = points.map(measure).filter((value) => value !== undefined && Number.isFinite(value));
  return values.length === 0 ? undefined : summarise(values as number[]).median;
}

export function errorsOf({ points }: Pick<Setting, 'points'>): number {
  return points.reduce((sum, { errors }) => sum + countErrors(errors), 0);
}

/** `connections 64, workers 2`; empty when nothing was varied. */
export function describeAt(at: Setting['at']): string {
  return Object.entries(at)
    .map(([key, value]) => `${key} ${value.toLocaleString('en-US')}`)
    .join(', ');
}

/** What tells settings apart. */
export interface Variation {
  /** The key of `at` for the x axis: what most values were tried of, for the same load; `undefined` when it was never varied. */
  readonly x: string | undefined;
  /** The other parts, as a name for a line: target, load, other keys; each only where there are several. */
  nameOf(setting: Setting): string;
}

export function variationOf(settings: readonly Setting[]): Variation {
  const keys = [...new Set(settings.flatMap(({ at }) => Object.keys(at)))];
  const [first, ...rest] = keys
    .map((key) => ({ key, count: valuesWithinLoad(settings, key) }))
    .filter(({ count }) => count > 1)
    .sort((a, b) => b.count - a.count);
  const x = first?.key;
  const isOneOf = (part: 'target' | 'load'): boolean => new Set(settings.map((setting) => setting[part])).size > 1;
  const [hasTargets, hasLoads] = [isOneOf('target'), isOneOf('load')];
  const nameOf = ({ target, load, at }: Setting): string => {
    const others = rest.flatMap(({ key }) => (at[key] === undefined ? [] : [`${key} ${at[key]}`]));
    const parts = [...(hasTargets ? [target] : []), ...(hasLoads ? [load] : []), ...others];
    return parts.length === 0 ? `${target}, ${load}` : parts.join(', ');
  };
  return { x, nameOf };
}

/** Values of a key for one load on one target, of the one that has most. */
function valuesWithinLoad(settings: readonly Setting[], key: string): number {
  const values = new Map<string, Set<number>>();
  for (const { target, load, at } of settings) {
    const value = at[key];
    if (value === undefined) continue;
    const id = JSON.stringify([target, load]);
    values.set(id, (values.get(id) ?? new Set()).add(value));
  }
  return Math.max(0, ...[...values.values()].map(({ size }) => size));
}
