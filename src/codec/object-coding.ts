/** What the coding of whole payloads promises to the store; `encode-object.ts` and `decode-payload.ts` keep it. */
import type { Content, ContentClass, PixelLayout } from '../format/content.ts';

/**
 * Codec of a record, as its head says it. Every payload but a raw one begins with four bytes, the CRC-32 (little endian) of those that
 * follow them, so that stored bytes can be checked without decoding.
 */
export const PAYLOAD_CODEC = {
  /** The bytes themselves. */
  raw: 0,
  /** One zstd frame (RFC 8878) without a dictionary, which clients may take as it is. */
  zstd: 1,
  /** Sections with a table before them: src/format/coded-payload.ts. */
  sections: 2,
} as const;
export type PayloadCodec = (typeof PAYLOAD_CODEC)[keyof typeof PAYLOAD_CODEC];

/** Raw content for zstd, of headers of one series. */
export interface Dictionary {
  /** The first four bytes (little endian) of the SHA-256 of `bytes`; never 0. */
  readonly id: number;
  readonly bytes: Buffer;
}

/** A payload that is a piece of a larger object is told what the object's beginning says. */
export interface PieceHint {
  readonly class: ContentClass;
  /** As in the whole object, `offset` counted from the beginning of this piece: it may be negative, or behind its end. */
  readonly pixels: PixelLayout | undefined;
}

export type Profile = 'default' | 'max-ratio';

export interface EncodeOptions {
  readonly profile: Profile;
  readonly dictionary?: Dictionary | undefined;
  readonly hint?: PieceHint | undefined;
}

export interface Encoded {
  readonly class: ContentClass;
  readonly codec: PayloadCodec;
  /** The whole payload, its CRC-32 first; `undefined` for raw: keep what you have. */
  readonly stored: Buffer | undefined;
  /** 0: none. */
  readonly dictionaryId: number;
  /** Codings that did not give the bytes back, or threw, and were dropped. */
  readonly mismatches: number;
}

export interface EncodeItem {
  readonly bytes: Buffer;
  readonly options: EncodeOptions;
}

export interface DecodeItem {
  readonly codec: PayloadCodec;
  /** The stored payload, with the CRC-32 of the rest in its first four bytes. */
  readonly stored: Buffer;
  /** Bytes of the original, and their CRC-32, which is checked where all of them are decoded. */
  readonly size: number;
  readonly crc: number;
  /** The one that the payload names (`dictionaryIdOf`). */
  readonly dictionary: Dictionary | undefined;
  /** Only these bytes of the original; half-open. */
  readonly range?: { readonly start: number; readonly end: number } | undefined;
}

/** Where payloads are coded and decoded: on threads, or, in tests, where one stands. An item that fails does not fail the others. */
export interface Coder {
  /**
   * What each of these is.
   *
   * @throws GatewayError ServerClosed, or InternalError when no thread starts; never for what the bytes are
   */
  examine(items: readonly Buffer[]): Promise<readonly Content[]>;
  /**
   * What cannot be coded stays raw.
   *
   * @throws GatewayError ServerClosed, or InternalError when no thread starts; never for what the bytes are
   */
  encode(items: readonly EncodeItem[]): Promise<readonly Encoded[]>;
  /**
   * In their order: the bytes, or a GatewayError. DataLoss says that the stored bytes are damaged, or their dictionary is missing; InternalError that the
   * thread did not survive the item or none starts, and ServerClosed that the coder was closed: both say nothing of the bytes.
   * An Error of any other kind is a bug. Never rejects.
   */
  decode(items: readonly DecodeItem[]): Promise<readonly (Buffer | Error)[]>;
  close(): Promise<void>;
}
