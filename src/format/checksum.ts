// HOT PATH
/**
 * The checksums of S3: CRC-32, CRC-32C, CRC-64/NVME, SHA-1 and SHA-256, over whole objects and over the parts of an upload.
 *
 * Promises: digests are the bytes that S3 prints in base64 (CRCs big-endian); a stream costs no memory beyond its state, and any
 * number of streams may be open at once.
 *
 * Hardest decision: CRC-64/NVME comes from WebAssembly, whose instances can only be made asynchronously. Instead of a pool that
 * can run dry in the middle of a request, one instance serves every stream: a stream that finds another's state in it swaps
 * the eight bytes (5 µs a swap, 2026-11), and a stream alone pays nothing.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 */
import { createHash } from 'node:crypto';
import { crc32, crc32c } from '@node-rs/crc32';
import { createCRC64, type IHasher } from 'hash-wasm';
import type { ChecksumAlgorithm, StoredChecksum } from '../base/object-info.ts';
import { CrcCombiner } from './crc-combine.ts';

export type ChecksumType = StoredChecksum['type'];

/** The checksum of one stream of bytes. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** The buffer is read before this returns and stays the caller's. */
  update(data: Buffer): void;
  /** Once, at the end. */
  digest(): Buffer;
}

export interface Checksums {
  create(algorithm: ChecksumAlgorithm): Checksum;
  /** The digest of a whole object from the digests and lengths of its parts, in order. CRCs only. */
  combine(algorithm: CrcAlgorithm, parts: readonly PartDigest[]): Buffer;
}

export type CrcAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME';

export interface PartDigest {
  readonly digest: Buffer;
  /** Bytes of the part. */
  readonly length: number;
}

interface AlgorithmFacts {
  readonly digestBytes: number;
  /** What a multipart upload may ask for; the first is the default. */
  readonly multipartTypes: readonly ChecksumType[];
}

/** Which types go with which algorithm: the user guide's table "Full object and composite checksum types". */
export const CHECKSUM_FACTS: Readonly<Record<ChecksumAlgorithm, AlgorithmFacts>> = {
  CRC32: { digestBytes: 4, multipartTypes: ['COMPOSITE', 'FULL_OBJECT'] },
  CRC32C: { digestBytes: 4, multipartTypes: ['COMPOSITE', 'FULL_OBJECT'] },
  CRC64NVME: { digestBytes: 8, multipartTypes: ['FULL_OBJECT'] },
  SHA1: { digestBytes: 20, multipartTypes: ['COMPOSITE'] },
  SHA256: { digestBytes: 32, multipartTypes: ['COMPOSITE'] },
};

/** Polynomial of CRC-64/NVME, reflected, as hash-wasm wants it. */
const NVME_POLYNOMIAL = '9a6c9329ac4bc9b5';

export function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithm === 'CRC32' || algorithm === 'CRC32C' || algorithm === 'CRC64NVME';
}

function crcStream(algorithm: 'CRC32' | 'CRC32C'): Checksum {
  const next = algorithm === 'CRC32' ? crc32 : crc32c;
  let state = 0;
  return {
    algorithm,
    update(data) {
      state = next(data, state);
    },
    digest() {
      const out = Buffer.allocUnsafe(4);
      out.writeUInt32BE(state >>> 0);
      return out;
    },
  };
}

function shaStream(algorithm: 'SHA1' | 'SHA256'): Checksum {
  const sha = createHash(algorithm);
  return {
    algorithm,
    update(data) {
      sha.update(data);
    },
    digest: () => sha.digest(),
  };
}

/** One hasher for every stream. `#owner` is the stream whose state is in it. */
class SharedCrc64 {
  readonly #hasher: IHasher;
  #owner: Crc64Stream | undefined;

  constructor(hasher: IHasher) {
    this.#hasher = hasher;
  }

  enter(stream: Crc64Stream): IHasher {
    if (this.#owner === stream) return this.#hasher;
    if (this.#owner !== undefined) this.#owner.parked = this.#hasher.save();
    if (stream.parked === undefined) this.#hasher.init();
    else this.#hasher.load(stream.parked);
    stream.parked = undefined;
    this.#owner = stream;
    return this.#hasher;
  }

  leave(): void {
    this.#owner = undefined;
  }
}

class Crc64Stream implements Checksum {
  readonly algorithm = 'CRC64NVME';
  /** State of a stream that has begun and is not in the hasher. */
  parked: Uint8Array | undefined;
  readonly #shared: SharedCrc64;

  constructor(shared: SharedCrc64) {
    this.#shared = shared;
  }

  update(data: Buffer): void {
    this.#shared.enter(this).update(data);
  }

  digest(): Buffer {
    const digest = Buffer.from(this.#shared.enter(this).digest('binary'));
    this.#shared.leave();
    return digest;
  }
}

/** Loads what must be loaded asynchronously; afterwards everything is synchronous. */
export async function loadChecksums(): Promise<Checksums> {
  const shared = new SharedCrc64(await createCRC64(NVME_POLYNOMIAL));
  const combiners: Readonly<Record<CrcAlgorithm, CrcCombiner>> = {
    CRC32: new CrcCombiner(32, { high: 0, low: 0xedb88320 }),
    CRC32C: new CrcCombiner(32, { high: 0, low: 0x82f63b78 }),
    CRC64NVME: new CrcCombiner(64, { high: 0x9a6c9329, low: 0xac4bc9b5 }),
  };
  return {
    create(algorithm) {
      switch (algorithm) {
        case 'CRC32':
        case 'CRC32C':
          return crcStream(algorithm);
        case 'SHA1':
        case 'SHA256':
          return shaStream(algorithm);
        case 'CRC64NVME':
          return new Crc64Stream(shared);
      }
    },
    combine(algorithm, parts) {
      const combiner = combiners[algorithm];
      let whole: Buffer = Buffer.alloc(CHECKSUM_FACTS[algorithm].digestBytes);
      for (const { digest, length } of parts) whole = combiner.combine(whole, digest, length);
      return whole;
    },
  };
}

/**
 * The checksum of an upload whose parts were checksummed: of their digests and `-N` (COMPOSITE), or of the object (FULL_OBJECT).
 *
 * @param type one of the algorithm's `multipartTypes`
 */
export function checksumOfParts(
  checksums: Checksums,
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly PartDigest[],
): StoredChecksum {
  if (type === 'FULL_OBJECT' && isCrc(algorithm)) {
    return { algorithm, type, value: checksums.combine(algorithm, parts).toString('base64') };
  }
  const composite = checksums.create(algorithm);
  for (const { digest } of parts) composite.update(digest);
  return { algorithm, type: 'COMPOSITE', value: `${composite.digest().toString('base64')}-${parts.length}` };
}
