/**
 * Reads batches over GetBatch, every object checked by CRC-32: `npm run loadtest -- grpc-batch`. By how many streams and connections it is
 * loaded: objects a second, and how soon the first frame and the whole batch are there; at a set rate, from when a batch was due. Compared
 * in turns with single GETs of the same objects (`--with-singles`), and with a second gateway (`--compare`, `--compare-grpc`).
 */
import { BenchError } from '../bench/measure/options.ts';
import { alternate, ratioOf, type Series } from '../bench/measure/rounds.ts';
import { type BatchPlan, batchDataSet, batchLoads, batchPlan, type Load } from './grpc/batch-plan.ts';
import { contenderOf, WARM_OPTION } from './grpc/contender.ts';
import { type LoadCrew, openLoads, serveLoads } from './grpc/load-process.ts';
import { loadTable } from './grpc/load-table.ts';
import { serverOf } from './grpc/servers.ts';
import { CPU, RATE, remarkOn } from './grpc/turn.ts';
import { isLoadProcess } from './suite/load-process.ts';
import { type COMMON_OPTIONS, ROUND_OPTIONS, type ScenarioValues } from './suite/options.ts';
import { runScenario, type ScenarioContext } from './suite/scenario.ts';
import { checkGrpc, openPeer, openTarget, type Target } from './suite/target.ts';
import { BUCKET, upload } from './suite/upload.ts';

const OPTIONS = {
  sizes: ['10k', 'sizes of objects, with commas between them: 1k,10k,100k,1M'],
  batches: ['64', 'objects of a batch'],
  streams: ['1,4,16', 'batches at once'],
  clients: ['1', 'connections that they are spread over'],
  by: ['client', 'client (the TypeScript client), http2 (the least that checks every object) or both'],
  order: ['completion', 'completion (objects as they come to hand) or strict (in the order of the keys)'],
  rate: [
    0,
    'batches a second; latency then counts from when a batch was due (0: as fast as it goes)',
    { min: 0, max: 1e6, fractions: true },
  ],
  objects: [4000, 'objects of each size, fewer where they are more than 512 MiB', { min: 1, max: 1_000_000 }],
  'bytes-from': ['random', 'random, or samples (images of samples/, each made unique)'],
  'with-singles': [false, 'compare in turns with single S3 GETs of the same objects'],
  connections: [64, 'kept connections of the single GETs', { min: 1, max: 4096 }],
  'compare-grpc': ['', 'HOST:PORT of the gRPC data plane of --compare'],
  ...ROUND_OPTIONS,
  seconds: [2, 'length of one load', { min: 0.1, max: 3600, fractions: true }],
  'warm-seconds': WARM_OPTION,
} as const;

type Options = ScenarioValues<typeof COMMON_OPTIONS & typeof OPTIONS>;
type Context = ScenarioContext<Options>;
/** A server that has served so many has compiled what serves them. */
const WARM_OBJECTS = 10_000;

async function openTargets(context: Context): Promise<Target[]> {
  const { options } = context;
  const first = await openTarget(context);
  if (first.grpcAddress === undefined)
    throw new BenchError('--grpc is missing; name the gRPC data plane of --endpoint as HOST:PORT.');
  if (options.compare === '') return [first];
  const grpcAddress = options['compare-grpc'];
  checkGrpc('compare-grpc', grpcAddress, options['allow-remote']);
  return [first, { ...openPeer(context, first), grpcAddress }];
}

interface TargetLoad {
  readonly target: Target;
  readonly load: Load;
  /** Among all that take turns. */
  readonly name: string;
}

function allLoads(context: Context, plan: BatchPlan, targets: readonly Target[], bytes: number): TargetLoad[] {
  const { options } = context;
  const dataSet = batchDataSet(options, plan, bytes);
  return targets.flatMap((target) => {
    return batchLoads(options, plan, dataSet, serverOf(target)).map((load) => {
      const where = Object.entries(load.at).map(([key, value]) => `${key} ${value}`);
      const name = `${targets.length > 1 ? `${target.name}: ` : ''}${load.name}, ${where.join(', ')}`;
      return { target, load, name };
    });
  });
}

async function measureSize(
  context: Context,
  plan: BatchPlan,
  targets: readonly Target[],
  loads: LoadCrew,
  bytes: number,
): Promise<void> {
  const { options, signal, progress } = context;
  const dataSet = batchDataSet(options, plan, bytes);
  for (const target of targets) await upload(target, dataSet, BUCKET, { signal, progress });
  const all = allLoads(context, plan, targets, bytes);
  const contenders = all.map(({ target, load, name }) => {
    const turn = { target: target.name, load: load.name, at: load.at, order: load.order, pids: target.pids };
    return contenderOf(context, loads, {
      name,
      warmObjects: WARM_OBJECTS,
      warmSeconds: options['warm-seconds'],
      turn: () => turn,
    });
  });
  await alternate(contenders, 1); // the warm-up
  const series = await alternate(contenders, options.rounds, (round, name, measures) => {
    progress.tell(`round ${round}  ${name}: ${Math.round(measures[RATE] ?? 0).toLocaleString('en-US')} objects/s`);
  });
  addRatios(context, series, all);
}

/** Batches against single GETs of the same target; and each load of the first target against the same load of the second. */
function addRatios({ report }: Context, series: readonly Series[], all: readonly TargetLoad[]): void {
  const hasCpu = (name: string): boolean =>
    series.some(({ contender, measure }) => contender === name && measure === CPU);
  const add = (ours: string, theirs: string): void => {
    report.ratio(ratioOf(series, RATE, ours, theirs, 'more'));
    if (hasCpu(ours) && hasCpu(theirs)) report.ratio(ratioOf(series, CPU, ours, theirs, 'less'));
  };
  const first = all[0]?.target;
  for (const { target, load, name } of all) {
    const single = all.find((other) => other.target === target && other.load.order.kind === 's3-get');
    if (single !== undefined && load.order.kind === 'get-batch') add(name, single.name);
    const peer = all.find(
      (other) => other.target !== first && name.endsWith(other.name.slice(other.target.name.length)),
    );
    if (target === first && peer !== undefined) add(name, peer.name);
  }
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const plan = batchPlan(options);
  const targets = await openTargets(context);
  const loads = openLoads(context, import.meta.filename);
  try {
    for (const bytes of plan.sizes) await measureSize(context, plan, targets, loads, bytes);
  } finally {
    tellAll(context);
  }
}

function tellAll({ report, options }: Context): void {
  if (report.points.length === 0) return;
  const how =
    options.rate > 0
      ? `${options.rate} batches/s, latencies from when a batch was due`
      : 'closed loop: its latencies are no promise to anybody';
  report.table(loadTable(`Batches of objects, medians of the rounds (${how})`, report.points));
  const limited = remarkOn(report.points);
  if (limited !== undefined) report.remark(limited);
  if (options['with-singles'])
    report.remark(
      "Single GETs read the same objects: what they bring into the gateway's memory may serve batches too.",
    );
}

if (isLoadProcess()) serveLoads();
else {
  await runScenario({
    name: 'grpc-batch',
    purpose: 'Reads batches over GetBatch and checks every object; in turns with single S3 GETs or another gateway.',
    options: OPTIONS,
    run,
  });
}
