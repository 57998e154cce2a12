/**
 * The files below a folder, in the order of their keys (UTF-8 bytes of the relative path), so that they can be joined with a
 * listing as both stream by. A folder sorts as its name with a slash, hence after `a.b` when its name is `a`.
 *
 * Symbolic links are not followed unless asked; a link that leads back into a folder that contains it is then an error.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { compareUtf8 } from '../store/sorted-map.ts';

export interface LocalFile {
  /** With forward slashes. */
  readonly relativePath: string;
  readonly path: string;
}

export interface WalkEvents {
  /** A link, socket, pipe or device that is left out. */
  onSkipped(path: string, why: string): void;
  /** A folder that cannot be read: what is in it is missing from the walk. */
  onError(path: string, error: unknown): void;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly isFolder: boolean;
}

export async function* walkFiles(root: string, followLinks: boolean, events: WalkEvents): AsyncGenerator<LocalFile> {
  const above = followLinks ? [await realpath(root)] : [];
  yield* walk(root, '', followLinks, events, above);
}

async function* walk(
  folder: string,
  relative: string,
  followLinks: boolean,
  events: WalkEvents,
  above: readonly string[],
): AsyncGenerator<LocalFile> {
  for (const entry of await sortedEntries(folder, followLinks, events, relative === '')) {
    const relativePath = relative === '' ? entry.name : `${relative}/${entry.name}`;
    if (!entry.isFolder) {
      yield { relativePath, path: entry.path };
      continue;
    }
    const real = followLinks ? await realpath(entry.path) : entry.path;
    if (above.includes(real)) events.onError(entry.path, new Error('the link leads to a folder that it lies in'));
    else yield* walk(entry.path, relativePath, followLinks, events, followLinks ? [...above, real] : above);
  }
}

async function sortedEntries(
  folder: string,
  followLinks: boolean,
  events: WalkEvents,
  isRoot: boolean,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  try {
    for (const found of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, found.name);
      const what =
        found.isSymbolicLink() && followLinks
          ? await stat(path).catch((error: unknown) => void events.onError(path, error))
          : found;
      if (what === undefined) continue;
      if (what.isDirectory() || what.isFile()) entries.push({ name: found.name, path, isFolder: what.isDirectory() });
      else
        events.onSkipped(
          path,
          found.isSymbolicLink() ? 'a symbolic link (--follow-links follows them)' : 'not an ordinary file',
        );
    }
  } catch (error) {
    if (isRoot) throw error;
    events.onError(folder, error);
    return [];
  }
  const rank = (entry: Entry): string => (entry.isFolder ? `${entry.name}/` : entry.name);
  return entries.sort((a, b) => compareUtf8(rank(a), rank(b)));
}
