/** Tables of a run: those of the scenario, ratios, and every point with all that was measured of it. Pure. */
import { type Markup, markup } from '../../bench/draw/markup.ts';
import { quantity } from '../../bench/draw/scale.ts';
import { formatFigure } from '../../bench/measure/report.ts';
import { unitOf } from './plot-parts.ts';
import { countErrors, type Percentiles, type Point, type RunReport, type Table } from './run-report.ts';
import { MEASURES } from './settings-of-points.ts';

/** A page of more rows is no longer opened by browsers at once; the JSON has the rest. */
const ROWS_MAX = 2000;

/** @param more a row may have a class, and an empty column is one of names */
function wideTable(title: string, names: readonly string[], rows: readonly Row[]): Markup {
  const isFigure = names.map((_, column) => isFigures(rows.map(({ cells }) => cells[column] ?? '')));
  const cell = (text: string, column: number): Markup => {
    if (column === 0) return markup`<th scope="row">${text}</th>`;
    return isFigure[column] === true ? markup`<td class="figure">${text}</td>` : markup`<td>${text}</td>`;
  };
  const head = names.map(
    (name, column) =>
      markup`<th scope="col"${isFigure[column] === true && column > 0 && markup` class="figure"`}>${name}</th>`,
  );
  const body = rows.map(
    ({ cells, isBad }) =>
      markup`<tr${isBad === true && markup` class="bad"`}>${cells.slice(0, names.length).map(cell)}</tr>\n`,
  );
  return markup`<div class="wide" tabindex="0" role="region" aria-label="${title}"><table>
<caption>${title}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody></table></div>
`;
}

interface Row {
  readonly cells: readonly string[];
  readonly isBad?: boolean;
}

/** Figures stand to the right, so that their digits stand below each other; units may follow them. */
function isFigures(cells: readonly string[]): boolean {
  const filled = cells.filter((cell) => cell !== '' && cell !== '–' && cell !== '-');
  return (
    filled.length > 0 &&
    filled.every((cell) => /^[<≤≥>~±+-]?\s?[\d.,]+(\s?[^\d\s(]{1,9})?(\s?\(.{1,14}\))?$/u.test(cell))
  );
}

export function tableOf({ title, rows: [names = [], ...rows] }: Table): Markup {
  const width = Math.max(names.length, ...rows.map((row) => row.length));
  const all = Array.from({ length: width }, (_, column) => names[column] ?? '');
  return wideTable(
    title,
    all,
    rows.map((cells) => ({ cells: all.map((_, column) => cells[column] ?? '') })),
  );
}

export function ratiosOf(ratios: RunReport['ratios']): Markup {
  if (ratios.length === 0) return markup``;
  const rows = ratios.map(({ contender, peer, measure, median, best }) => ({
    cells: [measure, contender, peer, `${formatFigure(median)} ×`, `${formatFigure(best)} ×`],
  }));
  const names = ['measure', 'of', 'divided by', 'median of rounds', 'both at their best'];
  return markup`<section><h2>Ratios</h2>${wideTable('Taken within each round of this run', names, rows)}</section>`;
}

const LATENCIES = [
  'count',
  'mean',
  'p50',
  'p75',
  'p90',
  'p95',
  'p99',
  'p999',
  'max',
] as const satisfies readonly (keyof Percentiles)[];

interface Column {
  readonly name: string;
  textOf(point: Point): string;
}

const number = (value: number | undefined): string => (value === undefined ? '' : quantity(value));
const whole = (value: number): string => value.toLocaleString('en-US');

function columnsOf(points: readonly Point[]): Column[] {
  const varied = [...new Set(points.flatMap(({ at }) => Object.keys(at)))];
  const more = [...new Set(points.flatMap((point) => Object.keys(point.more)))];
  const hasLatencies = points.some(({ latencyMs }) => latencyMs !== undefined);
  const latencies: Column[] = LATENCIES.map((key) => ({
    name: key === 'count' ? 'latencies' : `${key === 'p999' ? 'p99.9' : key}, ms`,
    textOf: ({ latencyMs }) =>
      latencyMs === undefined ? '' : key === 'count' ? whole(latencyMs[key]) : exact(latencyMs[key]),
  }));
  return [
    { name: 'load', textOf: ({ load }) => load },
    { name: 'target', textOf: ({ target }) => target },
    ...varied.map((key): Column => ({ name: key, textOf: ({ at }) => (at[key] === undefined ? '' : whole(at[key])) })),
    { name: 'errors', textOf: ({ errors }) => errorText(errors) },
    { name: 'objects/s', textOf: (point) => number(MEASURES.objectsPerSecond(point)) },
    { name: 'MB/s', textOf: (point) => number(MEASURES.megabytesPerSecond(point)) },
    { name: 'server CPU per object, µs', textOf: (point) => number(MEASURES.serverMicrosecondsPerObject(point)) },
    { name: 'limited by', textOf: ({ isLoadLimited }) => (isLoadLimited ? 'load generator' : '') },
    ...(hasLatencies ? [{ name: 'latency', textOf: kindOfLatency }, ...latencies] : []),
    { name: 'seconds', textOf: ({ seconds }) => number(seconds) },
    { name: 'requests', textOf: ({ requests }) => whole(requests) },
    { name: 'objects', textOf: ({ objects }) => whole(objects) },
    { name: 'bytes', textOf: ({ bytes }) => whole(bytes) },
    { name: 'server CPU, s', textOf: ({ serverCpuSeconds }) => number(serverCpuSeconds) },
    { name: 'load CPU, s', textOf: ({ loadCpuSeconds }) => number(loadCpuSeconds) },
    ...more.map((key): Column => ({ name: key, textOf: (point) => moreText(key, point.more[key]) })),
  ];
}

function moreText(key: string, value: number | undefined): string {
  return value === undefined ? '' : quantity(value, unitOf(key));
}

function exact(ms: number): string {
  return Number.isFinite(ms) ? ms.toFixed(3) : '–';
}

function errorText(errors: Point['errors']): string {
  if (countErrors(errors) === 0) return '0';
  return Object.entries(errors)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${whole(count)} ${kind}`)
    .join(', ');
}

function kindOfLatency({ latencyMs }: Point): string {
  if (latencyMs === undefined) return '';
  return latencyMs.isCorrected ? 'set rate' : 'closed loop';
}

/** Closed until asked for. A column that is empty everywhere is left out. */
export function pointsOf(points: readonly Point[]): Markup {
  if (points.length === 0) return markup`<p class="none">There are no points.</p>`;
  const shown = points.slice(0, ROWS_MAX);
  const columns = columnsOf(shown).filter(({ textOf }) => shown.some((point) => textOf(point) !== ''));
  const rows = shown.map((point) => ({
    cells: columns.map(({ textOf }) => textOf(point)),
    isBad: countErrors(point.errors) > 0,
  }));
  const rest = points.length - shown.length;
  return markup`<details class="block"><summary>All points (${points.length})</summary>
${rest > 0 && markup`<p>The first ${ROWS_MAX}; the other ${rest} are in the JSON.</p>`}
${wideTable(
  'Every load, once a round',
  columns.map(({ name }) => name),
  rows,
)}</details>
`;
}
