/**
 * Durable PUTs of small objects by many clients, against what the disk under them can do: fio that appends and flushes the same
 * bytes one by one, in pieces as big as the groups that the gateway made, and with as many jobs as there are clients. A PUT also
 * flushes an index transaction, so fio's group line is a bound that no store with an index reaches.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Belongings } from './measure/belongings.ts';
import { diskOf } from './measure/machine.ts';
import { BenchError, type OptionValues, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { cpuOf, familyOf } from './measure/processes.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures, ratioOf } from './measure/rounds.ts';
import { runFio } from './rig/fio.ts';
import { type Gateway, startGateway } from './rig/gateway.ts';
import { type PutReply, type PutResult, servePutOrders } from './rig/put-clients.ts';
import { createBucket, groupsBetween } from './rig/put-figures.ts';

const OPTIONS = {
  clients: [64, 'clients, each with a connection and one PUT at a time'],
  bytes: [16 * 1024, 'bytes of each object'],
  seconds: [5, 'length of one turn'],
  workers: [0, 'workers of the gateway; 0: one a core, as by default'],
  dir: [tmpdir(), 'folder on the disk to measure; the benchmark makes and removes its own in it'],
  profiles: ['', 'write CPU profiles of the gateway into this folder (figures are then lower)'],
  ...ROUND_OPTIONS,
} as const;
type Options = OptionValues<typeof OPTIONS>;

const RATE = 'objects a second';
const BUCKET = 'durable';
const AS_CLIENTS = '--as-clients';
const BLOCK_BYTES = 4096;

/** The process of the clients, and how it is told what to do. */
class Clients {
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #options: Options;
  /** Operations of the last turn, and some more. */
  #prepare = 10_000;

  constructor(owned: Belongings, port: number, options: Options) {
    const self = fileURLToPath(import.meta.url);
    this.#child = owned.spawn(process.execPath, [...process.execArgv, self, AS_CLIENTS], 'nodejs', {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#port = port;
    this.#options = options;
  }

  async run(seconds: number): Promise<PutResult> {
    const { clients, bytes } = this.#options;
    this.#child.send({ port: this.#port, bucket: BUCKET, clients, bytes, seconds, prepare: this.#prepare });
    const [reply] = (await once(this.#child, 'message')) as [PutReply];
    if ('failure' in reply) throw new BenchError(reply.failure);
    this.#prepare = Math.ceil(reply.result.operations * 1.5);
    return reply.result;
  }
}

async function putTurn(gateway: Gateway, clients: Clients, seconds: number): Promise<Measures> {
  const before = await gateway.status();
  const pids = familyOf(gateway.child.pid as number);
  const { user, system, result } = await cpuOf(pids, () => clients.run(seconds));
  const groups = groupsBetween(before, await gateway.status());
  return {
    [RATE]: result.operations / result.seconds,
    'p50, ms': result.p50Ms,
    'p99, ms': result.p99Ms,
    'CPU an object, µs': ((user + system) * 1e6) / result.operations,
    ...groups,
  };
}

function floor(owned: Belongings, folder: string, options: Options, jobs: number, writeBytes: number): Contender {
  const { bytes, seconds } = options;
  const size = writeBytes < 1024 * 1024 ? `${Math.round(writeBytes / 1024)} KiB` : `${writeBytes / 1024 / 1024} MiB`;
  return {
    name: `fio, ${size} and fdatasync${jobs === 1 ? '' : `, ${jobs} jobs`}`,
    async run() {
      const result = await runFio(owned, { folder, writeBytes, jobs, seconds });
      return {
        [RATE]: result.bytesPerSecond / bytes,
        'fdatasync p50, ms': result.syncP50Ms,
        'fdatasync p99, ms': result.syncP99Ms,
      };
    },
  };
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const { workers, profiles, seconds, bytes, clients: clientCount } = options;
  const folder = owned.temporaryFolder(options.dir);
  const report = new Report('put', { ...options, disk: diskOf(folder) });
  const gateway = await startGateway(owned, { dir: `${folder}/store`, workers, cores: cpus().length, profiles });
  await createBucket(gateway.s3Port, BUCKET);
  const clients = new Clients(owned, gateway.s3Port, options);
  const warm = await putTurn(gateway, clients, Math.min(2, seconds));
  const groupBytes = Math.max(1, Math.round(((warm['KiB in a group'] as number) * 1024) / BLOCK_BYTES)) * BLOCK_BYTES;
  const ours = { name: `penstock, ${clientCount} clients`, run: () => putTurn(gateway, clients, seconds) };
  const floors = [
    floor(owned, folder, options, 1, bytes),
    floor(owned, folder, options, 1, groupBytes),
    floor(owned, folder, options, clientCount, bytes),
  ];
  const series = await alternate([ours, ...floors], options.rounds, tellRun);
  report.add(series);
  for (const { name } of floors) report.addRatio(ratioOf(series, RATE, ours.name, name, 'more'));
  report.remark(`Disk: ${diskOf(folder)}. Every PUT was flushed before it was acknowledged; keys are new each time.`);
  report.remark(
    'The clients share the machine with the gateway; CPU an object counts the processes of the gateway alone.',
  );
  report.finish(options.json);
}

const PURPOSE = 'Durable PUTs of small objects by many clients, against fio on the same disk.';
if (process.argv[2] === AS_CLIENTS) servePutOrders();
else {
  await runBenchmark('put', PURPOSE, OPTIONS, async (options) => {
    const owned = new Belongings();
    try {
      await measure(options, owned);
    } finally {
      await owned.dispose();
    }
  });
}
