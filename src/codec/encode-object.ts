/**
 * One payload from its original bytes: looked at, cut into sections, each coded by what suits it, verified, and kept only if that pays.
 *
 * Promises: what is returned decodes to the bytes that were given (each section was decoded and compared); it is smaller by a twentieth at
 * least; bytes that are no image, or a damaged one, are only bytes. Nothing is thrown for what the bytes are.
 *
 * Which codec pixels get is decided by trial and not by their kind, because phantoms, labels and noise look alike in a header: small ones are
 * coded with every candidate, and of large ones a sample of lines from the middle. Size alone decides: MED + zstd and HTJ2K decode about
 * equally fast (120 to 220 MB/s of a core for 16 bits, 2026-11), so that a slower one is never bought for a few bytes.
 */
import { LIMITS } from '../base/limits.ts';
import { encodeCodedPayload, type SectionToStore } from '../format/coded-payload.ts';
import { CONTENT_CLASS, type Content, type ContentClass, type PixelLayout } from '../format/content.ts';
import { detectContent } from '../format/content-detect.ts';
import { crc32Of } from '../format/crc32.ts';
import { codecsFor, codeInOrder, codeWithBest, type SectionContext, SHARE_MAX, tryCodec } from './code-section.ts';
import type { CodecSet } from './codec-set.ts';
import { type Encoded, type EncodeOptions, PAYLOAD_CODEC, type Profile } from './object-coding.ts';
import { CODEC, type CodecNumber, type PlaneCodec, type Shape } from './plane-codec.ts';
import { type Cut, planSections } from './section-plan.ts';

/** Pixels of one section up to this are coded with every candidate; of more, a sample of this size decides. */
const TRIAL_BYTES = 64 * 1024;
/** Bytes of no known kind whose first ones do not shrink are left alone. */
const SAMPLE_BYTES = 64 * 1024;

/** What is tried for pixels of integers. A sequence of equals is decided by ratio, in favour of the first. */
const CANDIDATES: Readonly<Record<Profile, readonly CodecNumber[]>> = {
  default: [CODEC.med, CODEC.htj2k, CODEC.zstd],
  'max-ratio': [CODEC.jpegls, CODEC.med, CODEC.htj2k, CODEC.zstd],
};
/** Of floating point, and of integers of four and eight bytes. */
const WIDE_CANDIDATES: readonly CodecNumber[] = [CODEC.shuffle, CODEC.zstd];

/** @param bytes stay the caller's, and must not change meanwhile */
export function encodeObject(codecs: CodecSet, bytes: Buffer, options: EncodeOptions): Encoded {
  const content = contentOf(bytes, options);
  const context: SectionContext = { codecs, dictionary: options.dictionary, mismatches: 0 };
  if (bytes.length === 0 || bytes.length > LIMITS.extentBytes) return keptRaw(content.class, context);
  const sections = codeContent(context, bytes, content, options.profile);
  if (sections === undefined) return keptRaw(content.class, context);
  const [first] = sections;
  const isPlain = sections.length === 1 && first?.codec === CODEC.zstd;
  const usesDictionary = sections.some(({ codec }) => codec === CODEC.zstdDictionary);
  const dictionaryId = usesDictionary ? (options.dictionary?.id ?? 0) : 0;
  const stored = isPlain ? plainPayload(first.coded) : encodeCodedPayload(dictionaryId, sections);
  if (stored.length > bytes.length * SHARE_MAX) return keptRaw(content.class, context);
  const codec = isPlain ? PAYLOAD_CODEC.zstd : PAYLOAD_CODEC.sections;
  return { class: content.class, codec, stored, dictionaryId, mismatches: context.mismatches };
}

/**
 * A piece is what its object is, and is not looked at: within an object nothing says what it would be. Where the object has no pixels, a sample of
 * the piece decides whether it is coded, for it may be of another kind than the beginning.
 */
function contentOf(bytes: Buffer, { hint }: EncodeOptions): Content {
  if (hint === undefined) return detectContent(bytes);
  const isCompressed = hint.class === CONTENT_CLASS.compressed;
  return { class: hint.class, headerLength: 0, series: undefined, pixels: hint.pixels, isCompressed };
}

function keptRaw(contentClass: ContentClass, { mismatches }: SectionContext): Encoded {
  return { class: contentClass, codec: PAYLOAD_CODEC.raw, stored: undefined, dictionaryId: 0, mismatches };
}

function plainPayload(frame: Buffer): Buffer {
  const stored = Buffer.allocUnsafeSlow(4 + frame.length);
  stored.writeUInt32LE(crc32Of(frame, 0), 0);
  frame.copy(stored, 4);
  return stored;
}

