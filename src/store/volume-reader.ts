/**
 * Reads payloads from volume files, as they lie there, and checks them. HOT PATH (bench/read.ts).
 *
 * Optimistic synchronous reads: a `pread` that the page cache answers costs 2 to 4 µs, an asynchronous one 12 to 20 (2026-11,
 * shared 2-core machine). So reads are synchronous while they come back at page-cache speed; one that is slow (cold flash)
 * sends the next ones to the thread pool, until a probe finds the cache warm again. The measured latency decides, no knob.
 */
import { close, closeSync, openSync, read, readSync, readv, readvSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { resourceUsage } from 'node:process';
import { crc32 } from '@node-rs/crc32';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Location } from '../format/manifest.ts';
import { storedPayloadIsIntact } from '../format/record.ts';
import { type StoredReader, VolumeGone } from './record-reader.ts';
import { readFully, volumePath } from './volume-file.ts';

/** A synchronous read slower than this came from the disk. Longer ones take their copy besides: 2 GB/s at the least. */
const SLOW_MS = 0.3;
const SLOW_MS_A_BYTE = 1000 / 2e9;
/**
 * A thread that another one interrupted looks like a slow disk. It is one for certain when blocks were read from it meanwhile, which not
 * every file system counts, and when so few reads later another one is slow.
 */
const SLOW_AGAIN_READS = 8;
/** A slow read says this long that the disk is at work. */
const SLOW_FOR_MS = 10_000;
/** Bigger reads would hold the event loop for the copy alone. */
const SYNC_BYTES_MAX = 256 * 1024;
/**
 * After a slow read so many go to the thread pool before one is tried synchronously again; twice as many each time that one was slow,
 * since the event loop stands still for it, and half as many each time that so many were fast.
 */
const ASYNC_READS_MIN = 64;
const ASYNC_READS_MAX = 4096;

interface OpenVolume {
  readonly fd: number;
  readers: number;
  dropped: boolean;
}

export class VolumeReader implements StoredReader {
  readonly #root: string;
  /** In order of use. */
  readonly #open = new Map<number, OpenVolume>();
  #asyncLeft = 0;
  #asyncReads = ASYNC_READS_MIN;
  #fastReads = 0;
  #fastSinceSlow = Number.POSITIVE_INFINITY;
  /** Blocks that this process ever read from disks, when it was last looked at. */
  #blocksRead = 0;
  #slowUntilMs = 0;

  constructor(root: string) {
    this.#root = root;
  }

  read(location: Location): Buffer | Promise<Buffer> {
    const now = this.tryRead(location);
    return now ?? this.readCold(location);
  }

