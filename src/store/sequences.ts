/**
 * Who reads in sequence: remembers what would come next after each batch that was in order, and recognises it when it comes. Bounded;
 * the oldest expectation is forgotten first.
 */
const EXPECTED_MAX = 256;

export class Sequences {
  /** How many batches led here, by what is expected next. */
  readonly #expected = new Map<string, number>();

  /** How many batches in a row ended where this one begins; 0 for one that nobody expected. */
  arrived(beginning: string): number {
    const streak = this.#expected.get(beginning);
    if (streak === undefined) return 0;
    this.#expected.delete(beginning);
    return streak;
  }

  expect(beginning: string, streak: number): void {
    this.#expected.delete(beginning);
    this.#expected.set(beginning, streak);
    if (this.#expected.size <= EXPECTED_MAX) return;
    for (const oldest of this.#expected.keys()) {
      this.#expected.delete(oldest);
      return;
    }
  }
}
