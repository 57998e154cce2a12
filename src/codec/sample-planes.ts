// HOT PATH
/**
 * The samples of a picture as planes of 16 bits, whatever way they lie in its bytes, and back.
 *
 * Promises: a bijection, so that bits above BitsStored, signs and byte order come back as they were. Signed samples are moved so that the smallest
 * is 0: neighbours stay neighbours. A framed plane has one more sample above and at both sides, which predictors fill; a bare one has none.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { LIMITS } from '../base/limits.ts';
import type { Shape } from './plane-codec.ts';

const isHostLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Where the samples lie in a plane. */
export interface Room {
  readonly first: number;
  /** From line to line. */
  readonly stride: number;
  /** Of the whole plane. */
  readonly length: number;
}

export function framedRoom({ width, height }: Shape): Room {
  return { first: width + 3, stride: width + 2, length: (width + 2) * (height + 1) };
}

export function bareRoom({ width, height }: Shape): Room {
  return { first: 0, stride: width, length: width * height };
}

/** Whether the shape is a picture of so many bytes that picture codecs take. */
export function isPicture(shape: Shape, length: number): boolean {
  const { width, height, bytesPerSample, samples } = shape;
  if (bytesPerSample > 2 || length > LIMITS.pictureBytesMax) return false;
  if (width < 1 || height < 1 || width > LIMITS.pictureSideMax || height > LIMITS.pictureSideMax) return false;
  return width * height * bytesPerSample * samples === length;
}

/** Where the samples of one plane lie in the bytes: the first of them, and steps in bytes; and where in the plane. */
interface Lines {
  readonly width: number;
  readonly height: number;
  readonly first: number;
  readonly sampleStep: number;
  readonly lineStep: number;
  readonly room: Room;
}

function linesOf(shape: Shape, plane: number, room: Room): Lines {
  const { width, height, bytesPerSample, samples } = shape;
  const isApart = samples === 1 || shape.isPlanar;
  const sampleStep = isApart ? bytesPerSample : 3 * bytesPerSample;
  const lineStep = width * sampleStep;
  const first = isApart ? plane * lineStep * height : plane * bytesPerSample;
  // Without a frame between them, lines are one.
  if (room.stride === width) return { width: width * height, height: 1, first, sampleStep, lineStep, room };
  return { width, height, first, sampleStep, lineStep, room };
}

/** The bytes as words, where they lie so that the processor can read them as such. */
function wordsOf(bytes: Buffer): Uint16Array | undefined {
  if (!isHostLittleEndian || bytes.byteOffset % 2 !== 0) return undefined;
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
}

/** Loops name what they need of `lines`: each look into the object would cost as much as the sample. */
function readBytes(bytes: Buffer, lines: Lines, flip: number, plane: Uint16Array): void {
  const { width, height, sampleStep, room } = lines;
  for (let y = 0; y < height; y += 1) {
    let from = lines.first + y * lines.lineStep;
    let to = room.first + y * room.stride;
    for (const end = to + width; to < end; to += 1, from += sampleStep) plane[to] = (bytes[from] as number) ^ flip;
  }
}

/** Shorter lines are copied sample by sample: a view of each would take longer. */
const COPIED_SAMPLES_MIN = 64;

function readWords(words: Uint16Array, lines: Lines, flip: number, plane: Uint16Array): void {
  const { width, height, room } = lines;
  const step = lines.sampleStep >> 1;
  const isCopy = step === 1 && flip === 0 && width >= COPIED_SAMPLES_MIN;
  for (let y = 0; y < height; y += 1) {
    let from = (lines.first + y * lines.lineStep) >> 1;
    let to = room.first + y * room.stride;
    if (isCopy) {
      plane.set(words.subarray(from, from + width), to);
      continue;
    }
    for (const end = to + width; to < end; to += 1, from += step) plane[to] = (words[from] as number) ^ flip;
  }
}

