/**
 * Connection scale: many keep-alive connections that idle, step by step more of them, and what they cost the target in memory and in the
 * latency of a slow load over all of them. Promises: memory is that of every process of the target, without the page cache, after everything
 * has come to rest; latencies count from when a request was due.
 *
 * Hardest decision: the target is warmed up over a few connections before the first look at its memory. Code that is compiled and caches that
 * are filled belong to no connection.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ratioOf, type Series } from '../../bench/measure/rounds.ts';
import { type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import { LoadProcess } from '../suite/load-process.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { openPeer, openTarget, type Target } from '../suite/target.ts';
import { BUCKET, upload } from '../suite/upload.ts';
import { addClientFigures, type ClientStep, judgeClients } from './clients-figures.ts';
import type { HerdOrders, Opened, Paced } from './herd.ts';
import { type Cost, costOf, latencyOf, pointOf } from './measured.ts';
import type { Protocol } from './member.ts';
import { allowConnections } from './open-files.ts';
import { connectionBytes, statesOf, totalOf } from './process-state.ts';
import { routeOf } from './route.ts';

export interface ClientsPlan {
  /** Ascending. */
  readonly connections: readonly number[];
  readonly grpcClients: number;
  readonly rate: number;
  readonly seconds: number;
  readonly settleSeconds: number;
  readonly batch: number;
  readonly dataSet: DataSetSpec;
  /** Of the target with up to 10,000 connections; 0: as it comes. */
  readonly memoryMaxMB: number;
  readonly self: string;
}

const WARM_CONNECTIONS = 32;
const WARM_SECONDS = 1;
const CONNECTING = 64;

type Crew = LoadProcess<HerdOrders>;

export async function runClients(context: ScenarioContext, plan: ClientsPlan): Promise<void> {
  const { report, options } = context;
  allowConnections(Math.max(...plan.connections) + plan.grpcClients);
  const first = await openTarget(context);
  const targets = options.compare === '' ? [first] : [first, openPeer(context, first)];
  const steps: ClientStep[] = [];
  try {
    for (const target of targets) await loadTarget(context, target, plan, steps);
  } finally {
    addClientFigures(report, steps);
    const verdict = judgeClients(steps, first.name, plan.memoryMaxMB);
    if (verdict !== undefined) report.verdict(verdict.isPassed, verdict.text);
    addRatio(context, steps, targets);
    for (const target of targets) await target.close();
  }
}

async function loadTarget(
  context: ScenarioContext,
  target: Target,
  plan: ClientsPlan,
  steps: ClientStep[],
): Promise<void> {
  const { signal, progress } = context;
  const dataSet = makeDataSet(plan.dataSet);
  await upload(target, dataSet, BUCKET, { signal, progress });
  const crew: Crew = new LoadProcess<HerdOrders>(context, { self: plan.self });
  const { dataSet: words, batch } = plan;
  await crew.ask('begin', { route: routeOf(target), dataSet: words, bucket: BUCKET, batch, connecting: CONNECTING });
  const walk = new Walk(context, target, crew, plan, steps);
  await walk.warmUp();
  for (const connections of plan.connections) await walk.step('s3', connections);
  if (target.grpcAddress !== undefined && plan.grpcClients > 0) await walk.step('grpc', plan.grpcClients);
  await walk.closeAll();
  await crew.end();
}

/** One target, step by step. */
class Walk {
  readonly #context: ScenarioContext;
  readonly #target: Target;
  readonly #crew: Crew;
  readonly #plan: ClientsPlan;
  readonly #steps: ClientStep[];
  readonly #open: Record<Protocol, number> = { s3: 0, grpc: 0 };
  #baseBytes = Number.NaN;

  constructor(context: ScenarioContext, target: Target, crew: Crew, plan: ClientsPlan, steps: ClientStep[]) {
    this.#context = context;
    this.#target = target;
    this.#crew = crew;
    this.#plan = plan;
    this.#steps = steps;
  }

  async warmUp(): Promise<void> {
    const { grpcClients, rate } = this.#plan;
    const protocols =
      grpcClients > 0 && this.#target.grpcAddress !== undefined ? (['s3', 'grpc'] as const) : (['s3'] as const);
    for (const protocol of protocols) {
      await this.#crew.ask('open', { protocol, count: WARM_CONNECTIONS });
      await this.#crew.ask('pace', { protocol, rate: Math.max(rate, 500), seconds: WARM_SECONDS });
    }
    await this.#crew.ask('close', undefined);
    await this.#settle();
    const states = this.#states();
    this.#baseBytes = connectionBytes(states);
    this.#steps.push({ target: this.#target.name, name: 'before', connections: 0, protocol: 's3', states });
  }

