/**
 * The read path in one process, below the fronts: LocalObjects.get from the RAM cache and from the page cache, against the least
 * that could be done for the same bytes: a pread into a new buffer and its CRC. All in turns, keys in random order.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from '@node-rs/crc32';
import type { BucketName, ObjectKey } from '../src/base/names.ts';
import type { LocalStore } from '../src/store/local-store.ts';
import { Belongings } from './measure/belongings.ts';
import { BenchError, type OptionValues, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures, ratioOf } from './measure/rounds.ts';
import { type Embedded, openEmbedded, putMany } from './rig/embedded-store.ts';

const OPTIONS = {
  objects: [1000, 'objects of each size'],
  reads: [10_000, 'reads in one turn'],
  dir: [tmpdir(), 'folder on the disk to use; the benchmark makes and removes its own in it'],
  ...ROUND_OPTIONS,
} as const;
type Options = OptionValues<typeof OPTIONS>;

const KIB_SIZES = [4, 16, 64, 256];
const BUCKET = 'images' as BucketName;
const CPU = 'CPU a read, µs';

function keyOf(position: number): ObjectKey {
  return `train/${String(position % 50).padStart(4, '0')}/image_${String(position).padStart(6, '0')}.bin` as ObjectKey;
}

/** Runs `read` so many times, each awaited, and checks each length. */
async function timed(reads: number, length: number, read: () => Promise<Buffer> | Buffer): Promise<Measures> {
  const startedMs = performance.now();
  const started = process.cpuUsage();
  for (let i = 0; i < reads; i += 1) {
    const bytes = await read();
    if (bytes.length !== length) throw new BenchError(`a read gave ${bytes.length} bytes; expected ${length}`);
  }
  const { user, system } = process.cpuUsage(started);
  const wallUs = (performance.now() - startedMs) * 1000;
  return { [CPU]: (user + system) / reads, 'time a read, µs': wallUs / reads };
}

async function getWhole(store: LocalStore, objects: number): Promise<Buffer> {
  const read = await store.objects.get(BUCKET, keyOf(Math.floor(Math.random() * objects)), {});
  if (read === undefined || !('body' in read) || !Buffer.isBuffer(read.body)) throw new BenchError('a read failed');
  return read.body;
}

/** Objects one behind the other in a file, as they lie in a volume, and nothing else. */
function bareReader(path: string, bodies: readonly Buffer[]): { read: () => Buffer; close: () => void } {
  writeFileSync(path, Buffer.concat(bodies));
  const fd = openSync(path, 'r');
  const length = bodies[0]?.length ?? 0;
  const crcs = bodies.map((body) => crc32(body));
  const read = (): Buffer => {
    const position = Math.floor(Math.random() * bodies.length);
    const bytes = Buffer.allocUnsafeSlow(length);
    readSync(fd, bytes, 0, length, position * length);
    if (crc32(bytes) !== crcs[position]) throw new BenchError('the bare read gave other bytes');
    return bytes;
  };
  return { read, close: () => closeSync(fd) };
}

async function measureSize(options: Options, folder: string, kib: number, report: Report): Promise<void> {
  const length = kib * 1024;
  const bodies = Array.from({ length: options.objects }, () => randomBytes(length));
  const embedded = await openEmbedded(join(folder, `store-${kib}`));
  await fill(embedded, bodies);
  const cached = embedded.reader('cached', 4 * length * options.objects);
  const uncached = embedded.reader('uncached', undefined);
  const bare = bareReader(join(folder, `bare-${kib}`), bodies);
  for (const store of [cached, uncached]) await verify(store, bodies);
  const size = `${kib} KiB`;
  const names = { cached: `${size}, RAM cache`, uncached: `${size}, page cache`, bare: `${size}, bare pread and CRC` };
  const { reads } = options;
  const contenders: Contender[] = [
    { name: names.cached, run: () => timed(reads, length, () => getWhole(cached, options.objects)) },
    { name: names.uncached, run: () => timed(reads, length, () => getWhole(uncached, options.objects)) },
    { name: names.bare, run: () => timed(reads, length, bare.read) },
  ];
  await alternate(contenders, 1); // compilers warm up uncounted
  const series = await alternate(contenders, options.rounds, tellRun);
  report.add(series);
  report.addRatio(ratioOf(series, CPU, names.uncached, names.bare));
  report.addRatio(ratioOf(series, CPU, names.cached, names.bare));
  bare.close();
  await embedded.close();
}

async function fill(embedded: Embedded, bodies: readonly Buffer[]): Promise<void> {
  await embedded.store.buckets.create(BUCKET, 'owner', { acl: 'private' });
  await putMany(embedded.store, BUCKET, bodies.length, (position) => {
    const bytes = bodies[position] as Buffer;
    return { key: keyOf(position), bytes, etag: createHash('md5').update(bytes).digest('hex') };
  });
}

async function verify(store: LocalStore, bodies: readonly Buffer[]): Promise<void> {
  for (const [position, body] of bodies.entries()) {
    const read = await store.objects.get(BUCKET, keyOf(position), {});
    const same = read !== undefined && 'body' in read && Buffer.isBuffer(read.body) && read.body.equals(body);
    if (!same) throw new BenchError(`${keyOf(position)} did not come back as it was stored`);
  }
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const folder = owned.temporaryFolder(options.dir);
  const report = new Report('read', options);
  for (const kib of KIB_SIZES) await measureSize(options, folder, kib, report);
  report.remark(
    'One process, one read at a time; the page cache holds everything. CPU counts all threads, garbage collection too.',
  );
  report.finish(options.json);
}

const PURPOSE = 'CPU of a read of a whole object in one process, from RAM cache and page cache, against pread and CRC.';
await runBenchmark('read', PURPOSE, OPTIONS, async (options) => {
  const owned = new Belongings();
  try {
    await measure(options, owned);
  } finally {
    await owned.dispose();
  }
});
