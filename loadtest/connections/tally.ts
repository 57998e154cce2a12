/** What became of requests: counted, with their latencies and the first few troubles in words. */
import { Latencies } from '../suite/latencies.ts';
import { addErrors, countErrors, type LoadErrors, NO_ERRORS } from '../suite/run-report.ts';

/** Of one request. */
export interface Outcome {
  /** Whose bytes were checked and right. */
  readonly objects: number;
  readonly bytes: number;
  readonly errors: LoadErrors;
  /** The first thing that was wrong. */
  readonly about?: string;
}

/** Of many; it travels between processes. */
export interface Load {
  readonly requests: number;
  readonly objects: number;
  readonly bytes: number;
  readonly errors: LoadErrors;
  readonly latenciesMs: Float64Array;
  readonly troubles: readonly string[];
}

const TROUBLES_MAX = 5;

export function faulty(kind: keyof LoadErrors, about: string): Outcome {
  return { objects: 0, bytes: 0, errors: { ...NO_ERRORS, [kind]: 1 }, about };
}

export function good(objects: number, bytes: number): Outcome {
  return { objects, bytes, errors: NO_ERRORS };
}

export function isGood({ errors }: Outcome): boolean {
  return countErrors(errors) === 0;
}

export class Tally {
  #requests = 0;
  #objects = 0;
  #bytes = 0;
  #errors: LoadErrors = NO_ERRORS;
  readonly #latencies = new Latencies();
  readonly #troubles: string[] = [];

  /** @param ms how long it took; only that of a good one is kept, since a refusal is quick */
  count(outcome: Outcome, ms: number): void {
    this.#requests += 1;
    this.#objects += outcome.objects;
    this.#bytes += outcome.bytes;
    if (isGood(outcome)) {
      this.#latencies.add(ms);
      return;
    }
    this.#errors = addErrors(this.#errors, outcome.errors);
    const { about } = outcome;
    if (about !== undefined && this.#troubles.length < TROUBLES_MAX && !this.#troubles.includes(about))
      this.#troubles.push(about);
  }

  get load(): Load {
    return {
      requests: this.#requests,
      objects: this.#objects,
      bytes: this.#bytes,
      errors: this.#errors,
      latenciesMs: this.#latencies.kept,
      troubles: this.#troubles,
    };
  }
}
