/** Makes the trials of a plan and records them: target and data set, the process of the accelerators, and trial after trial. */
import { statfsSync } from 'node:fs';
import { freemem, tmpdir, totalmem } from 'node:os';
import { BenchError } from '../../bench/measure/options.ts';
import { cpuOf } from '../../bench/measure/processes.ts';
import { PenstockClient } from '../../src/client/client.ts';
import { type DataSet, makeDataSet } from '../suite/data-set.ts';
import { LoadProcess } from '../suite/load-process.ts';
import type { COMMON_OPTIONS, ScenarioValues } from '../suite/options.ts';
import { countErrors } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { openPeer, openTarget, type Target } from '../suite/target.ts';
import { BUCKET, upload } from '../suite/upload.ts';
import type { TrainingOrders } from './accelerators.ts';
import { coreSeconds } from './core-time.ts';
import {
  judged,
  loadRemarks,
  neighbourRemarks,
  plotOf,
  pointOf,
  ratiosOf,
  searchVerdictOf,
  type Tried,
  tableOf,
  verdictOf,
} from './figures.ts';
import { dataSetFor, planOf, type Room, type TRAINING_OPTIONS, type TrainingPlan, type Way } from './plan.ts';
import { nextTrial } from './search.ts';
import type { TrialFigures, TrialOrder } from './trial.ts';
import { BATCHES_PER_ACCELERATOR } from './workloads.ts';

type Context = ScenarioContext<ScenarioValues<typeof COMMON_OPTIONS & typeof TRAINING_OPTIONS>>;

/** Of what is free. */
const DISK_SHARE = 0.25;
/** At most: as a rule the data set was read by then. */
const WARM_SECONDS = 10;
/** Where a gateway of ours runs. */
const SERVER_CORE = 0;
const UNKNOWN = { serverCpuSeconds: undefined, othersCpuSeconds: undefined };

interface Contender {
  readonly target: Target;
  readonly way: Way;
  readonly dataSet: DataSet;
}

/** @param self file of the scenario, which calls `serveAccelerators` */
export async function runTraining(context: Context, self: string): Promise<void> {
  const { options, report, signal, progress } = context;
  const plan = planOf(options, roomHere());
  for (const sentence of plan.remarks) report.remark(sentence);
  const target = await openTarget(context);
  const targets = options.compare === '' ? [target] : [target, openPeer(context, target)];
  const contenders = contendersOf(plan, targets);
  if (contenders.length < plan.ways.length * targets.length)
    report.remark('GetBatch was left out where no data plane is known: --grpc HOST:PORT names it.');
  const accelerators = new LoadProcess<TrainingOrders>(context, { self });
  const uploadAll = async (): Promise<void> => {
    for (const { target: one, dataSet } of contenders) await upload(one, dataSet, BUCKET, { signal, progress });
  };
  const prepareAll = async (): Promise<void> => {
    for (const way of plan.ways) await accelerators.ask('prepare', dataSetFor(plan, way));
  };
  await Promise.all([uploadAll(), prepareAll()]);
  for (const contender of contenders) await ask(contender);
  const run = new TrainingRun(context, plan, accelerators);
  await run.warm(contenders);
  try {
    await (plan.searchMax === undefined ? run.each(contenders) : run.search(contenders, plan.searchMax));
  } finally {
    run.record();
    await target.close();
  }
}

function roomHere(): Room {
  const { bavail, bsize } = statfsSync(tmpdir());
  return { diskBytes: bavail * bsize * DISK_SHARE, memoryBytes: Math.max(freemem(), totalmem() / 2) };
}

/** @throws BenchError when nothing of what was asked for can be done */
function contendersOf(plan: TrainingPlan, targets: readonly Target[]): Contender[] {
  const contenders = targets.flatMap((target) =>
    plan.ways
      .filter(({ by }) => by === 's3' || target.grpcAddress !== undefined)
      .map((way) => ({ target, way, dataSet: makeDataSet(dataSetFor(plan, way)) })),
  );
  const first = targets[0] as Target;
  if (contenders.some(({ target }) => target === first)) return contenders;
  throw new BenchError(`${first.endpoint.origin} has no data plane that is known; give --grpc HOST:PORT, or --by s3.`);
}

/** Reads one object as users do, whose refusals say more than those of the load. @throws BenchError */
async function ask({ target, way, dataSet }: Contender): Promise<void> {
  if (way.by !== 'batch' || target.grpcAddress === undefined) return;
  const { accessKeyId, secretKey } = target.credentials;
  const client = new PenstockClient({ endpoint: target.grpcAddress, accessKeyId, secretKey, bucket: BUCKET });
  try {
    await client.getMany([dataSet.keyOf(0)]);
  } catch (error) {
    throw new BenchError(`GetBatch from ${target.grpcAddress}: ${(error as Error).message}`);
  } finally {
    client.close();
  }
}

class TrainingRun {
  readonly #context: Context;
  readonly #plan: TrainingPlan;
  readonly #accelerators: LoadProcess<TrainingOrders>;
  readonly #tried: Tried[] = [];

  constructor(context: Context, plan: TrainingPlan, accelerators: LoadProcess<TrainingOrders>) {
    this.#context = context;
    this.#plan = plan;
    this.#accelerators = accelerators;
  }

