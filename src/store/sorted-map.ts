/**
 * A map whose keys are kept in the order of their UTF-8 bytes, for the memory store: a sorted array beside a hash map. Insertion moves
 * the tail of the array, which is cheap at the sizes that fit in memory and keeps iteration by position trivial.
 *
 * JavaScript orders strings by UTF-16 units, which puts U+E000..U+FFFF after the astral planes; UTF-8 puts them before.
 */

/** Moves the surrogates above U+E000..U+FFFF, where UTF-8 has the code points that they stand for. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Negative, zero or positive, as the UTF-8 bytes of two well-formed strings compare. */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return utf8Rank(x) - utf8Rank(y);
  }
  return a.length - b.length;
}

export class SortedMap<V> {
  readonly #keys: string[] = [];
  readonly #values = new Map<string, V>();

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) this.#keys.splice(this.seek(key), 0, key);
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.seek(key), 1);
  }

  /** Key and value at a position, `undefined` past the end. */
  at(position: number): { key: string; value: V } | undefined {
    const key = this.#keys[position];
    return key === undefined ? undefined : { key, value: this.#values.get(key) as V };
  }

  /** Position of the first key that is not below `key`. */
  seek(key: string): number {
    return this.#firstNot((candidate) => compareUtf8(candidate, key) < 0);
  }

  /** Position of the first key above `key`. */
  seekAfter(key: string): number {
    return this.#firstNot((candidate) => compareUtf8(candidate, key) <= 0);
  }

  /** Position of the first key above all that start with `prefix`: they are neighbours, so this too is one binary search. */
  seekPast(prefix: string): number {
    return this.#firstNot((candidate) => compareUtf8(candidate, prefix) < 0 || candidate.startsWith(prefix));
  }

  /** Position of the first key for which `below` is false; it must be true for a head of the keys and false for the rest. */
  #firstNot(below: (key: string) => boolean): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (below(this.#keys[middle] as string)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
