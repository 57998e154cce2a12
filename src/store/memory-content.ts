/**
 * The bytes of the memory store: immutable lists of pieces, shared by every object that was copied or completed from them. Everything
 * is copied once on the way in, because callers own their buffers again as soon as a write resolved; nothing is copied on the way
 * out but small ranges that span pieces.
 */
import { crc32 } from 'node:zlib';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';

export interface Content {
  readonly pieces: readonly Buffer[];
  /** Bytes. */
  readonly size: number;
}

const FIRST_PIECE_BYTES = 16 * 1024;

/** Copies chunks of any size into pieces that double up to the size of an extent, so that tiny chunks do not make tiny pieces. */
class ContentWriter {
  readonly #pieces: Buffer[] = [];
  #piece = Buffer.alloc(0);
  #filled = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  append(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#filled === this.#piece.length) this.#nextPiece();
      const copied = chunk.copy(this.#piece, this.#filled, offset);
      this.#filled += copied;
      this.#size += copied;
      offset += copied;
    }
  }

  finish(): Content {
    if (this.#filled > 0) this.#pieces.push(this.#piece.subarray(0, this.#filled));
    return { pieces: this.#pieces, size: this.#size };
  }

  #nextPiece(): void {
    if (this.#filled > 0) this.#pieces.push(this.#piece);
    const bytes = Math.min(LIMITS.extentBytes, Math.max(FIRST_PIECE_BYTES, this.#piece.length * 2));
    this.#piece = Buffer.allocUnsafeSlow(bytes);
    this.#filled = 0;
  }
}

function checkSize(size: number, bytesMax: number): void {
  if (size <= bytesMax) return;
  throw new GatewayError('EntityTooLarge', `The body has more than ${bytesMax} bytes; upload it in parts.`, {
    details: { MaxSizeAllowed: String(bytesMax) },
  });
}

/** A copy of the bytes. @throws GatewayError EntityTooLarge */
export function contentOfBytes(bytes: Buffer, bytesMax: number): Content {
  checkSize(bytes.length, bytesMax);
  const copy = Buffer.from(bytes);
  const pieces: Buffer[] = [];
  for (let at = 0; at < copy.length; at += LIMITS.extentBytes) pieces.push(copy.subarray(at, at + LIMITS.extentBytes));
  return { pieces, size: copy.length };
}

/** Rejects with EntityTooLarge, with the reason of the signal, or with whatever the stream fails with. */
export async function contentOfStream(
  chunks: AsyncIterable<Buffer>,
  bytesMax: number,
  signal: AbortSignal | undefined,
): Promise<Content> {
  const writer = new ContentWriter();
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    checkSize(writer.size + chunk.length, bytesMax);
    writer.append(chunk);
  }
  return writer.finish();
}

export function concatContent(contents: readonly Content[]): Content {
  const pieces: Buffer[] = [];
  let size = 0;
  for (const content of contents) {
    for (const piece of content.pieces) pieces.push(piece);
    size += content.size;
  }
  return { pieces, size };
}

/** The half-open range [start, end), sharing the bytes. */
export function sliceContent(content: Content, start: number, end: number): Content {
  const pieces: Buffer[] = [];
  let offset = 0;
  for (const piece of content.pieces) {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, piece.length);
    if (from < to) pieces.push(piece.subarray(from, to));
    offset += piece.length;
  }
  return { pieces, size: end - start };
}

export function checksumContent(content: Content): number {
  let crc = 0;
  for (const piece of content.pieces) crc = crc32(piece, crc);
  return crc;
}

async function* stream(content: Content, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  for (const piece of content.pieces) {
    signal?.throwIfAborted();
    yield piece;
  }
}

/** One buffer up to the size of an extent, a stream of pieces above. */
export function contentBody(content: Content, signal: AbortSignal | undefined): Buffer | AsyncIterable<Buffer> {
  if (content.size > LIMITS.extentBytes) return stream(content, signal);
  const [only = Buffer.alloc(0)] = content.pieces;
  return content.pieces.length <= 1 ? only : Buffer.concat(content.pieces as Buffer[], content.size);
}
