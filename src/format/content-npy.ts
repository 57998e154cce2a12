/**
 * Arrays of numpy (NEP 1, numpy.lib.format 1.0 to 3.0). The hardest decision: which axes are the picture. The last two, but for channels
 * that come last: three of 8 or 16 bits are RGB, and others are part of the line.
 */
import { LIMITS } from '../base/limits.ts';
import { CONTENT_CLASS, type Content, type PixelLayout } from './content.ts';
import { standsAt } from './content-magic.ts';
import { pixelLayout, pixelsBefore } from './content-pixels.ts';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** An axis this short at the end is channels and not a picture's width. */
const CHANNELS_MAX = 4;

/** `undefined` where the bytes are no array. `size` is the object's, of which `bytes` is the beginning. */
export function detectNpy(bytes: Buffer, size: number): Content | undefined {
  if (!standsAt(bytes, 0, MAGIC) || bytes.length < 12) return undefined;
  const major = bytes[6] as number;
  if (major < 1 || major > 3) return undefined;
  const textAt = major === 1 ? 10 : 12;
  const textBytes = major === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const offset = textAt + textBytes;
  if (textBytes > LIMITS.contentTextBytesMax || offset > bytes.length) return undefined;
  const text = bytes.toString('latin1', textAt, offset);
  const dimensions = dimensionsOf(text);
  const layout = dimensions && layoutOf(text, dimensions, offset);
  return {
    // A list of numbers is no picture, whatever it is that compresses it.
    class: layout && dimensions.length > 1 ? CONTENT_CLASS.image : CONTENT_CLASS.other,
    headerLength: 0,
    series: undefined,
    pixels: layout && pixelsBefore(layout, size),
    isCompressed: false,
  };
}

/** The axes from the slowest to the fastest, without those of length 1 at the end; `undefined` where that is no array of numbers. */
function dimensionsOf(text: string): number[] | undefined {
  const shape = /'shape': ?\(([\d, L]*)\)/.exec(text)?.[1];
  const order = /'fortran_order': ?(True|False)/.exec(text)?.[1];
  if (shape === undefined || order === undefined) return undefined;
  const dimensions = shape.match(/\d+/g)?.map(Number) ?? [];
  if (!dimensions.every(Number.isSafeInteger)) return undefined;
  if (order === 'True') dimensions.reverse();
  while (dimensions.length > 1 && dimensions.at(-1) === 1) dimensions.pop();
  return dimensions;
}

function layoutOf(text: string, dimensions: readonly number[], offset: number): PixelLayout | undefined {
  const [, order, kind, digits] = /'descr': ?'([<>|=]?)([buifc])(\d{1,2})'/.exec(text) ?? [];
  const isComplex = kind === 'c';
  const bytesPerSample = isComplex ? Number(digits) / 2 : Number(digits);
  if (!isSampleBytes(bytesPerSample) || dimensions.length === 0) return undefined;
  const axes = [...dimensions];
  const channels = axes.length > 2 && (axes.at(-1) as number) <= CHANNELS_MAX ? (axes.pop() as number) : 1;
  const isRgb = channels === 3 && kind === 'u' && bytesPerSample <= 2;
  const inLine = (isRgb ? 1 : channels) * (isComplex ? 2 : 1);
  return pixelLayout({
    offset,
    width: (axes.pop() as number) * inLine,
    height: axes.pop() ?? 1,
    frames: axes.reduce((product, axis) => product * axis, 1),
    bytesPerSample,
    samples: isRgb ? 3 : 1,
    isSigned: kind === 'i',
    isFloat: kind === 'f' || isComplex,
    isBigEndian: order === '>',
  });
}

function isSampleBytes(count: number): count is 1 | 2 | 4 | 8 {
  return count === 1 || count === 2 || count === 4 || count === 8;
}
