/** Tables, ratios, plots and remarks of an S3 scenario, from its points. */
import { formatFigure } from '../../bench/measure/report.ts';
import { type Ratio, ratioOf, type Series } from '../../bench/measure/rounds.ts';
import { plural } from '../../src/cli/figures.ts';
import type { RunRecorder } from '../suite/run-recorder.ts';
import type { Percentiles, Plot, Point, Table } from '../suite/run-report.ts';
import { errorsOf, MEASURES, medianOf, type Setting, settingsOf } from '../suite/settings-of-points.ts';

type Measured = (point: Point) => number | undefined;

const RATE = 'requests a second';
const CPU = 'server CPU a request, µs';
const P99 = 'p99, ms';
const PERCENTILES = [
  ['p50', 'p50'],
  ['p75', 'p75'],
  ['p90', 'p90'],
  ['p95', 'p95'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'max'],
] as const satisfies readonly (readonly [keyof Percentiles, string])[];
const LINES_MAX = 8;

const rateOf: Measured = ({ requests, seconds }) => requests / seconds;
const cpuOf: Measured = ({ serverCpuSeconds, requests }) =>
  serverCpuSeconds === undefined ? undefined : (1e6 * serverCpuSeconds) / requests;
const loadShareOf: Measured = ({ loadCpuSeconds, seconds }) =>
  loadCpuSeconds === undefined ? undefined : (100 * loadCpuSeconds) / seconds;

function isPaced({ points }: Setting): boolean {
  return points[0]?.latencyMs?.isCorrected === true;
}

function cell(setting: Setting, measure: Measured): string {
  const value = medianOf(setting, measure);
  return value === undefined ? '' : formatFigure(value);
}

function tableOf(title: string, settings: readonly Setting[]): Table {
  const head = ['load', 'target', 'connections', 'requests/s', 'MB/s', 'p50 ms', 'p99 ms', 'p99/p50', 'p99.9 ms'];
  const rows = settings.map((setting) => [
    setting.load,
    setting.target,
    String(setting.at.connections),
    cell(setting, rateOf),
    cell(setting, MEASURES.megabytesPerSecond),
    cell(setting, ({ latencyMs }) => latencyMs?.p50),
    cell(setting, ({ latencyMs }) => latencyMs?.p99),
    cell(setting, ({ latencyMs }) => (latencyMs === undefined ? undefined : latencyMs.p99 / latencyMs.p50)),
    cell(setting, ({ latencyMs }) => latencyMs?.p999),
    cell(setting, cpuOf),
    cell(setting, loadShareOf),
    String(errorsOf(setting)),
  ]);
  return { title, rows: [[...head, 'server µs/request', 'load CPU %', 'errors'], ...rows] };
}

/** Values of one measure by round, of the rounds that both finished. */
function seriesOf(settings: readonly Setting[], name: string, measure: Measured): Series[] | undefined {
  const values = settings.map(({ points }) => points.map(measure));
  const rounds = Math.min(...values.map(({ length }) => length));
  const series = settings.map(({ target }, i) => ({
    contender: target,
    measure: name,
    values: (values[i] ?? []).slice(0, rounds).filter((value) => value !== undefined),
  }));
  return rounds > 0 && series.every((one) => one.values.length === rounds) ? series : undefined;
}

/** Of the first target against the second, for each load and number of connections that both had. Pure. */
export function ratiosOf(points: readonly Point[], first: string, second: string): Ratio[] {
  const settings = settingsOf(points);
  return settings
    .filter(({ target }) => target === first)
    .flatMap((mine) => {
      const other = settings.find(
        ({ target, load, at }) => target === second && load === mine.load && at.connections === mine.at.connections,
      );
      if (other === undefined) return [];
      const where = `${mine.load}, ${plural(mine.at.connections ?? 0, 'connection')}`;
      const wanted: [string, Measured, 'less' | 'more'][] = [
        isPaced(mine) ? [P99, ({ latencyMs }) => latencyMs?.p99, 'less'] : [RATE, rateOf, 'more'],
        [CPU, cpuOf, 'less'],
      ];
      return wanted.flatMap(([name, measure, better]) => {
        const measured = `${where}: ${name}`;
        const series = seriesOf([mine, other], measured, measure);
        return series === undefined ? [] : [ratioOf(series, measured, first, second, better)];
      });
    });
}

