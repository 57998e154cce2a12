/**
 * Cold start of a whole gateway over a store with many objects: from the spawn of its process until /readyz answers 200, and until
 * the first signed GET is answered. The store is made once, through the store's own interface, and kept for later runs.
 *
 * Cold means two things here: only the store's files dropped from the page cache (any user can), and everything dropped (root
 * can), where Node itself must be read from disk again.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { BucketName } from '../src/base/names.ts';
import { Belongings } from './measure/belongings.ts';
import { diskOf } from './measure/machine.ts';
import { BenchError, type OptionValues, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { cpuSoFar, familyOf, memoryOf } from './measure/processes.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures } from './measure/rounds.ts';
import { openEmbedded, putMany } from './rig/embedded-store.ts';
import { bannerOf, gatewayStatus, spawnGateway } from './rig/gateway.ts';
import { keyAt, shuffledPosition } from './rig/index-content.ts';
import { dropFile, filesIn } from './rig/page-cache.ts';
import { freePort } from './rig/ports.ts';
import { RawConnection } from './rig/raw-connection.ts';
import { signedGet, signedPut } from './rig/signed-requests.ts';

const OPTIONS = {
  objects: [1_000_000, 'objects in the store'],
  bytes: [64, 'bytes of each object'],
  workers: [0, 'workers of the gateway; 0: one a core, as by default'],
  dir: ['', 'folder of the store, kept for later runs (default: one in the folder for temporary files)'],
  'no-drop': [false, 'never drop the whole page cache, which slows everything else on the machine'],
  ...ROUND_OPTIONS,
  rounds: [5, 'rounds; in each, every kind of start runs once'],
} as const;
type Options = OptionValues<typeof OPTIONS>;

const BUCKET = 'training' as BucketName;
const READY = 'to /readyz, ms';
const POLL_MS = 2;
const READY_MS_MAX = 120_000;
const TAIL_OBJECTS = 100;
const DROP_FILE = '/proc/sys/vm/drop_caches';
const MiB = 2 ** 20;

function bodyAt(position: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${position} `);
}

/** Makes the store unless the folder already holds the one that is asked for. */
async function makeStore(folder: string, { objects, bytes }: Options): Promise<void> {
  const marker = join(folder, 'content.json');
  const content = JSON.stringify({ objects, bytes });
  if (existsSync(marker)) {
    if (readFileSync(marker, 'utf8') === content) return;
    throw new BenchError(
      `${folder} holds another store (${readFileSync(marker, 'utf8')}); name another with --dir, or delete it.`,
    );
  }
  if (existsSync(join(folder, 'store')))
    throw new BenchError(
      `${folder} holds a store that was not finished; delete it, or name another folder with --dir.`,
    );
  mkdirSync(folder, { recursive: true });
  const startedMs = performance.now();
  const embedded = await openEmbedded(join(folder, 'store'));
  await embedded.store.buckets.create(BUCKET, 'owner', { acl: 'private' });
  const objectAt = (step: number) => {
    const position = shuffledPosition(step, objects);
    const body = bodyAt(position, bytes);
    return { key: keyAt(position), bytes: body, etag: createHash('md5').update(body).digest('hex') };
  };
  const tell = (done: number): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r  ${done.toLocaleString('en-US')} objects `);
  };
  await putMany(embedded.store, BUCKET, objects, objectAt, tell);
  await embedded.close();
  writeFileSync(marker, content);
  const seconds = (performance.now() - startedMs) / 1000;
  process.stderr.write(`  made a store of ${objects} objects in ${seconds.toFixed(0)} s\n`);
}

function isReady(admin: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(`${admin}/readyz`, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

/** One start, to the first object; then `meanwhile` runs, and the gateway is stopped or killed. */
async function startOnce(folder: string, options: Options, owned: Belongings, end: 'stop' | 'kill'): Promise<Measures> {
  const adminPort = await freePort();
  const admin = `http://127.0.0.1:${adminPort}`;
  const startedMs = performance.now();
  const child = spawnGateway(owned, {
    dir: join(folder, 'store'),
    workers: options.workers,
    cores: cpus().length,
    adminPort,
  });
  const banner = bannerOf(child);
  banner.catch(() => {}); // awaited below
  while (!(await isReady(admin))) {
    if (child.exitCode !== null) await banner;
    if (performance.now() - startedMs > READY_MS_MAX) throw new BenchError(`not ready after ${READY_MS_MAX / 1000} s`);
    await pause(POLL_MS);
  }
  const readyMs = performance.now() - startedMs;
  const port = Number(new URL((await banner).s3).port);
  const connection = await RawConnection.open(port);
  const host = `127.0.0.1:${port}`;
  const position = Math.floor(Math.random() * options.objects);
  const answer = await connection.exchange(signedGet(`/${BUCKET}/${keyAt(position)}`, host, Date.now()));
  const firstMs = performance.now() - startedMs;
  if (answer.status !== 200 || !answer.body.equals(bodyAt(position, options.bytes)))
    throw new BenchError(`the first GET was answered with ${answer.status}: ${answer.body.toString()}`);
  const family = familyOf(child.pid as number);
  const cpu = cpuSoFar(family);
  const memory = await memoryOfRoles(admin);
  if (end === 'kill') await writeAndKill(connection, host, family, child);
  else {
    connection.close();
    await owned.end(child);
  }
  return { [READY]: readyMs, 'to the first GET, ms': firstMs, 'CPU, ms': (cpu.user + cpu.system) * 1000, ...memory };
}

