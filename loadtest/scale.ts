/**
 * What can be shown of scaling on one machine: `npm run loadtest -- scale`. Server CPU of an object as workers are added and as stores are
 * added, all on one core, so that what more of them cost is seen and not what more cores give. And a model of many nodes from such figures:
 * `--model`, which measures nothing (docs/scaling.md).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../bench/measure/options.ts';
import { WARM_OPTION } from './grpc/contender.ts';
import { type LoadCrew, openLoads, serveLoads } from './grpc/load-process.ts';
import { CPU, remarkOn } from './grpc/turn.ts';
import { type Contest, closeAll, fillAll, measureAll, openStores, openWorkers, VERBS } from './scaling/contest.ts';
import { type Growth, growthOf, growthPlot, growthTable } from './scaling/flatness.ts';
import { inputsOfReport } from './scaling/inputs-of-report.ts';
import { modelTable, nodesForPaper } from './scaling/model.ts';
import { type ModelInputs, parseInputs } from './scaling/model-inputs.ts';
import { isLoadProcess } from './suite/load-process.ts';
import {
  type COMMON_OPTIONS,
  numbersWithin,
  oneOf,
  ROUND_OPTIONS,
  type ScenarioValues,
  sizesWithin,
} from './suite/options.ts';
import { REPORT_FORMAT, type RunReport } from './suite/run-report.ts';
import { runScenario, type ScenarioContext } from './suite/scenario.ts';

const OPTIONS = {
  'worker-counts': ['1,2,4', 'workers of a gateway, on one core; "0" leaves them out'],
  'store-counts': ['1,2,4', 'gateways of one worker beside each other, each with its own store; "0" leaves them out'],
  spread: ['rendezvous', 'how keys are spread over stores: rendezvous or ranges'],
  sizes: ['16k,1M', 'sizes of objects; two at least tell the cost of an object from that of its bytes'],
  batch: [64, 'objects of a batch for each store, fewer where they are more than 4 MiB', { min: 1, max: 10_000 }],
  objects: [2000, 'objects of each size, fewer where they are more than 128 MiB', { min: 1, max: 100_000 }],
  loads: [VERBS.join(','), 'what is measured, with commas between; the model needs all but put'],
  tolerance: [0.2, 'what an object may cost more and be flat yet', { min: 0, max: 10, fractions: true }],
  model: [false, 'measure nothing: print what 1, 15 and 75 nodes would give'],
  inputs: ['', 'of --model: inputs as docs/scaling-inputs.json, or the JSON report of a run of scale'],
  'save-inputs': ['', 'of --model: write its inputs to this file'],
  ...ROUND_OPTIONS,
  seconds: [1, 'length of one load, shorter where 128 MiB are written before', { min: 0.1, max: 600, fractions: true }],
  'warm-seconds': WARM_OPTION,
} as const;

type Options = ScenarioValues<typeof COMMON_OPTIONS & typeof OPTIONS>;
type Context = ScenarioContext<Options>;
const INPUTS_FILE = fileURLToPath(new URL('../docs/scaling-inputs.json', import.meta.url));
const MiB = 1024 ** 2;

function readJson(path: string): unknown {
  if (!existsSync(path)) throw new BenchError(`--inputs ${path} does not exist.`);
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new BenchError(`--inputs ${path} is no JSON: ${(error as Error).message}`);
  }
}

/** The committed ones, those of a file, or those of a report with the committed ones for what it did not measure. */
function readInputs(path: string): ModelInputs {
  const committed = parseInputs(readJson(INPUTS_FILE), 'docs/scaling-inputs.json');
  if (path === '') return committed;
  const json = readJson(path) as Partial<RunReport>;
  if (json.scenario === undefined) return parseInputs(json, path);
  if (json.scenario !== 'scale' || json.format !== REPORT_FORMAT)
    throw new BenchError(`${path} is a report of ${json.scenario}, format ${json.format}; expected one of scale.`);
  return inputsOfReport(json as RunReport, committed);
}

function tellModel({ report }: Pick<Context, 'report'>, inputs: ModelInputs): void {
  report.table(modelTable(inputs));
  report.table(nodesForPaper(inputs));
  report.remark(
    'The model is arithmetic from one core of one machine: what it takes for granted is in docs/scaling.md.',
  );
}