  tryRead(location: Location): Buffer | undefined {
    if (location.length > SYNC_BYTES_MAX || this.#asyncLeft > 0) return undefined;
    const volume = this.#volume(location.volume);
    const bytes = Buffer.allocUnsafeSlow(location.length);
    const before = performance.now();
    const have = readSync(volume.fd, bytes, 0, location.length, location.offset + location.headLength);
    this.#timed(before, have);
    return checked(bytes, have, location);
  }

  /** A synchronous read took its time. */
  #timed(beforeMs: number, bytes: number): void {
    const now = performance.now();
    if (now - beforeMs <= SLOW_MS + bytes * SLOW_MS_A_BYTE) {
      this.#fastSinceSlow++;
      if (++this.#fastReads % ASYNC_READS_MIN === 0) this.#asyncReads = Math.max(ASYNC_READS_MIN, this.#asyncReads / 2);
      return;
    }
    if (!this.#isFromDisk()) return;
    this.#asyncLeft = this.#asyncReads;
    this.#asyncReads = Math.min(ASYNC_READS_MAX, 2 * this.#asyncReads);
    this.#slowUntilMs = now + SLOW_FOR_MS;
  }

  /** A read was slow: because of the disk? */
  #isFromDisk(): boolean {
    const { fsRead } = resourceUsage();
    const isFromDisk = fsRead !== this.#blocksRead || this.#fastSinceSlow < SLOW_AGAIN_READS;
    this.#blocksRead = fsRead;
    this.#fastSinceSlow = 0;
    return isFromDisk;
  }

  get isSlow(): boolean {
    return this.#asyncLeft > 0 || performance.now() < this.#slowUntilMs;
  }

  readCold(location: Location): Promise<Buffer> {
    return this.#readAsync(this.#volume(location.volume), location, Buffer.allocUnsafeSlow(location.length));
  }

  readAcrossNow(id: number, position: number, buffers: readonly Buffer[]): number | undefined {
    if (buffers.length === 1) {
      const single = buffers[0] as Buffer;
      return this.readIntoNow(id, position, single, 0, single.length);
    }
    if (this.#asyncLeft > 0) return undefined;
    const { fd } = this.#volume(id);
    const before = performance.now();
    try {
      const count = readvSync(fd, buffers as Buffer[], position);
      this.#timed(before, count);
      return count;
    } catch (error) {
      throw unreadable(error as Error, id, position);
    }
  }

  readIntoNow(id: number, position: number, into: Buffer, at: number, length: number): number | undefined {
    if (this.#asyncLeft > 0) return undefined;
    const { fd } = this.#volume(id);
    const before = performance.now();
    try {
      const count = readSync(fd, into, at, length, position);
      this.#timed(before, count);
      return count;
    } catch (error) {
      throw unreadable(error as Error, id, position);
    }
  }

  /** Short only at the end of the file. */
  async readAcross(id: number, position: number, buffers: readonly Buffer[]): Promise<number> {
    const volume = this.#volume(id);
    volume.readers++;
    if (this.#asyncLeft > 0) this.#asyncLeft--;
    try {
      return await new Promise<number>((resolve, reject) =>
        readv(volume.fd, buffers as Buffer[], position, (error, count) =>
          error === null ? resolve(count) : reject(unreadable(error, id, position)),
        ),
      );
    } finally {
      this.#release(volume);
    }
  }

  /** Always synchronous: for the keeper, which has nobody to keep waiting. */
  readNow(location: Location): Buffer {
    const bytes = readFully(this.#volume(location.volume).fd, location.offset + location.headLength, location.length);
    return checked(bytes, bytes.length, location);
  }

  #readAsync(volume: OpenVolume, location: Location, bytes: Buffer): Promise<Buffer> {
    volume.readers++;
    if (this.#asyncLeft > 0) this.#asyncLeft--;
    return new Promise<Buffer>((resolve, reject) => {
      const step = (done: number): void => {
        read(
          volume.fd,
          bytes,
          done,
          location.length - done,
          location.offset + location.headLength + done,
          (error, count) => {
            if (error === null && count > 0 && done + count < location.length) return step(done + count);
            this.#release(volume);
            if (error !== null) return reject(unreadable(error, location.volume, location.offset));
            try {
              resolve(checked(bytes, done + count, location));
            } catch (damage) {
              reject(damage as Error);
            }
          },
        );
      };
      step(0);
    });
  }

  drop(volume: number): void {
    const open = this.#open.get(volume);
    if (open === undefined) return;
    this.#open.delete(volume);
    this.#retire(open);
  }

  close(): void {
    for (const volume of [...this.#open.keys()]) this.drop(volume);
  }

  #volume(id: number): OpenVolume {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const opened: OpenVolume = { fd: this.#openFile(id), readers: 0, dropped: false };
    this.#open.set(id, opened);
    if (this.#open.size > LIMITS.openVolumesMax) {
      for (const oldest of this.#open.keys()) {
        this.drop(oldest);
        break;
      }
    }
    return opened;
  }

  #openFile(id: number): number {
    try {
      return openSync(volumePath(this.#root, id), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new VolumeGone(id);
      throw new GatewayError('StoreFailure', `Volume ${id} cannot be opened: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #release(volume: OpenVolume): void {
    volume.readers--;
    if (volume.dropped && volume.readers === 0) close(volume.fd, () => {});
  }

  #retire(volume: OpenVolume): void {
    volume.dropped = true;
    if (volume.readers === 0) closeSync(volume.fd);
  }
}

function unreadable(error: Error, volume: number, position: number): GatewayError {
  return new GatewayError('DataLoss', `Volume ${volume} at ${position} cannot be read: ${error.message}`, {
    cause: error,
  });
}

function isCodedIntact(bytes: Buffer, { codec, crc }: Location): boolean {
  return storedPayloadIsIntact({ codec, payloadCrc: crc }, bytes);
}

/** @throws GatewayError DataLoss unless `have` bytes are the payload at the location, as it is stored */
export function checked(bytes: Buffer, have: number, location: Location): Buffer {
  if (have !== location.length) throw damageOf(location, have);
  const isIntact = location.codec === 0 ? crc32(bytes) === location.crc : isCodedIntact(bytes, location);
  if (!isIntact) throw damageOf(location, have);
  return bytes;
}

/** What is wrong with a payload of which the volume had `have` bytes that are not it. */
export function damageOf({ length, offset, volume }: Location, have: number): GatewayError {
  const problem =
    have === length
      ? `The record at ${offset} of volume ${volume} is damaged (CRC-32 differs)`
      : `Volume ${volume} ends inside the record at ${offset}`;
  return new GatewayError('DataLoss', `${problem}; run "penstock doctor".`);
}
