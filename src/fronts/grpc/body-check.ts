/** The bytes of one object as they come: their number, CRC-32 and ETag. */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { crc32Of } from '../../format/crc32.ts';
import type { EntityHashes, EntityStream } from '../../format/entity-hash.ts';

export class BodyCheck {
  /** Bytes that were announced. */
  readonly size: number;
  readonly #hash: EntityStream;
  #crc = 0;
  #taken = 0;

  /** @throws GatewayError EntityTooLarge */
  constructor(hashes: EntityHashes, size: number) {
    requireSize(size);
    this.size = size;
    this.#hash = hashes.stream();
  }

  /** Bytes that have not come. */
  get missing(): number {
    return this.size - this.#taken;
  }

  /** The buffer stays the caller's. @throws GatewayError InvalidRequest as soon as there are too many */
  add(bytes: Buffer): void {
    this.#taken += bytes.length;
    if (this.#taken > this.size) throw moreThanAnnounced(this.size, this.#taken);
    this.#crc = crc32Of(bytes, this.#crc);
    this.#hash.update(bytes);
  }

  /**
   * The ETag, when everything came.
   *
   * @param crc what the sender says of the whole; absent: it says nothing
   * @throws GatewayError IncompleteBody, BadDigest
   */
  settle(crc: number | undefined): string {
    if (this.#taken < this.size) {
      throw new GatewayError(
        'IncompleteBody',
        `The header announces ${this.size} bytes, but ${this.#taken} came; nothing was stored.`,
      );
    }
    requireCrc(crc, this.#crc);
    return this.#hash.etag();
  }
}

/** @throws GatewayError EntityTooLarge */
export function requireSize(size: number): void {
  if (size <= LIMITS.putBytesMax) return;
  throw new GatewayError(
    'EntityTooLarge',
    `The header announces ${size} bytes; at most ${LIMITS.putBytesMax} are allowed.`,
    {
      details: { ProposedSize: String(size), MaxSizeAllowed: String(LIMITS.putBytesMax) },
    },
  );
}

export function moreThanAnnounced(size: number, came: number): GatewayError {
  return new GatewayError(
    'InvalidRequest',
    `The header announces ${size} bytes, but ${came} came; nothing was stored.`,
  );
}

/** @throws GatewayError BadDigest */
export function requireCrc(given: number | undefined, computed: number): void {
  if (given === undefined || given === computed) return;
  throw new GatewayError(
    'BadDigest',
    `The CRC-32 of the bytes that arrived is ${hex(computed)}, but the sender gave ${hex(given)}; nothing was stored.`,
  );
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`;
}
