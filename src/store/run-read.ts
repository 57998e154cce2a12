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

/** Buffers for a read from `runStart`: payloads lie in `room` one behind the other, gaps in `dropped`, which is written over. */
export function readBuffers<T>(run: Run<T>, room: Buffer, dropped: Buffer): Buffer[] {
  const buffers: Buffer[] = [];
  let at = 0;
  let end = -1;
  for (const { location } of run.items) {
    const start = payloadStart(location);
    if (end !== -1 && start > end) buffers.push(dropped.subarray(0, start - end));
    buffers.push(room.subarray(at, at + location.length));
    at += location.length;
    end = start + location.length;
  }
  return buffers;
}

/** @throws GatewayError DataLoss unless the read of `have` bytes brought the payload whole and undamaged into `bytes` */
export function checkedIn<T>(run: Run<T>, location: Location, bytes: Buffer, have: number): void {
  const isThere = payloadStart(location) - runStart(run) + location.length <= have;
  checked(bytes, isThere ? location.length : 0, location);
}
