// HOT PATH
/**
 * Pictures for codecs that know one plane of whole numbers from 0 on: HTJ2K and JPEG-LS. Colour becomes three planes, red and blue as differences
 * from green where that helps; of each plane the smallest sample is subtracted, and it is as many bits deep as what is left needs.
 *
 * Promises: what the samples mean does not matter. Signs, byte order and bits above BitsStored are gone before a codec sees them, so that none of
 * them can get it wrong. A codestream is decoded only when its CRC holds.
 *
 * Layout: one byte of flags (1: red and blue are differences from green), then for each plane its smallest sample (16 bits, little endian) and its
 * depth in bits (one byte; 0: all samples are the smallest, and nothing follows), the length of its codestream without head and tail
 * (codestream-heads.ts), the CRC-32 of width and height (32 bits each), of those three bytes and of the codestream, and the codestream.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { crc32Of } from '../format/crc32.ts';
import type { PlaneSize } from './codestream-heads.ts';
import { addGreen, helps, subtractGreen } from './green-difference.ts';
import type { Shape } from './plane-codec.ts';
import { bareRoom, isPicture, readPlane, samplesWithin, writePlane } from './sample-planes.ts';

const FLAG_GREEN = 1;
const GREEN = 1;
const PLANE_HEAD_BYTES = 3;
const STREAM_HEAD_BYTES = 8;

/** A codec of one plane. Samples of more than 8 bits are words in the byte order of the machine. */
export interface StreamCoder {
  /**
   * @param fill puts the samples, without a frame, into the room that it is given
   * @returns the codestream without head and tail, in a buffer of its own; `undefined` where it cannot
   */
  encode(size: PlaneSize, fill: (room: Uint8Array) => void): Buffer | undefined;
  /**
   * @param take is given the samples; they are gone after the call
   * @throws Error when the codestream is bad
   */
  decode(stream: Buffer, size: PlaneSize, take: (samples: Uint8Array) => void): void;
}

interface Range {
  readonly least: number;
  readonly bits: number;
}

function rangeOf(plane: Uint16Array): Range {
  let least = 0xffff;
  let most = 0;
  for (let at = 0; at < plane.length; at += 1) {
    const sample = plane[at] as number;
    if (sample < least) least = sample;
    if (sample > most) most = sample;
  }
  return { least, bits: 32 - Math.clz32(most - least) };
}

function wordsOf(room: Uint8Array): Uint16Array {
  return new Uint16Array(room.buffer, room.byteOffset, room.length >> 1);
}

function fillFrom(plane: Uint16Array, least: number, room: Uint8Array | Uint16Array): void {
  for (let at = 0; at < plane.length; at += 1) room[at] = (plane[at] as number) - least;
}

/** Modulo the range of what they are put into. */
function takeInto(samples: Uint8Array | Uint16Array, added: number, into: Uint8Array | Uint16Array): void {
  for (let at = 0; at < into.length; at += 1) into[at] = (samples[at] as number) + added;
}

/** Of the size of the plane, its smallest sample and depth (the first bytes of `head`), and its codestream. */
function crcOf(stream: Buffer, head: Buffer, shape: Shape): number {
  const about = Buffer.alloc(8 + PLANE_HEAD_BYTES);
  about.writeUInt32LE(shape.width, 0);
  about.writeUInt32LE(shape.height, 4);
  head.copy(about, 8, 0, PLANE_HEAD_BYTES);
  return crc32Of(stream, crc32Of(about, 0));
}

function encodePlane(coder: StreamCoder, plane: Uint16Array, shape: Shape): Buffer[] | undefined {
  const { least, bits } = rangeOf(plane);
  const head = Buffer.allocUnsafe(PLANE_HEAD_BYTES + STREAM_HEAD_BYTES);
  head.writeUInt16LE(least, 0);
  head.writeUInt8(bits, 2);
  if (bits === 0) return [head.subarray(0, PLANE_HEAD_BYTES)];
  const stream = coder.encode({ width: shape.width, height: shape.height, bits }, (room) => {
    fillFrom(plane, least, bits > 8 ? wordsOf(room) : room);
  });
  if (stream === undefined) return undefined;
  head.writeUInt32LE(stream.length, 3);
  head.writeUInt32LE(crcOf(stream, head, shape), 7);
  return [head, stream];
}

