/** Files of folders as the store keeps them: objects in one piece, or in extents that are coded apart; and the dictionaries of their series. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { LIMITS } from '../../src/base/limits.ts';
import type { Coder, EncodeOptions } from '../../src/codec/object-coding.ts';
import { detectBeginning } from '../../src/format/content-detect.ts';
import { pixelsOfPiece } from '../../src/format/content-pixels.ts';
import { SeriesDictionaries } from '../../src/store/coding-dictionaries.ts';
import type { StoredDictionary } from '../../src/store/output-volume.ts';
import { BenchError } from '../measure/options.ts';

/** Files that are looked at together, as the store's pass looks at them: where the dictionaries of a series come from. */
const FILES_AT_ONCE = 256;
const BYTES_AT_ONCE = 256 * 2 ** 20;

export interface Piece {
  readonly bytes: Buffer;
  readonly options: Omit<EncodeOptions, 'profile'>;
}

export interface CorpusObject {
  readonly path: string;
  /** Relative to the path that was given, or its name. */
  readonly folder: string;
  readonly bytes: Buffer;
  readonly pieces: readonly Piece[];
  readonly dictionary: StoredDictionary | undefined;
}

export interface File {
  readonly path: string;
  readonly folder: string;
  readonly size: number;
}

/** Every file under a path, in order of names; links are not followed. */
function filesUnder(path: string, root: string): File[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new BenchError(`${path} does not exist; give a folder or a file.`);
  if (stat.isFile()) {
    const folder = path === root ? '' : relative(root, dirname(path));
    return [{ path, folder: folder === '' ? basename(dirname(path)) : folder, size: stat.size }];
  }
  const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries
    .filter((entry) => entry.isDirectory() || entry.isFile())
    .flatMap(({ name }) => filesUnder(join(path, name), root));
}

export interface Selection {
  readonly files: readonly File[];
  readonly leftOut: { readonly files: number; readonly bytes: number };
}

/**
 * The files under these paths, in order of names, as long as there is room for them; one that finds no room leaves it to smaller ones.
 *
 * @param room files, and bytes of all of them together
 * @throws BenchError when a path does not exist, or nothing is left
 */
export function selectFiles(paths: readonly string[], room: { files: number; bytes: number }): Selection {
  const all = paths.flatMap((path) => filesUnder(resolve(path), resolve(path)));
  if (all.length === 0) throw new BenchError(`there are no files under ${paths.join(', ')}.`);
  const files: File[] = [];
  const leftOut = { files: 0, bytes: 0 };
  let left = room.bytes;
  for (const file of all) {
    if (files.length < room.files && file.size <= left) {
      files.push(file);
      left -= file.size;
    } else {
      leftOut.files += 1;
      leftOut.bytes += file.size;
    }
  }
  if (files.length === 0) throw new BenchError(`none of ${all.length} files has room; give a larger --files or --mb.`);
  return { files, leftOut };
}

function piecesOf(bytes: Buffer, options: Piece['options']): Piece[] {
  if (bytes.length <= LIMITS.extentBytes) return [{ bytes, options }];
  const { class: contentClass, pixels } = detectBeginning(bytes.subarray(0, LIMITS.extentBytes), bytes.length);
  const pieces: Piece[] = [];
  for (let start = 0; start < bytes.length; start += LIMITS.extentBytes) {
    const hint = { class: contentClass, pixels: pixels === undefined ? undefined : pixelsOfPiece(pixels, start) };
    pieces.push({ bytes: bytes.subarray(start, start + LIMITS.extentBytes), options: { hint } });
  }
  return pieces;
}

/** Files by the hundred, so that a large folder does not have to fit into memory. */
function* groupsOf(files: readonly File[]): Generator<File[]> {
  let group: File[] = [];
  let bytes = 0;
  for (const file of files) {
    if (group.length === FILES_AT_ONCE || (group.length > 0 && bytes + file.size > BYTES_AT_ONCE)) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(file);
    bytes += file.size;
  }
  if (group.length > 0) yield group;
}

export async function* corpusOf(files: readonly File[], coder: Coder): AsyncGenerator<CorpusObject> {
  const series = new SeriesDictionaries(coder, 'default');
  for (const group of groupsOf(files)) {
    const all = group.map(({ path }) => readFileSync(path));
    const dictionaries = await series.of(all, await coder.examine(all));
    for (const [i, { path, folder }] of group.entries()) {
      const bytes = all[i] as Buffer;
      const known = bytes.length <= LIMITS.extentBytes ? dictionaries[i] : undefined;
      const pieces = piecesOf(bytes, { dictionary: known?.dictionary });
      yield { path, folder, bytes, pieces, dictionary: known?.stored };
    }
  }
}
