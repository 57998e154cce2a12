/**
 * The one interface of every coding: bytes in, fewer bytes out, and back exactly. Implementations are synchronous and run on the threads of
 * the codec pool; numbers are stored in every coded section, and never reused.
 */

/** Codings by number. */
export const CODEC = {
  raw: 0,
  zstd: 1,
  /** zstd with the dictionary that the payload names. */
  zstdDictionary: 2,
  /** Bytes of equal weight together, then zstd. */
  shuffle: 3,
  /** The median edge detector of JPEG-LS (ITU-T T.87), residuals by plane, then zstd. */
  med: 4,
  /** High-throughput JPEG 2000, lossless (ISO/IEC 15444-15). */
  htj2k: 5,
  /** ITU-T T.87, lossless. */
  jpegls: 6,
} as const;
export type CodecNumber = (typeof CODEC)[keyof typeof CODEC];

/** How the samples of a section lie; stored with it. One line for bytes that are no picture. */
export interface Shape {
  readonly width: number;
  readonly height: number;
  readonly bytesPerSample: 1 | 2 | 4 | 8;
  readonly samples: 1 | 3;
  readonly isPlanar: boolean;
  readonly isSigned: boolean;
  readonly isBigEndian: boolean;
}

export interface PlaneCodec {
  readonly number: CodecNumber;
  readonly name: string;
  /** Whether bytes of this shape are something for it. `undefined` stands for bytes without a shape. */
  accepts(shape: Shape | undefined): boolean;
  /**
   * The coded form, a buffer of its own; `undefined` where it cannot code these bytes (too many bits, too much noise). What is returned is
   * verified by its caller, who decodes and compares.
   */
  encode(bytes: Buffer, shape: Shape | undefined, dictionary: Buffer | undefined): Buffer | undefined;
  /**
   * Fills all of `into`.
   *
   * @throws Error when `coded` is not a coding of so many bytes
   */
  decode(coded: Buffer, shape: Shape | undefined, into: Buffer, dictionary: Buffer | undefined): void;
}
