/**
 * CPU of a GET of a hot object over S3, against nginx that serves the same bytes from files, in the same run: servers on one
 * core, load on another, all in turns. Requests are signed anew for every turn, and every server's answers are compared with
 * what was stored before the first turn and after the last.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from '@node-rs/crc32';
import { Belongings } from './measure/belongings.ts';
import { BenchError, type OptionValues, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { cpuOf, familyOf } from './measure/processes.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Measures, ratioOf } from './measure/rounds.ts';
import { type Gateway, startGateway } from './rig/gateway.ts';
import { type Nginx, startNginx } from './rig/nginx.ts';
import { RawConnection } from './rig/raw-connection.ts';
import { presignedGet, signedGet, signedPut, unsignedGet } from './rig/signed-requests.ts';
import { Wrk } from './rig/wrk.ts';

const OPTIONS = {
  objects: [2000, 'objects'],
  bytes: [16 * 1024, 'bytes of each object'],
  connections: [16, 'kept connections of the load'],
  seconds: [3, 'length of one turn'],
  'server-core': [0, 'core of the servers'],
  'load-core': [1, 'core of the load'],
  only: ['', 'run only the contenders whose names contain this, without ratios'],
  profiles: ['', 'write CPU profiles of the gateway into this folder (figures are then higher)'],
  ...ROUND_OPTIONS,
} as const;
type Options = OptionValues<typeof OPTIONS>;

const CPU = 'CPU a request, µs';
const RATE = 'requests a second';
const CHECKS = 50;
const WRITERS = 32;

/** How objects are stored: as SDKs of today do it, with a checksum; without; and readable by everybody. */
const BUCKETS = ['checked', 'plain', 'open'] as const;
type Bucket = (typeof BUCKETS)[number];

interface Target {
  readonly name: string;
  readonly port: number;
  readonly pids: readonly number[];
  readonly bucket: Bucket;
  head(target: string, host: string): string;
}

function keyOf(position: number): string {
  return `train/n${String(position % 100).padStart(8, '0')}/image_${String(position).padStart(6, '0')}.bin`;
}

