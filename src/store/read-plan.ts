/**
 * The read plan of a batch: the wanted payloads sorted by where they lie, and close ones merged into one read. Pure.
 */
import type { Location } from '../format/manifest.ts';

/** A payload that somebody wants; `T` is who. */
export interface Wanted<T> {
  readonly location: Location;
  readonly who: T;
}

/** Payloads of one volume that one read brings, in ascending order, without overlap. */
export interface Run<T> {
  readonly volume: number;
  readonly items: readonly Wanted<T>[];
}

export interface PlanLimits {
  /** Payloads this close together are read at once: what lies between them (heads of records, small strangers) is read and dropped. */
  readonly gapBytesMax: number;
  /** A run spans at most this, unless a single payload is larger. */
  readonly runBytesMax: number;
  readonly runItemsMax: number;
}

export function payloadStart({ offset, headLength }: Location): number {
  return offset + headLength;
}

/** Runs in the order of volume and offset. `wanted` is sorted in place. */
export function planSorted<T>(wanted: Wanted<T>[], limits: PlanLimits): Run<T>[] {
  wanted.sort((a, b) => a.location.volume - b.location.volume || a.location.offset - b.location.offset);
  return planInOrder(wanted, limits);
}

/** The same, but neighbours are merged only where they stand next to each other in the list already, which keeps its order. */
export function planInOrder<T>(wanted: readonly Wanted<T>[], limits: PlanLimits): Run<T>[] {
  const runs: Run<T>[] = [];
  let items: Wanted<T>[] = [];
  let volume = -1;
  let start = 0;
  let end = 0;
  for (const item of wanted) {
    const from = payloadStart(item.location);
    const to = from + item.location.length;
    const joins =
      item.location.volume === volume &&
      from >= end &&
      from - end <= limits.gapBytesMax &&
      to - start <= limits.runBytesMax &&
      items.length < limits.runItemsMax;
    if (!joins) {
      items = [];
      volume = item.location.volume;
      start = from;
      runs.push({ volume, items });
    }
    items.push(item);
    end = to;
  }
  return runs;
}
