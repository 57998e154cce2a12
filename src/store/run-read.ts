// HOT PATH (bench/batch.ts)
/** How one read brings the payloads of a run: scattered into place, with what lies between them dropped. */
import type { Location } from '../format/manifest.ts';
import { payloadStart, type Run } from './read-plan.ts';
import { checked } from './volume-reader.ts';

/** Where the read begins in the volume. */
export function runStart<T>(run: Run<T>): number {
  return payloadStart((run.items[0] as Run<T>['items'][number]).location);
}

export function runBytes<T>(run: Run<T>): number {
  let bytes = 0;
  for (const { location } of run.items) bytes += location.length;
  return bytes;
}

/** Where each payload of a run goes: one behind the other in `room`, from `at` on. */
export function payloadViews<T>(run: Run<T>, room: Buffer, at = 0): Buffer[] {
  const views: Buffer[] = [];
  let start = at;
  for (const { location } of run.items) {
    const end = start + location.length;
    views.push(room.subarray(start, end));
    start = end;
  }
  return views;
}

/** Buffers for a read from `runStart`: the payloads' own, and between them `dropped` for gaps, which is written over. */
export function readBuffers<T>(run: Run<T>, payloads: Buffer[], dropped: Buffer): Buffer[] {
  if (payloads.length === 1) return payloads;
  const buffers: Buffer[] = [];
  let end = -1;
  for (let i = 0; i < payloads.length; i++) {
    const { location } = run.items[i] as Run<T>['items'][number];
    const start = payloadStart(location);
    if (end !== -1 && start > end) buffers.push(dropped.subarray(0, start - end));
    buffers.push(payloads[i] as Buffer);
    end = start + location.length;
  }
  return buffers;
}

/** @throws GatewayError DataLoss unless the read of `have` bytes brought the payload whole and undamaged into `bytes` */
export function checkedIn<T>(run: Run<T>, location: Location, bytes: Buffer, have: number): void {
  const isThere = payloadStart(location) - runStart(run) + location.length <= have;
  checked(bytes, isThere ? location.length : 0, location);
}
