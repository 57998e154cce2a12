/**
 * Gathers what a scenario measures into one `RunReport`, while it runs: a run that is cut short has everything that was whole by then.
 * Prints tables, ratios and remarks for the terminal, and says how the run ends.
 */
import { describeMachine, type Machine } from '../../bench/measure/machine.ts';
import { formatTable } from '../../bench/measure/report.ts';
import type { Ratio } from '../../bench/measure/rounds.ts';
import {
  addErrors,
  countErrors,
  NO_ERRORS,
  type Plot,
  type Point,
  REPORT_FORMAT,
  type RunReport,
  type Table,
  type TargetFacts,
} from './run-report.ts';

export class RunRecorder {
  readonly #scenario: string;
  readonly #command: string;
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #machine: Machine = describeMachine();
  readonly #started = new Date();
  readonly #startedMs = performance.now();
  readonly #versions: Record<string, string> = { node: process.versions.node };
  readonly #targets: TargetFacts[] = [];
  readonly #points: Point[] = [];
  readonly #ratios: Ratio[] = [];
  readonly #plots: Plot[] = [];
  readonly #tables: Table[] = [];
  readonly #remarks: string[] = [];
  #verdict: RunReport['verdict'];

  constructor(scenario: string, argv: readonly string[], settings: Readonly<Record<string, unknown>>) {
    this.#scenario = scenario;
    this.#command = `npm run loadtest -- ${[scenario, ...withoutSecrets(argv)].join(' ')}`;
    this.#settings = settings;
  }

  /** A target takes part. One of the same name and endpoint is noted once. */
  target(facts: TargetFacts): void {
    const isKnown = this.#targets.some(({ name, endpoint }) => name === facts.name && endpoint === facts.endpoint);
    if (!isKnown) this.#targets.push(facts);
  }

  /** `version('nginx', '1.22.1')`. */
  version(name: string, text: string): void {
    this.#versions[name] = text;
  }

  point(point: Point): void {
    this.#points.push(point);
  }

  /** What was recorded so far, in order. */
  get points(): readonly Point[] {
    return this.#points;
  }

  ratio(ratio: Ratio): void {
    this.#ratios.push(ratio);
  }

  plot(plot: Plot): void {
    this.#plots.push(plot);
  }

  table(table: Table): void {
    this.#tables.push(table);
  }

  /** A sentence that a reader needs to judge the figures. Said twice, it is kept once. */
  remark(sentence: string): void {
    if (!this.#remarks.includes(sentence)) this.#remarks.push(sentence);
  }

  /** Whether the goal was reached; a later call replaces an earlier one. */
  verdict(isPassed: boolean, text: string): void {
    this.#verdict = { isPassed, text };
  }

  /** Every point came without errors, and no verdict failed. */
  get isGood(): boolean {
    const errors = this.#points.map((point) => point.errors).reduce(addErrors, NO_ERRORS);
    return countErrors(errors) === 0 && this.#verdict?.isPassed !== false;
  }

  report(isCutShort: boolean): RunReport {
    return {
      format: REPORT_FORMAT,
      scenario: this.#scenario,
      command: this.#command,
      machine: this.#machine,
      versions: { ...this.#versions },
      startedAt: this.#started.toISOString(),
      seconds: Math.round(performance.now() - this.#startedMs) / 1000,
      isCutShort,
      settings: this.#settings,
      targets: [...this.#targets],
      points: [...this.#points],
      ratios: [...this.#ratios],
      plots: [...this.#plots],
      tables: [...this.#tables],
      remarks: [...this.#remarks],
      ...(this.#verdict === undefined ? {} : { verdict: this.#verdict }),
    };
  }
}

/** A report is shown to others, and the command in it must be no way to the data. Pure. */
export function withoutSecrets(argv: readonly string[]): string[] {
  return argv.map((word, i) => {
    if (/^--(compare-)?secret-key$/.test(argv[i - 1] ?? '')) return '***';
    return word.replace(/^(--(?:compare-)?secret-key)=.*$/, '$1=***');
  });
}

/** The head of a run, printed before it begins. Pure. */
export function headText({ machine: m, command }: RunReport): string {
  const about = `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB; ${m.kernel}; Node ${m.node}; load ${m.loadAverage}`;
  return `${about}\ncommit ${m.commit}; ${m.date}\n$ ${command}\n`;
}

function errorsText(points: readonly Point[]): string {
  const { broken, refused, short, wrong } = points.map(({ errors }) => errors).reduce(addErrors, NO_ERRORS);
  return `errors: ${broken} broken, ${refused} refused, ${short} short, ${wrong} wrong bytes`;
}

/** What is printed at the end: tables, ratios, remarks, errors, verdict. Pure. */
export function endText({ tables, ratios, remarks, points, verdict, isCutShort }: RunReport): string {
  const parts = tables.map(({ title, rows }) => `${title}\n${formatTable(rows)}`);
  if (ratios.length > 0) {
    const rows = ratios.map(({ contender, peer, measure, median, best }) => [
      `${contender} / ${peer}`,
      measure,
      median.toFixed(2),
      best.toFixed(2),
    ]);
    parts.push(formatTable([['ratio', '', 'median of pairs', 'of the best'], ...rows]));
  }
  parts.push(...remarks);
  if (isCutShort) parts.push('Interrupted: the figures are of what was finished by then.');
  parts.push(errorsText(points));
  if (verdict !== undefined) parts.push(`${verdict.isPassed ? 'PASSED' : 'FAILED'}: ${verdict.text}`);
  return `\n${parts.join('\n\n')}\n`;
}