function runModel(context: Context): void {
  const { inputs: path, 'save-inputs': copy } = context.options;
  const inputs = readInputs(path);
  tellModel(context, inputs);
  if (copy !== '') writeFileSync(copy, `${JSON.stringify(inputs, undefined, 2)}\n`);
}

/** @throws BenchError */
function countsOf(name: string, text: string): number[] {
  if (text === '0') return [];
  const counts = numbersWithin(name, text, { min: 1, max: 16 }, 8);
  return [...new Set(counts)].sort((a, b) => a - b);
}

type Plan = Omit<Contest, 'context' | 'loads' | 'what' | 'settings'>;

async function measureSection(
  context: Context,
  loads: LoadCrew,
  plan: Plan,
  what: Contest['what'],
  counts: readonly number[],
): Promise<Growth[]> {
  const { report, options } = context;
  const settings = await (what === 'workers' ? openWorkers : openStores)(context, counts);
  const contest: Contest = { ...plan, context, loads, what, settings };
  await fillAll(contest);
  const { series, scaled } = await measureAll(contest);
  await closeAll(settings);
  const growths = growthOf(series, CPU, scaled, options.tolerance);
  report.table(growthTable(`Server CPU an object, µs, by ${what} on one core`, what, growths));
  if (counts.length > 1)
    report.plot(growthPlot(`Server CPU an object by ${what}, on one core`, what, growths, options.tolerance));
  return growths;
}

function planOf(options: Options): Plan {
  const { objects, batch, seconds, rounds, seed, loads, 'warm-seconds': warmSeconds } = options;
  return {
    ...{ objects, batch, seconds, rounds, seed, warmSeconds },
    verbs: loads.split(',').map((verb) => oneOf('loads', verb, VERBS)),
    sizes: sizesWithin('sizes', options.sizes, { min: 1, max: 16 * MiB }, 4),
    spread: oneOf('spread', options.spread, ['rendezvous', 'ranges']),
  };
}

async function run(context: Context): Promise<void> {
  const { options, report } = context;
  if (options.model) return runModel(context);
  if (options.inputs !== '' || options['save-inputs'] !== '')
    throw new BenchError('--inputs and --save-inputs are for --model; add it.');
  if (options.endpoint !== '' || options.dir !== '' || options.compare !== '')
    throw new BenchError(
      'scale starts its own gateways, more and more of them; leave out --endpoint, --dir and --compare.',
    );
  const sections = [
    ['workers', countsOf('worker-counts', options['worker-counts'])],
    ['stores', countsOf('store-counts', options['store-counts'])],
  ] as const;
  const plan = planOf(options);
  const loads = openLoads(context, import.meta.filename);
  const growths: Growth[] = [];
  for (const [what, counts] of sections)
    if (counts.length > 0) growths.push(...(await measureSection(context, loads, plan, what, counts)));
  judge(context, growths);
  report.remark('Puts are of bytes that begin as a JPEG does, which the gateway does not try to code.');
  const limited = remarkOn(report.points);
  if (limited !== undefined) report.remark(limited);
  const isWhole = (['get', 'get-batch', 'put-batch'] as const).every((verb) => plan.verbs.includes(verb));
  if (sections[0][1].includes(1) && plan.sizes.length > 1 && isWhole)
    tellModel(context, inputsOfReport(report.report(false), readInputs('')));
}

function judge({ report, options }: Context, growths: readonly Growth[]): void {
  const judged = growths.filter(({ isJudged, steps }) => isJudged && steps.length > 1);
  if (judged.length === 0) return;
  const steep = judged.filter(({ isFlat }) => !isFlat).map(({ load }) => load);
  const limit = (1 + options.tolerance).toFixed(2);
  report.verdict(
    steep.length === 0,
    steep.length === 0
      ? `server CPU an object is flat: nowhere above ${limit} times that of one.`
      : `server CPU an object is above ${limit} times that of one for ${[...new Set(steep)].join(', ')}.`,
  );
  report.remark(
    'All gateways share one core, so objects a second do not grow; what is compared is the CPU that an object costs. Each process that is added brings its own clients, as a node would. Processes that take turns on a core also pay for the turns, which they would not on cores of their own.',
  );
}

if (isLoadProcess()) serveLoads();
else {
  await runScenario({
    name: 'scale',
    purpose: 'Server CPU of an object as workers and stores are added on one core, and a model of many nodes from it.',
    options: OPTIONS,
    run,
  });
}
