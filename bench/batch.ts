/**
 * A batch below the fronts, in one process: LocalObjects.getBatch into a buffer that is used again, against `get` one by one, against
 * the least that could be done for the same bytes: a pread of each object into such a buffer, and its CRC. All in turns, on one set of
 * objects that the page cache holds, in random order as an epoch of training reads them; no RAM cache.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from '@node-rs/crc32';
import type { BatchRef } from '../src/base/batch-read.ts';
import { LIMITS } from '../src/base/limits.ts';
import type { BucketName, ObjectKey } from '../src/base/names.ts';
import type { LocalStore } from '../src/store/local-store.ts';
import { Belongings } from './measure/belongings.ts';
import { BenchError, type OptionValues, parseNumbers, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures, ratioOf } from './measure/rounds.ts';
import { openEmbedded, putMany } from './rig/embedded-store.ts';
import { Epoch } from './rig/epoch.ts';

const OPTIONS = {
  sizes: ['4,10,16,64,320', 'sizes of objects in KiB'],
  batch: [256, 'objects of a batch'],
  objects: [10_000, 'objects of each size, fewer where they are more than 256 MiB'],
  reads: [20_000, 'objects that are read in one turn, fewer where they are more than 1 GiB'],
  dir: [tmpdir(), 'folder on the disk to use; the benchmark makes and removes its own in it'],
  ...ROUND_OPTIONS,
} as const;
type Options = OptionValues<typeof OPTIONS>;

const BUCKET = 'images' as BucketName;
const CPU = 'CPU an object, µs';
const SET_BYTES_MAX = 256 * 1024 * 1024;
const TURN_BYTES_MAX = 1024 * 1024 * 1024;

function keyOf(position: number): ObjectKey {
  return `train/${String(position % 50).padStart(4, '0')}/image_${String(position).padStart(6, '0')}.bin` as ObjectKey;
}

/** Runs `readBatch` until so many objects were read, batch after batch of an endless shuffle. */
async function timed(
  epoch: Epoch,
  batch: number,
  reads: number,
  readBatch: (positions: readonly number[]) => Promise<void> | void,
): Promise<Measures> {
  const batches = Math.max(1, Math.round(reads / batch));
  const orders = Array.from({ length: batches }, () => epoch.take(batch));
  const startedMs = performance.now();
  const started = process.cpuUsage();
  for (const positions of orders) await readBatch(positions);
  const { user, system } = process.cpuUsage(started);
  const wallUs = (performance.now() - startedMs) * 1000;
  return { [CPU]: (user + system) / (batches * batch), 'time an object, µs': wallUs / (batches * batch) };
}

/** As the gRPC front pulls it: one buffer of a frame, used again. */
async function readByBatch(
  store: LocalStore,
  slab: Buffer,
  positions: readonly number[],
  length: number,
  see: (position: number, bytes: Buffer) => void = () => {},
): Promise<void> {
  const refs: BatchRef[] = positions.map((position) => ({ bucket: BUCKET, key: keyOf(position) }));
  const batch = store.objects.getBatch(refs, { order: 'completion' });
  let served = 0;
  for (;;) {
    const filled = batch.fill(slab, LIMITS.batchFrameEntriesMax);
    const entries = filled instanceof Promise ? await filled : filled;
    if (entries.length === 0) break;
    let at = 0;
    for (const entry of entries) {
      if (entry.error !== undefined) throw entry.error;
      see(positions[entry.slot] as number, slab.subarray(at, at + entry.length));
      at += entry.length;
    }
    served += at;
  }
  batch.close();
  if (served !== positions.length * length) throw new BenchError(`a batch gave ${served} bytes`);
}

async function readOneByOne(store: LocalStore, positions: readonly number[], length: number): Promise<void> {
  for (const position of positions) {
    const read = await store.objects.get(BUCKET, keyOf(position), {});
    if (read === undefined || !('body' in read) || !Buffer.isBuffer(read.body) || read.body.length !== length)
      throw new BenchError(`${keyOf(position)} could not be read`);
  }
}

