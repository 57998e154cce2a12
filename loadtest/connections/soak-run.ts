/**
 * A soak: the same mixture of operations for as long as was asked for, and whether memory and descriptors stay where they are. Promises: every
 * answer is checked, and every object once more at the end; what grew is judged by its trend after the warm-up, not by its last value.
 *
 * Hardest decision: the gateway's cache is taken off its memory. It fills up to a bound that the operator has set, for as long as a short soak
 * lasts; everything else must be flat.
 */
import { BenchError } from '../../bench/measure/options.ts';
import { gatewayStatus } from '../../bench/rig/gateway.ts';
import type { DataSetSpec } from '../suite/data-set.ts';
import { LoadProcess } from '../suite/load-process.ts';
import { countErrors } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { openTarget, type Target } from '../suite/target.ts';
import { BUCKET, makeBucket } from '../suite/upload.ts';
import { costOf, latencyOf, pointOf } from './measured.ts';
import { statesOf } from './process-state.ts';
import { routeOf } from './route.ts';
import { addSoakFigures, judgeSoak, type SoakSample } from './soak-figures.ts';
import type { SoakOrders } from './soak-load.ts';
import type { Operation } from './soak-slots.ts';
import type { Load } from './tally.ts';

export interface SoakPlan {
  readonly minutes: number;
  /** Operations a second. */
  readonly rate: number;
  readonly connections: number;
  readonly batch: number;
  readonly dataSet: DataSetSpec;
  /** Share of the time that is not judged. */
  readonly warmUpShare: number;
  /** Growth of memory over the time that is judged that is still flat, as a share of its median. */
  readonly growthShare: number;
  readonly self: string;
}

/** Samples of one run: a trend takes all pairs of them. */
const SAMPLES = 240;
const SLICE_SECONDS_MIN = 1;

type Crew = LoadProcess<SoakOrders>;

export async function runSoak(context: ScenarioContext, plan: SoakPlan): Promise<void> {
  const { report, signal, progress } = context;
  const target = await openTarget(context);
  await makeBucket(target, signal);
  const crew: Crew = new LoadProcess<SoakOrders>(context, { self: plan.self });
  const { dataSet, batch, connections } = plan;
  const prefix = `${dataSet.prefix}/live`;
  await crew.ask('begin', { route: routeOf(target), bucket: BUCKET, dataSet, prefix, batch, connections });
  progress.tell('writing every object once');
  const filled = await crew.ask('fill', undefined);
  if (countErrors(filled.errors) > 0) throw new BenchError(`the objects could not be written: ${filled.troubles[0]}`);
  await target.untilQuiet();
  const samples: SoakSample[] = [];
  const run = await costOf(target, [crew], () => soak(context, target, crew, plan, samples));
  const { loads, renewals } = await crew.ask('totals', undefined);
  for (const [operation, load] of Object.entries(loads)) {
    const at = { connections, rate: plan.rate };
    const facts = { target: target.name, load: operation, at, more: {}, isCorrected: true };
    // CPU is that of all operations together, and cannot be told apart.
    if (load.requests > 0) report.point(withoutCpu(pointOf(facts, load, { ...run, seconds: run.seconds })));
    for (const trouble of load.troubles) report.remark(trouble);
  }
  report.point(pointOf({ ...wholeRun(target, plan), spunSeconds: run.result }, sumOf(loads), run));
  if (renewals > 0) report.remark(`Connections were opened again ${renewals} times, after the target had closed them.`);
  addSoakFigures(report, samples, loads, run.seconds);
  judge(context, target, samples, plan);
  if (!signal.aborted) await verify(context, target, crew);
  await crew.end();
  await target.close();
}

function wholeRun({ name }: Target, { rate, connections }: SoakPlan) {
  return { target: name, load: 'all operations', at: { connections, rate }, more: {}, isCorrected: true };
}

function withoutCpu<P extends { serverCpuSeconds?: number; loadCpuSeconds?: number }>({
  serverCpuSeconds: _,
  loadCpuSeconds: __,
  ...point
}: P): Omit<P, 'serverCpuSeconds' | 'loadCpuSeconds'> {
  return point;
}

/** Of what was done; its errors are counted by operation. */
function sumOf(loads: Readonly<Record<Operation, Load>>): Load {
  const all = Object.values(loads);
  const sum = (of: (load: Load) => number): number => all.reduce((so, load) => so + of(load), 0);
  const latenciesMs = new Float64Array(sum(({ latenciesMs: { length } }) => length));
  let at = 0;
  for (const load of all) {
    latenciesMs.set(load.latenciesMs, at);
    at += load.latenciesMs.length;
  }
  const errors = { broken: 0, refused: 0, short: 0, wrong: 0 };
  return {
    requests: sum(({ requests }) => requests),
    objects: sum(({ objects }) => objects),
    bytes: sum(({ bytes }) => bytes),
    errors,
    latenciesMs,
    troubles: [],
  };
}

/** @returns seconds of processor time that the load waited away */
async function soak(
  { signal, progress }: ScenarioContext,
  target: Target,
  crew: Crew,
  plan: SoakPlan,
  samples: SoakSample[],
): Promise<number> {
  const seconds = plan.minutes * 60;
  const sliceSeconds = Math.max(SLICE_SECONDS_MIN, seconds / SAMPLES);
  const startMs = performance.now();
  const bar = progress.timed(`soaking ${target.name} for ${plan.minutes} min`, seconds);
  let spunSeconds = 0;
  for (let slice = 0; slice < Math.round(seconds / sliceSeconds) && !signal.aborted; slice += 1) {
    const { load, spunSeconds: spun } = await crew.ask('slice', { rate: plan.rate, seconds: sliceSeconds });
    spunSeconds += spun;
    const latency = latencyOf(load.latenciesMs, true);
    const status = target.admin === undefined ? undefined : await gatewayStatus(target.admin);
    samples.push({
      seconds: (performance.now() - startMs) / 1000,
      states: statesOf(target.pids()),
      figures: status?.figures ?? {},
      errors: countErrors(load.errors),
      ...(latency === undefined ? {} : { p50Ms: latency.p50, p99Ms: latency.p99 }),
    });
  }
  bar.end();
  return spunSeconds;
}

async function verify({ report, progress }: ScenarioContext, target: Target, crew: Crew): Promise<void> {
  progress.tell('reading every object once more');
  const cost = await costOf(target, [crew], () => crew.ask('verify', undefined));
  const facts = { target: target.name, load: 'every object at the end', at: {}, more: {}, isCorrected: false };
  report.point(pointOf(facts, cost.result, cost));
  for (const trouble of cost.result.troubles) report.remark(trouble);
}

function judge({ report }: ScenarioContext, target: Target, samples: readonly SoakSample[], plan: SoakPlan): void {
  if (target.pids().length === 0) {
    report.remark('The target was not started by this run, so that its memory and descriptors are not known.');
    return;
  }
  const judged = samples.slice(Math.floor(samples.length * plan.warmUpShare));
  const verdict = judgeSoak(judged, plan.growthShare);
  if (verdict === undefined)
    report.remark('Less than a minute after the warm-up: too short for a verdict on memory and descriptors.');
  else {
    report.verdict(verdict.isPassed, verdict.text);
    report.table(verdict.table);
  }
}
