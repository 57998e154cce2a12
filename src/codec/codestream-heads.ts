/**
 * The heads of codestreams as OpenJPH and CharLS write them for one plane: pure.
 *
 * The hardest decision: they are not stored. A damaged head can make a decoder run for minutes (a component that is said to be subsampled does), and what
 * it says is known: the size of the picture and how the encoder was set. It is written anew before decoding; that also saves 120 bytes a
 * picture. Should a library ever write another head, `bodyOf` refuses what it coded, and the picture is left to the next codec.
 */

/** Of one plane of whole numbers from 0 on. */
export interface PlaneSize {
  readonly width: number;
  readonly height: number;
  /** 1 to 16. */
  readonly bits: number;
}

export interface Codestream {
  /** What stands before the body, its length written in where the format wants it. */
  head(bodyLength: number): Buffer;
  /** Where the encoder puts a comment that is not kept. */
  readonly commentAt: number | undefined;
  readonly tail: Buffer;
}

/** EOI of JPEG-LS and EOC of JPEG 2000. */
const END = Buffer.of(0xff, 0xd9);

/** ITU-T T.87, C.2.4.1: the parameters of C.2.4.1.1.1 for 12 bits, which CharLS names for deeper samples too. */
function presetSegment(bits: number): Buffer {
  if (bits <= 12) return Buffer.alloc(0);
  const lse = Buffer.from('fff8000d010000001200430114' + '0040', 'hex');
  lse.writeUInt16BE(2 ** bits - 1, 5);
  return lse;
}

/** ITU-T T.87, C.2: SOI, SOF55 with one component, SOS without a mapping table, lossless, not interleaved. */
export function jpegLsStream({ width, height, bits }: PlaneSize): Codestream {
  const sof = Buffer.from('ffd8fff7000b00000000000101' + '1100', 'hex');
  sof.writeUInt8(bits, 6);
  sof.writeUInt16BE(height, 7);
  sof.writeUInt16BE(width, 9);
  const head = Buffer.concat([sof, presetSegment(bits), Buffer.from('ffda0008010100000000', 'hex')]);
  return { head: () => head, commentAt: undefined, tail: END };
}

/** ISO/IEC 15444-1, A.5.1. */
function sizSegment({ width, height, bits }: PlaneSize): Buffer {
  const siz = Buffer.alloc(43);
  siz.writeUInt16BE(0xff51, 0);
  siz.writeUInt16BE(41, 2);
  // Needs the capabilities of part 15.
  siz.writeUInt16BE(0x4000, 4);
  for (const at of [6, 22]) {
    siz.writeUInt32BE(width, at);
    siz.writeUInt32BE(height, at + 4);
  }
  siz.writeUInt16BE(1, 38);
  siz.set([bits - 1, 1, 1], 40);
  return siz;
}

/** ISO/IEC 15444-15, A.3: only high-throughput blocks, reversible, so many magnitude bits. */
function capSegment(bits: number, decompositions: number): Buffer {
  const cap = Buffer.from('ff50000800020000' + '0000', 'hex');
  cap.writeUInt16BE(Math.max(0, bits - (decompositions === 1 ? 7 : 6)), 8);
  return cap;
}

/** ISO/IEC 15444-1, A.6.1: RPCL, one layer, no colour transform, blocks of 64x64, reversible 5/3 filter. */
function codSegment(decompositions: number): Buffer {
  const cod = Buffer.from('ff52000c00020001000004044001', 'hex');
  cod.writeUInt8(decompositions, 9);
  return cod;
}

/** ISO/IEC 15444-1, A.6.4: no quantisation, one guard bit, exponents by sub-band from the coarsest on. */
function qcdSegment(bits: number, decompositions: number): Buffer {
  const bands = 3 * decompositions + 1;
  const exponents = Array.from(
    { length: bands },
    (_, band) => (band === 0 || band >= bands - 3 ? bits + 1 : bits + 2) << 3,
  );
  const qcd = Buffer.alloc(5 + bands);
  qcd.writeUInt16BE(0xff5c, 0);
  qcd.writeUInt16BE(3 + bands, 2);
  qcd.set([0x20, ...exponents], 4);
  return qcd;
}

const SOC = Buffer.of(0xff, 0x4f);
/** ISO/IEC 15444-1, A.4.2 and A.4.3: the only tile part, and the beginning of its data. */
const TILE_HEAD = Buffer.from('ff90000a0000000000000001ff93', 'hex');

const DECOMPOSITIONS_MAX = 5;

/** As many as halve the shorter side to one sample, and at most as many as the encoder takes by itself. */
export function decompositionsFor({ width, height }: PlaneSize): number {
  return Math.min(DECOMPOSITIONS_MAX, 31 - Math.clz32(Math.min(width, height)));
}

/** ISO/IEC 15444-1, annex A: one tile of one component. */
export function htj2kStream(size: PlaneSize): Codestream {
  const decompositions = decompositionsFor(size);
  const segments = [SOC, sizSegment(size), capSegment(size.bits, decompositions)];
  const main = Buffer.concat([...segments, codSegment(decompositions), qcdSegment(size.bits, decompositions)]);
  return {
    head(bodyLength) {
      const head = Buffer.concat([main, TILE_HEAD]);
      head.writeUInt32BE(TILE_HEAD.length + bodyLength, main.length + 6);
      return head;
    },
    commentAt: main.length,
    tail: END,
  };
}

/** Without the comment (COM, ISO/IEC 15444-1, A.9.2). */
function withoutComment(stream: Buffer, at: number): Buffer {
  if (at + 4 > stream.length || stream.readUInt16BE(at) !== 0xff64) return stream;
  return Buffer.concat([stream.subarray(0, at), stream.subarray(at + 2 + stream.readUInt16BE(at + 2))]);
}

/** What stands between head and tail; `undefined` when they are not those that would be written anew. */
export function bodyOf(stream: Buffer, { head, commentAt, tail }: Codestream): Buffer | undefined {
  const whole = commentAt === undefined ? stream : withoutComment(stream, commentAt);
  const begin = head(0).length;
  const end = whole.length - tail.length;
  if (end < begin || !whole.subarray(end).equals(tail)) return undefined;
  return whole.subarray(0, begin).equals(head(end - begin)) ? whole.subarray(begin, end) : undefined;
}

/** Bytes of the whole codestream. */
export function streamLength(codestream: Codestream, body: Buffer): number {
  return codestream.head(body.length).length + body.length + codestream.tail.length;
}

/** Puts the whole codestream together. */
export function writeStream(codestream: Codestream, body: Buffer, into: Uint8Array): void {
  const head = codestream.head(body.length);
  into.set(head);
  into.set(body, head.length);
  into.set(codestream.tail, head.length + body.length);
}
