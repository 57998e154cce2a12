/**
 * The rounds of an S3 scenario: every target is loaded once at every setting, in turns, so that a machine whose speed drifts is slow for all
 * of them. A load that was cut short is left out.
 */
import { BenchError } from '../../bench/measure/options.ts';
import { type CpuSeconds, cpuOf } from '../../bench/measure/processes.ts';
import { formatFigure } from '../../bench/measure/report.ts';
import { summarise } from '../../bench/measure/rounds.ts';
import { plural } from '../../src/cli/figures.ts';
import type { DataSetSpec } from '../suite/data-set.ts';
import type { LoadProcess } from '../suite/load-process.ts';
import { countErrors, type LoadErrors, NO_ERRORS, type Point } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { sizeText } from '../suite/size-text.ts';
import type { Target } from '../suite/target.ts';
import type { LoadOrder, S3Orders, SourceOrder } from './load-orders.ts';
import { pointsOf } from './load-points.ts';
import type { Mix } from './mix.ts';
import { readBack } from './read-back.ts';
import type { S3Plan } from './s3-plan.ts';

/** One size, on all targets. */
export interface Stage {
  readonly kind: SourceOrder['kind'];
  readonly bytes: number;
  readonly dataSet: DataSetSpec;
  readonly objects: number;
  readonly mix?: Mix;
}

type MeasureContext = Pick<ScenarioContext, 'report' | 'signal' | 'progress'>;

const WARM_SECONDS = 1;
/** Of what a load wrote. */
const READ_BACK = 50;
const HALF = 0.5;

export class S3Rounds {
  readonly #context: MeasureContext;
  readonly #load: LoadProcess<S3Orders>;
  readonly #plan: S3Plan;
  readonly #targets: readonly Target[];

  constructor(context: MeasureContext, load: LoadProcess<S3Orders>, plan: S3Plan, targets: readonly Target[]) {
    this.#context = context;
    this.#load = load;
    this.#plan = plan;
    this.#targets = targets;
  }

  async run(stage: Stage): Promise<void> {
    const { connections, rounds, rate } = this.#plan;
    const most = Math.max(...connections);
    for (const target of this.#targets) {
      if (this.#context.signal.aborted) return;
      await this.#load.ask('prepare', orderOf(stage, target));
      // Compilers and caches warm up uncounted.
      await this.#load.ask('load', { id: idOf(stage, target), connections: most, seconds: WARM_SECONDS, rate: 0 });
    }
    const rates = rate === 'half' ? await this.#halves(stage) : new Map<number, number>();
    for (let round = 1; round <= rounds; round += 1) {
      for (const count of connections) {
        const ofThis = rate === 'half' ? (rates.get(count) ?? 0) : rate;
        for (const target of this.#targets) await this.#once(stage, target, round, count, ofThis);
      }
    }
  }

  /** For each number of connections half of what the slowest target did of itself, so that all can hold it. */
  async #halves(stage: Stage): Promise<Map<number, number>> {
    const halves = new Map<number, number>();
    for (const count of this.#plan.connections) {
      const reached: number[] = [];
      for (const target of this.#targets) {
        const points = await this.#once(stage, target, 1, count, 0);
        if (points[0] !== undefined) reached.push(points[0].requests / points[0].seconds);
      }
      if (reached.length > 0) halves.set(count, Math.max(1, Math.floor(summarise(reached).min * HALF)));
    }
    return halves;
  }

  async #once(
    stage: Stage,
    target: Target,
    round: number,
    connections: number,
    rate: number,
  ): Promise<readonly Point[]> {
    const { signal, report, progress } = this.#context;
    if (signal.aborted) return [];
    const { seconds } = this.#plan;
    const order: LoadOrder = { id: idOf(stage, target), connections, seconds, rate };
    const bar = progress.timed(`round ${round}, ${target.name}, ${plural(connections, 'connection')}`, seconds);
    const { result, user, system } = await cpuWhile(target, () => this.#load.ask('load', order));
    bar.end();
    if (signal.aborted) return [];
    const isKnown = target.pids().length > 0;
    const what = rate === 0 ? sizeText(stage.bytes) : `${sizeText(stage.bytes)} at ${rate.toLocaleString('en-US')}/s`;
    const points = pointsOf({
      target: target.name,
      what,
      round,
      connections,
      ...(isKnown ? { serverCpuSeconds: user + system } : {}),
      result,
      readBack: await this.#readBack(stage, target),
    });
    for (const point of points) report.point(point);
    for (const trouble of result.troubles) report.remark(`${target.name}: ${trouble}.`);
    progress.tell(lineOf(points[0] as Point));
    return points;
  }

  async #readBack(stage: Stage, target: Target): Promise<LoadErrors> {
    if (stage.kind === 'get') return NO_ERRORS;
    const written = await this.#load.ask('written', { id: idOf(stage, target), countMax: READ_BACK });
    return readBack(target, written, this.#context.signal);
  }
}

/** @throws BenchError when a target that the run started has ended */
async function cpuWhile<T>(target: Target, work: () => Promise<T>): Promise<CpuSeconds & { readonly result: T }> {
  try {
    return await cpuOf(target.pids(), work);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new BenchError(`${target.name} ended while it was loaded.`);
  }
}

function idOf({ kind, bytes }: Stage, { name }: Target): string {
  return `${kind} ${bytes} ${name}`;
}

function orderOf(stage: Stage, target: Target): SourceOrder {
  const { kind, dataSet, objects, mix } = stage;
  const { endpoint, credentials } = target;
  const [origin, host, id] = [endpoint.origin, endpoint.host, idOf(stage, target)];
  return { id, kind, origin, host, credentials, dataSet, objects, ...(mix === undefined ? {} : { mix }) };
}

function lineOf({ target, load, at, requests, seconds, latencyMs, errors, isLoadLimited }: Point): string {
  const parts = [`${formatFigure(requests / seconds)} requests/s`];
  if (latencyMs !== undefined)
    parts.push(`p50 ${formatFigure(latencyMs.p50)} ms, p99 ${formatFigure(latencyMs.p99)} ms`);
  if (isLoadLimited) parts.push('load generator at its limit');
  const failed = countErrors(errors);
  if (failed > 0) parts.push(`${failed} errors`);
  return `round ${at.round}  ${target}, ${load}, ${plural(at.connections ?? 0, 'connection')}: ${parts.join('; ')}`;
}
