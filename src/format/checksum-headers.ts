/**
 * How checksums are named and written in headers and trailers. Promises: a value that passes is the base64 of a digest of the
 * right length, in its one spelling, so that values may be compared as text.
 *
 * Hardest decision: a header whose algorithm does not exist is refused, not ignored: the client relies on the check.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
 */
import { GatewayError } from '../base/errors.ts';
import type { ChecksumAlgorithm } from '../base/object-info.ts';
import type { ChecksumType } from './checksum.ts';
import { CHECKSUM_FACTS } from './checksum.ts';

/** The value of a header by lower-case name. */
export type HeaderLookup = (lowerName: string) => string | undefined;

export interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly digest: Buffer;
}

const PREFIX = 'x-amz-checksum-';
const MD5_BYTES = 16;

export const CHECKSUM_ALGORITHMS = Object.keys(CHECKSUM_FACTS) as readonly ChecksumAlgorithm[];

/** `x-amz-checksum-crc64nvme` */
export function checksumHeaderName(algorithm: ChecksumAlgorithm): string {
  return PREFIX + algorithm.toLowerCase();
}

/** The algorithm of a header or trailer name in lower case, or `undefined` when it names none. */
export function checksumOfHeaderName(lowerName: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => checksumHeaderName(algorithm) === lowerName);
}

/** @throws GatewayError InvalidRequest, naming the header that said it */
export function parseChecksumAlgorithm(value: string, header: string): ChecksumAlgorithm {
  const upper = value.toUpperCase();
  const found = CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === upper);
  if (found !== undefined) return found;
  throw new GatewayError(
    'InvalidRequest',
    `Value for ${header} header is invalid: "${value.slice(0, 40)}" is not one of ${CHECKSUM_ALGORITHMS.join(', ')}.`,
  );
}

/**
 * The type of a multipart upload's checksum: what x-amz-checksum-type asks for, else the algorithm's default.
 *
 * @throws GatewayError InvalidRequest when the algorithm does not have the type
 */
export function parseChecksumType(value: string | undefined, algorithm: ChecksumAlgorithm): ChecksumType {
  const { multipartTypes } = CHECKSUM_FACTS[algorithm];
  const wanted = value?.toUpperCase() ?? multipartTypes[0];
  const found = multipartTypes.find((type) => type === wanted);
  if (found !== undefined) return found;
  throw new GatewayError(
    'InvalidRequest',
    `The ${value?.slice(0, 40)} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm; use ${multipartTypes.join(' or ')}.`,
  );
}

/** Bytes of canonical base64 that decodes to exactly `length` bytes, else `undefined`. */
export function decodeDigest(text: string, length: number): Buffer | undefined {
  if (text.length !== Math.ceil(length / 3) * 4) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === length && bytes.toString('base64') === text ? bytes : undefined;
}

/**
 * The value of a checksum header or trailer.
 *
 * @throws GatewayError InvalidRequest
 */
export function parseChecksumValue(algorithm: ChecksumAlgorithm, value: string): DeclaredChecksum {
  const digest = decodeDigest(value, CHECKSUM_FACTS[algorithm].digestBytes);
  if (digest !== undefined) return { algorithm, digest };
  throw new GatewayError(
    'InvalidRequest',
    `Value for ${checksumHeaderName(algorithm)} header is invalid: "${value.slice(0, 80)}".`,
  );
}

/**
 * The checksum that the headers of an upload declare, checked against x-amz-sdk-checksum-algorithm.
 *
 * @param names lower-case names of every header, to find algorithms that do not exist
 * @throws GatewayError InvalidRequest for two checksums, an unknown algorithm or a bad value
 */
export function declaredChecksum(names: Iterable<string>, header: HeaderLookup): DeclaredChecksum | undefined {
  let declared: DeclaredChecksum | undefined;
  for (const name of names) {
    if (!name.startsWith(PREFIX) || NOT_VALUES.has(name)) continue;
    const algorithm = checksumOfHeaderName(name);
    if (algorithm === undefined)
      throw new GatewayError('InvalidRequest', `The algorithm of the header ${name.slice(0, 80)} is not supported.`);
    if (declared !== undefined) {
      throw new GatewayError(
        'InvalidRequest',
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      );
    }
    declared = parseChecksumValue(algorithm, header(name) ?? '');
  }
  return agree(declared, header);
}

/** Headers of the family that hold no digest. */
const NOT_VALUES = new Set([`${PREFIX}algorithm`, `${PREFIX}mode`, `${PREFIX}type`]);

function agree(declared: DeclaredChecksum | undefined, header: HeaderLookup): DeclaredChecksum | undefined {
  const sdk = header('x-amz-sdk-checksum-algorithm');
  if (sdk === undefined || declared === undefined) return declared;
  if (parseChecksumAlgorithm(sdk, 'x-amz-sdk-checksum-algorithm') === declared.algorithm) return declared;
  throw new GatewayError(
    'InvalidRequest',
    `Value for x-amz-sdk-checksum-algorithm header is invalid: ${checksumHeaderName(declared.algorithm)} was sent.`,
  );
}

/**
 * The checksum algorithms that x-amz-trailer announces.
 *
 * @returns lower-case trailer names in order
 * @throws GatewayError InvalidRequest for a trailer that is not a checksum
 */
export function parseTrailerNames(header: string): string[] {
  const names = header
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name.length > 0);
  for (const name of names) {
    if (checksumOfHeaderName(name) === undefined) {
      throw new GatewayError(
        'InvalidRequest',
        `The value specified in the x-amz-trailer header is not supported: "${name.slice(0, 80)}".`,
      );
    }
  }
  return names;
}

/** The 16 bytes of Content-MD5. @throws GatewayError InvalidDigest */
export function parseContentMd5(value: string): Buffer {
  const digest = decodeDigest(value, MD5_BYTES);
  if (digest !== undefined) return digest;
  throw new GatewayError('InvalidDigest', `Content-MD5 is "${value.slice(0, 80)}"; it must be the base64 of 16 bytes.`);
}
