/**
 * The plots that any report can have, from its points: throughput, latency, server CPU per object, and whatever else was measured,
 * against what was varied, or as bars where nothing was. Points with errors are drawn as the others: the page says that there are
 * errors where nobody can miss it. Pure.
 */

import type { Axis, Line, Percentiles, Plot, Point } from './run-report.ts';
import {
  MEASURES,
  type Measure,
  medianOf,
  type Setting,
  settingsOf,
  type Variation,
  variationOf,
} from './settings-of-points.ts';

const LINES_MAX = 7;
const PLOTS_MAX = 24;
/** Other measures of a report that are drawn; all are in the table of points. */
const MORE_MAX = 6;
const PERCENTILES = [
  ['p50', 'p50'],
  ['p75', 'p75'],
  ['p90', 'p90'],
  ['p95', 'p95'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'max'],
] as const satisfies readonly (readonly [keyof Percentiles, string])[];

type Place = Line['points'][number];

export function standardPlots(points: readonly Point[]): Plot[] {
  const settings = settingsOf(points);
  const variation = variationOf(settings);
  const rounds = Math.max(0, ...settings.map((setting) => setting.points.length));
  const title = (text: string): string => (rounds > 1 ? `${text} (medians of ${rounds} rounds)` : text);
  const figure = (text: string, label: string, measure: Measure): Plot[] =>
    plotsOf(title(text), label, measure, settings, variation);
  const more = [...new Set(points.flatMap((point) => Object.keys(point.more)))].slice(0, MORE_MAX);
  const hasSizes = countSizes(settings) > 1;
  return [
    ...figure('Throughput', 'objects a second', MEASURES.objectsPerSecond),
    ...(hasSizes ? figure('Throughput in bytes', 'MB a second', MEASURES.megabytesPerSecond) : []),
    ...latencyPlots(settings, variation, title),
    ...cpuPlots(settings, variation, title),
    ...more.flatMap((key) => figure(titleOf(key), key, (point) => point.more[key])),
  ].slice(0, PLOTS_MAX);
}