/** The sections, or `undefined` where a look says that nothing is to be gained. */
function codeContent(
  context: SectionContext,
  bytes: Buffer,
  content: Content,
  profile: Profile,
): SectionToStore[] | undefined {
  if (content.isCompressed) return undefined;
  const cuts = planSections(bytes.length, content.headerLength, content.pixels);
  const { pixels } = content;
  if (pixels === undefined || !cuts.some(({ part }) => part === 'pixels'))
    return codeUnknown(context, bytes, cuts, content);
  const ranking = rankCodecs(context, bytes, cuts, pixels, profile);
  const isPlainZstd = ranking?.[0]?.number === CODEC.zstd;
  if (isPlainZstd && context.dictionary === undefined) return [codeBytes(context, bytes)];
  return cuts.map((cut) => codeCut(context, bytes, cut, ranking, candidatesFor(pixels, profile)));
}

/**
 * Text, structured reports, anything: zstd, if a sample of it shrinks. What stands before an image that is compressed already is coded apart,
 * so that the image is read without a decoder where it does not shrink.
 */
function codeUnknown(
  context: SectionContext,
  bytes: Buffer,
  cuts: readonly Cut[],
  content: Content,
): SectionToStore[] | undefined {
  const isEncapsulated = content.class === CONTENT_CLASS.compressed && content.headerLength > 0;
  if (!isEncapsulated && bytes.length > 2 * SAMPLE_BYTES && !shrinks(context, bytes.subarray(0, SAMPLE_BYTES)))
    return undefined;
  if (!isEncapsulated && context.dictionary === undefined) return [codeBytes(context, bytes)];
  return cuts.map(({ start, end, part }) => {
    const section = bytes.subarray(start, end);
    return part === 'header' ? codeHeader(context, section) : codeBytes(context, section);
  });
}

function shrinks(context: SectionContext, sample: Buffer): boolean {
  const zstd = context.codecs.get(CODEC.zstd);
  return zstd !== undefined && tryCodec(context, zstd, sample, undefined) !== undefined;
}

function codeBytes(context: SectionContext, bytes: Buffer): SectionToStore {
  return codeInOrder(context, codecsFor(context, [CODEC.zstd], undefined), bytes, undefined);
}

function codeHeader(context: SectionContext, bytes: Buffer): SectionToStore {
  const numbers = context.dictionary === undefined ? [CODEC.zstd] : [CODEC.zstdDictionary, CODEC.zstd];
  return codeWithBest(context, codecsFor(context, numbers, undefined), bytes, undefined);
}

function candidatesFor(pixels: PixelLayout, profile: Profile): readonly CodecNumber[] {
  return pixels.isFloat || pixels.bytesPerSample > 2 ? WIDE_CANDIDATES : CANDIDATES[profile];
}

/**
 * The candidates by what they make of a sample, best first; `undefined` where every section is small enough to be coded with all of them.
 * The sample are whole lines from the middle, where a picture is densest.
 */
function rankCodecs(
  context: SectionContext,
  bytes: Buffer,
  cuts: readonly Cut[],
  pixels: PixelLayout,
  profile: Profile,
): PlaneCodec[] | undefined {
  const sections = cuts.filter(({ part }) => part === 'pixels');
  const total = sections.reduce((sum, { start, end }) => sum + end - start, 0);
  if (total <= 2 * TRIAL_BYTES && sections.length === 1) return undefined;
  const middle = sections[sections.length >> 1] as Cut;
  const { sample, shape } = sampleOf(bytes, middle);
  const sizes = codecsFor(context, candidatesFor(pixels, profile), shape).map((codec) => {
    const coded = tryCodec(context, codec, sample, shape);
    return { codec, size: coded?.length ?? Number.POSITIVE_INFINITY };
  });
  return sizes.sort((a, b) => a.size - b.size).map(({ codec }) => codec);
}

function sampleOf(bytes: Buffer, { start, end, shape }: Cut): { sample: Buffer; shape: Shape | undefined } {
  const section = bytes.subarray(start, end);
  if (shape === undefined || shape.isPlanar || section.length <= TRIAL_BYTES) return { sample: section, shape };
  const line = section.length / shape.height;
  const height = Math.max(1, Math.floor(TRIAL_BYTES / line));
  const first = (shape.height - height) >> 1;
  return { sample: section.subarray(first * line, (first + height) * line), shape: { ...shape, height } };
}

function codeCut(
  context: SectionContext,
  bytes: Buffer,
  { start, end, part, shape }: Cut,
  ranking: readonly PlaneCodec[] | undefined,
  candidates: readonly CodecNumber[],
): SectionToStore {
  const section = bytes.subarray(start, end);
  if (part === 'header') return codeHeader(context, section);
  if (part === 'rest') return codeBytes(context, section);
  if (ranking === undefined) return codeWithBest(context, codecsFor(context, candidates, shape), section, shape);
  return codeInOrder(
    context,
    ranking.filter((codec) => codec.accepts(shape)),
    section,
    shape,
  );
}
