/**
 * Runs one scenario of a load test from its command line to its report. Promises: whatever happens, what the run started is ended and
 * removed; Ctrl-C aborts the signal, and the report of what was whole by then is still written. A reader that goes away (`| head`) ends it
 * quietly.
 *
 * Hardest decision: npm hands a Ctrl-C on to its child, which the terminal has told already, so one keystroke may come two or three times.
 * Only one that comes a second after the first ends the process at once.
 */
import { setMaxListeners } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { Belongings } from '../../bench/measure/belongings.ts';
import { BenchError } from '../../bench/measure/options.ts';
import { CliError } from '../../src/cli/exit.ts';
import { exitOnClosedPipe } from '../../src/cli/terminal.ts';
import {
  COMMON_OPTIONS,
  type CommonValues,
  parseScenario,
  type ScenarioOptions,
  type ScenarioValues,
} from './options.ts';
import { renderPage } from './page.ts';
import { type Progress, startProgress } from './progress.ts';
import { endText, headText, RunRecorder } from './run-recorder.ts';
import type { RunReport } from './run-report.ts';

/** What a scenario works with. `O`: the values of its own options and of the common ones. */
export interface ScenarioContext<O = CommonValues> {
  readonly options: O;
  readonly report: RunRecorder;
  /** Aborts on Ctrl-C and SIGTERM: stop loading, and return or throw. */
  readonly signal: AbortSignal;
  /** What it starts and makes: ended and removed after the run. Children do not hear the Ctrl-C themselves. */
  readonly owned: Belongings;
  readonly progress: Progress;
  /** CPUs of this machine: with two or more, targets have core 0 and load has core 1. */
  readonly cores: number;
}

type AllOptions<T extends ScenarioOptions> = typeof COMMON_OPTIONS & T;

export interface Scenario<T extends ScenarioOptions> {
  /** `s3-get`. */
  readonly name: string;
  /** A sentence for the help. */
  readonly purpose: string;
  readonly options: T;
  /** Records into `context.report`. @throws BenchError or CliError for what the user can act on */
  readonly run: (context: ScenarioContext<ScenarioValues<AllOptions<T>>>) => Promise<void>;
}

function isForUser(error: unknown): error is Error {
  return error instanceof BenchError || error instanceof CliError;
}

const EXIT = { good: 0, bad: 1, usage: 2, interrupted: 130 } as const;
const IMPATIENT_MS = 1000;
const RESULTS = 'loadtest-results';

/** The entry of `loadtest/NAME.ts`: takes process.argv, sets process.exitCode. Never rejects for what the user can act on. */
export async function runScenario<T extends ScenarioOptions>(scenario: Scenario<T>): Promise<void> {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  let firstMs = 0;
  const interrupt = (): void => {
    if (controller.signal.aborted && performance.now() - firstMs > IMPATIENT_MS) process.exit(EXIT.interrupted);
    if (controller.signal.aborted) return;
    firstMs = performance.now();
    process.stderr.write('\n  interrupted: the report is being written; again to end at once\n');
    controller.abort(new Error('interrupted'));
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', exitOnClosedPipe);
  process.exitCode = await runToExitCode(scenario, process.argv.slice(2), controller.signal, process);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, interrupt);
}

interface Streams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

async function runToExitCode<T extends ScenarioOptions>(
  scenario: Scenario<T>,
  argv: readonly string[],
  signal: AbortSignal,
  { stdout, stderr }: Streams,
): Promise<number> {
  try {
    // Its own options are read first; what it says of a common one counts.
    const table = { ...scenario.options, ...COMMON_OPTIONS, ...scenario.options };
    const options = parseScenario(scenario.name, scenario.purpose, table, argv);
    if (options === undefined) return EXIT.good;
    return await runMeasured(scenario, options as ScenarioValues<AllOptions<T>>, argv, signal, { stdout, stderr });
  } catch (error) {
    if (!isForUser(error)) throw error;
    stderr.write(`loadtest ${scenario.name}: ${error.message}\n`);
    return EXIT.usage;
  }
}

async function runMeasured<T extends ScenarioOptions>(
  scenario: Scenario<T>,
  options: ScenarioValues<AllOptions<T>>,
  argv: readonly string[],
  signal: AbortSignal,
  { stdout, stderr }: Streams,
): Promise<number> {
  const common = options as unknown as CommonValues;
  const { 'secret-key': _, 'compare-secret-key': __, ...settings } = common;
  const report = new RunRecorder(scenario.name, argv, settings);
  const owned = new Belongings({ endsItself: true });
  const progress = startProgress(stderr);
  stdout.write(`${headText(report.report(false))}\n`);
  try {
    await scenario.run({ options, report, signal, owned, progress, cores: availableParallelism() });
  } catch (error) {
    // What breaks when its surroundings are taken away is no finding; before the first point there is nothing to report.
    if (!signal.aborted) {
      if (!isForUser(error) || report.points.length === 0) throw error;
      report.verdict(false, `the run could not be finished: ${error.message}`);
    }
  } finally {
    progress.stop();
    await owned.dispose();
  }
  finish(report.report(signal.aborted), common, stdout);
  if (signal.aborted) return EXIT.interrupted;
  return report.isGood ? EXIT.good : EXIT.bad;
}

function finish(report: RunReport, { json, html }: Pick<CommonValues, 'json' | 'html'>, stdout: Writable): void {
  stdout.write(endText(report));
  for (const [path, text] of filesOf(report, json, html)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    stdout.write(`written: ${path}\n`);
  }
}

/** Without a word about files, both go to the folder of results; else only what was asked for. */
function filesOf(report: RunReport, json: string, html: string): [path: string, text: string][] {
  const time = report.startedAt.replace(/\.\d+Z$/, '').replaceAll(':', '');
  const base = join(RESULTS, `${report.scenario}-${time}`);
  const isDefault = json === '' && html === '';
  const files: [path: string, text: () => string][] = [
    [isDefault ? `${base}.json` : json, () => `${JSON.stringify(report, undefined, 2)}\n`],
    [isDefault ? `${base}.html` : html, () => renderPage(report)],
  ];
  return files.filter(([path]) => path !== '').map(([path, text]) => [path, text()]);
}
