/**
 * Durable ingest of small objects over gRPC: PutBatch by the TypeScript client, against S3 PUTs by many clients, and against what the disk
 * under them can do: fio that appends the same bytes and flushes, in pieces as big as a group of the gateway, and one by one; and, if asked,
 * against another build of the gateway. All in turns. A put also flushes an index transaction, so fio's lines are bounds that no store with an index reaches.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Belongings } from './measure/belongings.ts';
import { diskOf } from './measure/machine.ts';
import { BenchError, type OptionValues, parseNumbers, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { cpuOf, familyOf } from './measure/processes.ts';
import { formatFigure, Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures, medianOf, ratioOf, type Series } from './measure/rounds.ts';
import { runFio } from './rig/fio.ts';
import { type Gateway, startGateway } from './rig/gateway.ts';
import { type PutBatchReply, servePutBatchOrders } from './rig/put-batch-clients.ts';
import { type PutReply, servePutOrders } from './rig/put-clients.ts';
import { createBucket, groupsBetween } from './rig/put-figures.ts';

const OPTIONS = {
  sizes: ['4,64', 'sizes of objects in KiB'],
  clients: [64, 'S3 clients, each with a connection and one PUT at a time'],
  channels: [1, 'connections of the gRPC client'],
  seconds: [5, 'length of one turn'],
  workers: [0, 'workers of the gateway; 0: one a core, as by default'],
  jpeg: [false, 'bodies that begin as a JPEG does: compressed already, so that the gateway codes nothing'],
  against: ['', 'dist/ of another build, to take turns with'],
  dir: [tmpdir(), 'folder on the disk to measure; the benchmark makes and removes its own in it'],
  profiles: ['', 'write CPU profiles of the gateway into this folder (figures are then lower)'],
  ...ROUND_OPTIONS,
  rounds: [5, 'rounds; in each, every contender runs once'],
} as const;
type Options = OptionValues<typeof OPTIONS>;

const RATE = 'objects a second';
const MB_RATE = 'MB a second';
const CPU = 'CPU an object, µs';
const BUCKET = 'durable';
const AS_GRPC = '--as-grpc';
const AS_S3 = '--as-s3';
const SELF = fileURLToPath(import.meta.url);
const MiB = 1024 * 1024;
/** Start of image, and the beginning of an APP0 segment (ISO/IEC 10918-1, B.1.1.3). */
const JPEG_BEGIN = 'ffd8ffe000104a464946';
const BLOCK_BYTES = 4096;

interface Loaded {
  readonly operations: number;
  readonly seconds: number;
}

/** A process of clients that answers each order with one message. */
class Clients {
  readonly #child: ChildProcess;

