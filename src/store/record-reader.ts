/**
 * How payloads are read: by location, checked. What lies in volumes is read by a `StoredReader`, which is `VolumeReader`; the bytes that were
 * written are read by a `RecordReader`: `DecodingReader`, and around it the RAM cache.
 */
import type { Location } from '../format/manifest.ts';

/** What both can do: reads of many payloads at a time, and the life of open files. */
export interface VolumeAccess {
  /**
   * Fills `buffers` one after the other with bytes of a volume from `position`, unchecked and as they lie there; answers how many bytes there
   * were. `undefined` when the disk is slow at the moment, and then nothing was read: use `readAcross`.
   *
   * @throws VolumeGone, GatewayError DataLoss
   */
  readAcrossNow(volume: number, position: number, buffers: readonly Buffer[]): number | undefined;
  /** The same into one buffer, from `at` on. */
  readIntoNow(volume: number, position: number, into: Buffer, at: number, length: number): number | undefined;
  /** `readAcrossNow` on the thread pool. */
  readAcross(volume: number, position: number, buffers: readonly Buffer[]): Promise<number>;
  /** A read came from the disk a moment ago. */
  readonly isSlow: boolean;
  /** Forgets open files of a volume that is no more. */
  drop(volume: number): void;
  close(): void;
}

/** Payloads as they lie in volumes, coded or not, as buffers that the receiver may keep. */
export interface StoredReader extends VolumeAccess {
  /**
   * Synchronous when the page cache answers, else a promise.
   *
   * @throws VolumeGone when compaction has moved it: look the key up again; GatewayError DataLoss when the bytes are damaged
   */
  read(location: Location): Buffer | Promise<Buffer>;
  /** The same where `read` would be synchronous, else `undefined`, and then nothing has begun. Throws as `read` does. */
  tryRead(location: Location): Buffer | undefined;
  /** Always from the thread pool. Throws as `read` does. */
  readCold(location: Location): Promise<Buffer>;
}

/** Of a record: what a payload is known by. */
export type Place = Pick<Location, 'volume' | 'offset'>;

/** Payloads as they were written. */
export interface RecordReader extends VolumeAccess {
  /**
   * The payload at a location, as one buffer that the receiver may keep but must not change. Synchronous when it is at hand
   * (RAM, or page cache where it is not coded), else a promise.
   *
   * @throws VolumeGone when compaction has moved it: look the key up again; GatewayError DataLoss when the bytes are damaged
   */
  read(location: Location): Buffer | Promise<Buffer>;
  /** The same where `read` would be synchronous, else `undefined`, and then nothing has begun. Throws as `read` does. */
  tryRead(location: Location): Buffer | undefined;
  /** Bytes `start` to `end` of the payload; of a large coded one only what they need is decoded. As `read` otherwise. */
  readRange(location: Location, start: number, end: number): Buffer | Promise<Buffer>;
  /** The whole payload where it is in memory already. It counts as a hit; a miss is not counted. */
  cached(place: Place): Buffer | undefined;
  /**
   * Gives the cache, where there is one, the chance to copy a payload that a batch has read: it does while there is room, and drives out
   * nothing that is in use. `bytes` stay the caller's.
   */
  offer(place: Place, bytes: Buffer): void;
  /** The payload at a location, always from the thread pool, and past any cache. Throws as `read` does. */
  readCold(location: Location): Promise<Buffer>;
  /** The payload as it lies there, checked. Throws as `read` does. */
  readStored(location: Location): Buffer | Promise<Buffer>;
  /**
   * Decodes what was read with `readAcross` and checked, many payloads of one turn of the event loop together. In their order: the bytes, or
   * what `read` would throw. Never rejects.
   */
  decode(payloads: readonly StoredPayload[]): Promise<readonly (Buffer | Error)[]>;
  /** Gives a decoded payload to the cache, where there is one: a buffer of its own, which nobody changes any more. */
  keep(location: Location, bytes: Buffer): void;
}

/** A coded payload in memory. */
export interface StoredPayload {
  readonly location: Location;
  /** As it lies in its volume; the caller's, who must not change it before it is decoded. */
  readonly stored: Buffer;
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
