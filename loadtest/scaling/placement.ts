/**
 * Which of several stores has a key: by rendezvous hashing, or by ranges of positions. Promises: the same answer everywhere without a
 * table; one more store takes keys from every other and moves nothing between those. Pure.
 *
 * Hardest decision: a key is hashed once, and that hash is mixed with each store's number. Strings hashed once for every store would
 * make the load generator the limit before the stores are.
 */
import assert from 'node:assert/strict';
import { crc32Of } from '../../src/format/crc32.ts';

/** How keys are spread over stores. */
export type Spread = 'rendezvous' | 'ranges';

/** Finaliser of MurmurHash3 (public domain): every bit of the input changes half of the output's bits. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Numbers that differ in many bits for stores that differ by one. */
function seedOf(store: number): number {
  return Math.imul(store + 1, 0x9e3779b1);
}

function highest(hash: number, stores: number): number {
  let owner = 0;
  let best = -1;
  for (let store = 0; store < stores; store += 1) {
    const weight = mix(hash ^ seedOf(store));
    if (weight <= best) continue;
    best = weight;
    owner = store;
  }
  return owner;
}

/** The store whose weight for this key is the highest. @returns 0 to `stores` - 1 */
export function rendezvousOwner(key: string, stores: number): number {
  assert(stores >= 1, 'no stores');
  return highest(mix(crc32Of(Buffer.from(key), 0)), stores);
}

/** Neighbours stay together: the first store has the first positions. @returns 0 to `stores` - 1 */
export function rangeOwner(position: number, count: number, stores: number): number {
  assert(position >= 0 && position < count, `position ${position} of ${count}`);
  return Math.floor((position * stores) / count);
}

/** How much more the fullest of so many stores has than their mean, when so many keys are spread by rendezvous hashing: 1.02. */
export function fullestOverMean(stores: number, keys: number): number {
  const counts = new Uint32Array(stores);
  for (let key = 0; key < keys; key += 1) {
    const owner = highest(mix(key), stores);
    counts[owner] = (counts[owner] as number) + 1;
  }
  return (Math.max(...counts) * stores) / keys;
}