  constructor(owned: Belongings, flag: string) {
    this.#child = owned.spawn(process.execPath, [...process.execArgv, SELF, flag], 'nodejs', {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async run(order: object): Promise<Loaded> {
    this.#child.send(order);
    const [reply] = (await once(this.#child, 'message')) as [PutReply | PutBatchReply];
    if ('failure' in reply) throw new BenchError(reply.failure);
    return reply.result;
  }
}

interface Rig {
  readonly options: Options;
  readonly owned: Belongings;
  readonly folder: string;
  readonly gateway: Gateway;
  readonly other: Gateway | undefined;
  readonly grpc: Clients;
  readonly s3: Clients;
}

async function putTurn(gateway: Gateway, bytes: number, run: () => Promise<Loaded>): Promise<Measures> {
  const before = await gateway.status();
  const { user, system, result } = await cpuOf(familyOf(gateway.child.pid as number), run);
  const groups = groupsBetween(before, await gateway.status());
  const rate = result.operations / result.seconds;
  return {
    [RATE]: rate,
    [MB_RATE]: (rate * bytes) / 1e6,
    [CPU]: ((user + system) * 1e6) / result.operations,
    ...groups,
  };
}

/** By one build, which `by` names where there are two. */
function puts(rig: Rig, gateway: Gateway, kib: number, by: string): readonly [batch: Contender, single: Contender] {
  const { grpc, s3, options } = rig;
  const { seconds, channels, clients } = options;
  const bytes = kib * 1024;
  const order = { bucket: BUCKET, bytes, seconds, prefix: options.jpeg ? JPEG_BEGIN : '' };
  let prepare = 5000; // operations of the last turn, and some more
  const singles = async (): Promise<Loaded> => {
    const loaded = await s3.run({ ...order, port: gateway.s3Port, clients, prepare });
    prepare = Math.ceil(loaded.operations * 1.5);
    return loaded;
  };
  return [
    {
      name: `${kib} KiB, PutBatch${by}`,
      run: () => putTurn(gateway, bytes, () => grpc.run({ ...order, port: gateway.grpcPort, channels })),
    },
    { name: `${kib} KiB, S3 PUT by ${clients} clients${by}`, run: () => putTurn(gateway, bytes, singles) },
  ];
}

function floor({ owned, folder, options }: Rig, kib: number, name: string, writeBytes: number): Contender {
  return {
    name: `${kib} KiB, ${name}`,
    async run() {
      const result = await runFio(owned, { folder, writeBytes, jobs: 1, seconds: options.seconds });
      return { [RATE]: result.bytesPerSecond / (kib * 1024), [MB_RATE]: result.bytesPerSecond / 1e6 };
    },
  };
}

async function measureSize(rig: Rig, kib: number, report: Report): Promise<Series[]> {
  const [batch, single] = puts(rig, rig.gateway, kib, '');
  const others = rig.other === undefined ? [] : puts(rig, rig.other, kib, ', the other build');
  const warm = await batch.run();
  for (const each of [single, ...others]) await each.run();
  const groupBytes = Math.max(1, Math.round(((warm['KiB in a group'] as number) * 1024) / BLOCK_BYTES)) * BLOCK_BYTES;
  const floors = [
    floor(rig, kib, 'fio, as big as a group', groupBytes),
    floor(rig, kib, 'fio, 4 MiB', 4 * MiB),
    floor(rig, kib, 'fio, one by one', kib * 1024),
  ];
  const series = await alternate([batch, single, ...others, ...floors], rig.options.rounds, tellRun);
  report.add(series);
  for (const { name } of [single, ...floors]) report.addRatio(ratioOf(series, RATE, batch.name, name, 'more'));
  for (const [position, { name }] of others.entries())
    report.addRatio(ratioOf(series, CPU, ([batch, single][position] as Contender).name, name, 'less'));
  report.addTable(`Durable writes of ${kib} KiB objects`, [
    ['written by', RATE, MB_RATE, `server ${CPU}`],
    ...[batch, single, ...others, ...floors].map(({ name }) => [
      name,
      ...[RATE, MB_RATE, CPU].map((measure) => {
        const median = medianOf(series, name, measure);
        return median === undefined ? '–' : formatFigure(median);
      }),
    ]),
  ]);
  return series;
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const { workers, profiles } = options;
  const folder = owned.temporaryFolder(options.dir);
  const report = new Report('put-batch', { ...options, disk: diskOf(folder) });
  const started = { workers, cores: cpus().length, profiles };
  const gateway = await startGateway(owned, { ...started, dir: `${folder}/store` });
  const { against: dist } = options;
  const other = dist === '' ? undefined : await startGateway(owned, { ...started, dir: `${folder}/other`, dist });
  for (const each of [gateway, other]) if (each !== undefined) await createBucket(each.s3Port, BUCKET);
  const rig: Rig = {
    options,
    owned,
    folder,
    gateway,
    other,
    grpc: new Clients(owned, AS_GRPC),
    s3: new Clients(owned, AS_S3),
  };
  for (const kib of parseNumbers('sizes', options.sizes)) await measureSize(rig, kib, report);
  report.remark(
    `Disk: ${diskOf(folder)}. Every object was flushed before it was acknowledged; keys are new each time.`,
  );
  report.remark('Clients share the machine with the gateway; CPU counts the processes of the gateway alone.');
  report.finish(options.json);
}

const PURPOSE = 'Durable ingest by PutBatch over gRPC, against S3 PUTs by many clients and fio on the same disk.';
if (process.argv[2] === AS_GRPC) servePutBatchOrders();
else if (process.argv[2] === AS_S3) servePutOrders();
else {
  await runBenchmark('put-batch', PURPOSE, OPTIONS, async (options) => {
    const owned = new Belongings();
    try {
      await measure(options, owned);
    } finally {
      await owned.dispose();
    }
  });
}
