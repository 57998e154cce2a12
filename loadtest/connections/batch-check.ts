/** Whether a batch brought what was asked for: every slot, whole, with the CRC-32 of what was stored, or absent where it must be. */
import { crc32 } from '@node-rs/crc32';
import type { BatchFrame, Entry } from '../../src/format/messages.ts';
import { type LoadErrors, NO_ERRORS } from '../suite/run-report.ts';
import type { Outcome } from './tally.ts';

/** An object as it must come back; without content, none must be there. */
export interface Wanted {
  readonly key: string;
  readonly content?: { readonly size: number; readonly crc: number };
}

const NOT_FOUND = 5;

export class BatchCheck {
  readonly #wanted: readonly Wanted[];
  readonly #received: Float64Array;
  readonly #crcs: Uint32Array;
  /** Why a slot has no content. */
  readonly #refusals = new Map<number, { readonly code: number; readonly message: string }>();
  #hasEnded = false;

  constructor(wanted: readonly Wanted[]) {
    this.#wanted = wanted;
    this.#received = new Float64Array(wanted.length).fill(-1);
    this.#crcs = new Uint32Array(wanted.length);
  }

  /** @throws RangeError for a frame that describes other bytes than it has */
  take({ entries, end, payload }: BatchFrame): void {
    let at = 0;
    for (const entry of entries) {
      this.#takeEntry(entry, payload.subarray(at, at + entry.length));
      at += entry.length;
    }
    if (at !== payload.length) throw new RangeError('a frame describes other bytes than it has');
    if (end !== undefined) this.#hasEnded = true;
  }

  #takeEntry({ slot, error, length }: Entry, bytes: Buffer): void {
    if (slot >= this.#wanted.length) throw new RangeError(`an entry of slot ${slot}, which was not asked for`);
    if (error !== undefined) {
      this.#refusals.set(slot, error);
      return;
    }
    this.#received[slot] = Math.max(0, this.#received[slot] as number) + length;
    this.#crcs[slot] = crc32(bytes, this.#crcs[slot]);
  }

  /** After the end of the call. */
  outcome(): Outcome {
    const errors: { -readonly [K in keyof LoadErrors]: number } = { ...NO_ERRORS };
    let [objects, bytes] = [0, 0];
    let about: string | undefined;
    for (const slot of this.#wanted.keys()) {
      const fault = this.#faultOf(slot);
      if (fault === undefined) {
        objects += 1;
        bytes += Math.max(0, this.#received[slot] as number);
        continue;
      }
      errors[fault.kind] += 1;
      about ??= `GetBatch: ${this.#wanted[slot]?.key}: ${fault.about}`;
    }
    if (!this.#hasEnded) {
      errors.broken += 1;
      about ??= 'a batch ended with OK and without BatchEnd';
    }
    return { objects, bytes, errors, ...(about === undefined ? {} : { about }) };
  }

  #faultOf(slot: number): { readonly kind: keyof LoadErrors; readonly about: string } | undefined {
    const { content } = this.#wanted[slot] as Wanted;
    const refusal = this.#refusals.get(slot);
    const received = this.#received[slot] as number;
    if (content === undefined) {
      if (refusal?.code === NOT_FOUND) return undefined;
      return { kind: 'wrong', about: `deleted, and came with ${refusal?.message ?? `${received} bytes`}` };
    }
    if (refusal !== undefined) return { kind: 'refused', about: refusal.message };
    if (received < content.size) return { kind: 'short', about: `${Math.max(0, received)} of ${content.size} bytes` };
    if (received > content.size || this.#crcs[slot] !== content.crc) return { kind: 'wrong', about: 'other bytes' };
    return undefined;
  }
}
