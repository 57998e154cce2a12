/** What each way of coding made of a group of objects (a class, a folder), and the tables of it. */
import { formatFigure } from '../measure/report.ts';
import { summarise } from '../measure/rounds.ts';

export const CONTENDERS = ['default', 'max-ratio', 'zstd-3'] as const;
export type Contender = (typeof CONTENDERS)[number];

/** Of one object, by one contender. */
export interface Coded {
  /** Its payloads alone. */
  readonly payloadBytes: number;
  /** The records of them, with heads and padding. */
  readonly storedBytes: number;
  /** The record of a dictionary that nothing before has needed. */
  readonly dictionaryBytes: number;
  readonly mismatches: number;
  /** One a round. */
  readonly encodeMs: readonly number[];
  readonly decodeMs: readonly number[];
}

interface Sum {
  payloadBytes: number;
  storedBytes: number;
  dictionaryBytes: number;
  mismatches: number;
  readonly encodeMs: number[];
  readonly decodeMs: number[];
}

function addTo(sums: number[], values: readonly number[]): void {
  for (const [round, value] of values.entries()) sums[round] = (sums[round] ?? 0) + value;
}

export class Tally {
  objects = 0;
  bytes = 0;
  /** Of the object that grew most in the default profile, as a share of it; below 0 when all of them shrank. */
  growthMax = Number.NEGATIVE_INFINITY;
  readonly #sums = new Map<Contender, Sum>();

  add(bytes: number, coded: Readonly<Record<Contender, Coded>>): void {
    this.objects += 1;
    this.bytes += bytes;
    if (bytes > 0) this.growthMax = Math.max(this.growthMax, coded.default.payloadBytes / bytes - 1);
    for (const contender of CONTENDERS) {
      const sum = this.#of(contender);
      const one = coded[contender];
      sum.payloadBytes += one.payloadBytes;
      sum.storedBytes += one.storedBytes;
      sum.dictionaryBytes += one.dictionaryBytes;
      sum.mismatches += one.mismatches;
      addTo(sum.encodeMs, one.encodeMs);
      addTo(sum.decodeMs, one.decodeMs);
    }
  }

  #of(contender: Contender): Sum {
    const known = this.#sums.get(contender);
    if (known !== undefined) return known;
    const sum = { payloadBytes: 0, storedBytes: 0, dictionaryBytes: 0, mismatches: 0, encodeMs: [], decodeMs: [] };
    this.#sums.set(contender, sum);
    return sum;
  }

  /** Of all payloads and dictionaries, as a share of the originals; heads of records are left out, which the originals would have as well. */
  growth(contender: Contender): number {
    const { payloadBytes, dictionaryBytes } = this.#of(contender);
    return (payloadBytes + dictionaryBytes) / this.bytes - 1;
  }

  /** With dictionaries. */
  storedBytes(contender: Contender): number {
    const { storedBytes, dictionaryBytes } = this.#of(contender);
    return storedBytes + dictionaryBytes;
  }

  dictionaryBytes(contender: Contender): number {
    return this.#of(contender).dictionaryBytes;
  }

  mismatches(contender: Contender): number {
    return this.#of(contender).mismatches;
  }

  /** Original bytes by stored ones; of no bytes, 1. */
  ratio(contender: Contender): number {
    return this.bytes === 0 ? 1 : this.bytes / this.storedBytes(contender);
  }

  /** MB/s of original bytes, one a round. */
  rates(contender: Contender, work: 'encode' | 'decode'): number[] {
    const sum = this.#of(contender);
    return (work === 'encode' ? sum.encodeMs : sum.decodeMs).map((ms) => this.bytes / 1000 / ms);
  }
}

/** Tallies by name, in the order in which the names came up. */
export class Tallies {
  readonly #byName = new Map<string, Tally>();

  of(name: string): Tally {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const tally = new Tally();
    this.#byName.set(name, tally);
    return tally;
  }

  /** Those of `order` first, in it. */
  sorted(order: readonly string[] = []): [string, Tally][] {
    const rank = (name: string): number => (order.indexOf(name) + order.length + 1) % (order.length + 1);
    return [...this.#byName].sort(([a], [b]) => rank(a) - rank(b));
  }
}

/** One row a tally, names of columns first. Rates are medians of the rounds. */
export function tallyRows(what: string, tallies: readonly (readonly [string, Tally])[]): string[][] {
  const rate = (tally: Tally, contender: Contender, work: 'encode' | 'decode'): string =>
    formatFigure(summarise(tally.rates(contender, work)).median);
  const columns = [what, 'objects', 'MB in', 'MB stored', 'of it dictionaries'];
  const ratios = CONTENDERS.map((contender) => `ratio, ${contender}`);
  const rates = (['encode', 'decode'] as const).flatMap((work) =>
    CONTENDERS.map((contender) => ({ contender, work, name: `${work} MB/s, ${contender}` })),
  );
  const rows = tallies.map(([name, tally]) => [
    name,
    String(tally.objects),
    (tally.bytes / 1e6).toFixed(2),
    (tally.storedBytes('default') / 1e6).toFixed(2),
    (tally.dictionaryBytes('default') / 1e6).toFixed(2),
    ...CONTENDERS.map((contender) => tally.ratio(contender).toFixed(2)),
    ...rates.map(({ contender, work }) => rate(tally, contender, work)),
    String(CONTENDERS.reduce((sum, contender) => sum + tally.mismatches(contender), 0)),
  ]);
  return [[...columns, ...ratios, ...rates.map(({ name }) => name), 'mismatches'], ...rows];
}
