/** Which bytes of an object a read asks for: by range, by part, or all. */

import { resolveRange } from '../base/conditions.ts';
import { GatewayError } from '../base/errors.ts';
import type { ObjectInfo } from '../base/object-info.ts';
import type { GetOptions } from '../base/object-store.ts';

/** @throws GatewayError InvalidRange, InvalidPartNumber */
export function rangeOf(
  options: GetOptions,
  info: ObjectInfo,
  part: () => { start: number; end: number } | undefined,
): { start: number; end: number } {
  const { size, partCount } = info;
  if (options.range !== undefined) return resolveRange(options.range, size);
  if (options.partNumber === undefined) return { start: 0, end: size };
  if (partCount === 0 && options.partNumber === 1) return { start: 0, end: size };
  const range = part();
  if (range !== undefined) return range;
  throw new GatewayError('InvalidPartNumber', undefined, {
    details: { ActualObjectSize: String(size), ActualPartCount: String(Math.max(1, partCount)) },
  });
}
