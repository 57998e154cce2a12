/**
 * The same loads on gateways with more and more workers, and on more and more gateways beside each other, in turns. Promises: every
 * setting has a store of its own with its own part of the keys; what a put leaves to be done is counted as its cost.
 */

import { BenchError } from '../../bench/measure/options.ts';
import { alternate, type Series } from '../../bench/measure/rounds.ts';
import { contenderOf } from '../grpc/contender.ts';
import type { LoadCrew } from '../grpc/load-process.ts';
import type { LoadOrder } from '../grpc/orders.ts';
import { type Server, serverOf } from '../grpc/servers.ts';
import { CPU } from '../grpc/turn.ts';
import type { DataSetSpec } from '../suite/data-set.ts';
import { countErrors } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { sizeText } from '../suite/size-text.ts';
import { openTarget, type Target } from '../suite/target.ts';
import { BUCKET, makeBucket } from '../suite/upload.ts';
import type { ScaledLoad } from './flatness.ts';
import type { Spread } from './placement.ts';

const MiB = 1024 ** 2;
/** Of a setting's objects of one size, and of what one turn of puts writes. */
const SET_BYTES_MAX = 128 * MiB;
const PUTS_MAX = 100_000;
const BATCH_BYTES_MAX = 4 * MiB;
/** Under way at once for each process that serves: with one more come its own clients, as with one more node. */
const GETS = 64;
const PUTS = 32;
const STREAMS = 8;
const FILL_SECONDS_MAX = 120;

/** What is measured of each setting. */
export const VERBS = ['get', 'get-batch', 'put', 'put-batch'] as const;
export type Verb = (typeof VERBS)[number];

/** Gateways that share the keys: one, or several beside each other. */
export interface Setting {
  readonly count: number;
  readonly targets: readonly Target[];
}

export interface Contest {
  readonly context: Pick<ScenarioContext, 'report' | 'signal' | 'progress'>;
  readonly loads: LoadCrew;
  /** What there is more and more of. */
  readonly what: 'workers' | 'stores';
  readonly settings: readonly Setting[];
  readonly sizes: readonly number[];
  readonly objects: number;
  readonly batch: number;
  readonly spread: Spread;
  readonly seconds: number;
  readonly rounds: number;
  readonly seed: number;
  readonly warmSeconds: number;
  readonly verbs: readonly Verb[];
}

type Context = Parameters<typeof openTarget>[0];

/** One gateway for each count of workers. */
export async function openWorkers(context: Context, counts: readonly number[]): Promise<Setting[]> {
  const settings: Setting[] = [];
  for (const count of counts) {
    const name = `${count} workers`;
    settings.push({ count, targets: [await openTarget(context, { name, workers: count })] });
  }
  return settings;
}

/** As many gateways of one worker as the largest count; smaller settings are the first of them. */
export async function openStores(context: Context, counts: readonly number[]): Promise<Setting[]> {
  const targets: Target[] = [];
  while (targets.length < Math.max(...counts))
    targets.push(await openTarget(context, { name: `store ${targets.length + 1}`, workers: 1 }));
  return counts.map((count) => ({ count, targets: targets.slice(0, count) }));
}

export async function closeAll(settings: readonly Setting[]): Promise<void> {
  const targets = new Set(settings.flatMap((setting) => setting.targets));
  await Promise.all([...targets].map((target) => target.close()));
}

function serversOf({ targets }: Setting): Server[] {
  return targets.map(serverOf);
}

function specOf({ what, seed }: Contest, count: number, bytes: number, objects: number, part: string): DataSetSpec {
  const prefix = `scale/${what}-${count}/${bytes}/${part}`;
  return { count: objects, sizes: { kind: 'fixed', bytes }, bytesFrom: 'random', seed, prefix };
}

/** What is read: as much of it wherever it lies. */
function readSpec(contest: Contest, count: number, bytes: number): DataSetSpec {
  const objects = Math.max(1, Math.min(contest.objects, Math.floor(SET_BYTES_MAX / bytes)));
  return specOf(contest, count, bytes, objects, 'read');
}

export async function fillAll(contest: Contest): Promise<void> {
  const { context, settings, sizes, loads, spread } = contest;
  for (const target of new Set(settings.flatMap((setting) => setting.targets)))
    await makeBucket(target, context.signal);
  const phase = context.progress.phase(`filling by ${contest.what}`, settings.length * sizes.length, 'sets');
  for (const setting of settings) {
    for (const bytes of sizes) {
      const dataSet = readSpec(contest, setting.count, bytes);
      const base = { servers: serversOf(setting), spread, bucket: BUCKET, dataSet, seconds: FILL_SECONDS_MAX };
      const { errors, objects, failure } = await loads.ask('load', {
        ...base,
        kind: 'put-batch',
        streams: 2,
        clients: 1,
      });
      context.signal.throwIfAborted();
      if (countErrors(errors) > 0 || objects < dataSet.count)
        throw new BenchError(`only ${objects} of ${dataSet.count} objects could be stored: ${failure}.`);
      await allQuiet(setting);
      phase.advance();
    }
  }
  phase.end();
}

