// HOT PATH
/**
 * Samples of several bytes, their bytes of equal weight together, then zstd: for floats, whose exponents are alike while their fractions are
 * noise, and for whole numbers that no picture codec takes.
 *
 * Layout: one zstd frame of `bytesPerSample` planes, of the bytes as they lie (so byte order does not matter); bytes behind the last whole sample
 * follow the planes.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { CODEC, type PlaneCodec } from './plane-codec.ts';
import type { Zstd } from './zstd-interface.ts';

const LEVEL = 3;

function split(bytes: Buffer, stride: number): Buffer {
  const planes = Buffer.allocUnsafeSlow(bytes.length);
  const count = Math.floor(bytes.length / stride);
  for (let plane = 0; plane < stride; plane += 1) {
    const at = plane * count;
    for (let i = 0, from = plane; i < count; i += 1, from += stride) planes[at + i] = bytes[from] as number;
  }
  bytes.copy(planes, count * stride, count * stride);
  return planes;
}

function join(planes: Buffer, stride: number, into: Buffer): void {
  const count = Math.floor(into.length / stride);
  for (let plane = 0; plane < stride; plane += 1) {
    const at = plane * count;
    for (let i = 0, to = plane; i < count; i += 1, to += stride) into[to] = planes[at + i] as number;
  }
  planes.copy(into, count * stride, count * stride);
}

export function shuffleCodec(zstd: Zstd): PlaneCodec {
  return {
    number: CODEC.shuffle,
    name: 'shuffle + zstd',
    accepts: (shape) => shape !== undefined && shape.bytesPerSample > 1,
    encode(bytes, shape) {
      if (shape === undefined || shape.bytesPerSample === 1) return undefined;
      return zstd.compress(split(bytes, shape.bytesPerSample), LEVEL);
    },
    decode(coded, shape, into) {
      if (shape === undefined) throw new Error('shuffled bytes need the shape of their samples to be decoded');
      join(zstd.decompress(coded, into.length), shape.bytesPerSample, into);
    },
  };
}
