/**
 * The index alone: bytes a key, inserts and look-ups a second, and what a process that reads it holds in memory. Two indexes are
 * made through the store's own IndexDatabase: one of keys in order in big transactions, as a rebuild or an import makes it, and
 * one of keys in random order, whose last groups are inserted 64 at a time, as the keeper commits. Readers open the second, with its
 * pages in memory and then with its pages on disk alone.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Applier } from '../src/store/applier.ts';
import { IndexDatabase } from '../src/store/index-database.ts';
import { Belongings } from './measure/belongings.ts';
import { diskOf } from './measure/machine.ts';
import { BenchError, type OptionValues, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures, ratioOf } from './measure/rounds.ts';
import { isColdReader, measureColdIndex } from './rig/cold-index.ts';
import { attributesWith, BUCKET, headAt, insertAt, placeOf, shuffledPosition } from './rig/index-content.ts';
import { type LookUpPath, type ReadOrder, type ReadReply, serveReadOrders } from './rig/index-reader.ts';

const OPTIONS = {
  keys: [1_000_000, 'keys of each index'],
  bulk: [10_000, 'inserts in one transaction while an index is made'],
  group: [64, 'inserts in one transaction of the groups that are measured'],
  groups: [100, 'groups in one turn'],
  'look-ups': [200_000, 'look-ups in one turn'],
  'cold-batches': [100, 'batches of look-ups in one turn on a cold index; 0: none'],
  'cold-batch': [256, 'look-ups in one batch'],
  'no-checksums': [false, 'entries of objects without a stored checksum'],
  dir: [tmpdir(), 'folder on the disk to measure; the benchmark makes and removes its own in it'],
  ...ROUND_OPTIONS,
} as const;
type Options = OptionValues<typeof OPTIONS>;

const AS_READER = '--as-reader';
const SELF = fileURLToPath(import.meta.url);
const INSERTS = 'inserts a second';
const LOOK_UPS = 'look-ups a second';
const LOOK_UP_CPU = 'CPU a look-up, µs';
const MiB = 2 ** 20;
/** Key and entry without attributes. */
const ENTRY_BYTES = 120;

function openNew(folder: string): IndexDatabase {
  const index = IndexDatabase.open(folder, 'write');
  index.transaction(() => index.setBucket(BUCKET));
  return index;
}

/** Inserts what `positionAt` says for steps of [start, end). */
function insertRange(
  index: IndexDatabase,
  start: number,
  end: number,
  batch: number,
  insert: (step: number) => void,
): number {
  const startedMs = performance.now();
  for (let from = start; from < end; from += batch) {
    const to = Math.min(end, from + batch);
    index.transaction(() => {
      for (let step = from; step < to; step += 1) insert(step);
    });
    if (process.stderr.isTTY)
      process.stderr.write(`\r  ${to.toLocaleString('en-US')} of ${end.toLocaleString('en-US')} `);
  }
  return (end - start) / ((performance.now() - startedMs) / 1000);
}

function reportSize(report: Report, name: string, index: IndexDatabase, folder: string, keys: number): void {
  const { entries, bytes } = index.objectStats();
  if (entries !== keys) throw new BenchError(`${name} holds ${entries} keys; expected ${keys}`);
  report.addValue(name, 'bytes a key, used pages', bytes / keys);
  report.addValue(name, 'bytes a key, file', statSync(join(folder, 'data.mdb')).size / keys);
}

async function makeSorted(options: Options, folder: string, attributes: Buffer, report: Report): Promise<void> {
  const index = openNew(folder);
  const rate = insertRange(index, 0, options.keys, options.bulk, (step) => insertAt(index, step, attributes));
  report.addValue('sorted', `${INSERTS}, ${options.bulk} in a transaction`, rate);
  reportSize(report, 'sorted', index, folder, options.keys);
  await index.close();
}

/** One group after the other from `next` on, each flushed. */
function groupTurn(
  index: IndexDatabase,
  options: Options,
  insert: (step: number) => void,
  take: (count: number) => number,
): Measures {
  const count = options.group * options.groups;
  const start = take(count);
  const startedCpu = process.cpuUsage();
  const rate = insertRange(index, start, start + count, options.group, insert);
  const cpu = process.cpuUsage(startedCpu);
  return {
    [INSERTS]: rate,
    'group, ms': (options.group * 1000) / rate,
    'CPU an insert, µs': (cpu.user + cpu.system) / count,
  };
}

