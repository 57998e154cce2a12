/**
 * Byte ranges of RFC 9110 section 14, as S3 reads them. Promises: what S3 ignores (several ranges, other units, nonsense) is
 * `undefined`, so that the whole object is served; offsets are half-open once the size is known.
 *
 * Hardest decision: parsing and resolving are apart, because the size is known only under the read's snapshot of the object.
 */
import { GatewayError } from '../base/errors.ts';
import type { RangeSpec } from '../base/object-store.ts';

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

const SINGLE_RANGE = /^bytes=(?:(\d{1,20})-(\d{0,20})|-(\d{1,20}))$/i;
const COPY_RANGE = /^bytes=(\d{1,20})-(\d{1,20})$/;

/** Offsets beyond 2^53 stand for "past the end of anything". */
function offset(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}

/** A `Range` header with exactly one well-formed range, else `undefined`: to be ignored. */
export function parseRange(header: string): RangeSpec | undefined {
  const match = SINGLE_RANGE.exec(header);
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  if (suffix !== undefined) return { suffix: offset(suffix) };
  if (first === undefined) return undefined;
  if (last === undefined || last === '') return { first: offset(first) };
  const spec = { first: offset(first), last: offset(last) };
  return spec.last < spec.first ? undefined : spec;
}

/** The bytes of an object of `size` bytes that a range selects; `unsatisfiable` when it selects none (416). */
export function resolveRange(spec: RangeSpec, size: number): ByteRange | 'unsatisfiable' {
  if ('suffix' in spec) {
    if (spec.suffix === 0 || size === 0) return 'unsatisfiable';
    return { start: Math.max(0, size - spec.suffix), end: size };
  }
  if (spec.first >= size) return 'unsatisfiable';
  return { start: spec.first, end: spec.last === undefined ? size : Math.min(size, spec.last + 1) };
}

/** `Content-Range` of a 206. */
export function formatContentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`;
}

/** `Content-Range` of a 416. */
export function formatUnsatisfiedRange(size: number): string {
  return `bytes */${size}`;
}

/**
 * `x-amz-copy-source-range`: `bytes=first-last`, nothing else. Whether it lies inside the source is for the copy to decide
 * (S3 answers InvalidRange when it does not).
 *
 * @throws GatewayError InvalidArgument
 */
export function parseCopyRange(header: string): { readonly first: number; readonly last: number } {
  const match = COPY_RANGE.exec(header);
  const spec = { first: offset(match?.[1] ?? '0'), last: offset(match?.[2] ?? '0') };
  if (match === null || spec.last < spec.first) {
    throw new GatewayError(
      'InvalidArgument',
      `x-amz-copy-source-range is "${header.slice(0, 80)}"; send bytes=first-last, both inclusive, first at most last.`,
      { details: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header.slice(0, 80) } },
    );
  }
  return spec;
}
