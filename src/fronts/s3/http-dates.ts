// HOT PATH (bench: every GET and HEAD of an object)
/** Last-Modified of objects as text, remembered. Promises: the text of the very second, and a bound on what is remembered. */
import { formatHttpDate } from '../../format/http-date.ts';

const DATES_MAX = 4096;

/** Last-Modified by second: objects that were written together share it, and `toUTCString` costs as much as a hash (2026-11). */
export class HttpDates {
  readonly #texts = new Map<number, string>();

  of(ms: number): string {
    const second = Math.floor(ms / 1000);
    const known = this.#texts.get(second);
    if (known !== undefined) return known;
    if (this.#texts.size >= DATES_MAX) this.#texts.clear();
    const text = formatHttpDate(ms);
    this.#texts.set(second, text);
    return text;
  }
}