/** Memory that is nobody's file, of the keeper and the first worker. */
async function memoryOfRoles(admin: string): Promise<Measures> {
  const { keeper, workers } = await gatewayStatus(admin);
  const measures: Record<string, number> = {};
  for (const { name, pid } of [keeper, ...workers.slice(0, 1)]) {
    if (pid === undefined) continue;
    const { anonymousBytes, fileBytes } = memoryOf(pid);
    measures[`${name} RssAnon, MiB`] = anonymousBytes / MiB;
    measures[`${name} RssFile, MiB`] = fileBytes / MiB;
  }
  return measures;
}

/** Leaves a volume open behind, with records in it, as a crash does. */
async function writeAndKill(
  connection: RawConnection,
  host: string,
  family: readonly number[],
  child: ReturnType<typeof spawnGateway>,
): Promise<void> {
  for (let i = 0; i < TAIL_OBJECTS; i += 1) {
    const body = Buffer.from('written before the crash');
    const { status } = await connection.exchange(
      signedPut(`/${BUCKET}/zz-tail-${i}`, host, Date.now(), body.length),
      body,
    );
    if (status !== 200) throw new BenchError(`a PUT was answered with ${status}`);
  }
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (const pid of family) process.kill(pid, 'SIGKILL');
  await ended;
  connection.close();
}

/** @returns why not, or `undefined` when everything was dropped */
function dropEverything(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can drop the whole page cache';
  spawnSync('sync');
  try {
    writeFileSync(DROP_FILE, '3\n');
    return undefined;
  } catch (error) {
    return `${DROP_FILE} cannot be written here (${(error as NodeJS.ErrnoException).code})`;
  }
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const folder = options.dir === '' ? join(tmpdir(), `penstock-bench-start-${options.objects}`) : options.dir;
  const report = new Report('start', { ...options, dir: folder });
  await makeStore(folder, options);
  const start = (end: 'stop' | 'kill' = 'stop') => startOnce(folder, options, owned, end);
  await start(); // settles what an earlier run may have left
  const contenders: Contender[] = [
    { name: 'page cache warm', run: () => start() },
    {
      name: "store's files dropped",
      run: () => {
        for (const path of filesIn(join(folder, 'store'))) dropFile(path);
        return start();
      },
    },
    {
      name: 'after kill -9 of everything',
      run: async () => {
        await start('kill');
        return start();
      },
    },
  ];
  const whyNot = options['no-drop'] ? '--no-drop' : dropEverything();
  if (whyNot !== undefined) report.remark(`The whole page cache was not dropped: ${whyNot}.`);
  else {
    contenders.push({
      name: 'everything dropped',
      run: () => {
        dropEverything();
        return start();
      },
    });
  }
  report.add(await alternate(contenders, options.rounds, tellRun));
  report.remark(`Store: ${folder}, on ${diskOf(folder)}; it is kept. /readyz was asked every ${POLL_MS} ms.`);
  report.finish(options.json);
}

const PURPOSE = 'Cold start of a gateway over a store with many objects: from spawn to ready.';
await runBenchmark('start', PURPOSE, OPTIONS, async (options) => {
  const owned = new Belongings();
  try {
    await measure(options, owned);
  } finally {
    await owned.dispose();
  }
});
