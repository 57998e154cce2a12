/**
 * Look-ups in an index whose pages are on disk alone, and how long they keep the event loop of their process from everything else. A
 * fresh process reads each time, since pages that some process has mapped cannot be dropped.
 *
 * Batches of random keys are looked up as GetBatch does it (`BatchLookup`: timed groups, and pages read by the thread pool once one was
 * slow); by one `head` after the other; and by `head`s that let the event loop turn between them, as requests of their own would.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import type { BatchRef } from '../../src/base/batch-read.ts';
import type { BucketName } from '../../src/base/names.ts';
import { BatchLookup } from '../../src/store/batch-lookup.ts';
import { IndexDatabase } from '../../src/store/index-database.ts';
import { BucketTable, findEntry, IndexWarmth, type LocalEngine } from '../../src/store/local-engine.ts';
import { BenchError } from '../measure/options.ts';
import type { Report } from '../measure/report.ts';
import { tellRun } from '../measure/report.ts';
import { alternate, type Contender, type Measures, ratioOf } from '../measure/rounds.ts';
import { BUCKET, keyAt, PAYLOAD_BYTES } from './index-content.ts';
import { dropFile, residentBytes } from './page-cache.ts';

type ColdPath = 'batch' | 'heads' | 'heads in turns';

interface ColdOrder {
  readonly folder: string;
  readonly keys: number;
  readonly path: ColdPath;
  readonly batch: number;
  readonly batches: number;
}

type ColdReply = { readonly result: Measures } | { readonly failure: string };

const LOOK_UPS = 'look-ups a second';
const MAX = 'event loop delay max, ms';
const P99 = 'event loop delay p99, ms';
const BATCH = 'batch, ms';
const RESOLUTION_MS = 1;
const AS_COLD_READER = '--as-cold-reader';

// --- the process that reads ---

/** Looks one batch up. @returns how many were found */
type LookUp = (refs: readonly BatchRef[]) => Promise<number>;

function lookUpBy(path: ColdPath, index: IndexDatabase): LookUp {
  // Only what a look-up touches.
  const engine = { index, buckets: new BucketTable(index), warmth: new IndexWarmth() } as LocalEngine;
  const isThere = ({ bucket, key }: BatchRef): boolean =>
    findEntry(engine, engine.buckets.get(bucket).id, key)?.size === PAYLOAD_BYTES;
  if (path === 'batch') {
    return async (refs) => {
      const lookup = new BatchLookup(engine, refs, { takesPlain: true });
      let found = 0;
      while (!lookup.isDone) {
        const { plain } = await lookup.next();
        for (let rank = 0; rank < plain.count; rank += 1) if (plain.info(rank).size === PAYLOAD_BYTES) found += 1;
      }
      return found;
    };
  }
  return async (refs) => {
    let found = 0;
    for (const ref of refs) {
      if (isThere(ref)) found += 1;
      if (path === 'heads in turns') await turn();
    }
    return found;
  };
}

async function obey({ folder, keys, path, batch, batches }: ColdOrder): Promise<Measures> {
  const index = IndexDatabase.open(folder, 'read');
  const lookUp = lookUpBy(path, index);
  const randomRef = (): BatchRef => ({
    bucket: BUCKET.name as BucketName,
    key: keyAt(Math.floor(Math.random() * keys)),
  });
  const lists = Array.from({ length: batches }, () => Array.from({ length: batch }, randomRef));
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  await turn();
  const startedMs = performance.now();
  for (const refs of lists) {
    const found = await lookUp(refs);
    if (found !== refs.length)
      throw new Error(`${refs.length - found} of ${refs.length} keys were not found (${path})`);
    await turn(); // the front sends what it has
  }
  const tookMs = performance.now() - startedMs;
  await turn();
  delay.disable();
  await index.close();
  // The histogram holds the sampling interval too.
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  return {
    [LOOK_UPS]: (batch * batches * 1000) / tookMs,
    [BATCH]: tookMs / batches,
    [P99]: ms(delay.percentile(99)),
    [MAX]: ms(delay.max),
  };
}

/** Serves one order of the parent, where this process was started for it. */
export function isColdReader(): boolean {
  if (process.argv[2] !== AS_COLD_READER) return false;
  process.once('message', (order: ColdOrder) => {
    const send = (reply: ColdReply): void => void process.send?.(reply, () => process.disconnect());
    obey(order).then(
      (result) => send({ result }),
      (error: unknown) => send({ failure: String(error) }),
    );
  });
  return true;
}

// --- the benchmark ---

async function readCold(self: string, order: ColdOrder): Promise<Measures> {
  const data = join(order.folder, 'data.mdb');
  const child: ChildProcess = fork(self, [AS_COLD_READER], { execArgv: process.execArgv });
  await once(child, 'spawn');
  dropFile(data);
  const held = residentBytes([data]);
  const ended = once(child, 'exit');
  child.send(order);
  const [reply] = (await Promise.race([once(child, 'message'), ended])) as [ColdReply | number | null];
  if (reply === null || typeof reply === 'number') throw new BenchError('the reader of the cold index ended.');
  if ('failure' in reply) throw new BenchError(reply.failure);
  await ended;
  return { ...reply.result, ...(held !== undefined && { 'index in the page cache before, MiB': held / 2 ** 20 }) };
}

/** @param options `self`: the benchmark, which asks `isColdReader`; the index in `folder` is closed */
export async function measureColdIndex(
  options: {
    readonly self: string;
    readonly folder: string;
    readonly keys: number;
    readonly batch: number;
    readonly batches: number;
    readonly rounds: number;
  },
  report: Report,
): Promise<void> {
  const { self, folder, keys, batch, batches, rounds } = options;
  const contender = (name: string, path: ColdPath): Contender => ({
    name: `cold, ${name}`,
    run: () => readCold(self, { folder, keys, path, batch, batches }),
  });
  const contenders = [
    contender(`batches of ${batch}`, 'batch'),
    contender('one head after the other', 'heads'),
    contender('one head a turn of the loop', 'heads in turns'),
  ];
  const series = await alternate(contenders, rounds, tellRun);
  report.add(series);
  const [ours, ...others] = contenders.map(({ name }) => name) as [string, ...string[]];
  for (const other of others) {
    report.addRatio(ratioOf(series, MAX, ours, other));
    report.addRatio(ratioOf(series, LOOK_UPS, ours, other, 'more'));
  }
  report.remark('Cold: data.mdb was dropped from the page cache, and a fresh process looked random keys up.');
}
