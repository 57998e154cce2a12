/**
 * Runs of one scenario side by side: what was measured at the same setting in several of them. Runs at different times are not rounds
 * of one run, so that what drifts is in these ratios; the page says so. Pure.
 */
import { type Markup, markup } from '../../bench/draw/markup.ts';
import { quantity } from '../../bench/draw/scale.ts';
import { formatFigure } from '../../bench/measure/report.ts';
import { tableOf } from './page-tables.ts';
import type { RunReport, Table } from './run-report.ts';
import { describeAt, MEASURES, type Measure, medianOf, settingsOf } from './settings-of-points.ts';

const ROWS_MAX = 200;
const COMPARED: readonly (readonly [title: string, measure: Measure])[] = [
  ['objects a second', MEASURES.objectsPerSecond],
  ['server CPU per object, µs', MEASURES.serverMicrosecondsPerObject],
  ['latency p99, ms', ({ latencyMs }) => latencyMs?.p99],
];

/** Empty where no two runs have a setting in common. */
export function comparisonOf(reports: readonly RunReport[]): Markup {
  const tables = [...new Set(reports.map(({ scenario }) => scenario))].flatMap((scenario) => {
    const runs = reports.flatMap((report, i) =>
      report.scenario === scenario ? [{ name: `run ${i + 1}`, values: valuesOf(report) }] : [],
    );
    return COMPARED.map(([title], which) => sideBySide(`${scenario}: ${title}`, which, runs));
  });
  const filled = tables.filter((table) => table !== undefined);
  if (filled.length === 0) return markup``;
  return markup`<section><h2>Side by side</h2>
<p>Medians of each run, and their ratio to the first that has the setting. The runs were at different times: differences of a few percent may be the machine's.</p>
${filled.map(tableOf)}</section>
`;
}

/** One for each measure. */
type Values = ReadonlyMap<string, readonly (number | undefined)[]>;

interface Run {
  readonly name: string;
  readonly values: Values;
}

function valuesOf({ points }: RunReport): Values {
  return new Map(
    settingsOf(points).map((setting) => {
      const { target, load, at } = setting;
      const name = [target, load, describeAt(at)].filter((part) => part !== '').join(', ');
      return [name, COMPARED.map(([, measure]) => medianOf(setting, measure))];
    }),
  );
}

function sideBySide(title: string, which: number, runs: readonly Run[]): Table | undefined {
  const names = new Set(runs.flatMap(({ values }) => [...values.keys()]));
  const rows = [...names].flatMap((name) => {
    const figures = runs.map(({ values }) => values.get(name)?.[which]);
    const first = figures.findIndex((figure) => figure !== undefined);
    if (figures.filter((figure) => figure !== undefined).length < 2) return [];
    return [[name, ...figures.map((figure, i) => cellOf(figure, i === first ? undefined : figures[first]))]];
  });
  if (rows.length === 0) return undefined;
  return { title, rows: [['setting', ...runs.map(({ name }) => name)], ...rows.slice(0, ROWS_MAX)] };
}

function cellOf(figure: number | undefined, first: number | undefined): string {
  if (figure === undefined) return '';
  return first === undefined ? quantity(figure) : `${quantity(figure)} (${formatFigure(figure / first)} ×)`;
}
