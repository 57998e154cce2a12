/**
 * What compression makes of a folder of images: ratio and speed of one core, by class of content and by folder, in both profiles and with
 * plain zstd beside them in the same run. Objects are cut, examined and given dictionaries as the store does it, and what is counted is what
 * their records take in a volume, as `penstock status` does. Every object is decoded and its SHA-256 compared; one that differs ends the benchmark.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type CodecSet, codecSetOf } from '../src/codec/codec-set.ts';
import { loadCodecs } from '../src/codec/codecs.ts';
import { decodePayload } from '../src/codec/decode-payload.ts';
import { directCoder } from '../src/codec/direct-coder.ts';
import { encodeObject } from '../src/codec/encode-object.ts';
import type { Encoded, Profile } from '../src/codec/object-coding.ts';
import { CODEC, type PlaneCodec } from '../src/codec/plane-codec.ts';
import { CLASS_NAMES, CLASS_TITLES, CONTENT_CLASS, type ContentClass } from '../src/format/content.ts';
import { crc32Of } from '../src/format/crc32.ts';
import { headLength, recordLength } from '../src/format/record.ts';
import { BenchError, type OptionValues, ROUND_OPTIONS, runBenchmark } from './measure/options.ts';
import { Report, type ReportData } from './measure/report.ts';
import { barChartSvg } from './rig/bar-chart.ts';
import { type CorpusObject, corpusOf, type File, type Piece, selectFiles } from './rig/compression-corpus.ts';
import { CONTENDERS, type Coded, type Contender, Tallies, type Tally, tallyRows } from './rig/compression-tally.ts';

const OPTIONS = {
  ...ROUND_OPTIONS,
  rounds: [3, 'rounds; in each, every contender codes and decodes the object once'],
  files: [10_000, 'files at most; those that come later by name are left out'],
  mb: [1000, 'bytes of all files at most, in 10^6'],
  svg: ['', 'also draw the ratios by class into this file'],
} as const;
type Options = OptionValues<typeof OPTIONS>;

const SAMPLES = fileURLToPath(new URL('../samples/', import.meta.url));
const ALL = 'everything';
/** CT to other images: what has pixels that no format has compressed. */
const NATIVE = 'native pixels';

/** What a contender did to one object in one round. */
interface Outcome {
  /** Of each piece. */
  readonly payloads: readonly number[];
  readonly dictionaryId: number;
  readonly mismatches: number;
  readonly class: ContentClass | undefined;
  readonly encodeMs: number;
  readonly decodeMs: number;
}

interface CodedPiece {
  readonly encoded: Encoded;
  readonly piece: Piece;
  readonly crc: number;
}

/** Of this process, with the threads that compile and collect for it: other processes that want the core do not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function sha256(parts: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

function checkSame(object: CorpusObject, parts: readonly Buffer[], contender: string): void {
  if (sha256(parts) === sha256([object.bytes])) return;
  throw new BenchError(`${object.path} did not come back from ${contender}: this is a bug, and no figure counts.`);
}

function runProfile(codecs: CodecSet, object: CorpusObject, profile: Profile): Outcome {
  const crcs = object.pieces.map(({ bytes }) => crc32Of(bytes, 0));
  const startedMs = cpuMs();
  const coded: CodedPiece[] = object.pieces.map((piece, i) => {
    const encoded = encodeObject(codecs, piece.bytes, { ...piece.options, profile });
    return { encoded, piece, crc: crcs[i] as number };
  });
  const encodedMs = cpuMs();
  const parts = coded.map(({ encoded: { codec, stored }, piece: { bytes, options }, crc }) => {
    const { dictionary } = options;
    return decodePayload(codecs, { codec, stored: stored ?? bytes, size: bytes.length, crc, dictionary });
  });
  const decodedMs = cpuMs();
  checkSame(object, parts, profile);
  return {
    payloads: coded.map(({ encoded, piece }) => (encoded.stored ?? piece.bytes).length),
    dictionaryId: coded.find(({ encoded }) => encoded.dictionaryId !== 0)?.encoded.dictionaryId ?? 0,
    mismatches: coded.reduce((sum, { encoded }) => sum + encoded.mismatches, 0),
    class: coded[0]?.encoded.class,
    encodeMs: encodedMs - startedMs,
    decodeMs: decodedMs - encodedMs,
  };
}

/** Each piece as one frame, or as it is where that is smaller. */
function runZstd(zstd: PlaneCodec, object: CorpusObject): Outcome {
  const startedMs = cpuMs();
  const coded = object.pieces.map(({ bytes }) => zstd.encode(bytes, undefined, undefined) ?? bytes);
  const encodedMs = cpuMs();
  const parts = coded.map((frame, i) => {
    const { bytes } = object.pieces[i] as Piece;
    if (frame.length >= bytes.length) return bytes;
    const into = Buffer.allocUnsafeSlow(bytes.length);
    zstd.decode(frame, undefined, into, undefined);
    return into;
  });
  const decodedMs = cpuMs();
  checkSame(object, parts, 'zstd');
  const payloads = coded.map((frame, i) => Math.min(frame.length, (object.pieces[i] as Piece).bytes.length));
  const times = { encodeMs: encodedMs - startedMs, decodeMs: decodedMs - encodedMs };
  return { payloads, dictionaryId: 0, mismatches: 0, class: undefined, ...times };
}

