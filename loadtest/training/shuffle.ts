/**
 * Which samples a rank reads, in which order. Promises: in one pass no sample comes twice, to whatever rank; the ranks get equally many
 * whole batches; every pass has another order, and the same seed gives the same ones.
 */

/** Numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 to below `count`, each once, by Fisher and Yates. */
export function shuffled(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, position) => position);
  const random = randomFrom(seed);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    const other = order[j] as number;
    order[j] = order[i] as number;
    order[i] = other;
  }
  return order;
}

export interface Sharding {
  /** Samples of the data set. */
  readonly count: number;
  readonly batch: number;
  readonly ranks: number;
  readonly seed: number;
}

/** Whole batches of a pass for each rank; what is left over is read by nobody in that pass. */
export function stepsOfPass({ count, batch, ranks }: Omit<Sharding, 'seed'>): number {
  return Math.floor(count / ranks / batch);
}

/** Orders kept: ranks wait for each other, so that they are never further apart than one pass. */
const KEPT = 3;

/** The orders of one epoch, shared by its ranks. An epoch is one pass, or several where the data set is small. */
export class EpochOrder {
  readonly #sharding: Sharding;
  readonly #epoch: number;
  readonly #orders = new Map<number, Uint32Array>();

  constructor(sharding: Sharding, epoch: number) {
    this.#sharding = sharding;
    this.#epoch = epoch;
  }

  /** The samples of the batch that a rank reads at `step`, from 0. A view: not to be written to. */
  batchAt(rank: number, step: number): Uint32Array {
    const { batch } = this.#sharding;
    const steps = stepsOfPass(this.#sharding);
    if (steps === 0) throw new RangeError('a data set of less than one batch for each rank');
    const start = (rank * steps + (step % steps)) * batch;
    return this.#order(Math.floor(step / steps)).subarray(start, start + batch);
  }

  #order(pass: number): Uint32Array {
    const known = this.#orders.get(pass);
    if (known !== undefined) return known;
    const { count, seed } = this.#sharding;
    const order = shuffled(count, Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(this.#epoch + 1, 0x85ebca6b) ^ pass);
    this.#orders.set(pass, order);
    if (this.#orders.size > KEPT) this.#orders.delete(Math.min(...this.#orders.keys()));
    return order;
  }
}