/** Objects one behind the other in a file, as they lie in a volume, and nothing else. */
function bareReader(path: string, slab: Buffer, bodyAt: (position: number) => Buffer, count: number, length: number) {
  const out = openSync(path, 'w');
  const crcs = Array.from({ length: count }, (_, position) => {
    const body = bodyAt(position);
    writeSync(out, body);
    return crc32(body);
  });
  closeSync(out);
  const fd = openSync(path, 'r');
  const read = (positions: readonly number[]): void => {
    let at = 0;
    for (const position of positions) {
      if (at + length > slab.length) at = 0;
      const bytes = slab.subarray(at, at + length);
      readSync(fd, bytes, 0, length, position * length);
      if (crc32(bytes) !== crcs[position]) throw new BenchError('the bare read gave other bytes');
      at += length;
    }
  };
  return { read, close: () => closeSync(fd) };
}

async function measureSize(options: Options, folder: string, kib: number, report: Report): Promise<void> {
  const length = kib * 1024;
  const count = Math.max(options.batch, Math.min(options.objects, Math.floor(SET_BYTES_MAX / length)));
  const reads = Math.min(options.reads, Math.floor(TURN_BYTES_MAX / length));
  const block = randomBytes(length + count);
  const bodyAt = (position: number): Buffer => block.subarray(position, position + length);
  const embedded = await openEmbedded(join(folder, `store-${kib}`));
  await embedded.store.buckets.create(BUCKET, 'owner', { acl: 'private' });
  await putMany(embedded.store, BUCKET, count, (position) => {
    const bytes = bodyAt(position);
    return { key: keyOf(position), bytes, etag: createHash('md5').update(bytes).digest('hex') };
  });
  const store = embedded.reader('reader', undefined);
  const slab = Buffer.allocUnsafeSlow(LIMITS.batchFrameBytes);
  const bare = bareReader(join(folder, `bare-${kib}`), slab, bodyAt, count, length);
  const epoch = new Epoch(count);
  await readByBatch(store, slab, epoch.take(Math.min(count, 1024)), length, (position, bytes) => {
    if (!bytes.equals(bodyAt(position))) throw new BenchError(`${keyOf(position)} did not come back as it was stored`);
  });
  const names = { batch: `${kib} KiB, getBatch`, get: `${kib} KiB, get`, bare: `${kib} KiB, bare pread and CRC` };
  const contender = (name: string, read: (positions: readonly number[]) => Promise<void> | void): Contender => ({
    name,
    run: () => timed(epoch, Math.min(options.batch, count), reads, read),
  });
  const contenders = [
    contender(names.batch, (positions) => readByBatch(store, slab, positions, length)),
    contender(names.get, (positions) => readOneByOne(store, positions, length)),
    contender(names.bare, bare.read),
  ];
  await alternate(contenders, 2); // compilers and the page cache warm up uncounted
  const series = await alternate(contenders, options.rounds, tellRun);
  report.add(series);
  report.addRatio(ratioOf(series, CPU, names.batch, names.bare));
  report.addRatio(ratioOf(series, CPU, names.get, names.batch));
  bare.close();
  await embedded.close();
}

async function measure(options: Options, owned: Belongings): Promise<void> {
  const folder = owned.temporaryFolder(options.dir);
  const report = new Report('batch', options);
  for (const kib of parseNumbers('sizes', options.sizes)) await measureSize(options, folder, kib, report);
  report.remark(
    'One process, one batch at a time; the page cache holds everything. CPU counts all threads, garbage collection too.',
  );
  report.finish(options.json);
}

const PURPOSE = 'CPU of an object in a batch of the store alone, against get one by one, and against pread and CRC.';
await runBenchmark('batch', PURPOSE, OPTIONS, async (options) => {
  const owned = new Belongings();
  try {
    await measure(options, owned);
  } finally {
    await owned.dispose();
  }
});
