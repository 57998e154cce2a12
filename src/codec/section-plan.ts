/**
 * Where an object is cut: what stands before its pixels, its frames, and what is left. Pure.
 *
 * Promises: the cuts cover all bytes, in order and without gaps, and each that has a shape has exactly the bytes of it, also in a piece
 * that begins and ends within a line.
 *
 * The hardest decision: how large a section is. A codec needs some thousand pixels to learn what they are like, and each section costs 14 bytes and
 * a call, so small frames share one: a range of one frame of 8 KiB then decodes up to 128 KiB, and an fMRI series takes 7 % less than frame
 * by frame (256 KiB: another 0.5 %). Large frames are cut into bands, so that a range of some bytes decodes 1 MiB at most
 * instead of 4: a radiograph of 1.6 MB takes 0.25 % more in bands of 512 KiB, 0.7 % in those of 256 KiB, 2.7 % in those of 64 KiB (2026-11).
 */
import { LIMITS } from '../base/limits.ts';
import type { PixelLayout } from '../format/content.ts';
import type { Shape } from './plane-codec.ts';

/** Frames share a section up to this. */
const SHARED_BYTES = 128 * 1024;
/** A larger frame is cut into bands of about `BAND_BYTES`. */
const FRAME_BYTES_MAX = 1024 * 1024;
const BAND_BYTES = 512 * 1024;

export interface Cut {
  /** Half-open. */
  readonly start: number;
  readonly end: number;
  readonly part: 'header' | 'pixels' | 'rest';
  /** Of pixels. */
  readonly shape: Shape | undefined;
}

interface Lines {
  /** Bytes of one line. Planes of a planar image follow each other, so that a line has one sample a pixel. */
  readonly bytes: number;
  readonly perFrame: number;
  /** As many as `perFrame` where frames are not cut. */
  readonly perBand: number;
  /** Whole frames are never cut then: their planes are foreseen from each other. */
  readonly isPlanar: boolean;
  /** First and last line (half-open) that lie within the bytes as a whole. */
  readonly first: number;
  readonly last: number;
}

function hasPlanes({ samples, isPlanar }: PixelLayout): boolean {
  return samples === 3 && isPlanar;
}

function linesIn(pixels: PixelLayout, length: number): Lines {
  const isPlanar = hasPlanes(pixels);
  const bytes = pixels.width * pixels.bytesPerSample * (isPlanar ? 1 : pixels.samples);
  const perFrame = pixels.height * (isPlanar ? 3 : 1);
  const frameBytes = bytes * perFrame;
  const bands = frameBytes <= FRAME_BYTES_MAX ? 1 : Math.round(frameBytes / BAND_BYTES);
  const first = pixels.offset >= 0 ? 0 : Math.ceil(-pixels.offset / bytes);
  const last = Math.min(perFrame * pixels.frames, Math.floor((length - pixels.offset) / bytes));
  return { bytes, perFrame, perBand: Math.ceil(perFrame / bands), isPlanar, first, last };
}

function shapeOf(pixels: PixelLayout, lines: Lines, count: number): Shape {
  const { width, height, bytesPerSample, samples, isSigned, isBigEndian } = pixels;
  const isPlanar = hasPlanes(pixels);
  // One whole frame keeps its planes; parts and groups of planar frames are lines of one sample.
  if (isPlanar && count === lines.perFrame)
    return { width, height, bytesPerSample, samples, isPlanar, isSigned, isBigEndian };
  return {
    width,
    height: count,
    bytesPerSample,
    samples: isPlanar ? 1 : samples,
    isPlanar: false,
    isSigned,
    isBigEndian,
  };
}

/** Lines of the next section: as many whole frames as share one, or the rest of a band, or of a frame. */
function nextLines(line: number, lines: Lines): number {
  const { perFrame, perBand } = lines;
  const left = lines.last - line;
  const intoFrame = line % perFrame;
  const isWhole = intoFrame === 0 && left >= perFrame;
  if (!isWhole || (perBand < perFrame && !lines.isPlanar))
    return Math.min(left, perFrame - intoFrame, perBand - (intoFrame % perBand));
  const frames = Math.max(1, Math.floor(SHARED_BYTES / (lines.bytes * perFrame)));
  return Math.min(frames, Math.floor(left / perFrame)) * perFrame;
}

function bandCuts(pixels: PixelLayout, length: number): Cut[] {
  const lines = linesIn(pixels, length);
  const cuts: Cut[] = [];
  for (let line = lines.first; line < lines.last; ) {
    const count = nextLines(line, lines);
    const start = pixels.offset + line * lines.bytes;
    const end = start + count * lines.bytes;
    cuts.push({ start, end, part: 'pixels', shape: shapeOf(pixels, lines, count) });
    line += count;
  }
  return cuts;
}

/**
 * Of lines that are longer than picture codecs take, and may be longer than a piece: pictures of one line, as long as they take it. Nothing
 * above a pixel is known then. Slices whose width nobody knows take 4 to 14 % less so than in rows of
 * 4096 pixels, where what stands above a pixel is no neighbour of it (2026-11).
 */
function stripCuts(pixels: PixelLayout, length: number): Cut[] {
  const { width, height, frames, offset, bytesPerSample, isSigned, isBigEndian } = pixels;
  const samples = hasPlanes(pixels) ? 1 : pixels.samples;
  const pixelBytes = bytesPerSample * samples;
  const count = width * height * frames * (pixels.samples / samples);
  const last = Math.min(count, Math.floor((length - offset) / pixelBytes));
  const cuts: Cut[] = [];
  for (let pixel = offset >= 0 ? 0 : Math.ceil(-offset / pixelBytes); pixel < last; ) {
    const inStrip = Math.min(last - pixel, LIMITS.pictureSideMax);
    const start = offset + pixel * pixelBytes;
    const shape: Shape = { width: inStrip, height: 1, bytesPerSample, samples, isPlanar: false, isSigned, isBigEndian };
    cuts.push({ start, end: start + inStrip * pixelBytes, part: 'pixels', shape });
    pixel += inStrip;
  }
  return cuts;
}

function pixelCuts(pixels: PixelLayout, length: number): Cut[] {
  return pixels.width > LIMITS.pictureSideMax ? stripCuts(pixels, length) : bandCuts(pixels, length);
}

/**
 * @param length of all bytes
 * @param headerLength of bytes that resemble those of other objects; what stands before the pixels counts as such too
 * @param pixels may begin before the bytes and end behind them
 */
export function planSections(length: number, headerLength: number, pixels: PixelLayout | undefined): Cut[] {
  const body = pixels === undefined ? [] : pixelCuts(pixels, length);
  const begins = body[0]?.start ?? length;
  const headerEnd = Math.min(begins, pixels === undefined ? headerLength : Math.max(0, pixels.offset), length);
  const bodyEnd = body.at(-1)?.end ?? headerEnd;
  const cuts: Cut[] = [
    { start: 0, end: headerEnd, part: 'header', shape: undefined },
    { start: headerEnd, end: body.length === 0 ? headerEnd : begins, part: 'rest', shape: undefined },
    ...body,
    { start: bodyEnd, end: length, part: 'rest', shape: undefined },
  ];
  return cuts.filter(({ start, end }) => end > start);
}
