/** zstd as Node brings it (node:zlib, since 22.15; with dictionaries since 22.19 and 24.6). */
import * as zlib from 'node:zlib';
import { type Frame, framesOf } from './zstd-frame.ts';
import type { Zstd } from './zstd-interface.ts';

interface ZstdOptions {
  readonly chunkSize: number;
  readonly pledgedSrcSize?: number;
  readonly maxOutputLength?: number;
  readonly dictionary?: Buffer;
  readonly params?: Readonly<Record<number, number>>;
}

/** What newer types of node:zlib say. */
interface NodeZlib {
  readonly zstdCompressSync?: (bytes: Buffer, options: ZstdOptions) => Buffer;
  readonly zstdDecompressSync?: (bytes: Buffer, options: ZstdOptions) => Buffer;
  readonly constants: { readonly ZSTD_c_compressionLevel?: number };
}

/** One chunk more than the content, so that all of it comes at once; zlib wants at least 64. */
const chunkSizeFor = (size: number): number => Math.max(64, size + 32);
/** ZSTD_compressBound. */
const compressedSizeMax = (size: number): number => size + (size >> 8) + 64;

function decompressOne(
  decompressSync: (bytes: Buffer, options: ZstdOptions) => Buffer,
  frame: Frame,
  dictionary: Buffer | undefined,
): Buffer {
  const { bytes, size } = frame;
  const options = { chunkSize: chunkSizeFor(size), maxOutputLength: Math.max(1, size) };
  const content = decompressSync(bytes, dictionary === undefined ? options : { ...options, dictionary });
  if (content.length !== size) throw new Error(`a zstd frame gave ${content.length} bytes; expected ${size}`);
  return content;
}

function bind(node: NodeZlib): Zstd | undefined {
  const { zstdCompressSync, zstdDecompressSync } = node;
  const levelKey = node.constants.ZSTD_c_compressionLevel;
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined || levelKey === undefined) return undefined;
  return {
    name: 'node',
    compress(bytes, level, dictionary) {
      const chunkSize = chunkSizeFor(compressedSizeMax(bytes.length));
      const params = { [levelKey]: level };
      const options = { chunkSize, pledgedSrcSize: bytes.length, params };
      return zstdCompressSync(bytes, dictionary === undefined ? options : { ...options, dictionary });
    },
    decompress(bytes, size, dictionary) {
      const frames = framesOf(bytes, size);
      const [only] = frames;
      // zlib stops at the end of the first frame and says nothing of those behind it.
      if (only !== undefined && frames.length === 1) return decompressOne(zstdDecompressSync, only, dictionary);
      const joined = Buffer.allocUnsafeSlow(size);
      let at = 0;
      for (const frame of frames) at += decompressOne(zstdDecompressSync, frame, dictionary).copy(joined, at);
      return joined;
    },
  };
}

/** Whether a dictionary changes what is written: where zlib does not know the option, it is ignored. */
function knowsDictionaries(zstd: Zstd): boolean {
  const words = Buffer.from('the quick brown fox jumps over the lazy dog, and 1234567890 more of them');
  return zstd.compress(words, 1, words).length < words.length / 2;
}

/** `undefined` where this Node has none, or none that knows dictionaries. */
export function nodeZstd(): Zstd | undefined {
  const zstd = bind(zlib as unknown as NodeZlib);
  return zstd !== undefined && knowsDictionaries(zstd) ? zstd : undefined;
}
