/**
 * Refuses writes before the disk is full, so that tombstones, the index and compaction always have room. Free space is asked of
 * the file system four times a second at most; what this process writes in between is counted.
 */
import type { Clock } from '../base/clock.ts';
import { GatewayError } from '../base/errors.ts';
import { type DiskSpace, diskSpace, reserveBytes } from './store-root.ts';

const ASK_EVERY_MS = 250;

export class SpaceGuard {
  readonly #root: string;
  readonly #clock: Clock;
  #space: DiskSpace;
  #askedMs: number;
  #writtenSince = 0;

  constructor(root: string, clock: Clock) {
    this.#root = root;
    this.#clock = clock;
    this.#space = diskSpace(root);
    this.#askedMs = clock.now();
  }

  /** @throws GatewayError StorageFull when `bytes` more would eat into the reserve */
  admit(bytes: number): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#askedMs >= ASK_EVERY_MS || nowMs < this.#askedMs) {
      this.#space = diskSpace(this.#root);
      this.#askedMs = nowMs;
      this.#writtenSince = 0;
    }
    const free = this.#space.freeBytes - this.#writtenSince - bytes;
    const reserve = reserveBytes(this.#space.totalBytes);
    if (free < reserve) {
      throw new GatewayError(
        'StorageFull',
        `The disk of ${this.#root} has ${this.#space.freeBytes} bytes left, of which ${reserve} are kept for deletes and compaction; delete objects or add space.`,
      );
    }
    this.#writtenSince += bytes;
  }
}
