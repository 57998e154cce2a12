/**
 * The CRC of a concatenation from the CRCs of its parts, without reading the parts again.
 *
 * Promises: for a reflected CRC whose initial value and final XOR are both all ones (CRC-32, CRC-32C and CRC-64/NVME are),
 * `combine(crc(A), crc(B), length(B)) = crc(A + B)`, as the constants of B's start and A's end cancel out.
 *
 * Hardest decision: polynomials over GF(2) are two 32-bit halves in plain numbers, since 64-bit products in BigInt take
 * microseconds and an upload may have 10,000 parts. Appending n zero bytes is a multiplication by x^(8n) modulo the polynomial,
 * made from a table of x^(2^k) (Knuth, The Art of Computer Programming volume 2, 4.6.3; bit k of n picks a factor).
 */

/** A polynomial in reflected order: the highest bit is the coefficient of x^0. A 32-bit one has `high` 0. */
export interface Polynomial {
  readonly high: number;
  readonly low: number;
}

/** Lengths are below 2^53 bytes, so exponents are below 2^56. */
const POWERS = 56;
const BITS_PER_BYTE = 3;

export class CrcCombiner {
  readonly #width: 32 | 64;
  readonly #modulus: Polynomial;
  /** x^(2^k) at k. */
  readonly #powers: Polynomial[] = [];
  #lastLength = -1;
  #lastShift: Polynomial = { high: 0, low: 0 };

  /** @param modulus reflected, without its highest term: 0xedb88320 for CRC-32 */
  constructor(width: 32 | 64, modulus: Polynomial) {
    this.#width = width;
    this.#modulus = modulus;
    let power: Polynomial = width === 32 ? { high: 0, low: 1 << 30 } : { high: 1 << 30, low: 0 };
    for (let k = 0; k < POWERS; k += 1) {
      this.#powers.push(power);
      power = this.#multiply(power, power);
    }
  }

  /**
   * @param first digest of A, big-endian, as S3 prints it
   * @param second digest of B
   * @param secondLength bytes of B
   * @returns digest of A + B in a buffer of its own
   */
  combine(first: Buffer, second: Buffer, secondLength: number): Buffer {
    const shifted = this.#multiply(this.#read(first), this.#shiftBy(secondLength));
    const tail = this.#read(second);
    const out = Buffer.allocUnsafe(this.#width / 8);
    out.writeUInt32BE((shifted.low ^ tail.low) >>> 0, out.length - 4);
    if (this.#width === 64) out.writeUInt32BE((shifted.high ^ tail.high) >>> 0, 0);
    return out;
  }

  #read(digest: Buffer): Polynomial {
    if (this.#width === 32) return { high: 0, low: digest.readUInt32BE(0) };
    return { high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) };
  }

  /** x^(8 * bytes). Parts mostly have one length, so the last power is kept. */
  #shiftBy(bytes: number): Polynomial {
    if (bytes === this.#lastLength) return this.#lastShift;
    let shift: Polynomial = this.#width === 32 ? { high: 0, low: 1 << 31 } : { high: 1 << 31, low: 0 };
    let left = bytes;
    for (let k = BITS_PER_BYTE; left > 0; k += 1) {
      if (left % 2 === 1) shift = this.#multiply(shift, this.#powers[k] as Polynomial);
      left = Math.floor(left / 2);
    }
    this.#lastLength = bytes;
    this.#lastShift = shift;
    return shift;
  }

  #multiply(a: Polynomial, b: Polynomial): Polynomial {
    let high = 0;
    let low = 0;
    let bHigh = b.high;
    let bLow = b.low;
    for (let bit = this.#width - 1; bit >= 0; bit -= 1) {
      const inA = bit >= 32 ? (a.high >>> (bit - 32)) & 1 : (a.low >>> bit) & 1;
      if (inA === 1) {
        high ^= bHigh;
        low ^= bLow;
      }
      const carry = bLow & 1;
      bLow = (bLow >>> 1) | (bHigh << 31);
      bHigh >>>= 1;
      if (carry === 1) {
        bHigh ^= this.#modulus.high;
        bLow ^= this.#modulus.low;
      }
    }
    return { high, low };
  }
}
