/** What a benchmark prints: machine, command, a table of figures, ratios, remarks; and the same as JSON for who asks. */
import { writeFileSync } from 'node:fs';
import { describeMachine, type Machine } from './machine.ts';
import { type Ratio, type Series, summarise } from './rounds.ts';

export interface ReportData {
  readonly benchmark: string;
  readonly command: string;
  readonly machine: Machine;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly series: readonly (Series & { readonly min: number; readonly median: number; readonly max: number })[];
  readonly ratios: readonly Ratio[];
  readonly tables: readonly Table[];
  readonly remarks: readonly string[];
}

/** Figures arranged for people; the first row names the columns. */
export interface Table {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/** Three significant figures at least, whole above 1,000. */
export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** Columns padded to their widest cell: the first two to the left, figures to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** As Markdown, to be copied into a text. Columns of figures are to the right. Pure. */
export function formatMarkdown({ title, rows: [names = [], ...rows] }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = names.map((_, column) => (column === 0 ? '---' : '---:'));
  return [`${title}\n`, line(names), line(rule), ...rows.map(line)].join('\n');
}

export class Report {
  readonly #benchmark: string;
  readonly #machine = describeMachine();
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #series: Series[] = [];
  readonly #ratios: Ratio[] = [];
  readonly #tables: Table[] = [];
  readonly #remarks: string[] = [];

  constructor(benchmark: string, settings: Readonly<Record<string, unknown>>) {
    this.#benchmark = benchmark;
    this.#settings = settings;
    const m = this.#machine;
    const machine = `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB; ${m.kernel}; Node ${m.node}; load ${m.loadAverage}`;
    process.stdout.write(`${machine}\ncommit ${m.commit}; ${m.date}\n$ ${this.#command}\n\n`);
  }

  get #command(): string {
    const args = process.argv.slice(2).join(' ');
    return `npm run bench -- ${this.#benchmark}${args === '' ? '' : ` ${args}`}`;
  }

  add(series: readonly Series[]): void {
    this.#series.push(...series);
  }

  /** One value that was measured once. */
  addValue(contender: string, measure: string, value: number): void {
    this.#series.push({ contender, measure, values: [value] });
  }

  addRatio(ratio: Ratio): void {
    this.#ratios.push(ratio);
  }

  /** Printed last. */
  addTable(title: string, rows: readonly (readonly string[])[]): void {
    this.#tables.push({ title, rows });
  }

  remark(sentence: string): void {
    this.#remarks.push(sentence);
  }

  get data(): ReportData {
    return {
      benchmark: this.#benchmark,
      command: this.#command,
      machine: this.#machine,
      settings: this.#settings,
      series: this.#series.map((one) => ({ ...one, ...summarise(one.values) })),
      ratios: this.#ratios,
      tables: this.#tables,
      remarks: this.#remarks,
    };
  }

  /** Prints everything, and writes it to `jsonFile` unless that is empty. */
  finish(jsonFile: string): void {
    const { series, ratios, tables, remarks } = this.data;
    const figures = series.map(({ contender, measure, min, median, max, values }) =>
      values.length === 1
        ? [contender, measure, '', formatFigure(median), '']
        : [contender, measure, formatFigure(min), formatFigure(median), formatFigure(max)],
    );
    process.stdout.write(`\n${formatTable([['', '', 'min', 'median', 'max'], ...figures])}\n`);
    if (ratios.length > 0) {
      const lines = ratios.map(({ contender, peer, measure, median, best }) => [
        `${contender} / ${peer}`,
        measure,
        median.toFixed(2),
        best.toFixed(2),
      ]);
      process.stdout.write(`\n${formatTable([['ratio', '', 'median of pairs', 'of the best'], ...lines])}\n`);
    }
    for (const sentence of remarks) process.stdout.write(`\n${sentence}\n`);
    for (const table of tables) process.stdout.write(`\n${formatMarkdown(table)}\n`);
    if (jsonFile !== '') writeFileSync(jsonFile, `${JSON.stringify(this.data, undefined, 2)}\n`);
  }
}

/** A line for each run, on stderr, so that a long benchmark is seen to move. */
export function tellRun(round: number, contender: string, measures: Readonly<Record<string, number>>): void {
  const texts = Object.entries(measures).map(([name, value]) => `${name} ${formatFigure(value)}`);
  process.stderr.write(`  round ${round}  ${contender}: ${texts.join('; ')}\n`);
}
