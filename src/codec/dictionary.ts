/**
 * Dictionaries of headers: raw bytes of the first ones of a series, in which zstd finds most of every later one.
 *
 * Raw content does as well as a trained dictionary on these headers (measured on five series), and needs no training.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { LIMITS } from '../base/limits.ts';
import type { Dictionary } from './object-coding.ts';

/** What the content is called. 0 stands for none, so bytes whose digest begins with four zeros take the next four. */
export function dictionaryIdFor(bytes: Buffer): number {
  const digest = createHash('sha256').update(bytes).digest();
  for (let at = 0; at < digest.length; at += 4) {
    const id = digest.readUInt32LE(at);
    if (id !== 0) return id;
  }
  throw new Error('A SHA-256 is zero.');
}

/**
 * Of the first headers of a series, as many as there is room for; the last may be cut.
 *
 * @param headers one or more, which stay the caller's; not all of them empty
 */
export function dictionaryOf(headers: readonly Buffer[]): Dictionary {
  const parts: Buffer[] = [];
  let room: number = LIMITS.dictionaryBytesMax;
  for (const header of headers.slice(0, LIMITS.dictionaryHeadersMax)) {
    const part = header.subarray(0, room);
    room -= part.length;
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  assert(bytes.length > 0, 'a dictionary of nothing');
  return { id: dictionaryIdFor(bytes), bytes };
}
