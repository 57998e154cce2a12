/**
 * Takes the bytes of a write. Up to one extent's worth stays in memory, to become the payload of one record; more goes to the
 * volume extent by extent while it arrives. Memory is bounded by a gate before the body is read: a writer that holds an extent
 * always finishes, so writers can not wait for each other in a circle.
 */
import { crc32 } from '@node-rs/crc32';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { magicClass } from '../format/content-magic.ts';
import type { Location } from '../format/manifest.ts';
import { RECORD_KIND, recordHead } from '../format/record.ts';
import type { LocalEngine } from './local-engine.ts';
import type { Pins } from './volume-seals.ts';

/** `magicClass` sees no further. */
const LOOK_BYTES = 132;

/** Whose bytes they are, for the heads of the extents. */
export interface ExtentOwner {
  readonly bucketId: number;
  readonly key: Buffer;
  /** As in the part's record; empty for ordinary objects. */
  readonly attributes: Buffer;
}

/** A whole body: in memory when it fits into one record, else in extents. */
export interface TakenBody {
  readonly size: number;
  /** `CONTENT_CLASS` as far as the first bytes tell it. */
  readonly class: number;
  readonly inline: { readonly buffers: readonly Buffer[]; readonly crc: number } | undefined;
  readonly extents: readonly Location[];
}

/** Resolves with the whole body; what it appended is inert until a manifest names it. @throws GatewayError EntityTooLarge */
export async function takeBody(
  engine: LocalEngine,
  owner: ExtentOwner,
  chunks: AsyncIterable<Buffer> | readonly Buffer[],
  bytesMax: number,
  pins: Pins,
  signal: AbortSignal | undefined,
): Promise<TakenBody> {
  const taking = new Taking(engine, owner, pins);
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      if (taking.size + chunk.length > bytesMax)
        throw new GatewayError('EntityTooLarge', `The body has more than ${bytesMax} bytes.`, {
          details: { MaxSizeAllowed: String(bytesMax) },
        });
      await taking.add(chunk);
    }
    return await taking.end();
  } catch (error) {
    await taking.settled(); // its memory is given back when the disk has let go of it
    throw error;
  }
}

/** One body on its way: at most one extent being written, and one gathering. */
class Taking {
  size = 0;
  readonly #engine: LocalEngine;
  readonly #owner: ExtentOwner;
  readonly #pins: Pins;
  readonly #extents: Promise<Location>[] = [];
  #class: number | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(engine: LocalEngine, owner: ExtentOwner, pins: Pins) {
    this.#engine = engine;
    this.#owner = owner;
    this.#pins = pins;
  }

  async add(chunk: Buffer): Promise<void> {
    this.size += chunk.length;
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#pendingBytes === LIMITS.extentBytes) {
        await this.#extents.at(-1);
        this.#append();
      }
      const taken = rest.subarray(0, LIMITS.extentBytes - this.#pendingBytes);
      this.#pending.push(taken);
      this.#pendingBytes += taken.length;
      rest = rest.subarray(taken.length);
    }
  }

  async end(): Promise<TakenBody> {
    const contentClass = this.#look();
    if (this.#extents.length === 0) {
      const inline = { buffers: this.#pending, crc: crcOf(this.#pending) };
      return { size: this.size, class: contentClass, inline, extents: [] };
    }
    this.#append();
    return { size: this.size, class: contentClass, inline: undefined, extents: await Promise.all(this.#extents) };
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#extents);
  }

  #look(): number {
    this.#class ??= magicClass(firstBytes(this.#pending));
    return this.#class;
  }

  #append(): void {
    this.#look();
    this.#extents.push(guarded(appendExtent(this.#engine, this.#owner, this.#pending, this.#pendingBytes, this.#pins)));
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/** As many as a look needs. */
function firstBytes(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks;
  if (first === undefined) return Buffer.alloc(0);
  return first.length >= LOOK_BYTES ? first : Buffer.concat(chunks.slice(0, LOOK_BYTES)).subarray(0, LOOK_BYTES);
}

/** A rejection is met when the promise is awaited, which may be after the next chunk. */
function guarded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

export async function appendExtent(
  engine: LocalEngine,
  owner: ExtentOwner,
  payload: readonly Buffer[],
  length: number,
  pins: Pins,
): Promise<Location> {
  engine.space.admit(length);
  const head = recordHead({
    kind: RECORD_KIND.extent,
    payloadLength: length,
    payloadCrc: crcOf(payload),
    size: length,
    ...owner,
  });
  return (await engine.appender.append({ head, payload, commit: false }, pins)).location;
}

export function crcOf(buffers: readonly Buffer[]): number {
  let crc = 0;
  for (const buffer of buffers) crc = crc32(buffer, crc);
  return crc;
}

/** The extents of a body, with an inline one appended as an extent. */
export async function asExtents(
  engine: LocalEngine,
  owner: ExtentOwner,
  body: TakenBody,
  pins: Pins,
): Promise<readonly Location[]> {
  if (body.inline === undefined) return body.extents;
  if (body.size === 0) return [];
  return [await appendExtent(engine, owner, body.inline.buffers, body.size, pins)];
}

/** Runs `work` with memory for one body granted, and its extents pinned until the end. */
export async function withBodyMemory<T>(
  engine: LocalEngine,
  work: (pins: Pins) => Promise<T>,
  bytes: number,
): Promise<T> {
  const granted = Math.min(bytes, 2 * LIMITS.extentBytes);
  await engine.gate.acquire(granted);
  const pins: Pins = { volumes: new Set() };
  try {
    return await work(pins);
  } finally {
    engine.gate.release(granted);
    engine.appender.unpin(pins);
  }
}
