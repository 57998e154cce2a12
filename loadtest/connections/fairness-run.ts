/**
 * Whether one greedy client takes away what many polite ones need. Promises: the polite ones are measured alone and beside the greedy one in
 * turns, in the same run, with the same connections; their latencies count from when a request was due; each of them is looked at, not
 * only all together.
 *
 * Hardest decision: both loads share a core. The greedy one runs with the lowest priority, so that what the polite ones wait for is the target;
 * how late their own requests left is reported beside.
 */
import { ratioOf, type Series } from '../../bench/measure/rounds.ts';
import { type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import { LoadProcess } from '../suite/load-process.ts';
import { countErrors } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { openTarget, type Target } from '../suite/target.ts';
import { BUCKET, upload } from '../suite/upload.ts';
import { addFairnessFigures, judgeFairness, type Situation } from './fairness-figures.ts';
import type { FairnessOrders, Grabbed } from './fairness-process.ts';
import { jainIndex, leastOfMean } from './jain-index.ts';
import { type Cost, costOf, latencyOf, pointOf } from './measured.ts';
import { PROTOCOL_NAMES, type Protocol, type Reading } from './member.ts';
import { allowConnections } from './open-files.ts';
import type { ClientsLoad } from './polite-clients.ts';
import { routeOf } from './route.ts';

export interface FairnessPlan {
  readonly clients: number;
  /** Requests a second of each polite client. */
  readonly rate: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly polite: { readonly dataSet: DataSetSpec; readonly batch: number };
  readonly greedy: { readonly dataSet: DataSetSpec; readonly batch: number };
  readonly greedyStreams: Readonly<Record<Protocol, number>>;
  readonly jainMin: number;
  readonly waitMaxMs: number;
  readonly self: string;
}

const WARM_SECONDS = 1;

export async function runFairness(context: ScenarioContext, plan: FairnessPlan): Promise<void> {
  const { report, signal, progress } = context;
  allowConnections(plan.clients + plan.greedyStreams.s3);
  const target = await openTarget(context);
  for (const { dataSet } of [plan.polite, plan.greedy])
    await upload(target, makeDataSet(dataSet), BUCKET, { signal, progress });
  const { self } = plan;
  const crews: Crews = {
    polite: new LoadProcess<FairnessOrders>(context, { self }),
    greedy: new LoadProcess<FairnessOrders>(context, { self, isNice: true }),
  };
  const protocols = target.grpcAddress === undefined ? (['s3'] as const) : (['s3', 'grpc'] as const);
  const situations: Situation[] = [];
  try {
    for (const protocol of protocols)
      await new Bench(context, target, crews, plan, protocol, protocols, situations).run();
  } finally {
    addFairnessFigures(report, situations);
    const { isPassed, text } = judgeFairness(situations, plan);
    if (situations.length > 0) report.verdict(isPassed, text);
  }
  await target.close();
}

interface Crews {
  readonly polite: LoadProcess<FairnessOrders>;
  readonly greedy: LoadProcess<FairnessOrders>;
}

/** Polite clients of one protocol: alone, and beside a greedy one of each. */
class Bench {
  readonly #context: ScenarioContext;
  readonly #target: Target;
  readonly #crews: Crews;
  readonly #plan: FairnessPlan;
  readonly #protocol: Protocol;
  readonly #others: readonly Protocol[];
  readonly #situations: Situation[];

  constructor(
    context: ScenarioContext,
    target: Target,
    crews: Crews,
    plan: FairnessPlan,
    protocol: Protocol,
    others: readonly Protocol[],
    situations: Situation[],
  ) {
    this.#context = context;
    this.#target = target;
    this.#crews = crews;
    this.#plan = plan;
    this.#protocol = protocol;
    this.#others = others;
    this.#situations = situations;
  }

  async run(): Promise<void> {
    const { clients, rate, rounds } = this.#plan;
    const { polite } = this.#crews;
    await polite.ask('open', { reading: this.#reading('polite'), protocol: this.#protocol, clients });
    await polite.ask('polite', { rate, seconds: WARM_SECONDS });
    for (let round = 1; round <= rounds; round += 1) {
      for (const beside of [undefined, ...this.#others]) {
        if (this.#context.signal.aborted) return;
        await this.#measure(round, beside);
      }
    }
    await this.#compareEquals();
    this.#addRatios();
  }

  async #measure(round: number, beside: Protocol | undefined): Promise<void> {
    const { rate, seconds, greedyStreams } = this.#plan;
    const { polite, greedy } = this.#crews;
    if (beside !== undefined) {
      const streams = greedyStreams[beside];
      await greedy.ask('grab', { reading: this.#reading('greedy'), protocol: beside, streams });
    }
    const cost = await costOf(this.#target, [polite, greedy], () => polite.ask('polite', { rate, seconds }));
    const grabbed = beside === undefined ? undefined : await greedy.ask('end', undefined);
    if (this.#context.signal.aborted) return;
    this.#record(round, beside, cost, grabbed);
  }

  #record(round: number, beside: Protocol | undefined, cost: Cost<ClientsLoad>, grabbed: Grabbed | undefined): void {
    const { report, progress } = this.#context;
    const { clients, rate } = this.#plan;
    const { load, answered, due, spunSeconds, latenessMs } = cost.result;
    const name = beside === undefined ? 'alone' : `beside a greedy ${PROTOCOL_NAMES[beside]} client`;
    const leastShare = Math.min(...answered) / due;
    const greedyMBps = grabbed === undefined ? 0 : grabbed.receivedBytes / 1e6 / grabbed.seconds;
    const lateness = latencyOf(latenessMs, false);
    const more = {
      'least served client, share of its requests': leastShare,
      'lateness of the load p99, ms': lateness?.p99 ?? 0,
      ...(grabbed === undefined ? {} : { 'greedy client, MB a second': greedyMBps }),
    };
    const at = { round, clients, rate: rate * clients };
    const facts = { target: this.#target.name, load: this.#loadName(name), at, more, isCorrected: true, spunSeconds };
    const point = pointOf(facts, load, cost);
    // The greedy one fills the core by design; only its own delay says that the polite load came too late.
    report.point({ ...point, isLoadLimited: beside === undefined && point.isLoadLimited });
    const latency = latencyOf(load.latenciesMs, true);
    const protocol = this.#protocol;
    const errors = countErrors(load.errors) + (grabbed === undefined ? 0 : countErrors(grabbed.load.errors));
    const own = latency === undefined ? {} : { latency };
    this.#situations.push({
      protocol,
      name,
      round,
      leastShare,
      greedyMBps,
      latenessMs: lateness?.p99 ?? 0,
      errors,
      ...own,
    });
    if (grabbed !== undefined && countErrors(grabbed.load.errors) > 0) this.#recordGreedyErrors(round, beside, grabbed);
    for (const trouble of [...load.troubles, ...(grabbed?.load.troubles ?? [])]) report.remark(trouble);
    progress.tell(`${this.#loadName(name)}: p50 ${latency?.p50.toFixed(2)}, p99 ${latency?.p99.toFixed(2)} ms`);
  }

  /** Wrong bytes are wrong whoever asked for them. */
  #recordGreedyErrors(round: number, beside: Protocol | undefined, { load, seconds }: Grabbed): void {
    const facts = { target: this.#target.name, load: `greedy ${beside}`, at: { round }, more: {}, isCorrected: false };
    this.#context.report.point(pointOf(facts, load, { result: undefined, seconds, loadCpuSeconds: 0 }));
  }

  /** All of them as fast as they can: who gets how much? */
  async #compareEquals(): Promise<void> {
    const { signal, report, progress } = this.#context;
    if (signal.aborted) return;
    const { seconds, clients } = this.#plan;
    const { polite } = this.#crews;
    const cost = await costOf(this.#target, [polite], () => polite.ask('eager', { seconds }));
    if (signal.aborted) return;
    const { load, answered } = cost.result;
    const shares = [...answered];
    const jain = jainIndex(shares);
    const leastShare = leastOfMean(shares);
    const name = 'all as fast as they can';
    const more = { "Jain's index": jain, 'least served client, share of the mean': leastShare };
    const facts = { target: this.#target.name, load: this.#loadName(name), at: { clients }, more, isCorrected: false };
    report.point(pointOf(facts, load, cost));
    const latency = latencyOf(load.latenciesMs, false);
    const errors = countErrors(load.errors);
    const own = latency === undefined ? {} : { latency };
    this.#situations.push({
      protocol: this.#protocol,
      name,
      round: 1,
      leastShare,
      jain,
      greedyMBps: 0,
      latenessMs: 0,
      errors,
      ...own,
    });
    for (const trouble of load.troubles) report.remark(trouble);
    progress.tell(`${this.#loadName(name)}: Jain's index ${jain.toFixed(4)}`);
  }

  #addRatios(): void {
    const measure = `p99 of polite ${PROTOCOL_NAMES[this.#protocol]} clients, ms`;
    const mine = this.#situations.filter(({ protocol, jain }) => protocol === this.#protocol && jain === undefined);
    const names = [...new Set(mine.map(({ name }) => name))];
    const series: Series[] = names.map((contender) => {
      const values = mine.flatMap(({ name, latency }) =>
        name === contender && latency !== undefined ? [latency.p99] : [],
      );
      return { contender, measure, values };
    });
    const [alone, ...beside] = series;
    if (alone === undefined || alone.values.length === 0) return;
    for (const one of beside) {
      if (one.values.length !== alone.values.length) continue;
      this.#context.report.ratio(ratioOf(series, measure, one.contender, alone.contender));
    }
  }

  #loadName(name: string): string {
    const what = this.#protocol === 's3' ? 'S3 GET' : `GetBatch of ${this.#plan.polite.batch}`;
    return `${what}, ${this.#plan.clients} clients, ${name}`;
  }

  #reading(who: 'polite' | 'greedy'): Reading {
    return { route: routeOf(this.#target), bucket: BUCKET, ...this.#plan[who] };
  }
}
