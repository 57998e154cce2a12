/** What the coding of whole payloads promises to the store; `encode-object.ts` and `decode-payload.ts` keep it. */
import type { ContentClass, PixelLayout } from '../format/content.ts';

/** Codec of a record, as its head says it. */
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
  /** `undefined` for raw: keep what you have. */
  readonly stored: Buffer | undefined;
  /** 0: none. */
  readonly dictionaryId: number;
  /** Codings that did not give the bytes back, or threw, and were dropped. */
  readonly mismatches: number;
}
