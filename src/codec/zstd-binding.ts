/**
 * zstd (RFC 8878) behind one interface, whichever library does it.
 *
 * Promises: what one implementation writes the other reads; a frame says how many bytes it holds, so that clients may decode it in one call; and a
 * damaged frame costs bounded memory and ends in an Error.
 *
 * The hardest decision: which library. Node's own is preferred where it is whole. Before Node 22.19 and 24.6 it has no dictionaries, and
 * silently codes without the one that it is given, so that a trial decides and not a version.
 */
import { nodeZstd } from './zstd-node.ts';
import { packageZstd } from './zstd-package.ts';

export interface Zstd {
  readonly name: 'node' | 'package';
  /**
   * One frame with its content size and without a checksum, in a buffer of its own.
   *
   * @param level 1 to 12. Higher ones cut blocks so finely that a frame could not be bounded by counting them
   * @param dictionary raw content. It may be kept, so it must not change afterwards
   */
  compress(bytes: Buffer, level: number, dictionary?: Buffer): Buffer;
  /**
   * Of one frame, or of several that follow each other.
   *
   * @param size of what the frames hold, exactly
   * @throws Error when `frames` is not one or more whole frames of so many bytes in all
   */
  decompress(frames: Buffer, size: number, dictionary?: Buffer): Buffer;
}

/** Node's own where it knows dictionaries, else the package. */
export function chooseZstd(): Zstd {
  return nodeZstd() ?? packageZstd();
}
