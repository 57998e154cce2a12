/**
 * Refuses writes before the disk is full, so that tombstones, the index and compaction always have room.
 *
 * The hardest decision: several workers write to one disk and know nothing of each other. So each takes at most its share of the
 * room that is left for what it has under way; together they cannot take more than there is. Far from the limit the file system is
 * asked four times a second at most (a call takes 3 µs); near it, before every write.
 */
import type { Clock } from '../base/clock.ts';
import { GatewayError } from '../base/errors.ts';
import { type DiskSpace, diskSpace, reserveBytes } from './store-root.ts';

const ASK_EVERY_MS = 250;
/** What a write takes beside its payload: its head, padding, and pages of the index. */
const RECORD_BYTES = 4096;

export interface SpaceGuardOptions {
  readonly root: string;
  readonly clock: Clock;
  /** Bytes that were admitted and are not on the disk yet. */
  readonly unwrittenBytes: () => number;
  /** How many write to this disk, this one included. */
  readonly writers: number;
  readonly measure?: (root: string) => DiskSpace;
}

export class SpaceGuard {
  readonly #options: SpaceGuardOptions;
  readonly #measure: (root: string) => DiskSpace;
  #space: DiskSpace;
  #askedMs: number;
  /** Admitted since the file system was asked, or not written then. */
  #admitted = 0;

  constructor(options: SpaceGuardOptions) {
    this.#options = options;
    this.#measure = options.measure ?? diskSpace;
    this.#space = this.#measure(options.root);
    this.#askedMs = options.clock.now();
  }

  /** @throws GatewayError StorageFull when `bytes` more would eat into the reserve */
  admit(bytes: number): void {
    const needed = bytes + RECORD_BYTES;
    const sinceMs = this.#options.clock.now() - this.#askedMs;
    if (sinceMs < 0 || sinceMs >= ASK_EVERY_MS || !this.#fits(needed)) this.#ask();
    if (!this.#fits(needed)) throw this.#refusal();
    this.#admitted += needed;
  }

  #fits(needed: number): boolean {
    const { freeBytes, totalBytes } = this.#space;
    return this.#options.writers * (this.#admitted + needed) <= freeBytes - reserveBytes(totalBytes);
  }

  #ask(): void {
    this.#space = this.#measure(this.#options.root);
    this.#askedMs = this.#options.clock.now();
    this.#admitted = this.#options.unwrittenBytes();
  }

  #refusal(): GatewayError {
    const { freeBytes, totalBytes } = this.#space;
    const reserve = reserveBytes(totalBytes);
    return new GatewayError(
      'StorageFull',
      `The disk of ${this.#options.root} has ${freeBytes} bytes left, of which ${reserve} are kept for deletes and compaction; delete objects or add space.`,
    );
  }
}