function readPairs(bytes: Buffer, lines: Lines, flip: number, high: number, plane: Uint16Array): void {
  const { width, height, sampleStep, room } = lines;
  const low = 1 - high;
  for (let y = 0; y < height; y += 1) {
    let from = lines.first + y * lines.lineStep;
    let to = room.first + y * room.stride;
    for (const end = to + width; to < end; to += 1, from += sampleStep)
      plane[to] = (((bytes[from + high] as number) << 8) | (bytes[from + low] as number)) ^ flip;
  }
}

/** What is added to signed samples, or taken from them: their smallest becomes 0. */
function flipOf({ bytesPerSample, isSigned }: Shape): number {
  if (!isSigned) return 0;
  return bytesPerSample === 1 ? 0x80 : 0x8000;
}

/** Puts the samples of one plane of the picture into `plane`, and leaves the frame around them alone. */
export function readPlane(bytes: Buffer, shape: Shape, index: number, plane: Uint16Array, room: Room): void {
  const lines = linesOf(shape, index, room);
  const flip = flipOf(shape);
  if (shape.bytesPerSample === 1) {
    readBytes(bytes, lines, flip, plane);
    return;
  }
  const words = shape.isBigEndian ? undefined : wordsOf(bytes);
  if (words !== undefined) readWords(words, lines, flip, plane);
  else readPairs(bytes, lines, flip, shape.isBigEndian ? 0 : 1, plane);
}

function writeBytes(plane: Uint16Array, lines: Lines, flip: number, into: Buffer): void {
  const { width, height, sampleStep, room } = lines;
  for (let y = 0; y < height; y += 1) {
    let to = lines.first + y * lines.lineStep;
    let from = room.first + y * room.stride;
    for (const end = from + width; from < end; from += 1, to += sampleStep) into[to] = (plane[from] as number) ^ flip;
  }
}

function writeWords(plane: Uint16Array, lines: Lines, flip: number, into: Uint16Array): void {
  const { width, height, room } = lines;
  const step = lines.sampleStep >> 1;
  const isCopy = step === 1 && flip === 0 && width >= COPIED_SAMPLES_MIN;
  for (let y = 0; y < height; y += 1) {
    let to = (lines.first + y * lines.lineStep) >> 1;
    let from = room.first + y * room.stride;
    if (isCopy) {
      into.set(plane.subarray(from, from + width), to);
      continue;
    }
    for (const end = from + width; from < end; from += 1, to += step) into[to] = (plane[from] as number) ^ flip;
  }
}

function writePairs(plane: Uint16Array, lines: Lines, flip: number, high: number, into: Buffer): void {
  const { width, height, sampleStep, room } = lines;
  const low = 1 - high;
  for (let y = 0; y < height; y += 1) {
    let to = lines.first + y * lines.lineStep;
    let from = room.first + y * room.stride;
    for (const end = from + width; from < end; from += 1, to += sampleStep) {
      const sample = (plane[from] as number) ^ flip;
      into[to + high] = sample >> 8;
      into[to + low] = sample & 0xff;
    }
  }
}

/** The inverse of `readPlane`. */
export function writePlane(plane: Uint16Array, shape: Shape, index: number, into: Buffer, room: Room): void {
  const lines = linesOf(shape, index, room);
  const flip = flipOf(shape);
  if (shape.bytesPerSample === 1) {
    writeBytes(plane, lines, flip, into);
    return;
  }
  const words = shape.isBigEndian ? undefined : wordsOf(into);
  if (words !== undefined) writeWords(plane, lines, flip, words);
  else writePairs(plane, lines, flip, shape.isBigEndian ? 0 : 1, into);
}

/**
 * The bytes of a picture of one sample a pixel as its samples, where the processor reads them as such, and what has to be added to one of a plane
 * to have it: a plane is then not needed in between.
 */
export function samplesWithin(
  bytes: Buffer,
  shape: Shape,
): { readonly samples: Uint8Array | Uint16Array; readonly flip: number } | undefined {
  if (shape.samples !== 1) return undefined;
  const samples = shape.bytesPerSample === 1 ? bytes : shape.isBigEndian ? undefined : wordsOf(bytes);
  return samples === undefined ? undefined : { samples, flip: flipOf(shape) };
}
