/**
 * What the members of a batch's archive are called. Promises: nothing that is unpacked lands outside of its folder or under a name that
 * means something else; an object never has the name of a failed slot or of the closing member; percent-decoding gives the key back.
 *
 * Hardest decision: the name is the key, since people look for it and loaders take their sample's name and type from it, and only what a
 * file system would take for more than a name is escaped. What programs need to be sure of is in the records.
 */
import type { BatchRef } from '../../base/batch-read.ts';

/** The last member. Readers of WebDataset pass over what is below `__NAME__`. */
export const END_NAME = '__penstock__/end.json';
const FAILED_SUFFIX = '.penstock-failed';

const CONTROL = '\\u0000-\\u001f\\u007f';
/** Percent signs and backslashes; slashes that are first, last or follow another; dots alone; a drive; and our own names. */
const UNSAFE = new RegExp(
  `[${CONTROL}%\\\\]|^/|/$|//|(?:^|/)[.]{1,2}(?:/|$)|^[A-Za-z]:|^__penstock__(?:/|$)|[.]penstock-failed$`,
);
const UNSAFE_CHARACTERS = new RegExp(`[${CONTROL}%\\\\]`, 'g');

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

function safePath(key: string): string {
  if (!UNSAFE.test(key)) return key;
  const parts = key.split('/');
  let path = '';
  for (const [i, part] of parts.entries()) {
    const isOdd = parts[i - 1] === '' || (part === '' && i === parts.length - 1);
    if (i > 0) path += isOdd ? '%2F' : '/';
    path += part === '.' || part === '..' ? `%2E${part.slice(1)}` : part.replace(UNSAFE_CHARACTERS, percent);
  }
  if (/^[A-Za-z]:/.test(path)) path = `${path.slice(0, 1)}%3A${path.slice(2)}`;
  if (/^__penstock__(?:\/|$)/.test(path)) path = `%5F${path.slice(1)}`;
  return path.endsWith(FAILED_SUFFIX) ? `${path.slice(0, -FAILED_SUFFIX.length)}%2E${FAILED_SUFFIX.slice(1)}` : path;
}

/**
 * The key; behind the name of its bucket where that is not the one of the request; with `.bytes-START-END` for a range (half-open,
 * without END to the end of the object) and `.penstock-failed` for a slot that has no bytes.
 */
export function memberName({ bucket, key, range }: BatchRef, ofBucket: string, failed: boolean): string {
  const folder = bucket === ofBucket ? '' : `${bucket}/`;
  const suffix = range === undefined ? '' : `.bytes-${range.start}-${range.end ?? ''}`;
  return `${folder}${safePath(key)}${suffix}${failed ? FAILED_SUFFIX : ''}`;
}
