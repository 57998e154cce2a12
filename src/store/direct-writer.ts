// HOT PATH (bench: put-batch)
/**
 * Writes large groups past the page cache (O_DIRECT, open(2)). A page of the cache that nobody had before is what a buffered write costs most:
 * 20 to 160 µs for 64 KiB, on a virtual machine whose host gives memory page by page; a copy into memory that is used again, and a write
 * from there, 15 to 25 (docs/adr/0012-direct-writes.md).
 *
 * The hardest decision is what not to write so. What the coding pass is about to read stays in the page cache: only what is compressed
 * already goes past it. Where the file system does not take it, everything is written as before.
 */
import { constants, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { LIMITS } from '../base/limits.ts';
import type { GroupRecord } from './volume-group.ts';

const writeAsync = promisify(write);

/** Bytes of one write; the next one is copied meanwhile. */
const STAGE_BYTES = 2 * 1024 * 1024;
const WASM_PAGE_BYTES = 64 * 1024;

export class DirectWriter {
  readonly #bytesMin: number;
  #isUsable = true;
  #stages: readonly [Buffer, Buffer] | undefined;

  /** @param bytesMin smaller groups are not worth it */
  constructor(bytesMin: number = LIMITS.directGroupBytesMin) {
    this.#bytesMin = bytesMin;
  }

  /** Is the group one to write past the page cache? */
  isFor(group: readonly GroupRecord[], bytes: number): boolean {
    if (!this.#isUsable || bytes < this.#bytesMin) return false;
    let known = 0;
    for (const { head, length } of group) if (head.class !== 0) known += length;
    return 2 * known >= bytes;
  }

  /** A descriptor for `write`; `undefined` where the file system has no such thing. */
  open(path: string): number | undefined {
    if (!this.#isUsable) return undefined;
    try {
      return openSync(path, constants.O_WRONLY | constants.O_DIRECT);
    } catch (error) {
      return this.#refused(error);
    }
  }

  /**
   * All buffers, one behind the other, from `position` on. Position and bytes are multiples of a block. False where the file system refused:
   * some of it may be written then.
   */
  async write(fd: number, buffers: readonly Buffer[], position: number): Promise<boolean> {
    const stages = this.#memory();
    if (stages === undefined) return false;
    const source = new Gathering(buffers);
    let at = position;
    let writing: Promise<void> | undefined;
    try {
      for (let turn = 0; ; turn++) {
        const stage = stages[turn % 2] as Buffer;
        const bytes = source.fill(stage);
        await writing;
        if (bytes === 0) return true;
        writing = writeWhole(fd, stage.subarray(0, bytes), at);
        at += bytes;
      }
    } catch (error) {
      this.#refused(error);
      return false;
    }
  }

  /** Memory of WebAssembly begins at a page, which a buffer of Node does not. */
  #memory(): readonly [Buffer, Buffer] | undefined {
    if (this.#stages === undefined && this.#isUsable) {
      try {
        const { buffer } = new WebAssembly.Memory({ initial: (2 * STAGE_BYTES) / WASM_PAGE_BYTES });
        this.#stages = [Buffer.from(buffer, 0, STAGE_BYTES), Buffer.from(buffer, STAGE_BYTES, STAGE_BYTES)];
      } catch {
        this.#isUsable = false; // no room in the address space
      }
    }
    return this.#stages;
  }

  /** @throws whatever is no refusal */
  #refused(error: unknown): undefined {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error;
    this.#isUsable = false;
    this.#stages = undefined;
  }
}

/** Buffers as a stream of bytes. */
class Gathering {
  readonly #buffers: readonly Buffer[];
  #next = 0;
  #taken = 0;

  constructor(buffers: readonly Buffer[]) {
    this.#buffers = buffers;
  }

  /** As much as there is, and as fits. */
  fill(stage: Buffer): number {
    let filled = 0;
    while (filled < stage.length && this.#next < this.#buffers.length) {
      const buffer = this.#buffers[this.#next] as Buffer;
      const copied = buffer.copy(stage, filled, this.#taken);
      filled += copied;
      this.#taken += copied;
      if (this.#taken < buffer.length) break;
      this.#next++;
      this.#taken = 0;
    }
    return filled;
  }
}

async function writeWhole(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await writeAsync(fd, bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