/** Of the record of a dictionary, whose key is its id in hexadecimal digits. */
const DICTIONARY_HEAD_BYTES = headLength(8, 0);

/** In a volume, under the key `folder/name`. */
function recordsLength({ folder, path }: CorpusObject, payloads: readonly number[]): number {
  const head = headLength(Buffer.byteLength(`${folder}/${basename(path)}`), 0);
  return payloads.reduce((sum, length) => sum + recordLength(head, length), 0);
}

class Comparison {
  readonly classes = new Tallies();
  readonly folders = new Tallies();
  readonly totals = new Tallies();
  readonly #run: Readonly<Record<Contender, (object: CorpusObject) => Outcome>>;
  readonly #rounds: number;
  /** Contender and id of the dictionaries that were counted. */
  readonly #counted = new Set<string>();

  constructor(codecs: CodecSet, rounds: number) {
    const zstd = codecs.get(CODEC.zstd);
    if (zstd === undefined) throw new BenchError('there is no zstd to compare with.');
    this.#rounds = rounds;
    this.#run = {
      default: (object) => runProfile(codecs, object, 'default'),
      'max-ratio': (object) => runProfile(codecs, object, 'max-ratio'),
      'zstd-3': (object) => runZstd(zstd, object),
    };
  }

  /** Until compilers had their time with what the objects need. */
  async warmUp(object: CorpusObject): Promise<void> {
    for (const contender of CONTENDERS) await this.#turn(contender, object);
  }

  /** What native code made is given back only when the event loop turns. */
  async #turn(contender: Contender, object: CorpusObject): Promise<Outcome> {
    const outcome = this.#run[contender](object);
    await setImmediate();
    return outcome;
  }

  async measure(object: CorpusObject): Promise<void> {
    const outcomes: Record<Contender, Outcome[]> = { default: [], 'max-ratio': [], 'zstd-3': [] };
    for (let round = 0; round < this.#rounds; round += 1) {
      for (const contender of CONTENDERS) outcomes[contender].push(await this.#turn(contender, object));
    }
    const coded = {
      default: this.#coded('default', object, outcomes.default),
      'max-ratio': this.#coded('max-ratio', object, outcomes['max-ratio']),
      'zstd-3': this.#coded('zstd-3', object, outcomes['zstd-3']),
    };
    const contentClass = outcomes.default[0]?.class ?? CONTENT_CLASS.unexamined;
    const isNative = contentClass >= CONTENT_CLASS.ct && contentClass <= CONTENT_CLASS.image;
    this.classes.of(CLASS_TITLES[CLASS_NAMES[contentClass] ?? 'unexamined']).add(object.bytes.length, coded);
    this.folders.of(object.folder).add(object.bytes.length, coded);
    this.totals.of(ALL).add(object.bytes.length, coded);
    if (isNative) this.totals.of(NATIVE).add(object.bytes.length, coded);
  }

  #coded(contender: Contender, object: CorpusObject, outcomes: readonly Outcome[]): Coded {
    const { dictionary } = object;
    const [first] = outcomes as [Outcome];
    const id = `${contender} ${first.dictionaryId}`;
    const isNew = first.dictionaryId !== 0 && !this.#counted.has(id);
    if (isNew) this.#counted.add(id);
    return {
      payloadBytes: first.payloads.reduce((sum, length) => sum + length, 0),
      storedBytes: recordsLength(object, first.payloads),
      dictionaryBytes: isNew ? recordLength(DICTIONARY_HEAD_BYTES, dictionary?.stored.length ?? 0) : 0,
      mismatches: first.mismatches,
      encodeMs: outcomes.map(({ encodeMs }) => encodeMs),
      decodeMs: outcomes.map(({ decodeMs }) => decodeMs),
    };
  }
}

