/**
 * File paths to keys and back. A key may hold anything; a path may not. What has no safe place below the target folder (`..`,
 * `//`, a NUL, a name that the file system cannot hold) is refused and counted, never bent into something else: two keys must
 * not end up in one file, and no key may write outside the folder.
 */
import { LIMITS } from '../base/limits.ts';

/** The key of a file: `prefix`, a slash where the prefix has none, and the path with forward slashes. */
export function keyOfPath(prefix: string, relativePath: string): string {
  const joint = prefix === '' || prefix.endsWith('/') ? '' : '/';
  return `${prefix}${joint}${relativePath}`;
}

export type KeyPath =
  | { readonly kind: 'file'; readonly segments: readonly string[] }
  /** A key that ends in `/`: other programs leave them as empty folders. */
  | { readonly kind: 'folder' }
  | { readonly kind: 'refused'; readonly why: string };

const NAME_BYTES_MAX = 255;

function segmentFault(segment: string): string | undefined {
  if (segment === '') return 'it has an empty part ("//")';
  if (segment === '.' || segment === '..') return `it has the part "${segment}"`;
  if (segment.includes('\0')) return 'it has a NUL character';
  if (Buffer.byteLength(segment) > NAME_BYTES_MAX) return `a part is longer than ${NAME_BYTES_MAX} bytes`;
  return undefined;
}

/**
 * Where a key goes below a folder. With a prefix of whole parts (`ct/`, or `ct` for `ct/1.dcm`) the part after it counts; a key
 * that is the prefix itself keeps its last part.
 */
export function pathOfKey(prefix: string, key: string): KeyPath {
  const cut =
    prefix === '' || prefix.endsWith('/')
      ? prefix.length
      : key.startsWith(`${prefix}/`)
        ? prefix.length + 1
        : prefix.lastIndexOf('/') + 1;
  const rest = key.slice(cut);
  if (rest === '' || rest.endsWith('/')) return { kind: 'folder' };
  const segments = rest.split('/');
  for (const segment of segments) {
    const why = segmentFault(segment);
    if (why !== undefined) return { kind: 'refused', why: `the key has no safe file name: ${why}` };
  }
  return { kind: 'file', segments };
}

/** The name of a member of a tar as a path: without `./` and a leading `/`; `undefined` when it leads outside. */
export function pathOfTarName(name: string): string | undefined {
  const path = name.replace(/^(?:\.?\/+)+/, '');
  if (path === '' || path === '.' || path.split('/').some((segment) => segment === '..')) return undefined;
  return path;
}

/** The reason why a key cannot be stored, or `undefined`. */
export function keyFault(key: string): string | undefined {
  const bytes = Buffer.byteLength(key);
  if (bytes > LIMITS.keyBytesMax) return `the key would have ${bytes} bytes; at most ${LIMITS.keyBytesMax} are allowed`;
  if (!key.isWellFormed()) return 'its name is not UTF-8';
  return undefined;
}
