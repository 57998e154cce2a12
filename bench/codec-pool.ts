/**
 * What the threads of the codec pool cost an object, beside decoding it where one stands, by how many objects a call has. And what a
 * thread is: its start with all codecs, and its memory.
 */
import { randomBytes } from 'node:crypto';
import { CodecPool } from '../src/codec/codec-pool.ts';
import { codecSetOf } from '../src/codec/codec-set.ts';
import { loadCodecs } from '../src/codec/codecs.ts';
import { directCoder } from '../src/codec/direct-coder.ts';
import { type Coder, type DecodeItem, PAYLOAD_CODEC, type Profile } from '../src/codec/object-coding.ts';
import { crc32Of } from '../src/format/crc32.ts';
import { BenchError, type OptionValues, parseNumbers, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { memoryOf } from './measure/processes.ts';
import { Report, tellRun } from './measure/report.ts';
import { alternate, type Contender, type Measures } from './measure/rounds.ts';

const OPTIONS = {
  kb: ['25,500', 'sizes of objects, in 1000 bytes'],
  calls: ['1,16,256', 'objects of one call'],
  bytes: [64_000_000, 'original bytes that are decoded in one turn'],
  threads: [2, 'threads of the pool'],
  profile: ['default', 'default or max-ratio'],
  ...ROUND_OPTIONS,
} as const;
type Options = OptionValues<typeof OPTIONS>;

/** As many different objects as this are decoded in turn: more than the caches of a core hold. */
const OBJECTS = 64;

/** A file of NumPy with a smooth picture of 12 bits and some noise, as scanners make them. */
function picture(bytes: number): Buffer {
  const width = 256;
  const height = Math.max(1, Math.floor((bytes - 128) / 2 / width));
  const head = `{'descr': '<u2', 'fortran_order': False, 'shape': (${height}, ${width}), }`.padEnd(117);
  const file = Buffer.allocUnsafe(128 + 2 * width * height);
  file.write(`\x93NUMPY\x01\x00\x76\x00${head}\n`, 'latin1');
  const noise = randomBytes(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const smooth = 1500 + 900 * Math.sin(x / 40) * Math.cos(y / 30);
      file.writeUInt16LE(Math.round(smooth) + ((noise[y * width + x] as number) & 15), 128 + 2 * (y * width + x));
    }
  }
  return file;
}

async function encoded(coder: Coder, profile: Profile, bytes: number): Promise<DecodeItem[]> {
  const items: DecodeItem[] = [];
  for (let count = 0; count < OBJECTS; count++) {
    const original = picture(bytes);
    const [coded] = await coder.encode([{ bytes: original, options: { profile } }]);
    if (coded?.stored === undefined) throw new BenchError(`an object of ${bytes} bytes stayed raw`);
    const { codec, stored } = coded;
    items.push({ codec, stored, size: original.length, crc: crc32Of(original, 0), dictionary: undefined });
  }
  return items;
}

/** Decodes call after call until `bytes` are done. */
async function decodeAll(coder: Coder, items: readonly DecodeItem[], call: number, bytes: number): Promise<Measures> {
  const size = (items[0] as DecodeItem).size;
  const calls = Math.max(1, Math.round(bytes / size / call));
  const startedMs = performance.now();
  const started = process.cpuUsage();
  for (let done = 0; done < calls; done++) {
    const asked = Array.from({ length: call }, (_, index) => items[(done * call + index) % OBJECTS] as DecodeItem);
    for (const answer of await coder.decode(asked)) if (answer instanceof Error) throw answer;
  }
  const { user, system } = process.cpuUsage(started);
  const wallUs = (performance.now() - startedMs) * 1000;
  const objects = calls * call;
  return {
    'CPU an object, µs': (user + system) / objects,
    'time an object, µs': wallUs / objects,
    'MB/s': (objects * size) / wallUs,
  };
}

/** The first task of a new pool, and what the process has more of when the thread is there. */
async function startThread(item: DecodeItem): Promise<Measures> {
  const pool = new CodecPool({ threads: 1, isBackground: false });
  const before = memoryOf('self');
  const startedMs = performance.now();
  const started = process.cpuUsage();
  await pool.decode([item]);
  const { user, system } = process.cpuUsage(started);
  const tookMs = performance.now() - startedMs;
  const after = memoryOf('self');
  await pool.close();
  return {
    'time, ms': tookMs,
    'CPU, ms': (user + system) / 1000,
    'memory, MB': (after.anonymousBytes - before.anonymousBytes) / 1e6,
  };
}

async function measure(options: Options): Promise<void> {
  const report = new Report('codec-pool', options);
  const direct = directCoder(codecSetOf((await loadCodecs()).all));
  const pool = new CodecPool({ threads: options.threads, isBackground: false });
  for (const kb of parseNumbers('kb', options.kb)) {
    const items = await encoded(direct, options.profile === 'max-ratio' ? 'max-ratio' : 'default', kb * 1000);
    const contenders: Contender[] = [
      { name: `${kb} KB, no thread`, run: () => decodeAll(direct, items, 16, options.bytes) },
      ...parseNumbers('calls', options.calls).map((call) => ({
        name: `${kb} KB, calls of ${call}`,
        run: () => decodeAll(pool, items, call, options.bytes),
      })),
    ];
    await alternate(contenders, 1); // threads start and compilers warm up uncounted
    report.add(await alternate(contenders, options.rounds, tellRun));
    const [item] = items;
    if (item?.codec !== PAYLOAD_CODEC.raw && item !== undefined) {
      report.add(
        await alternate([{ name: `${kb} KB, a new thread`, run: () => startThread(item) }], options.rounds, tellRun),
      );
    }
  }
  await pool.close();
  report.remark(`One caller that waits for each of its calls; ${options.threads} threads. CPU counts all threads.`);
  report.remark(
    'A new thread: from the call to its answer, codecs loaded; memory that is nobody’s file, after one object.',
  );
  report.finish(options.json);
}

const PURPOSE = 'What the codec threads cost an object that is decoded, by objects of a call; and what a thread costs.';
await runBenchmark('codec-pool', PURPOSE, OPTIONS, measure);