/** One line for each load on each target, over the number of connections. */
function connectionsPlot(title: string, label: string, measure: Measured, settings: readonly Setting[]): Plot[] {
  const names = [...new Set(settings.map(({ target, load }) => `${target}, ${load}`))].slice(0, LINES_MAX);
  const lines = names.map((name) => {
    const points = settings
      .filter(({ target, load }) => `${target}, ${load}` === name)
      .map((setting) => ({ x: setting.at.connections ?? 0, y: medianOf(setting, measure) }))
      .flatMap(({ x, y }) => (y === undefined ? [] : [{ x, y }]))
      .sort((a, b) => a.x - b.x);
    return { name, points };
  });
  const known = lines.filter(({ points }) => points.length > 1);
  if (known.length === 0) return [];
  const [x, y] = [{ label: 'connections', scale: 'log' } as const, { label, scale: 'linear' } as const];
  return [{ title, kind: 'lines', x, y, lines: known }];
}

/** Where connections were varied; the page draws other reports by itself. */
function plotsOf(closed: readonly Setting[], paced: readonly Setting[]): Plot[] {
  const drawn = closed.length > 0 ? closed : paced;
  if (new Set(drawn.map(({ at }) => at.connections)).size < 2) return [];
  return [
    ...connectionsPlot('Throughput against connections', 'requests a second', rateOf, drawn),
    ...connectionsPlot('Server CPU a request', 'µs', cpuOf, drawn),
    ...(paced.length > 0 ? [percentilePlot(paced)] : []),
  ];
}

function percentilePlot(settings: readonly Setting[]): Plot {
  const lines = settings.slice(-LINES_MAX).map((setting) => ({
    name: `${setting.target}, ${setting.load}, ${plural(setting.at.connections ?? 0, 'connection')}`,
    points: PERCENTILES.flatMap(([key, label], x) => {
      const y = medianOf(setting, ({ latencyMs }) => latencyMs?.[key]);
      return y === undefined ? [] : [{ x, y, label }];
    }),
  }));
  const [x, y] = [{ label: 'percentile', scale: 'linear' } as const, { label: 'ms', scale: 'log' } as const];
  return { title: 'Distribution of latency at a set rate', kind: 'lines', x, y, lines };
}

/** @param contenders the target, and what it is compared with */
export function recordFigures(report: RunRecorder, contenders: readonly string[]): void {
  const settings = settingsOf(report.points);
  const paced = settings.filter(isPaced);
  const closed = settings.filter((setting) => !isPaced(setting));
  if (closed.length > 0)
    report.table(
      tableOf('As fast as answers come: latencies of a closed loop, which are no promise to anybody', closed),
    );
  if (paced.length > 0) {
    report.table(tableOf('At a set rate: latency from when a request was due', paced));
    report.remark(
      'At a set rate requests are due at even distances; one that has to wait for a free connection waits at the expense of its latency.',
    );
  }
  for (const plot of plotsOf(closed, paced)) report.plot(plot);
  const [first, second] = contenders;
  if (first !== undefined && second !== undefined)
    for (const ratio of ratiosOf(report.points, first, second)) report.ratio(ratio);
  remarkLimits(report, settings);
}

function remarkLimits(report: RunRecorder, settings: readonly Setting[]): void {
  const limited = settings.filter(({ points }) => points.some((point) => point.isLoadLimited));
  if (limited.length > 0) {
    const where = [...new Set(limited.map(({ target, at }) => `${target} at ${at.connections}`))].join(', ');
    report.remark(
      `The load generator was at its limit (${where} connections): rates and latencies there are at least in part its own. What the target costs is told by its CPU a request.`,
    );
  }
}
