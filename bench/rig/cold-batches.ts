/**
 * `bench/grpc-batch.ts --cold`: every object is read once from the disk. Before each turn a fresh gateway (its RAM cache is empty) is
 * warmed up on other objects, and the volumes are dropped from the page cache. Read are batches, and single GETs over as many
 * connections, by the same process of clients.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Belongings } from '../measure/belongings.ts';
import { diskOf } from '../measure/machine.ts';
import { parseNumbers } from '../measure/options.ts';
import { cpuOf, familyOf } from '../measure/processes.ts';
import { formatFigure, type Report, tellRun } from '../measure/report.ts';
import { alternate, type Contender, type Measures, medianOf, ratioOf, type Series } from '../measure/rounds.ts';
import type { BatchClients, BatchOrder } from './batch-clients.ts';
import { BATCH_BUCKET, type ObjectSet, WARM_BUCKET } from './batch-content.ts';
import { CPU, FIRST, nameOf, RATE } from './batch-tables.ts';
import { type Gateway, loopDelay, startGateway } from './gateway.ts';
import { dropFile, filesIn, residentBytes } from './page-cache.ts';

interface ColdOptions {
  readonly batches: string;
  readonly streams: number;
  readonly connections: number;
  readonly rounds: number;
  readonly 'server-core': number;
  readonly profiles: string;
}

interface ColdRig {
  readonly options: ColdOptions;
  readonly owned: Belongings;
  readonly folder: string;
  readonly sets: readonly ObjectSet[];
  readonly clients: BatchClients;
  readonly report: Report;
}

type Load = Pick<BatchOrder, 'by' | 'batch' | 'streams'>;

const LOOP_P99 = "worker's loop delay p99, ms";
const LOOP_MAX = "worker's loop delay max, ms";
const MB_RATE = 'MB a second';
const RESIDENT = 'page cache held before, %';
const WORKER = 'worker-1';
const WARM_SECONDS = 1;

function volumesOf(folder: string): string[] {
  return filesIn(join(folder, 'store')).filter((path) => !path.includes('/index/'));
}

async function startWarm(
  { owned, options, folder, clients }: ColdRig,
  set: ObjectSet,
  loads: readonly Load[],
): Promise<Gateway> {
  const core = { core: options['server-core'], cores: cpus().length };
  const gateway = await startGateway(owned, {
    dir: join(folder, 'store'),
    workers: 1,
    profiles: options.profiles,
    ...core,
  });
  for (const load of loads)
    await clients.run({ ...load, port: portFor(gateway, load), bucket: WARM_BUCKET, set, seconds: WARM_SECONDS });
  return gateway;
}

function portFor({ s3Port, grpcPort }: Gateway, { by }: Load): number {
  return by === 's3' ? s3Port : grpcPort;
}

async function coldTurn(rig: ColdRig, set: ObjectSet, load: Load, loads: readonly Load[]): Promise<Measures> {
  const gateway = await startWarm(rig, set, loads);
  const volumes = volumesOf(rig.folder);
  for (const path of volumes) dropFile(path);
  const held = residentBytes(volumes);
  const order = { ...load, port: portFor(gateway, load), bucket: BATCH_BUCKET, set, seconds: 0 };
  await loopDelay(gateway.admin, WORKER); // begins anew
  const { result, user, system } = await cpuOf(familyOf(gateway.child.pid as number), () => rig.clients.run(order));
  const { p99Ms, maxMs } = await loopDelay(gateway.admin, WORKER);
  await gateway.stop();
  const total = rig.sets.reduce((sum, { bytes, count }) => sum + 2 * bytes * count, 0);
  return {
    [CPU]: ((user + system) * 1e6) / result.objects,
    [RATE]: result.objects / result.seconds,
    [MB_RATE]: (result.objects * set.bytes) / result.seconds / 1e6,
    [LOOP_P99]: p99Ms,
    [LOOP_MAX]: maxMs,
    [FIRST]: result.firstP50Ms ?? Number.NaN,
    ...(held !== undefined && { [RESIDENT]: (held * 100) / total }),
  };
}

export async function measureCold(rig: ColdRig): Promise<void> {
  const { options, sets, report } = rig;
  const sizes = parseNumbers('batches', options.batches);
  const single: Load = { by: 's3', batch: 1, streams: options.connections };
  const loads: Load[] = [...sizes.map((batch) => ({ by: 'http2' as const, batch, streams: options.streams })), single];
  const all: Series[] = [];
  for (const set of sets) {
    const contenders: Contender[] = loads.map((load) => ({
      name: nameOf(set.kib, load.batch, load.streams, load.by),
      run: () => coldTurn(rig, set, load, loads),
    }));
    const series = await alternate(contenders, options.rounds, tellRun);
    const s3 = nameOf(set.kib, 1, options.connections, 's3');
    for (const { name } of contenders.slice(0, -1)) report.addRatio(ratioOf(series, RATE, name, s3, 'more'));
    report.add(series);
    all.push(...series);
  }
  addTable(rig, all, loads);
  report.remark(
    `Disk: ${diskOf(rig.folder)}. Every object was read once, in random order, by a gateway that had not read it before.`,
  );
  report.remark('Volumes were dropped from the page cache by posix_fadvise; the index stayed in memory.');
}

function addTable({ sets, report }: ColdRig, series: readonly Series[], loads: readonly Load[]): void {
  const measures = [RATE, MB_RATE, CPU, LOOP_P99, LOOP_MAX];
  report.addTable('Page cache dropped', [
    ['objects', 'read by', ...measures],
    ...sets.flatMap(({ kib }) =>
      loads.map(({ by, batch, streams }) => [
        `${kib} KiB`,
        by === 's3' ? `S3 GET, ${streams} connections` : `GetBatch of ${batch}, ${streams} at once`,
        ...measures.map((measure) => {
          const median = medianOf(series, nameOf(kib, batch, streams, by), measure);
          return median === undefined ? '–' : formatFigure(median);
        }),
      ]),
    ),
  ]);
}
