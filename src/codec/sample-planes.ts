// HOT PATH
/**
 * The samples of a picture as planes of 16 bits, whatever way they lie in its bytes, and back.
 *
 * Promises: a bijection, so that bits above BitsStored, signs and byte order come back as they were. Signed samples are moved so that the smallest
 * is 0: neighbours stay neighbours. Every plane has a frame of one sample above and at both sides, which predictors fill.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { LIMITS } from '../base/limits.ts';
import type { Shape } from './plane-codec.ts';

const isHostLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Samples of a line of a plane, with the one before it and the one behind it. */
export function strideOf(shape: Shape): number {
  return shape.width + 2;
}

/** Samples of a plane with its frame. */
export function planeLength(shape: Shape): number {
  return strideOf(shape) * (shape.height + 1);
}

/** Whether the shape is a picture of so many bytes that picture codecs take. */
export function isPicture(shape: Shape, length: number): boolean {
  const { width, height, bytesPerSample, samples } = shape;
  if (bytesPerSample > 2 || length > LIMITS.pictureBytesMax) return false;
  if (width < 1 || height < 1 || width > LIMITS.pictureSideMax || height > LIMITS.pictureSideMax) return false;
  return width * height * bytesPerSample * samples === length;
}

/** Where the samples of one plane lie: the first of them, and steps in bytes. */
export interface Lines {
  readonly first: number;
  readonly sampleStep: number;
  readonly lineStep: number;
}

export function linesOf(shape: Shape, plane: number): Lines {
  const { width, height, bytesPerSample, samples } = shape;
  if (samples === 1) return { first: 0, sampleStep: bytesPerSample, lineStep: width * bytesPerSample };
  if (shape.isPlanar) {
    const lineStep = width * bytesPerSample;
    return { first: plane * lineStep * height, sampleStep: bytesPerSample, lineStep };
  }
  return { first: plane * bytesPerSample, sampleStep: 3 * bytesPerSample, lineStep: 3 * width * bytesPerSample };
}

/** The bytes as words, where they lie so that the processor can read them as such. */
function wordsOf(bytes: Buffer): Uint16Array | undefined {
  if (!isHostLittleEndian || bytes.byteOffset % 2 !== 0) return undefined;
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
}

function readBytes(bytes: Buffer, lines: Lines, width: number, height: number, flip: number, plane: Uint16Array): void {
  for (let y = 0; y < height; y += 1) {
    let from = lines.first + y * lines.lineStep;
    let to = (y + 1) * (width + 2) + 1;
    for (const end = to + width; to < end; to += 1, from += lines.sampleStep)
      plane[to] = (bytes[from] as number) ^ flip;
  }
}

/** Shorter lines are copied sample by sample: a view of each would take longer. */
const COPIED_SAMPLES_MIN = 64;

function readWords(
  words: Uint16Array,
  lines: Lines,
  width: number,
  height: number,
  flip: number,
  plane: Uint16Array,
): void {
  const step = lines.sampleStep >> 1;
  const isCopy = step === 1 && flip === 0 && width >= COPIED_SAMPLES_MIN;
  for (let y = 0; y < height; y += 1) {
    let from = (lines.first + y * lines.lineStep) >> 1;
    let to = (y + 1) * (width + 2) + 1;
    if (isCopy) {
      plane.set(words.subarray(from, from + width), to);
      continue;
    }
    for (const end = to + width; to < end; to += 1, from += step) plane[to] = (words[from] as number) ^ flip;
  }
}

function readPairs(
  bytes: Buffer,
  lines: Lines,
  width: number,
  height: number,
  flip: number,
  high: number,
  plane: Uint16Array,
): void {
  const low = 1 - high;
  for (let y = 0; y < height; y += 1) {
    let from = lines.first + y * lines.lineStep;
    let to = (y + 1) * (width + 2) + 1;
    for (const end = to + width; to < end; to += 1, from += lines.sampleStep)
      plane[to] = (((bytes[from + high] as number) << 8) | (bytes[from + low] as number)) ^ flip;
  }
}

/** Puts the samples of one plane of the picture into `plane`, and leaves the frame around them alone. */
export function readPlane(bytes: Buffer, shape: Shape, index: number, plane: Uint16Array): void {
  const { width, height, bytesPerSample, isSigned, isBigEndian } = shape;
  const lines = linesOf(shape, index);
  if (bytesPerSample === 1) {
    readBytes(bytes, lines, width, height, isSigned ? 0x80 : 0, plane);
    return;
  }
  const flip = isSigned ? 0x8000 : 0;
  const words = isBigEndian ? undefined : wordsOf(bytes);
  if (words !== undefined) readWords(words, lines, width, height, flip, plane);
  else readPairs(bytes, lines, width, height, flip, isBigEndian ? 0 : 1, plane);
}

function writeBytes(plane: Uint16Array, lines: Lines, width: number, height: number, flip: number, into: Buffer): void {
  for (let y = 0; y < height; y += 1) {
    let to = lines.first + y * lines.lineStep;
    let from = (y + 1) * (width + 2) + 1;
    for (const end = from + width; from < end; from += 1, to += lines.sampleStep)
      into[to] = (plane[from] as number) ^ flip;
  }
}

function writeWords(
  plane: Uint16Array,
  lines: Lines,
  width: number,
  height: number,
  flip: number,
  into: Uint16Array,
): void {
  const step = lines.sampleStep >> 1;
  const isCopy = step === 1 && flip === 0 && width >= COPIED_SAMPLES_MIN;
  for (let y = 0; y < height; y += 1) {
    let to = (lines.first + y * lines.lineStep) >> 1;
    let from = (y + 1) * (width + 2) + 1;
    if (isCopy) {
      into.set(plane.subarray(from, from + width), to);
      continue;
    }
    for (const end = from + width; from < end; from += 1, to += step) into[to] = (plane[from] as number) ^ flip;
  }
}

function writePairs(
  plane: Uint16Array,
  lines: Lines,
  width: number,
  height: number,
  flip: number,
  high: number,
  into: Buffer,
): void {
  const low = 1 - high;
  for (let y = 0; y < height; y += 1) {
    let to = lines.first + y * lines.lineStep;
    let from = (y + 1) * (width + 2) + 1;
    for (const end = from + width; from < end; from += 1, to += lines.sampleStep) {
      const sample = (plane[from] as number) ^ flip;
      into[to + high] = sample >> 8;
      into[to + low] = sample & 0xff;
    }
  }
}

/** The inverse of `readPlane`. */
export function writePlane(plane: Uint16Array, shape: Shape, index: number, into: Buffer): void {
  const { width, height, bytesPerSample, isSigned, isBigEndian } = shape;
  const lines = linesOf(shape, index);
  if (bytesPerSample === 1) {
    writeBytes(plane, lines, width, height, isSigned ? 0x80 : 0, into);
    return;
  }
  const flip = isSigned ? 0x8000 : 0;
  const words = isBigEndian ? undefined : wordsOf(into);
  if (words !== undefined) writeWords(plane, lines, width, height, flip, words);
  else writePairs(plane, lines, width, height, flip, isBigEndian ? 0 : 1, into);
}
