/** Points of loads as a table for people: medians over rounds, latencies of median rounds. Pure. */
import { formatFigure } from '../../bench/measure/report.ts';
import type { Percentiles, Point, Table } from '../suite/run-report.ts';
import { describeAt, MEASURES, type Measure, medianOf, settingsOf } from '../suite/settings-of-points.ts';

function percentile(name: keyof Pick<Percentiles, 'p50' | 'p99'>): Measure {
  return ({ latencyMs }) => latencyMs?.[name];
}

const COLUMNS: readonly (readonly [name: string, measure: Measure])[] = [
  ['objects/s', MEASURES.objectsPerSecond],
  ['MB/s', MEASURES.megabytesPerSecond],
  ['first frame p50, ms', ({ more }) => more['first frame p50, ms']],
  ['p99', ({ more }) => more['first frame p99, ms']],
  ['whole p50, ms', percentile('p50')],
  ['p99', percentile('p99')],
  ['server CPU, µs/object', MEASURES.serverMicrosecondsPerObject],
  ['of it after the load', ({ more }) => more['of it after the load, µs']],
  ['load CPU, %', ({ loadCpuSeconds, seconds }) => ((loadCpuSeconds ?? Number.NaN) * 100) / seconds],
];

export function loadTable(title: string, points: readonly Point[]): Table {
  const settings = settingsOf(points);
  const targets = new Set(settings.map(({ target }) => target)).size;
  const shown = COLUMNS.filter(([, measure]) => settings.some((setting) => medianOf(setting, measure) !== undefined));
  const rows = settings.map((setting) => [
    targets > 1 ? `${setting.target}: ${setting.load}` : setting.load,
    describeAt(setting.at),
    ...shown.map(([, measure]) => {
      const median = medianOf(setting, measure);
      return median === undefined ? '–' : formatFigure(median);
    }),
  ]);
  return { title, rows: [['load', 'at', ...shown.map(([name]) => name)], ...rows] };
}
