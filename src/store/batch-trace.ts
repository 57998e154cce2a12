// HOT PATH (bench/batch.ts)
/** Watches in which order a batch asks: by key, by place, or neither, which is soon known and then costs nothing. */
import type { BatchRef } from '../base/batch-read.ts';
import type { Location } from '../format/manifest.ts';
import { recordLength } from '../format/record.ts';

export class BatchTrace {
  #isByKey = true;
  #isByPlace = true;
  #first: { readonly ref: BatchRef; readonly location: Location | undefined } | undefined;
  #last: BatchRef | undefined;
  #next: { readonly volume: number; readonly offset: number } | undefined;

  /** Neither: nothing more needs to be told. */
  get isOver(): boolean {
    return !this.#isByKey && !this.#isByPlace;
  }

  /** Slot by slot. `location` of its only record, where it has one. */
  saw(ref: BatchRef, location: Location | undefined): void {
    if (this.isOver) return;
    const last = this.#last;
    if (last === undefined) this.#first = { ref, location };
    else {
      if (this.#isByKey && !(ref.key > last.key && ref.bucket === last.bucket)) this.#isByKey = false;
      const next = this.#next;
      if (this.#isByPlace && !(location?.volume === next?.volume && location?.offset === next?.offset))
        this.#isByPlace = false;
    }
    this.#last = ref;
    if (!this.#isByPlace) return;
    if (location === undefined) this.#isByPlace = false;
    else {
      const { volume, offset, headLength, length } = location;
      this.#next = { volume, offset: offset + recordLength(headLength, length) };
    }
  }

  /** First and last of a batch whose keys ascend, in one bucket. */
  get byKey(): { readonly first: BatchRef; readonly last: BatchRef } | undefined {
    if (!this.#isByKey || this.#first === undefined || this.#last === undefined) return undefined;
    return { first: this.#first.ref, last: this.#last };
  }

  /** Where a batch began whose records lie one behind the other, and where the next record would. */
  get byPlace(): { readonly first: Location; readonly next: { volume: number; offset: number } } | undefined {
    const first = this.#first?.location;
    if (!this.#isByPlace || first === undefined || this.#next === undefined) return undefined;
    return { first, next: this.#next };
  }
}
