// HOT PATH
/**
 * Codes the bytes of one section with the codecs that are tried for it, and lets nothing count that does not give them back.
 *
 * Promises: what is returned was decoded and compared. A codec that throws, or gives back other bytes, is passed over and counted; one that says
 * that it cannot (`undefined`) is only passed over. Bytes of which no codec saves a twentieth are stored as they are, which cannot fail.
 *
 * Guarded by `npm run bench -- compression`.
 */

import type { SectionToStore } from '../format/coded-payload.ts';
import { crc32Of } from '../format/crc32.ts';
import type { CodecSet } from './codec-set.ts';
import type { Dictionary } from './object-coding.ts';
import { CODEC, type CodecNumber, type PlaneCodec, type Shape } from './plane-codec.ts';

/** A coding that saves less is not worth its decoding. */
export const SHARE_MAX = 0.95;

export interface SectionContext {
  readonly codecs: CodecSet;
  readonly dictionary: Dictionary | undefined;
  /** Codings that were dropped so far. */
  mismatches: number;
}

/** Those of `numbers` that there are and that accept the shape. */
export function codecsFor(
  context: SectionContext,
  numbers: readonly CodecNumber[],
  shape: Shape | undefined,
): PlaneCodec[] {
  const found: PlaneCodec[] = [];
  for (const number of numbers) {
    const codec = context.codecs.get(number);
    if (codec?.accepts(shape) === true) found.push(codec);
  }
  return found;
}

/** What the codec makes of the bytes, not verified; `undefined` when it cannot, or threw, or saves too little. */
export function tryCodec(
  context: SectionContext,
  codec: PlaneCodec,
  bytes: Buffer,
  shape: Shape | undefined,
): Buffer | undefined {
  try {
    const coded = codec.encode(bytes, shape, dictionaryFor(context, codec));
    return coded !== undefined && coded.length <= bytes.length * SHARE_MAX ? coded : undefined;
  } catch {
    context.mismatches += 1;
    return undefined;
  }
}

function dictionaryFor(context: SectionContext, codec: PlaneCodec): Buffer | undefined {
  return codec.number === CODEC.zstdDictionary ? context.dictionary?.bytes : undefined;
}

function givesBack(
  context: SectionContext,
  codec: PlaneCodec,
  coded: Buffer,
  bytes: Buffer,
  shape: Shape | undefined,
): boolean {
  // Filled, because memory that was used before may hold the very bytes that a codec left unwritten.
  const decoded = Buffer.alloc(bytes.length, 0xa5);
  try {
    codec.decode(coded, shape, decoded, dictionaryFor(context, codec));
    if (decoded.equals(bytes)) return true;
  } catch {
    // Counted as the wrong bytes are.
  }
  context.mismatches += 1;
  return false;
}

function sectionOf(codec: CodecNumber, bytes: Buffer, coded: Buffer, shape: Shape | undefined): SectionToStore {
  return { codec, shape, coded, length: bytes.length, crc: crc32Of(bytes, 0) };
}

function rawSection(bytes: Buffer): SectionToStore {
  return sectionOf(CODEC.raw, bytes, bytes, undefined);
}

/** With the first of the codecs that saves enough and gives the bytes back. */
export function codeInOrder(
  context: SectionContext,
  codecs: readonly PlaneCodec[],
  bytes: Buffer,
  shape: Shape | undefined,
): SectionToStore {
  for (const codec of codecs) {
    const coded = tryCodec(context, codec, bytes, shape);
    if (coded !== undefined && givesBack(context, codec, coded, bytes, shape))
      return sectionOf(codec.number, bytes, coded, shape);
  }
  return rawSection(bytes);
}

/** With the codec that makes the fewest bytes of all, and gives them back. */
export function codeWithBest(
  context: SectionContext,
  codecs: readonly PlaneCodec[],
  bytes: Buffer,
  shape: Shape | undefined,
): SectionToStore {
  const tried: { codec: PlaneCodec; coded: Buffer }[] = [];
  for (const codec of codecs) {
    const coded = tryCodec(context, codec, bytes, shape);
    if (coded !== undefined) tried.push({ codec, coded });
  }
  tried.sort((a, b) => a.coded.length - b.coded.length);
  for (const { codec, coded } of tried) {
    if (givesBack(context, codec, coded, bytes, shape)) return sectionOf(codec.number, bytes, coded, shape);
  }
  return rawSection(bytes);
}
