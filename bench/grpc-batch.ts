/**
 * GetBatch of a real gateway with one worker, the page cache warm: server CPU an object and objects a second, by a bare client of
 * node:http2, by the published TypeScript client and by Python; against single S3 GETs, nginx, and the floor of the transport, a server that
 * sends the same frames from memory without a store. Servers on one core, load on another, all in turns in one run.
 *
 * S3 GETs have objects of their own, the same bytes, which come to lie in the gateway's RAM cache; batches read the page cache.
 */
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Belongings } from './measure/belongings.ts';
import { diskOf } from './measure/machine.ts';
import { BenchError, type OptionValues, parseNumbers, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { cpuOf, familyOf } from './measure/processes.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures, ratioOf, type Series } from './measure/rounds.ts';
import { checkBatches, checkSingles, recordShapes } from './rig/batch-checks.ts';
import { BatchClients, type BatchLoad, type BatchOrder, serveBatchOrders } from './rig/batch-clients.ts';
import {
  BATCH_BUCKET,
  Bodies,
  fillStore,
  keyOf,
  type ObjectSet,
  SINGLE_BUCKET,
  setOf,
  WARM_BUCKET,
  writeFiles,
} from './rig/batch-content.ts';
import { addTables, CPU, FIRST, nameOf, RATE, WHOLE } from './rig/batch-tables.ts';
import { measureCold } from './rig/cold-batches.ts';
import { type Gateway, startGateway, untilExamined } from './rig/gateway.ts';
import { Floor, serveFloor } from './rig/http2-floor.ts';
import { type Nginx, startNginx } from './rig/nginx.ts';
import { PythonBatches, pythonClient } from './rig/python-batches.ts';
import { signedGet } from './rig/signed-requests.ts';
import { Wrk } from './rig/wrk.ts';

const OPTIONS = {
  sizes: ['4,10,16,64,320', 'sizes of objects in KiB'],
  batches: ['64,256', 'objects of a batch'],
  objects: [10_000, 'objects of each size, fewer where they are more than 256 MiB'],
  streams: [4, 'batches at once'],
  connections: [64, 'connections of the parallel GETs'],
  seconds: [2, 'length of one turn'],
  cold: [false, 'drop the volumes from the page cache before each turn, and compare with parallel GETs only'],
  'server-core': [0, 'core of the servers'],
  'load-core': [1, 'core of the load'],
  python: ['/usr/bin/python3', 'Python with grpcio'],
  dir: [tmpdir(), 'folder on the disk to use; the benchmark makes and removes its own in it'],
  profiles: ['', 'write CPU profiles of the gateway into this folder (figures are then higher)'],
  ...ROUND_OPTIONS,
  rounds: [5, 'rounds; in each, every contender runs once'],
} as const;
export type Options = OptionValues<typeof OPTIONS>;

const SET_BYTES_MAX = 256 * 1024 * 1024;
const AS_CLIENTS = '--as-clients';
const AS_FLOOR = '--as-floor';
const SELF = fileURLToPath(import.meta.url);

interface Rig {
  readonly options: Options;
  readonly gateway: Gateway;
  readonly nginx: Nginx;
  readonly floor: Floor;
  readonly clients: BatchClients;
  /** And what it reads with. */
  readonly python: { readonly batches: PythonBatches; readonly name: string } | undefined;
  readonly wrk: Wrk;
}

function loadMeasures(load: Pick<BatchLoad, 'objects' | 'seconds'>, cpu: { user: number; system: number }): Measures {
  return { [CPU]: ((cpu.user + cpu.system) * 1e6) / load.objects, [RATE]: load.objects / load.seconds };
}

/** Batches against one server, by whatever client. */
function batchTurn(child: Gateway['child'], run: () => Promise<BatchLoad>): () => Promise<Measures> {
  return async () => {
    const { result, ...cpu } = await cpuOf(familyOf(child.pid as number), run);
    const first = result.firstP50Ms === null ? {} : { [FIRST]: result.firstP50Ms };
    return { ...loadMeasures(result, cpu), ...first, [WHOLE]: result.batchP50Ms };
  };
}

/** Batches of `batch` objects, so many at once. */
async function batchContenders(rig: Rig, set: ObjectSet, batch: number, streams: number): Promise<Contender[]> {
  const { gateway, floor, clients, python } = rig;
  const order = { bucket: BATCH_BUCKET, set, batch, streams, seconds: rig.options.seconds };
  const ours = { ...order, port: gateway.grpcPort };
  const shapes = await recordShapes(gateway, set, batch);
  const name = (client: string): string => nameOf(set.kib, batch, streams, client);
  const contenders: Contender[] = [
    { name: name('http2'), run: batchTurn(gateway.child, () => clients.run({ ...ours, by: 'http2' })) },
    { name: name('typescript'), run: batchTurn(gateway.child, () => clients.run({ ...ours, by: 'typescript' })) },
    {
      name: name('floor'),
      run: async () => {
        await floor.use(shapes, set.count * set.bytes);
        const there: BatchOrder = { ...order, by: 'http2', port: floor.port };
        return batchTurn(floor.child, () => clients.run(there))();
      },
    },
  ];
  if (python !== undefined)
    contenders.push({ name: name('python'), run: batchTurn(gateway.child, () => python.batches.run(ours)) });
  return contenders;
}

/** Single GETs by wrk, of a gateway or of nginx. */
function getContenders(rig: Rig, set: ObjectSet): Contender[] {
  const { gateway, nginx, wrk, options } = rig;
  const contender = (name: string, child: Gateway['child'], port: number, connections: number): Contender => ({
    name: nameOf(set.kib, 1, connections, name),
    async run() {
      const head = (position: number): string =>
        signedGet(`/${SINGLE_BUCKET}/${keyOf(set, position)}`, `127.0.0.1:${port}`, Date.now());
      const heads = Array.from({ length: set.count }, (_, position) => head(position));
      const pids = familyOf(child.pid as number);
      const { result, ...cpu } = await cpuOf(pids, () => wrk.run(port, heads, connections, options.seconds));
      if (result.failures > 0 || result.bytes < result.requests * set.bytes)
        throw new BenchError(`${name}: not every answer was whole: ${JSON.stringify(result)}`);
      return loadMeasures({ objects: result.requests, seconds: result.seconds }, cpu);
    },
  });
  return [
    contender('s3', gateway.child, gateway.s3Port, 1),
    contender('s3', gateway.child, gateway.s3Port, options.connections),
    contender('nginx', nginx.child, nginx.plainPort, options.connections),
    contender('nginx, open_file_cache', nginx.child, nginx.cachingPort, options.connections),
  ];
}

async function measureSize(rig: Rig, set: ObjectSet, report: Report): Promise<Series[]> {
  const { options } = rig;
  const sizes = parseNumbers('batches', options.batches);
  const contenders = getContenders(rig, set);
  for (const batch of sizes) contenders.push(...(await batchContenders(rig, set, batch, options.streams)));
  // Alone, for what one batch takes: without others that it waits for.
  contenders.push(...(await batchContenders(rig, set, Math.max(...sizes), 1)));
  await alternate(contenders, 1); // compilers and caches warm up uncounted
  const series = await alternate(contenders, options.rounds, tellRun);
  report.add(series);
  for (const batch of sizes) {
    const of = (client: string): string => nameOf(set.kib, batch, options.streams, client);
    report.addRatio(ratioOf(series, CPU, of('http2'), of('floor')));
    report.addRatio(ratioOf(series, CPU, nameOf(set.kib, 1, options.connections, 's3'), of('http2')));
  }
  return series;
}

async function startRig(options: Options, owned: Belongings, folder: string): Promise<Rig> {
  const [core, cores] = [options['server-core'], cpus().length];
  const loadCore = { core: options['load-core'], cores };
  const profiles = options.profiles;
  const gateway = await startGateway(owned, { dir: join(folder, 'store'), workers: 1, core, cores, profiles });
  await untilExamined(gateway);
  const nginx = await startNginx(owned, { folder, files: join(folder, 'files'), core, cores });
  const pythonName = pythonClient(options.python);
  return {
    options,
    gateway,
    nginx,
    floor: await Floor.start(owned, { self: SELF, flag: AS_FLOOR, core, cores }),
    clients: new BatchClients(owned, { self: SELF, flag: AS_CLIENTS, ...loadCore }),
    python:
      pythonName === undefined
        ? undefined
        : { batches: new PythonBatches(owned, { python: options.python, ...loadCore }), name: pythonName },
    wrk: new Wrk(owned, { folder, ...loadCore }),
  };
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const folder = owned.temporaryFolder(options.dir);
  const report = new Report('grpc-batch', { ...options, disk: diskOf(folder) });
  const batchMax = Math.max(...parseNumbers('batches', options.batches));
  const sets = parseNumbers('sizes', options.sizes).map((kib) => setOf(kib, options.objects, SET_BYTES_MAX, batchMax));
  const bodies = new Bodies(sets);
  const buckets = options.cold ? [WARM_BUCKET, BATCH_BUCKET] : [BATCH_BUCKET, SINGLE_BUCKET];
  await fillStore(join(folder, 'store'), buckets, sets, bodies);
  if (options.cold) {
    const clients = new BatchClients(owned, {
      self: SELF,
      flag: AS_CLIENTS,
      core: options['load-core'],
      cores: cpus().length,
    });
    await measureCold({ options, owned, folder, sets, clients, report });
  } else {
    writeFiles(join(folder, 'files'), sets, bodies);
    const rig = await startRig(options, owned, folder);
    const all: Series[] = [];
    for (const set of sets) {
      await checkBatches(rig.gateway, set, bodies);
      for (const port of [rig.gateway.s3Port, rig.nginx.plainPort]) await checkSingles(port, set, bodies);
      all.push(...(await measureSize(rig, set, report)));
      await checkBatches(rig.gateway, set, bodies);
    }
    addTables(report, all, { ...options, sets, batches: parseNumbers('batches', options.batches) });
    report.remark(
      `Python reads with: ${rig.python?.name ?? 'nothing; it has no grpcio'}. "http2" is a client of node:http2 that counts bytes.`,
    );
    report.remark('CPU is user and system time of every process of a server: supervisor, keeper and one worker.');
  }
  if (cpus().length < 2) report.remark('This machine has one core: servers and load shared it.');
  report.finish(options.json);
}

const PURPOSE = 'Batches over gRPC from a gateway with one worker, against single GETs, nginx and a bare http2 server.';
if (process.argv[2] === AS_CLIENTS) serveBatchOrders();
else if (process.argv[2] === AS_FLOOR) serveFloor();
else {
  await runBenchmark('grpc-batch', PURPOSE, OPTIONS, async (options) => {
    const owned = new Belongings();
    try {
      await measure(options, owned);
    } finally {
      await owned.dispose();
    }
  });
}