const WARM_UP_MS = 3000;

async function compare(options: Options, files: readonly File[]): Promise<Comparison> {
  const codecs = codecSetOf((await loadCodecs()).all);
  const coder = directCoder(codecs);
  const comparison = new Comparison(codecs, Math.max(1, Math.floor(options.rounds)));
  const warmedMs = performance.now() + WARM_UP_MS;
  for await (const object of corpusOf(files, coder)) {
    await comparison.warmUp(object);
    if (performance.now() > warmedMs) break;
  }
  let done = 0;
  for await (const object of corpusOf(files, coder)) {
    await comparison.measure(object);
    done += 1;
    if (process.stderr.isTTY) process.stderr.write(`\r  ${done} objects `);
  }
  return comparison;
}

function chartOf(classes: readonly (readonly [string, Tally])[], { command, machine }: ReportData): string {
  return barChartSvg({
    title: 'Original bytes for each stored byte',
    subtitle: 'Lossless, every object decoded and compared; dictionaries of headers are counted as stored.',
    source: `${machine.date.slice(0, 10)}, commit ${machine.commit}: ${command}`,
    series: CONTENDERS.map((name) => (name === 'zstd-3' ? 'zstd level 3, whole object' : `Penstock, ${name}`)),
    groups: classes.map(([name, tally]) => ({
      name,
      note: `${tally.objects} objects, ${(tally.bytes / 1e6).toFixed(1)} MB`,
      values: CONTENDERS.map((contender) => tally.ratio(contender)),
    })),
  });
}

function addFigures(report: Report, name: string, tally: Tally): void {
  for (const contender of CONTENDERS) {
    const title = `${name}, ${contender}`;
    report.addValue(title, 'ratio', tally.ratio(contender));
    for (const work of ['encode', 'decode'] as const)
      report.add([{ contender: title, measure: `${work}, MB a second of CPU`, values: tally.rates(contender, work) }]);
    report.addValue(title, 'mismatches', tally.mismatches(contender));
  }
}

function tellGrowth(report: Report, classes: Tallies): void {
  const found = classes.sorted().find(([name]) => name === CLASS_TITLES.compressed);
  if (found === undefined) return;
  const [, tally] = found;
  const percent = (share: number): string => `${share < 0 ? '' : '+'}${(100 * share).toFixed(2)} %`;
  const all = percent(tally.growth('default'));
  report.remark(
    `Already compressed: payloads ${all} in all, ${percent(tally.growthMax)} for the object that grew most (default).`,
  );
}

async function measure(options: Options, given: readonly string[]): Promise<void> {
  const paths = given.length === 0 ? [SAMPLES] : given;
  const report = new Report('compression', { ...options, paths });
  const { files, leftOut } = selectFiles(paths, { files: options.files, bytes: options.mb * 1e6 });
  const { classes, folders, totals } = await compare(options, files);
  const all = totals.of(ALL);
  for (const [name, tally] of totals.sorted([NATIVE, ALL])) addFigures(report, name, tally);
  const byClass = [...classes.sorted(Object.values(CLASS_TITLES)), ...totals.sorted([NATIVE, ALL])];
  report.addTable('By class of content', tallyRows('class', byClass));
  report.addTable('By folder', tallyRows('folder', folders.sorted()));
  report.remark(
    `${all.objects} objects came back with the SHA-256 that they had, from every contender, in every round.`,
  );
  report.remark(
    'MB is 10^6 bytes of originals. Stored are records as a volume has them, for every contender alike: heads with the name of folder and file for a key, payloads, padding to 16 bytes; and those of dictionaries. Entries of the index (which would be the same) and manifests of objects in many extents are not counted. Encoding includes the decoding that verifies it, which zstd-3 does without. Speeds are by CPU time, medians of the rounds. Mismatches are codings that did not give the bytes back and were dropped for the next.',
  );
  tellGrowth(report, classes);
  if (leftOut.files > 0)
    report.remark(`Left out for want of room: ${leftOut.files} files of ${(leftOut.bytes / 1e6).toFixed(1)} MB.`);
  report.finish(options.json);
  if (options.svg !== '') writeFileSync(options.svg, chartOf(byClass, report.data));
}

const PURPOSE = `Ratio and speed of compression over files of yours (default: ${join('samples', '')}), by class and by folder.`;
await runBenchmark('compression', PURPOSE, OPTIONS, measure, '[PATH...]');