async function fill(gateway: Gateway, bodies: readonly Buffer[]): Promise<void> {
  const host = `127.0.0.1:${gateway.s3Port}`;
  const put = async (connection: RawConnection, target: string, body: Buffer, headers: Record<string, string>) => {
    const { status, body: text } = await connection.exchange(
      signedPut(target, host, Date.now(), body.length, headers),
      body,
    );
    if (status !== 200) throw new BenchError(`PUT ${target} was answered with ${status}: ${text.toString()}`);
  };
  const first = await RawConnection.open(gateway.s3Port);
  for (const bucket of BUCKETS) await put(first, `/${bucket}`, Buffer.alloc(0), {});
  first.close();
  let next = 0;
  const writer = async (): Promise<void> => {
    const connection = await RawConnection.open(gateway.s3Port);
    for (let i = next++; i < bodies.length; i = next++) {
      const body = bodies[i] as Buffer;
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc32(body));
      await put(connection, `/checked/${keyOf(i)}`, body, { 'x-amz-checksum-crc32': sum.toString('base64') });
      await put(connection, `/plain/${keyOf(i)}`, body, {});
      await put(connection, `/open/${keyOf(i)}`, body, { 'x-amz-acl': 'public-read' });
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

function writeFiles(files: string, bodies: readonly Buffer[]): void {
  for (const bucket of BUCKETS) {
    for (const [i, body] of bodies.entries()) {
      const path = join(files, bucket, keyOf(i));
      if (i < 100) mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, body);
    }
  }
}

/** All bodies on the first visit, which also warms what there is to warm; later some. */
async function check(target: Target, bodies: readonly Buffer[], count: number): Promise<void> {
  const connection = await RawConnection.open(target.port);
  for (let i = 0; i < count; i += 1) {
    const position = count === bodies.length ? i : Math.floor(Math.random() * bodies.length);
    const path = `/${target.bucket}/${keyOf(position)}`;
    const { status, body } = await connection.exchange(target.head(path, `127.0.0.1:${target.port}`));
    if (status !== 200 || !body.equals(bodies[position] as Buffer))
      throw new BenchError(`${target.name}: GET ${path} was answered with ${status} and ${body.length} other bytes.`);
  }
  connection.close();
}

async function turn(target: Target, wrk: Wrk, options: Options): Promise<Measures> {
  const host = `127.0.0.1:${target.port}`;
  const heads = Array.from({ length: options.objects }, (_, i) => target.head(`/${target.bucket}/${keyOf(i)}`, host));
  const { user, system, result } = await cpuOf(target.pids, () =>
    wrk.run(target.port, heads, options.connections, options.seconds),
  );
  if (result.failures > 0 || result.requests === 0 || result.bytes / result.requests < options.bytes)
    throw new BenchError(`${target.name}: not every answer was whole: ${JSON.stringify(result)}`);
  return {
    [CPU]: ((user + system) * 1e6) / result.requests,
    'of it in the kernel, µs': (system * 1e6) / result.requests,
    [RATE]: result.requests / result.seconds,
  };
}

function targetsOf(gateway: Gateway, workers: readonly number[], nginx: Nginx): Target[] {
  const signed = (path: string, host: string): string => signedGet(path, host, Date.now());
  const presigned = (path: string, host: string): string => presignedGet(path, host, Date.now());
  const ours = { port: gateway.s3Port, pids: workers };
  const theirs = { pids: familyOf(nginx.child.pid as number), bucket: 'checked', head: signed } as const;
  return [
    { name: 'penstock, signed', ...ours, bucket: 'checked', head: signed },
    { name: 'nginx', ...theirs, port: nginx.plainPort },
    { name: 'nginx, open_file_cache', ...theirs, port: nginx.cachingPort },
    { name: 'penstock, signed, no checksum stored', ...ours, bucket: 'plain', head: signed },
    { name: 'penstock, presigned', ...ours, bucket: 'checked', head: presigned },
    { name: 'penstock, anonymous', ...ours, bucket: 'open', head: unsignedGet },
  ];
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const cores = cpus().length;
  const folder = owned.temporaryFolder(tmpdir());
  const bodies = Array.from({ length: options.objects }, () => randomBytes(options.bytes));
  const report = new Report('s3-get', options);
  const core = options['server-core'];
  writeFiles(join(folder, 'files'), bodies);
  const nginx = await startNginx(owned, { folder, files: join(folder, 'files'), core, cores });
  const gateway = await startGateway(owned, {
    dir: join(folder, 'store'),
    workers: 1,
    core,
    cores,
    profiles: options.profiles,
  });
  await fill(gateway, bodies);
  const all = targetsOf(gateway, familyOf(gateway.child.pid as number), nginx);
  const targets = all.filter(({ name }) => name.includes(options.only));
  for (const target of targets) await check(target, bodies, bodies.length);
  const wrk = new Wrk(owned, { folder, core: options['load-core'], cores });
  const contenders = targets.map((target) => ({ name: target.name, run: () => turn(target, wrk, options) }));
  await alternate(contenders, 1); // compilers and caches warm up uncounted
  const series = await alternate(contenders, options.rounds, tellRun);
  for (const target of targets) await check(target, bodies, CHECKS);
  report.add(series);
  for (const { name } of targets) {
    if (!name.startsWith('penstock') || options.only !== '') continue;
    report.addRatio(ratioOf(series, CPU, name, 'nginx'));
    report.addRatio(ratioOf(series, CPU, name, 'nginx, open_file_cache'));
  }
  report.remark(
    'CPU is user and system time of every process of a server; nginx is sent the very requests that are signed.',
  );
  if (cores < 2) report.remark('This machine has one core: servers and load shared it.');
  report.finish(options.json);
}

const PURPOSE = 'CPU of a GET of a hot object over S3 on one worker, against nginx serving the same files.';
await runBenchmark('s3-get', PURPOSE, OPTIONS, async (options) => {
  const owned = new Belongings();
  try {
    await measure(options, owned);
  } finally {
    await owned.dispose();
  }
});