/** `memory, bytes` on the axis, `Memory` above it. */
function titleOf(key: string): string {
  const name = key.replace(/, [^,]+$/, '');
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function sizeOf({ bytes, objects }: Point): number {
  return bytes / objects;
}

/** Lines over what was varied, else bars by load. A plot of a single value says no more than the table: there is none. */
function plotsOf(
  title: string,
  label: string,
  measure: Measure,
  settings: readonly Setting[],
  variation: Variation,
): Plot[] {
  const measured = settings.filter((setting) => medianOf(setting, measure) !== undefined);
  if (measured.length < 2) return [];
  const { x } = variation;
  if (x === undefined) return [barsOf(title, label, measure, measured)];
  const lines = linesOf(
    measured,
    variation.nameOf,
    (setting) => setting.at[x],
    (setting) => medianOf(setting, measure),
  );
  const places = lines.flatMap((line) => line.points.map((point) => point.x));
  const y: Axis = { label, scale: 'linear' };
  return inParts({ title, kind: 'lines', x: { label: x, scale: scaleFor(places) }, y, lines });
}

function barsOf(title: string, label: string, measure: Measure, settings: readonly Setting[]): Plot {
  const targets = [...new Set(settings.map(({ target }) => target))];
  const nameOf = ({ load, at }: Setting): string => {
    const isAlone = settings.filter((other) => other.load === load).length <= targets.length;
    return isAlone ? load : [load, ...Object.entries(at).map(([key, value]) => `${key} ${value}`)].join(', ');
  };
  const names = [...new Set(settings.map(nameOf))];
  const lines = linesOf(
    settings,
    ({ target }) => target,
    (setting) => names.indexOf(nameOf(setting)),
    (setting) => medianOf(setting, measure),
    nameOf,
  );
  return { title, kind: 'bars', x: { label: 'load', scale: 'linear' }, y: { label, scale: 'linear' }, lines };
}

/** Settings that fall on the same place of a line are its median there. */
function linesOf(
  settings: readonly Setting[],
  nameOf: (setting: Setting) => string,
  xOf: (setting: Setting) => number | undefined,
  yOf: (setting: Setting) => number | undefined,
  labelOf?: (setting: Setting) => string,
): Line[] {
  const lines = new Map<string, Map<number, Place>>();
  for (const setting of settings) {
    const [x, y] = [xOf(setting), yOf(setting)];
    if (x === undefined || y === undefined) continue;
    const name = nameOf(setting);
    const line = lines.get(name) ?? new Map<number, Place>();
    lines.set(name, line.set(x, labelOf === undefined ? { x, y } : { x, y, label: labelOf(setting) }));
  }
  return [...lines].map(([name, points]) => ({ name, points: [...points.values()].sort((a, b) => a.x - b.x) }));
}

/** Powers of two and ten are even steps only on a logarithmic axis; minutes are on a linear one. */
function scaleFor(places: readonly number[]): Axis['scale'] {
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  const [min, middle, max] = [sorted[0] ?? 0, sorted[sorted.length >> 1] ?? 0, sorted.at(-1) ?? 0];
  return min > 0 && sorted.length > 2 && max / min >= 16 && middle < (min + max) / 3 ? 'log' : 'linear';
}

/** More lines than the eye can follow are plots beside each other. */
function inParts(plot: Plot): Plot[] {
  const count = Math.ceil(plot.lines.length / LINES_MAX);
  if (count <= 1) return [plot];
  const size = Math.ceil(plot.lines.length / count);
  return Array.from({ length: count }, (_, i) => ({
    ...plot,
    title: `${plot.title}, ${i + 1} of ${count}`,
    lines: plot.lines.slice(i * size, (i + 1) * size),
  }));
}

/** Latencies under a set rate and those of a closed loop are two things, and never stand in one plot. */
function latencyPlots(settings: readonly Setting[], variation: Variation, title: (text: string) => string): Plot[] {
  return [true, false].flatMap((isCorrected) => {
    const measured = settings
      .map((setting) => ({
        ...setting,
        points: setting.points.filter((point) => point.latencyMs?.isCorrected === isCorrected),
      }))
      .filter(({ points }) => points.length > 0);
    if (measured.length === 0) return [];
    const name = title(isCorrected ? 'Latency at a set rate' : 'Latency, closed loop, not corrected');
    return variation.x === undefined
      ? inParts(percentilePlot(name, measured, variation))
      : inParts(latencyAgainst(name, variation.x, measured, variation));
  });
}

function percentilePlot(title: string, settings: readonly Setting[], { nameOf }: Variation): Plot {
  const lines = settings.map((setting) => {
    const points = PERCENTILES.flatMap(([key, label], x) => {
      const y = medianOf(setting, ({ latencyMs }) => latencyMs?.[key]);
      return y === undefined ? [] : [{ x, y, label }];
    });
    return { name: nameOf(setting), points };
  });
  return { title, kind: 'lines', x: { label: 'percentile', scale: 'linear' }, y: { label: 'ms', scale: 'log' }, lines };
}

/** The median and the 99th of each line; of many lines the 99th alone. */
function latencyAgainst(title: string, x: string, settings: readonly Setting[], { nameOf }: Variation): Plot {
  const names = new Set(settings.map(nameOf)).size;
  const shown = names > 3 ? (['p99'] as const) : (['p99', 'p50'] as const);
  const lines = shown.flatMap((key) =>
    linesOf(
      settings,
      (setting) => (names === 1 ? key : `${nameOf(setting)}, ${key}`),
      (setting) => setting.at[x],
      (setting) => medianOf(setting, ({ latencyMs }) => latencyMs?.[key]),
    ),
  );
  const scale = scaleFor(lines.flatMap((line) => line.points.map((point) => point.x)));
  return { title, kind: 'lines', x: { label: x, scale }, y: { label: 'ms', scale: 'log' }, lines };
}

/** Against size where objects had three or more sizes, at the load that gave most: what each costs and what each byte costs are then seen. */
function cpuPlots(settings: readonly Setting[], variation: Variation, title: (text: string) => string): Plot[] {
  const name = 'Server CPU per object';
  const { x } = variation;
  const measured = settings.filter((setting) => medianOf(setting, MEASURES.serverMicrosecondsPerObject) !== undefined);
  const isBySize = countSizes(measured) >= 3;
  const varied = plotsOf(title(name), 'µs', MEASURES.serverMicrosecondsPerObject, settings, variation);
  if (!isBySize) return varied;
  const busiest = x === undefined ? undefined : busiestOf(measured, x);
  const at = x === undefined || busiest === undefined ? '' : `, ${x} ${busiest}`;
  const verbs = new Set(measured.map(({ load }) => verbOf(load)));
  const lines = linesOf(
    x === undefined ? measured : measured.filter((setting) => setting.at[x] === busiest),
    ({ target, load }) => (verbs.size > 1 ? `${target}, ${verbOf(load)}` : target),
    sizeOfSetting,
    (setting) => medianOf(setting, MEASURES.serverMicrosecondsPerObject),
  );
  const bySize: Plot = {
    title: title(`${name} by size${at}`),
    kind: 'lines',
    x: { label: 'object, bytes', scale: 'log' },
    y: { label: 'µs', scale: 'log' },
    lines,
  };
  return [...inParts(bySize), ...(x === undefined ? [] : varied)];
}

function verbOf(load: string): string {
  return load.split(' ', 1)[0] as string;
}

/** The value of what was varied at which all settings together moved most objects. */
function busiestOf(settings: readonly Setting[], x: string): number | undefined {
  const sums = new Map<number, number>();
  for (const setting of settings) {
    const value = setting.at[x];
    if (value === undefined) continue;
    sums.set(value, (sums.get(value) ?? 0) + (medianOf(setting, MEASURES.objectsPerSecond) ?? 0));
  }
  return [...sums].sort(([, a], [, b]) => b - a)[0]?.[0];
}

function sizeOfSetting(setting: Setting): number | undefined {
  const size = medianOf(setting, sizeOf);
  return size === undefined ? undefined : Math.round(size);
}

/** Sizes of objects that differ by more than a tenth: means of a distribution differ by less from one load to the next. */
function countSizes(settings: readonly Setting[]): number {
  const sizes = settings.map(sizeOfSetting).filter((size) => size !== undefined && size > 0) as number[];
  sizes.sort((a, b) => a - b);
  return sizes.filter((size, i) => i === 0 || size > 1.1 * (sizes[i - 1] as number)).length;
}