/** @returns `undefined` where the shape is no picture, or the codec cannot */
export function encodeStreams(coder: StreamCoder, bytes: Buffer, shape: Shape): Buffer | undefined {
  if (!isPicture(shape, bytes.length)) return undefined;
  const room = bareRoom(shape);
  const planes = Array.from({ length: shape.samples }, (_, index) => {
    const plane = new Uint16Array(room.length);
    readPlane(bytes, shape, index, plane, room);
    return plane;
  });
  const [red, green, blue] = planes;
  const mask = shape.bytesPerSample === 1 ? 0xff : 0xffff;
  const isDifferent = red !== undefined && green !== undefined && blue !== undefined && helps(red, green, mask);
  if (isDifferent) {
    subtractGreen(red, green, mask);
    subtractGreen(blue, green, mask);
  }
  const parts: Buffer[] = [Buffer.of(isDifferent ? FLAG_GREEN : 0)];
  for (const plane of planes) {
    const coded = encodePlane(coder, plane, shape);
    if (coded === undefined) return undefined;
    parts.push(...coded);
  }
  return Buffer.concat(parts);
}

/**
 * @param added to each sample
 * @returns where the next plane begins
 */
function decodePlane(
  coder: StreamCoder,
  coded: Buffer,
  at: number,
  shape: Shape,
  added: number,
  into: Uint8Array | Uint16Array,
): number {
  if (at + PLANE_HEAD_BYTES > coded.length) throw new Error('a picture ends before its planes do');
  const least = coded.readUInt16LE(at);
  const bits = coded.readUInt8(at + 2);
  const streamHead = at + PLANE_HEAD_BYTES;
  if (bits === 0) {
    into.fill(least + added);
    return streamHead;
  }
  const begin = streamHead + STREAM_HEAD_BYTES;
  if (bits > 8 * shape.bytesPerSample)
    throw new Error(`a plane of ${bits} bits in ${shape.bytesPerSample} bytes a sample`);
  if (begin > coded.length) throw new Error('a plane ends within its head');
  const end = begin + coded.readUInt32LE(streamHead);
  if (end > coded.length) throw new Error('a codestream ends behind its picture');
  const stream = coded.subarray(begin, end);
  if (crcOf(stream, coded.subarray(at), shape) !== coded.readUInt32LE(streamHead + 4))
    throw new Error('the CRC of a codestream does not hold');
  coder.decode(stream, { width: shape.width, height: shape.height, bits }, (samples) => {
    takeInto(bits > 8 ? wordsOf(samples) : samples, least + added, into);
  });
  return end;
}

/** @throws Error when `coded` is not a picture of this shape */
export function decodeStreams(coder: StreamCoder, coded: Buffer, shape: Shape, into: Buffer): void {
  if (!isPicture(shape, into.length)) throw new Error(`${into.length} bytes are not those of a picture of this shape`);
  const flags = coded[0];
  if (flags === undefined || flags > FLAG_GREEN) throw new Error(`a picture with flags ${flags}; expected 0 or 1`);
  const direct = samplesWithin(into, shape);
  if (direct !== undefined) {
    checkEnd(decodePlane(coder, coded, 1, shape, direct.flip, direct.samples), coded);
    return;
  }
  let at = 1;
  const room = bareRoom(shape);
  const planes = Array.from({ length: shape.samples }, () => {
    const plane = new Uint16Array(room.length);
    at = decodePlane(coder, coded, at, shape, 0, plane);
    return plane;
  });
  checkEnd(at, coded);
  const green = planes[GREEN];
  planes.forEach((plane, index) => {
    if (flags === FLAG_GREEN && green !== undefined && index !== GREEN)
      addGreen(plane, green, shape.bytesPerSample === 1 ? 0xff : 0xffff);
    writePlane(plane, shape, index, into, room);
  });
}

function checkEnd(at: number, coded: Buffer): void {
  if (at !== coded.length) throw new Error(`a picture ends at byte ${at} of ${coded.length}`);
}
