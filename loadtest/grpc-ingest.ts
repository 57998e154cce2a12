/**
 * Writes objects durably over PutBatch, and reads every one back: `npm run loadtest -- grpc-ingest`. Compared in the same run with what the
 * disk under it does: fio that appends and flushes in pieces as large as a group of the gateway, where fio is installed and the gateway is
 * ours. Every turn has keys and bytes of its own.
 *
 * Hardest decision: the reading back is not measured, and comes before fio's turn. What it reads is in the page cache still, so it proves
 * what the gateway stored and not that a disk keeps it: that is what the fault tests are for.
 */
import { tmpdir } from 'node:os';
import { diskOf } from '../bench/measure/machine.ts';
import { BenchError } from '../bench/measure/options.ts';
import { alternate, type Contender, ratioOf } from '../bench/measure/rounds.ts';
import { runFio } from '../bench/rig/fio.ts';
import { gatewayStatus } from '../bench/rig/gateway.ts';
import { groupsBetween } from '../bench/rig/put-figures.ts';
import { contenderOf } from './grpc/contender.ts';
import { type LoadCrew, openLoads, serveLoads } from './grpc/load-process.ts';
import { loadTable } from './grpc/load-table.ts';
import type { PutBatchOrder } from './grpc/orders.ts';
import { serverOf } from './grpc/servers.ts';
import { type Measured, RATE, remarkOn, type Turn } from './grpc/turn.ts';
import { isLoadProcess } from './suite/load-process.ts';
import {
  type COMMON_OPTIONS,
  numbersWithin,
  oneOf,
  ROUND_OPTIONS,
  type ScenarioValues,
  sizesWithin,
} from './suite/options.ts';
import { addErrors, countErrors, NO_ERRORS } from './suite/run-report.ts';
import { runScenario, type ScenarioContext } from './suite/scenario.ts';
import { sizeText } from './suite/size-text.ts';
import { openTarget, type Target } from './suite/target.ts';
import { BUCKET, makeBucket } from './suite/upload.ts';

const OPTIONS = {
  sizes: ['10k,64k', 'sizes of objects, with commas between them'],
  streams: ['2', 'streams of PutBatch at once, with commas between them'],
  clients: [1, 'connections that they are spread over', { min: 1, max: 64 }],
  'bytes-from': [
    'random',
    'random (which the gateway tries to code), jpeg (random, but for their beginning) or samples (images of samples/)',
  ],
  'without-fio': [false, 'do not compare with fio'],
  ...ROUND_OPTIONS,
  seconds: [3, 'length of one load, shorter where 1 GiB is written before', { min: 0.1, max: 60, fractions: true }],
} as const;

type Options = ScenarioValues<typeof COMMON_OPTIONS & typeof OPTIONS>;
type Context = ScenarioContext<Options>;
const MiB = 1024 ** 2;
const TURN_BYTES_MAX = 1024 * MiB;
const TURN_OBJECTS_MAX = 200_000;
const BLOCK_BYTES = 4096;
const SEED_STEP = 1000;

interface Rig {
  readonly context: Context;
  readonly target: Target;
  readonly loads: LoadCrew;
  readonly bytesFrom: 'random' | 'samples' | 'jpeg';
  /** Folder on the disk of the gateway; absent where fio is not to be had. */
  readonly fio: string | undefined;
}

/** Of one turn: no key and no body is that of another turn. */
function orderOf({ context, target, bytesFrom }: Rig, bytes: number, streams: number, nth: number): PutBatchOrder {
  const { options } = context;
  const count = Math.max(1, Math.min(TURN_OBJECTS_MAX, Math.floor(TURN_BYTES_MAX / Math.max(1, bytes))));
  const seed = options.seed + SEED_STEP * (nth + 1) + streams;
  const prefix = `grpc-ingest/${Date.now().toString(36)}/${bytes}-${streams}-${nth}`;
  return {
    kind: 'put-batch',
    servers: [serverOf(target)],
    spread: 'ranges',
    bucket: BUCKET,
    dataSet: {
      count,
      sizes: { kind: 'fixed', bytes },
      bytesFrom: bytesFrom === 'samples' ? 'samples' : 'random',
      seed,
      prefix,
    },
    content: bytesFrom === 'jpeg' ? 'jpeg' : undefined,
    seconds: options.seconds,
    streams,
    clients: options.clients,
  };
}

/** Reads all that was acknowledged, and removes it from a gateway that is not ours. */
async function verify({ context, target, loads }: Rig, { result }: Measured, { order, load }: Turn): Promise<void> {
  const until = result.until ?? [];
  const isOwn = target.pids().length > 0;
  const back = await loads.ask('load', { ...order, kind: 'verify', until, remove: !isOwn });
  context.signal.throwIfAborted();
  const missing = result.objects - back.objects - countErrors(back.errors);
  const errors = addErrors(back.errors, { ...NO_ERRORS, short: Math.max(0, missing) });
  if (countErrors(errors) === 0) return;
  const { seconds, requests, objects, bytes } = back;
  const facts = { target: target.name, load: `${load}, read back`, at: {}, isLoadLimited: false };
  const more = { 'objects acknowledged': result.objects };
  context.report.point({ ...facts, seconds, requests, objects, bytes, errors, more });
  context.report.remark(
    `${load}: of ${result.objects} objects that were acknowledged, ${back.objects} came back as they were put (${back.failure}).`,
  );
}