  async step(protocol: Protocol, total: number): Promise<void> {
    const { signal, progress } = this.#context;
    if (signal.aborted) return;
    const baseBytes = protocol === 's3' ? this.#baseBytes : connectionBytes(this.#states());
    const before = this.#open[protocol];
    const opening = await this.#cost(() => this.#crew.ask('open', { protocol, count: total - before }));
    this.#open[protocol] += opening.result.opened;
    await this.#settle();
    const openStates = this.#states();
    const openBytes = totalOf(openStates, 'anonymousBytes');
    const { rate, seconds } = this.#plan;
    const pacing = await this.#cost(() => this.#crew.ask('pace', { protocol, rate, seconds }));
    await this.#settle();
    if (signal.aborted) return;
    const states = this.#states();
    this.#open[protocol] -= pacing.result.lost;
    const connections = this.#open[protocol];
    const loadedBytes = totalOf(states, 'anonymousBytes');
    const held = Math.max(connectionBytes(openStates), connectionBytes(states));
    const perConnection = (held - baseBytes) / Math.max(1, connections);
    const name = `${connections.toLocaleString('en-US')} ${protocol === 's3' ? 'S3' : 'gRPC'}`;
    const latency = latencyOf(pacing.result.load.latenciesMs, true);
    this.#addPoints(protocol, connections, opening, pacing, { openBytes, loadedBytes, perConnection });
    this.#steps.push({
      target: this.#target.name,
      name,
      connections,
      protocol,
      states,
      opening: opening.result,
      pacing: pacing.result,
      openBytes,
      perConnection,
      ...(latency === undefined ? {} : { latency }),
    });
    progress.tell(
      `${this.#target.name}: ${name}: ${Math.round(opening.result.opened / opening.result.seconds)} opened a second, ` +
        `${(loadedBytes / 1e6).toFixed(0)} MB, p99 ${latency?.p99.toFixed(2) ?? 'none'} ms`,
    );
    this.#tellTroubles(opening.result, pacing.result, total - before);
  }

  async closeAll(): Promise<void> {
    await this.#crew.ask('close', undefined);
    await this.#settle();
    if (this.#context.signal.aborted) return;
    const states = this.#states();
    this.#steps.push({ target: this.#target.name, name: 'closed', connections: 0, protocol: 's3', states });
  }

  #addPoints(
    protocol: Protocol,
    connections: number,
    opening: Cost<Opened>,
    pacing: Cost<Paced>,
    bytes: { readonly openBytes: number; readonly loadedBytes: number; readonly perConnection: number },
  ): void {
    const { report } = this.#context;
    const target = this.#target.name;
    const isOwn = this.#target.pids().length > 0;
    const memory = (value: number): Record<string, number> => (isOwn ? { 'memory, bytes': value } : {});
    const { opened, seconds, load } = opening.result;
    const front = protocol === 's3' ? 'S3' : 'gRPC';
    const what = protocol === 's3' ? 'GET' : `GetBatch of ${this.#plan.batch}`;
    const at = { connections };
    report.point(
      pointOf(
        {
          target,
          load: `${front}: connect and ${what}`,
          at,
          isCorrected: false,
          more: { 'opened a second': opened / seconds, ...memory(bytes.openBytes) },
        },
        load,
        opening,
      ),
    );
    const { rate } = this.#plan;
    const { latenessMs, spunSeconds, lost } = pacing.result;
    const lateness = latencyOf(latenessMs, false);
    const own = isOwn ? { ...memory(bytes.loadedBytes), 'memory a connection, bytes': bytes.perConnection } : {};
    const more = { ...own, 'closed by the target': lost, 'lateness of the load p99, ms': lateness?.p99 ?? 0 };
    const facts = { target, load: `${front}: ${what}, the others idle`, at: { ...at, rate }, isCorrected: true };
    report.point(pointOf({ ...facts, more, spunSeconds }, pacing.result.load, pacing));
  }

  #tellTroubles({ load }: Opened, paced: Paced, asked: number): void {
    const { report } = this.#context;
    const { name } = this.#target;
    if (load.requests < asked)
      report.remark(
        `${name}: of ${asked} connections only ${load.requests} were tried: too many failed one after the other.`,
      );
    for (const trouble of [...load.troubles, ...paced.load.troubles]) report.remark(`${name}: ${trouble}`);
    if (paced.lost > 0)
      report.remark(`${name}: closed ${paced.lost} connections that were idle, before they were asked.`);
  }

  #cost<R>(work: () => Promise<R>): Promise<Cost<R>> {
    return costOf(this.#target, [this.#crew], work);
  }

  #states(): ClientStep['states'] {
    return statesOf(this.#target.pids());
  }

  async #settle(): Promise<void> {
    await pause(this.#plan.settleSeconds * 1000, undefined, { signal: this.#context.signal });
  }
}

/** Latencies of the two targets at the same numbers of connections. */
function addRatio({ report }: ScenarioContext, steps: readonly ClientStep[], [first, peer]: readonly Target[]): void {
  if (first === undefined || peer === undefined) return;
  const measure = 'p99 of paced GETs, ms';
  const valuesOf = ({ name }: Target): number[] =>
    steps.flatMap(({ target, protocol, latency }) =>
      target === name && protocol === 's3' && latency !== undefined ? [latency.p99] : [],
    );
  const series: Series[] = [first, peer].map((one) => ({ contender: one.name, measure, values: valuesOf(one) }));
  if (series.some(({ values }) => values.length === 0 || values.length !== series[0]?.values.length)) return;
  report.ratio(ratioOf(series, measure, first.name, peer.name));
}
