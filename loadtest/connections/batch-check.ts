/** Whether a batch brought what was asked for: every slot, whole, with the CRC-32 of what was stored, or absent where it must be. */
import type { BatchSlots, Slot } from '../suite/batch-frames.ts';
import { type LoadErrors, NO_ERRORS } from '../suite/run-report.ts';
import type { Outcome } from './tally.ts';

/** An object as it must come back; without content, none must be there. */
export interface Wanted {
  readonly key: string;
  readonly content?: { readonly size: number; readonly crc: number };
}

const NOT_FOUND = 5;

/** After the end of the call. */
export function outcomeOf(wanted: readonly Wanted[], slots: BatchSlots): Outcome {
  const errors: { -readonly [K in keyof LoadErrors]: number } = { ...NO_ERRORS };
  let [objects, bytes] = [0, 0];
  let about: string | undefined;
  for (const [place, one] of wanted.entries()) {
    const slot = slots.of(place);
    const fault = faultOf(one, slot);
    if (fault === undefined) {
      objects += 1;
      bytes += Math.max(0, slot.bytes);
      continue;
    }
    errors[fault.kind] += 1;
    about ??= `GetBatch: ${one.key}: ${fault.about}`;
  }
  if (!slots.hasEnded) {
    errors.broken += 1;
    about ??= 'a batch ended with OK and without BatchEnd';
  }
  return { objects, bytes, errors, ...(about === undefined ? {} : { about }) };
}

function faultOf(
  { content }: Wanted,
  { bytes, crc32, error }: Slot,
): { readonly kind: keyof LoadErrors; readonly about: string } | undefined {
  if (content === undefined) {
    if (error?.code === NOT_FOUND) return undefined;
    return { kind: 'wrong', about: `deleted, and came with ${error?.message ?? `${bytes} bytes`}` };
  }
  if (error !== undefined) return { kind: 'refused', about: error.message };
  if (bytes < content.size) return { kind: 'short', about: `${Math.max(0, bytes)} of ${content.size} bytes` };
  if (bytes > content.size || crc32 !== content.crc) return { kind: 'wrong', about: 'other bytes' };
  return undefined;
}