  /**
   * What runs for the first time is slow, and what a target keeps in memory is not there yet: trials of a search would not be alike. So each way
   * reads its data set once as fast as it can; only errors are kept.
   */
  async warm(contenders: readonly Contender[]): Promise<void> {
    const { report, progress } = this.#context;
    progress.timed('warming up', contenders.length * WARM_SECONDS);
    for (const contender of contenders) {
      const { target, way } = contender;
      const bounds = { epochs: 1, seconds: WARM_SECONDS, isOnePass: true, computeMs: 0 };
      const order = { ...this.#order(contender, 1), ...bounds };
      const figures = await this.#trial(order);
      if (figures.firstError === undefined) continue;
      if (figures.objects === 0)
        throw new BenchError(`${way.load} of ${target.name} bring nothing: ${figures.firstError}.`);
      const measured = { target: target.name, way, accelerators: 1, figures, ...UNKNOWN };
      this.#record(judged(measured, this.#plan.workload));
    }
    report.remark(
      `Before its first trial each way read its data set once, or for ${WARM_SECONDS} seconds: what a target keeps in memory was there.`,
    );
  }

  /** Contenders take turns at every number. */
  async each(contenders: readonly Contender[]): Promise<void> {
    for (const accelerators of this.#plan.accelerators) {
      for (const contender of contenders) await this.#try(contender, accelerators);
    }
  }

  async search(contenders: readonly Contender[], max: number): Promise<void> {
    const first = this.#plan.accelerators[0] as number;
    for (const contender of contenders) {
      const trials: { accelerators: number; outcome: Tried['judgement']['outcome'] }[] = [];
      for (let next = nextTrial(trials, first, max); next !== undefined; next = nextTrial(trials, first, max)) {
        const { judgement, figures } = await this.#try(contender, next);
        if (countErrors(figures.errors) > 0) break; // the run has failed, and no number can mend it
        trials.push({ accelerators: next, outcome: judgement.outcome });
      }
    }
  }

  /** Whatever was tried by now goes into the report. */
  record(): void {
    const { report } = this.#context;
    const { workload, searchMax } = this.#plan;
    const tried = this.#tried;
    if (tried.length === 0) return;
    report.table(tableOf(workload, tried));
    report.plot(plotOf(workload, tried));
    for (const sentence of [...loadRemarks(tried), ...neighbourRemarks(tried)]) report.remark(sentence);
    for (const ratio of searchMax === undefined ? ratiosOf(tried) : []) report.ratio(ratio);
    const verdict = (searchMax === undefined ? verdictOf : searchVerdictOf)(workload, tried);
    if (verdict !== undefined) report.verdict(verdict.isPassed, verdict.text);
    else report.remark('No verdict: the load generator, and not the target, kept accelerators waiting.');
  }

  async #try(contender: Contender, accelerators: number): Promise<Tried> {
    const { target, way } = contender;
    const { options, progress } = this.#context;
    const { workload } = this.#plan;
    progress.timed(`${accelerators} accelerators by ${way.load} on ${target.name}`, options.epochs * options.seconds);
    const work = () => this.#trial(this.#order(contender, accelerators));
    const pids = target.pids();
    const before = coreSeconds(SERVER_CORE);
    const { user, system, result: figures } = await cpuOf(pids, work);
    const busy = (coreSeconds(SERVER_CORE) ?? Number.NaN) - (before ?? Number.NaN);
    const isOwn = pids.length > 0;
    const serverCpuSeconds = isOwn ? user + system : undefined;
    const isAlone = isOwn && this.#context.cores > 1 && !Number.isNaN(busy);
    const othersCpuSeconds = isAlone ? Math.max(0, busy - user - system) : undefined;
    const measured = { target: target.name, way, accelerators, figures, serverCpuSeconds, othersCpuSeconds };
    const tried = judged(measured, workload);
    this.#tried.push(tried);
    this.#record(tried);
    const au = (tried.judgement.au * 100).toFixed(1);
    const end = tried.loadLimit === undefined ? '' : `, load generator at its limit`;
    progress.tell(
      `${target.name}, ${way.load}: ${accelerators} accelerators, AU ${au} %, ${tried.judgement.outcome}${end}`,
    );
    return tried;
  }

  /** @throws what the signal was aborted with when it was cut short */
  async #trial(order: TrialOrder): Promise<TrialFigures> {
    const { signal } = this.#context;
    signal.throwIfAborted();
    const figures = await this.#accelerators.ask('trial', order);
    signal.throwIfAborted();
    return figures;
  }

  #record(tried: Tried): void {
    const { report } = this.#context;
    const { firstError } = tried.figures;
    report.point(pointOf(tried, this.#plan.workload.batch));
    if (firstError !== undefined) report.remark(`First error by ${tried.way.load} on ${tried.target}: ${firstError}.`);
  }

  #order({ target, way, dataSet }: Contender, accelerators: number): TrialOrder {
    const { options } = this.#context;
    const { batch, computeMs } = this.#plan.workload;
    return {
      by: way.by,
      endpoint: target.endpoint.origin,
      grpcAddress: target.grpcAddress ?? '',
      credentials: target.credentials,
      bucket: BUCKET,
      prefix: dataSet.spec.prefix,
      accelerators,
      batch,
      computeMs,
      readers: way.readers,
      prefetch: options.prefetch,
      epochs: options.epochs,
      seconds: options.seconds,
      isOnePass: dataSet.count >= BATCHES_PER_ACCELERATOR * batch * accelerators,
      seed: options.seed,
      withHints: way.withHints,
    };
  }
}
