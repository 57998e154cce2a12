// HOT PATH (bench/batch.ts)
/** What there is to do for a window of a batch, in which order. Pure. */
import type { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { EntryInfo } from '../format/index-entry.ts';
import type { Passenger } from './batch-flights.ts';
import type { PlainReads } from './plain-reads.ts';
import { planInOrder, planSorted, type Run, type Wanted } from './read-plan.ts';

export interface RunStep {
  readonly kind: 'run';
  readonly run: Run<Passenger>;
  /** Its payloads are not what they are handed out as. */
  readonly isCoded: boolean;
}

export type Step =
  | { readonly kind: 'failed'; readonly slot: number; readonly error: GatewayError }
  | {
      readonly kind: 'bytes';
      readonly slot: number;
      readonly info: EntryInfo;
      readonly bytes: Buffer;
      readonly crc: number;
    }
  | RunStep
  | { readonly kind: 'plain'; readonly reads: PlainReads }
  /** By `get`: a range, or an object that is not one record of this size. */
  | { readonly kind: 'other'; readonly slot: number };

export interface Plan {
  readonly steps: Step[];
  /** Runs that are decoded beside the steps. */
  readonly coded: Run<Passenger>[];
}

const PLAN = {
  gapBytesMax: LIMITS.batchGapBytesMax,
  runBytesMax: LIMITS.batchRunBytesMax,
  runItemsMax: LIMITS.batchRunItemsMax,
};

/** In order of place, plain objects first, then raw and coded payloads each for themselves; what is read by `get` comes last. */
export function planByPlace(parts: readonly (Step | Wanted<Passenger>)[], plain?: PlainReads): Plan {
  const steps: Step[] = [];
  const others: Step[] = [];
  const raw: Wanted<Passenger>[] = [];
  const coded: Wanted<Passenger>[] = [];
  for (const part of parts) {
    if (!('kind' in part)) (part.location.codec === 0 ? raw : coded).push(part);
    else (part.kind === 'other' ? others : steps).push(part);
  }
  if (plain !== undefined) steps.push({ kind: 'plain', reads: plain });
  for (const run of planSorted(raw, PLAN)) steps.push({ kind: 'run', run, isCoded: false });
  steps.push(...others);
  return { steps, coded: coded.length === 0 ? [] : planSorted(coded, PLAN) };
}

/** In the order of the slots. */
export function planStrict(parts: readonly (Step | Wanted<Passenger>)[]): Plan {
  const steps: Step[] = [];
  let wanted: Wanted<Passenger>[] = [];
  let isCoded = false;
  const planRuns = (): void => {
    for (const run of planInOrder(wanted, PLAN)) steps.push({ kind: 'run', run, isCoded });
    wanted = [];
  };
  for (const part of parts) {
    if ('kind' in part) {
      planRuns();
      steps.push(part);
      continue;
    }
    if (isCoded !== (part.location.codec !== 0)) {
      planRuns();
      isCoded = !isCoded;
    }
    wanted.push(part);
  }
  planRuns();
  return { steps, coded: [] };
}
