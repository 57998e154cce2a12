// HOT PATH (bench: every object of a PutBatch is hashed once)
/**
 * ETags of objects that are written over gRPC: XXH3-128 (seed 0) of the bytes as 32 hex digits, and `-1`, the form that clients
 * know not to be an MD5. Promises: equal bytes have equal ETags, whether they came whole or as a stream, in every gateway.
 *
 * Hardest decision: not MD5, which takes 86 µs for 64 KiB where this takes 11 (docs/adr/0007-etags-of-grpc-writes.md). The hash
 * comes from WebAssembly, whose instances are made asynchronously, so one instance serves every stream: one that finds another's
 * state in it swaps 580 bytes (3 µs a swap, 2026-11).
 *
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
import { createXXHash128, type IHasher } from 'hash-wasm';

/** Clients take the digits before it for something else than an MD5. */
const SUFFIX = '-1';

/** The ETag of bytes that come in pieces. */
export interface EntityStream {
  /** The buffer is read before this returns and stays the caller's. */
  update(data: Buffer): void;
  /** Once, at the end. */
  etag(): string;
}

export interface EntityHashes {
  /** The ETag of an object that is in memory. The buffer is read before this returns and stays the caller's. */
  etagOf(bytes: Buffer): string;
  stream(): EntityStream;
}

/** One hasher for every stream. `#owner` is the stream whose state is in it. */
class SharedHasher implements EntityHashes {
  readonly #hasher: IHasher;
  #owner: ParkedStream | undefined;

  constructor(hasher: IHasher) {
    this.#hasher = hasher;
  }

  etagOf(bytes: Buffer): string {
    this.#park();
    this.#hasher.init();
    this.#hasher.update(bytes);
    return this.#hasher.digest('hex') + SUFFIX;
  }

  stream(): EntityStream {
    return new ParkedStream(this);
  }

  enter(stream: ParkedStream): IHasher {
    if (this.#owner === stream) return this.#hasher;
    this.#park();
    if (stream.parked === undefined) this.#hasher.init();
    else this.#hasher.load(stream.parked);
    stream.parked = undefined;
    this.#owner = stream;
    return this.#hasher;
  }

  leave(): void {
    this.#owner = undefined;
  }

  #park(): void {
    if (this.#owner === undefined) return;
    this.#owner.parked = this.#hasher.save();
    this.#owner = undefined;
  }
}

class ParkedStream implements EntityStream {
  /** State of a stream that has begun and is not in the hasher. */
  parked: Uint8Array | undefined;
  readonly #shared: SharedHasher;

  constructor(shared: SharedHasher) {
    this.#shared = shared;
  }

  update(data: Buffer): void {
    this.#shared.enter(this).update(data);
  }

  etag(): string {
    const hex = this.#shared.enter(this).digest('hex');
    this.#shared.leave();
    return hex + SUFFIX;
  }
}

/** Loads what must be loaded asynchronously; afterwards everything is synchronous. */
export async function loadEntityHashes(): Promise<EntityHashes> {
  return new SharedHasher(await createXXHash128());
}
