/** Which positions of a data set belong to which of the servers that a load goes to. */
import { rangeOwner, rendezvousOwner, type Spread } from '../scaling/placement.ts';
import type { DataSet } from '../suite/data-set.ts';

/** @returns 0 to `servers` - 1 */
export function ownerOf(dataSet: DataSet, spread: Spread, servers: number, position: number): number {
  if (servers === 1) return 0;
  return spread === 'ranges'
    ? rangeOwner(position, dataSet.count, servers)
    : rendezvousOwner(dataSet.keyOf(position), servers);
}

/** Of every position: looked up while a load is measured. */
export function ownersOf(dataSet: DataSet, spread: Spread, servers: number): Uint8Array {
  return Uint8Array.from({ length: dataSet.count }, (_, position) => ownerOf(dataSet, spread, servers, position));
}
