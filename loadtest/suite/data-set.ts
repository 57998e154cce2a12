/**
 * The objects of a load test, made on the fly: keys, sizes, bytes and CRC-32 of every position follow from a specification that is plain
 * data, so that a load process makes the same set from the same words and no body needs to be kept or sent. `upload.ts` stores them.
 *
 * Hardest decision: random bodies are slices of one block, so that making one costs nothing while a load is measured. They begin at different
 * bytes of it and so differ, but a store that looks for repeated pieces would find them.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from '@node-rs/crc32';
import { BenchError } from '../../bench/measure/options.ts';

/** Sizes in bytes. */
export type Sizes =
  | { readonly kind: 'fixed'; readonly bytes: number }
  /** Bell-shaped, clipped to [min, max]: by default a tenth of the mean, and three deviations above it. */
  | {
      readonly kind: 'normal';
      readonly mean: number;
      readonly deviation: number;
      readonly min?: number;
      readonly max?: number;
    }
  /** In turns. */
  | { readonly kind: 'list'; readonly bytes: readonly number[] };

export interface DataSetSpec {
  /** Objects; at most 10 million. */
  readonly count: number;
  readonly sizes: Sizes;
  /** `samples`: images of samples/, each cut or repeated to its size, with a mark at its end that makes it unique. */
  readonly bytesFrom: 'random' | 'samples';
  readonly seed: number;
  /** Where its keys begin, without a slash at the end: sets of other words must have another, lest they overwrite each other. */
  readonly prefix: string;
}

export interface DataSet {
  readonly spec: DataSetSpec;
  readonly count: number;
  readonly sizeMax: number;
  /** Of all objects together. */
  readonly totalBytes: number;
  keyOf(position: number): string;
  sizeOf(position: number): number;
  /** Not to be written into: random bodies share their memory. */
  bodyOf(position: number): Buffer;
  /** Of the body; made once and kept. */
  crcOf(position: number): number;
}

export const COUNT_MAX = 10_000_000;
export const OBJECT_BYTES_MAX = 2 ** 31 - 1;
const GROUPS = 100;
/** A larger body repeats the block. */
const BLOCK_BYTES_MAX = 64 * 2 ** 20;
const SHIFTS_MAX = 16 * 2 ** 20;
const MARK_BYTES = 16;

/** @throws BenchError for a set that is too large */
export function makeDataSet(spec: DataSetSpec): DataSet {
  const { count, prefix } = spec;
  if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX)
    throw new BenchError(`a data set of ${count} objects; expected 1 to ${COUNT_MAX}.`);
  const { max: sizeMax, total: totalBytes } = extentOf(spec);
  const sizeOf = (position: number): number => sizeAt(spec, position);
  const bodyOf = spec.bytesFrom === 'random' ? randomBodies(spec, sizeMax) : sampleBodies(spec);
  const crcs = new Uint32Array(count);
  const known = new Uint8Array(count);
  return {
    spec,
    count,
    sizeMax,
    totalBytes,
    keyOf: (position) => `${prefix}/n${digits(position % GROUPS, 4)}/image_${digits(position, 8)}.bin`,
    sizeOf,
    bodyOf,
    crcOf: (position) => {
      if (known[position] === 0) {
        crcs[position] = crc32(bodyOf(position));
        known[position] = 1;
      }
      return crcs[position] as number;
    },
  };
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0');
}

function extentOf(spec: DataSetSpec): { max: number; total: number } {
  let [max, total] = [0, 0];
  for (let position = 0; position < spec.count; position += 1) {
    const bytes = sizeAt(spec, position);
    max = Math.max(max, bytes);
    total += bytes;
  }
  if (max > OBJECT_BYTES_MAX) throw new BenchError(`an object of ${max} bytes; at most ${OBJECT_BYTES_MAX}.`);
  return { max, total };
}

/** Pure. */
function sizeAt({ sizes, seed }: DataSetSpec, position: number): number {
  switch (sizes.kind) {
    case 'fixed':
      return sizes.bytes;
    case 'list':
      return sizes.bytes[position % sizes.bytes.length] as number;
    case 'normal': {
      const { mean, deviation, min = mean / 10, max = mean + 3 * deviation } = sizes;
      const bell = Math.sqrt(-2 * Math.log(1 - chance(seed, 2 * position)));
      const drawn = mean + deviation * bell * Math.cos(2 * Math.PI * chance(seed, 2 * position + 1));
      return Math.round(Math.min(max, Math.max(min, drawn)));
    }
  }
}

/** A number in [0, 1) that follows from both: the finisher of MurmurHash3 over their mixture. Pure. */
function chance(seed: number, position: number): number {
  let h = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca77)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Bytes that follow from the seed and look random: AES in counter mode over zeros. */
function randomBlock(seed: number, bytes: number): Buffer {
  const key = createHash('sha256').update(`penstock load test ${seed}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function randomBodies(spec: DataSetSpec, sizeMax: number): (position: number) => Buffer {
  const shifts = Math.min(spec.count, SHIFTS_MAX);
  const block = randomBlock(spec.seed, Math.min(sizeMax, BLOCK_BYTES_MAX) + shifts);
  return (position) => {
    const size = sizeAt(spec, position);
    const first = position % shifts;
    if (first + size <= block.length) return block.subarray(first, first + size);
    const body = Buffer.allocUnsafeSlow(size);
    const slice = block.subarray(first);
    for (let at = 0; at < size; at += slice.length) slice.copy(body, at);
    return body;
  };
}

const SAMPLES = fileURLToPath(new URL('../../samples/', import.meta.url));

function readSamples(): Buffer[] {
  const names = readdirSync(SAMPLES, { recursive: true, encoding: 'utf8' }).sort();
  const images = names.filter((name) => name.includes('/') && /\.(jpg|png|dcm|nii|gz)$/.test(name));
  if (images.length === 0) throw new BenchError(`there are no images in ${SAMPLES}; use --bytes-from random.`);
  return images.map((name) => readFileSync(join(SAMPLES, name)));
}

function sampleBodies(spec: DataSetSpec): (position: number) => Buffer {
  const samples = readSamples();
  return (position) => {
    const body = Buffer.allocUnsafeSlow(sizeAt(spec, position));
    let at = 0;
    for (let i = position; at < body.length; i += 1) at += (samples[i % samples.length] as Buffer).copy(body, at);
    const mark = createHash('sha256').update(`${spec.seed} ${position}`).digest();
    mark.copy(body, Math.max(0, body.length - MARK_BYTES), 0, Math.min(MARK_BYTES, body.length));
    return body;
  };
}