function putsOf(rig: Rig, bytes: number, streams: number): Contender {
  const { context, target, loads } = rig;
  const load = `PutBatch ${sizeText(bytes)}`;
  return contenderOf(context, loads, {
    name: `${load}, streams ${streams}`,
    turn: (nth) => ({
      target: target.name,
      load,
      at: { streams },
      order: orderOf(rig, bytes, streams, nth),
      pids: target.pids,
      settle: () => target.untilQuiet(),
    }),
    after: (measured, turn) => verify(rig, measured, turn),
  });
}

/** The same bytes appended to one file and flushed in pieces as large as the gateway's groups were. */
function fioOf({ context }: Rig, folder: string, bytes: number, groupBytes: number): Contender {
  const writeBytes = Math.max(1, Math.round(groupBytes / BLOCK_BYTES)) * BLOCK_BYTES;
  const load = `fio, ${sizeText(writeBytes)} and fdatasync`;
  let round = 0;
  return {
    name: `${sizeText(bytes)}: ${load}`,
    async run() {
      context.signal.throwIfAborted();
      const { seconds } = context.options;
      const { bytesPerSecond } = await runFio(context.owned, { folder, writeBytes, jobs: 1, seconds });
      round += 1;
      const objects = Math.round((bytesPerSecond * seconds) / bytes);
      const facts = { target: 'disk', load, at: { round }, seconds, requests: objects, objects };
      const loaded = { bytes: bytesPerSecond * seconds, isLoadLimited: false, errors: NO_ERRORS, more: {} };
      context.report.point({ ...facts, ...loaded });
      return { [RATE]: bytesPerSecond / bytes };
    },
  };
}

async function measureSize(rig: Rig, bytes: number, streams: readonly number[]): Promise<void> {
  const { context, target, fio } = rig;
  const { options, report, progress } = context;
  const puts = streams.map((count) => putsOf(rig, bytes, count));
  const before = target.admin === undefined ? undefined : await gatewayStatus(target.admin);
  await alternate(puts, 1); // the warm-up, which also tells how large groups are
  const after = target.admin === undefined ? undefined : await gatewayStatus(target.admin);
  const groups = before === undefined || after === undefined ? undefined : groupsBetween(before, after);
  const groupBytes = (groups?.['KiB in a group'] ?? 0) * 1024;
  const floors = fio === undefined || !(groupBytes > 0) ? [] : [fioOf(rig, fio, bytes, groupBytes)];
  const series = await alternate([...puts, ...floors], options.rounds, (round, name, measures) => {
    const rate = measures[RATE] ?? 0;
    progress.tell(`round ${round}  ${name}: ${Math.round(rate)} objects/s, ${Math.round((rate * bytes) / 1e6)} MB/s`);
  });
  for (const put of puts) for (const floor of floors) report.ratio(ratioOf(series, RATE, put.name, floor.name, 'more'));
}

/** Folder for fio on the disk of our gateway; says why where there is none. */
async function fioFolder({ options, owned, report }: Context, target: Target): Promise<string | undefined> {
  if (options['without-fio']) return undefined;
  if (target.admin === undefined) {
    report.remark('No comparison with fio: the disk of a gateway that runs already is not known.');
    return undefined;
  }
  try {
    report.version('fio', (await owned.run('fio', ['--version'], 'fio')).trim());
    return owned.temporaryFolder(tmpdir());
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    report.remark(`No comparison with fio: ${error.message}`);
    return undefined;
  }
}

async function run(context: Context): Promise<void> {
  const { options, signal } = context;
  const sizes = sizesWithin('sizes', options.sizes, { min: 1, max: 64 * MiB });
  const streams = numbersWithin('streams', options.streams, { min: 1, max: 64 });
  const bytesFrom = oneOf('bytes-from', options['bytes-from'], ['random', 'samples', 'jpeg']);
  const target = await openTarget(context);
  if (target.grpcAddress === undefined)
    throw new BenchError('--grpc is missing; name the gRPC data plane of --endpoint as HOST:PORT.');
  await makeBucket(target, signal);
  const fio = await fioFolder(context, target);
  const rig: Rig = { context, target, loads: openLoads(context, import.meta.filename), bytesFrom, fio };
  try {
    for (const bytes of sizes) await measureSize(rig, bytes, streams);
  } finally {
    tellAll(context, fio);
  }
}

function tellAll({ report }: Context, fio: string | undefined): void {
  if (report.points.length === 0) return;
  report.table(loadTable('Durable ingest, medians of the rounds', report.points));
  report.remark('Every object was flushed to the disk before it was acknowledged, and was read back and compared.');
  if (fio !== undefined)
    report.remark(
      `fio writes the same bytes to one file on the same disk (${diskOf(fio)}) with as many flushes; it keeps no index.`,
    );
  const limited = remarkOn(report.points.filter(({ target }) => target !== 'disk'));
  if (limited !== undefined) report.remark(limited);
}

if (isLoadProcess()) serveLoads();
else {
  await runScenario({
    name: 'grpc-ingest',
    purpose: 'Writes objects durably over PutBatch and reads every one back; in turns with fio on the same disk.',
    options: OPTIONS,
    run,
  });
}
