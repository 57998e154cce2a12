/**
 * When a volume of this worker may be sealed, which lets the keeper compact it: not while a write is under way whose extents lie in
 * it, since nothing names them yet and compaction would take them for dead.
 */
import type { IndexCommitter, StoreLog } from './committer.ts';

/** Volumes that hold extents of a write under way. */
export interface Pins {
  readonly volumes: Set<number>;
  /** The write has ended: what still arrives for it is not needed. */
  released?: boolean;
}

export class VolumeSeals {
  readonly #committer: IndexCommitter;
  readonly #log: StoreLog;
  /** Volumes that are full but still pinned, with their ends. */
  readonly #waiting = new Map<number, { readonly end: number; readonly damaged: boolean }>();
  /** How many writes hold a volume. */
  readonly #pinned = new Map<number, number>();

  constructor(committer: IndexCommitter, log: StoreLog) {
    this.#committer = committer;
    this.#log = log;
  }

  pin(pins: Pins, volume: number): void {
    if (pins.released === true || pins.volumes.has(volume)) return;
    pins.volumes.add(volume);
    this.#pinned.set(volume, (this.#pinned.get(volume) ?? 0) + 1);
  }

  unpin(pins: Pins): void {
    pins.released = true;
    for (const volume of pins.volumes) {
      const left = (this.#pinned.get(volume) ?? 1) - 1;
      if (left > 0) this.#pinned.set(volume, left);
      else this.#pinned.delete(volume);
      if (left <= 0) void this.#sealIfFree(volume);
    }
    pins.volumes.clear();
  }

  /** Nothing more is appended: seals the volume now, or when the last write lets go of it. */
  async sealWhenFree(volume: number, end: number, damaged: boolean): Promise<void> {
    this.#waiting.set(volume, { end, damaged });
    await this.#sealIfFree(volume);
  }

  async seal(volume: number, end: number, damaged: boolean): Promise<void> {
    try {
      await this.#committer.sealVolume(volume, end, damaged);
    } catch (error) {
      this.#log.warn({ volume, error: String(error) }, 'a volume could not be sealed; the next start does it');
    }
  }

  async #sealIfFree(volume: number): Promise<void> {
    const waiting = this.#waiting.get(volume);
    if (waiting === undefined || this.#pinned.has(volume)) return;
    this.#waiting.delete(volume);
    await this.seal(volume, waiting.end, waiting.damaged);
  }
}
