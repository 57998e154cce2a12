/**
 * Preconditions of reads and writes, in the order of RFC 9110 section 13.2.2 with the S3 rules for pairs
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html): If-Match that holds overrides If-Unmodified-Since, and
 * If-None-Match that fails overrides If-Modified-Since.
 */
import { GatewayError } from './errors.ts';
import type { ObjectInfo } from './object-info.ts';
import type { RangeSpec, ReadConditions, WriteConditions } from './object-store.ts';

function matches(etags: readonly string[], etag: string): boolean {
  for (const candidate of etags) if (candidate === '*' || candidate === etag) return true;
  return false;
}

function failed(condition: string): GatewayError {
  return new GatewayError('PreconditionFailed', undefined, { details: { Condition: condition } });
}

/** 'pass' or 'not-modified'; @throws GatewayError PreconditionFailed */
export function checkReadConditions(
  conditions: ReadConditions,
  info: Pick<ObjectInfo, 'etag' | 'modifiedMs'>,
): 'pass' | 'not-modified' {
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  const modifiedMs = Math.floor(info.modifiedMs / 1000) * 1000; // HTTP dates have seconds
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, info.etag)) throw failed('If-Match');
  } else if (ifUnmodifiedSinceMs !== undefined && modifiedMs > ifUnmodifiedSinceMs) {
    throw failed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, info.etag) ? 'not-modified' : 'pass';
  return ifModifiedSinceMs !== undefined && modifiedMs <= ifModifiedSinceMs ? 'not-modified' : 'pass';
}

/** @throws GatewayError PreconditionFailed; NoSuchKey for `ifMatch` where there is no object, as S3 answers */
export function checkWriteConditions(conditions: WriteConditions, currentEtag: string | undefined): void {
  if (conditions.ifNoneMatch !== undefined && currentEtag !== undefined) throw failed('If-None-Match');
  if (conditions.ifMatch === undefined) return;
  if (currentEtag === undefined) throw new GatewayError('NoSuchKey');
  if (conditions.ifMatch !== '*' && conditions.ifMatch !== currentEtag) throw failed('If-Match');
}

/** The half-open range of a body of `size` bytes. @throws GatewayError InvalidRange */
export function resolveRange(spec: RangeSpec, size: number): { start: number; end: number } {
  const start = 'suffix' in spec ? Math.max(0, size - spec.suffix) : spec.first;
  const end = 'suffix' in spec || spec.last === undefined ? size : Math.min(size, spec.last + 1);
  if (start >= end) {
    throw new GatewayError('InvalidRange', undefined, { details: { ActualObjectSize: String(size) } });
  }
  return { start, end };
}
