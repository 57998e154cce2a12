/**
 * zstd (RFC 8878) behind one interface, whichever library does it.
 *
 * Promises: what one implementation writes the other reads; a frame says how many bytes it holds, so that clients may decode it in one call; and a
 * damaged frame costs bounded memory and ends in an Error.
 *
 * The hardest decision: which library. Node's own is preferred where it is whole. Before Node 22.19 and 24.6 it has no dictionaries, and
 * silently codes without the one that it is given, so that a trial decides and not a version.
 */
import type { Zstd } from './zstd-interface.ts';
import { nodeZstd } from './zstd-node.ts';
import { packageZstd } from './zstd-package.ts';

/** Node's own where it knows dictionaries, else the package. */
export function chooseZstd(): Zstd {
  return nodeZstd() ?? packageZstd();
}