/** The disk's part of a group: as many bytes as its entries take, appended and flushed. */
function floorTurn(fd: number, options: Options, bytesPerKey: number): Measures {
  const bytes = Buffer.alloc(Math.ceil(options.group * bytesPerKey), 1);
  const startedMs = performance.now();
  for (let i = 0; i < options.groups; i += 1) {
    writeSync(fd, bytes);
    fdatasyncSync(fd);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return { [INSERTS]: (options.group * options.groups) / seconds, 'group, ms': (seconds * 1000) / options.groups };
}

async function makeRandom(options: Options, folder: string, attributes: Buffer, report: Report): Promise<void> {
  const { keys, bulk, group, groups, rounds } = options;
  const index = openNew(folder);
  const measured = 2 * (rounds + 1) * group * groups;
  if (measured > keys) throw new BenchError(`--keys is ${keys}; the groups of all rounds need ${measured}.`);
  const positionAt = (step: number): number => shuffledPosition(step, keys);
  const insert = (step: number): void => insertAt(index, positionAt(step), attributes);
  const rate = insertRange(index, 0, keys - measured, bulk, insert);
  report.addValue('random', `${INSERTS}, ${bulk} in a transaction`, rate);
  const applier = new Applier(index, () => ({ extents: [], parts: [] }), 'live');
  const apply = (step: number): void => {
    const head = headAt(positionAt(step), attributes);
    applier.apply(head, placeOf(positionAt(step), head));
  };
  let next = keys - measured;
  const take = (count: number): number => {
    next += count;
    return next - count;
  };
  const path = join(folder, 'floor');
  const fd = openSync(path, 'w');
  const contenders: Contender[] = [
    { name: `random, groups of ${group}`, run: () => groupTurn(index, options, insert, take) },
    { name: `random, groups of ${group}, as the keeper applies`, run: () => groupTurn(index, options, apply, take) },
    { name: 'bare append and fdatasync', run: () => floorTurn(fd, options, ENTRY_BYTES + attributes.length) },
  ];
  await alternate(contenders, 1); // the first groups pay for the pages that the big transactions freed
  const series = await alternate(contenders, rounds, tellRun);
  closeSync(fd);
  rmSync(path);
  report.add(series);
  for (const { name } of contenders.slice(0, 2))
    report.addRatio(ratioOf(series, INSERTS, name, 'bare append and fdatasync', 'more'));
  reportSize(report, 'random', index, folder, keys);
  await index.close();
}

class Reader {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor() {
    this.#child = fork(SELF, [AS_READER], { execArgv: [...process.execArgv, '--expose-gc'] });
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new BenchError('the reader of the index ended.');
    });
    this.#ended.catch(() => {}); // at its stop nobody waits
  }

  async ask(order: ReadOrder): Promise<ReadReply> {
    const answered = once(this.#child, 'message') as Promise<[ReadReply]>;
    this.#child.send(order);
    const [reply] = await Promise.race([answered, this.#ended]);
    return reply;
  }

  async lookUps(path: LookUpPath, count: number): Promise<Measures> {
    const reply = await this.ask({ kind: 'look-ups', path, count });
    return reply.kind === 'look-ups' ? { [LOOK_UPS]: reply.perSecond, [LOOK_UP_CPU]: reply.cpuUs } : {};
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

async function read(options: Options, folder: string, report: Report): Promise<void> {
  const reader = new Reader();
  const before = await reader.ask({ kind: 'open', folder, keys: options.keys });
  const count = options['look-ups'];
  const contender = (name: string, path: LookUpPath): Contender => ({ name, run: () => reader.lookUps(path, count) });
  const contenders = [
    contender('look-up as the store does', 'present'),
    contender('look-up of an absent key', 'absent'),
    contender('bare LMDB read', 'bare'),
  ];
  await alternate(contenders, 1); // warms compilers and the page cache
  await reader.lookUps('present', Math.min(options.keys, 5 * count));
  const series = await alternate(contenders, options.rounds, tellRun);
  report.add(series);
  report.addRatio(ratioOf(series, LOOK_UP_CPU, 'look-up as the store does', 'bare LMDB read'));
  const after = await reader.ask({ kind: 'rest' });
  if (before.kind === 'memory' && after.kind === 'memory') {
    report.addValue('reader before it opens the index', 'RssAnon, MiB', before.memory.anonymousBytes / MiB);
    report.addValue('reader at rest, index open and touched', 'RssAnon, MiB', after.memory.anonymousBytes / MiB);
    report.addValue(
      'reader at rest, index open and touched',
      'RssFile (page cache), MiB',
      after.memory.fileBytes / MiB,
    );
  }
  await reader.stop();
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const folder = owned.temporaryFolder(options.dir);
  const report = new Report('index', { ...options, disk: diskOf(folder) });
  const attributes = attributesWith(!options['no-checksums']);
  const sorted = join(folder, 'sorted');
  await makeSorted(options, sorted, attributes, report);
  rmSync(sorted, { recursive: true });
  const random = join(folder, 'random');
  await makeRandom(options, random, attributes, report);
  await read(options, random, report);
  if (options['cold-batches'] > 0) {
    const { keys, rounds, 'cold-batch': batch, 'cold-batches': batches } = options;
    await measureColdIndex({ self: SELF, folder: random, keys, batch, batches, rounds }, report);
  }
  report.remark(
    `Disk: ${diskOf(folder)}. Every transaction was flushed. Keys have 35 bytes, attributes ${attributes.length}.`,
  );
  report.remark(
    'The reader runs from source: what it holds before it opens the index is Node and the loader of TypeScript.',
  );
  report.finish(options.json);
}

const PURPOSE = 'Inserts, look-ups, bytes a key and memory of the index alone.';
if (process.argv[2] === AS_READER) serveReadOrders();
else if (!isColdReader()) {
  await runBenchmark('index', PURPOSE, OPTIONS, async (options) => {
    const owned = new Belongings();
    try {
      await measure(options, owned);
    } finally {
      await owned.dispose();
    }
  });
}