interface Kind {
  readonly verb: Verb;
  readonly load: string;
  readonly isJudged: boolean;
  readonly isPut: boolean;
  /** For each process that serves. */
  readonly warmObjects: number;
  order(setting: Setting, nth: number): LoadOrder;
}

function kindsOf(contest: Contest, bytes: number): Kind[] {
  const { spread, seconds, sizes, what } = contest;
  const size = sizeText(bytes);
  const batch = Math.max(1, Math.min(contest.batch, Math.floor(BATCH_BYTES_MAX / bytes)));
  const base = (setting: Setting) => ({ servers: serversOf(setting), spread, bucket: BUCKET, seconds }) as const;
  const read = (setting: Setting) => ({ ...base(setting), dataSet: readSpec(contest, setting.count, bytes) }) as const;
  const written = Math.max(1, Math.min(PUTS_MAX, Math.floor(SET_BYTES_MAX / bytes)));
  const write = (setting: Setting, nth: number, part: string) =>
    ({
      ...base(setting),
      dataSet: specOf(contest, setting.count, bytes, written, `${part}-${nth}`),
      content: 'jpeg',
    }) as const;
  // Every store is asked at once anyway.
  const each = ({ count }: Setting, one: number): number => (what === 'workers' ? one * count : one);
  const batches = (setting: Setting, keys: number): LoadOrder => {
    const [streams, clients] = [each(setting, STREAMS), each(setting, STREAMS)];
    return {
      ...read(setting),
      kind: 'get-batch',
      by: 'http2',
      batch: keys,
      streams,
      clients,
      order: 'completion',
      rate: 0,
    };
  };
  // Every process that answers GETs has a cache of its own, which takes what was read twice.
  const cached = 2 * readSpec(contest, 1, bytes).count;
  // The code is the same for all sizes.
  const warm = (objects: number): number => (bytes === Math.min(...sizes) ? objects : 0);
  const kinds: Kind[] = [
    {
      ...{
        verb: 'get',
        load: `S3 GET ${size}`,
        isJudged: true,
        isPut: false,
        warmObjects: Math.max(warm(25_000), cached),
      },
      order: (setting) => ({ ...read(setting), kind: 's3-get', connections: GETS * setting.count }),
    },
    {
      ...{
        verb: 'get-batch',
        load: `GetBatch ${batch} x ${size}`,
        isJudged: true,
        isPut: false,
        warmObjects: warm(20_000),
      },
      order: (setting) => batches(setting, batch),
    },
    {
      ...{ verb: 'put', load: `S3 PUT ${size}`, isJudged: true, isPut: true, warmObjects: warm(10_000) },
      order: (setting, nth) => ({ ...write(setting, nth, 'put'), kind: 's3-put', connections: PUTS * setting.count }),
    },
    {
      ...{ verb: 'put-batch', load: `PutBatch ${size}`, isJudged: true, isPut: true, warmObjects: warm(10_000) },
      order: (setting, nth) => {
        const [streams, clients] = [each(setting, STREAMS), each(setting, STREAMS / 2)];
        return { ...write(setting, nth, 'batch'), kind: 'put-batch', streams, clients };
      },
    },
  ];
  if (what === 'workers' || bytes !== Math.min(...sizes)) return kinds;
  const split = `one batch of ${batch} x ${size} over all stores`;
  const order = (setting: Setting): LoadOrder => batches(setting, Math.max(1, Math.round(batch / setting.count)));
  return [...kinds, { verb: 'get-batch', load: split, isJudged: false, isPut: false, warmObjects: 0, order }];
}

export interface Contested {
  readonly series: readonly Series[];
  readonly scaled: readonly ScaledLoad[];
}

async function allQuiet({ targets }: Setting): Promise<void> {
  for (const target of targets) await target.untilQuiet();
}

export async function measureAll(contest: Contest): Promise<Contested> {
  const { context, loads, what, settings, sizes, rounds } = contest;
  const kinds = sizes.flatMap((bytes) => kindsOf(contest, bytes)).filter(({ verb }) => contest.verbs.includes(verb));
  const nameOf = ({ load }: Kind, { count }: Setting): string => `${load}, ${count} ${what}`;
  const contenders = kinds.flatMap((kind) =>
    settings.map((setting) =>
      contenderOf(context, loads, {
        name: nameOf(kind, setting),
        warmObjects: kind.warmObjects * setting.targets.length * (what === 'workers' ? setting.count : 1),
        warmSeconds: contest.warmSeconds,
        turn: (nth) => ({
          ...{ target: 'penstock', load: kind.load, at: { [what]: setting.count } },
          order: kind.order(setting, nth),
          pids: () => setting.targets.flatMap((target) => target.pids()),
          ...(kind.isPut ? { settle: () => allQuiet(setting) } : {}),
        }),
      }),
    ),
  );
  await alternate(contenders, 1);
  const series = await alternate(contenders, rounds, (round, name, measures) => {
    context.progress.tell(`round ${round}  ${name}: ${(measures[CPU] ?? Number.NaN).toFixed(1)} µs an object`);
  });
  const scaled = kinds.map((kind) => ({
    load: kind.load,
    isJudged: kind.isJudged,
    at: settings.map((setting) => ({ count: setting.count, contender: nameOf(kind, setting) })),
  }));
  return { series, scaled };
}
