/** How payloads are read: by location, checked. Implemented by `VolumeReader` and, around it, by the RAM cache. */
import type { Location } from '../format/manifest.ts';

export interface RecordReader {
  /**
   * The payload at a location, as one buffer that the receiver may keep but must not change. Synchronous when it is at hand
   * (RAM or page cache), else a promise.
   *
   * @throws VolumeGone when compaction has moved it: look the key up again; GatewayError DataLoss when the bytes are damaged
   */
  read(location: Location): Buffer | Promise<Buffer>;
  /** The same where `read` would be synchronous, else `undefined`, and then nothing has begun. Throws as `read` does. */
  tryRead(location: Location): Buffer | undefined;
  /** The whole payload where it is in memory already. It counts as a hit; a miss is not counted. */
  cached(location: Location): Buffer | undefined;
  /**
   * Fills `buffers` one after the other with bytes of a volume from `position`, unchecked; answers how many bytes there were. `undefined`
   * when the disk is slow at the moment, and then nothing was read: use `readAcross`.
   *
   * @throws VolumeGone, GatewayError DataLoss
   */
  readAcrossNow(volume: number, position: number, buffers: readonly Buffer[]): number | undefined;
  /** The same on the thread pool. */
  readAcross(volume: number, position: number, buffers: readonly Buffer[]): Promise<number>;
  /** The payload at a location, always from the thread pool, and past any cache. Throws as `read` does. */
  readCold(location: Location): Promise<Buffer>;
  /** A read came from the disk a moment ago. */
  readonly isSlow: boolean;
  /** Forgets open files of a volume that is no more. */
  drop(volume: number): void;
  close(): void;
}

/** The volume was compacted after the location was looked up. */
export class VolumeGone extends Error {
  readonly volume: number;

  constructor(volume: number) {
    super(`volume ${volume} is gone`);
    this.name = 'VolumeGone';
    this.volume = volume;
  }
}
