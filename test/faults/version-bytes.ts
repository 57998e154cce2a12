/** Bytes of a version of an object, from its number alone: two processes that know the number know the bytes. */
import { createHash } from 'node:crypto';

/** Cheap to make and different for every version, at every byte. */
export function bytesOf(version: number, size: number): Buffer {
  const seed = createHash('sha512').update(String(version)).digest();
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += seed.length) seed.copy(bytes, at);
  return bytes;
}
