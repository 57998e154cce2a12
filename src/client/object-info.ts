/** What is known of an object, as the caller of the client sees it. */
import type { ObjectInfo as WireInfo } from '../format/messages.ts';

export interface ObjectInfo {
  readonly bucket: string;
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  /** CRC-32 (IEEE) of the whole object; absent where the gateway does not know it: objects put in parts or in extents. */
  readonly crc32: number | undefined;
  /** Empty when none was given. */
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was written. */
  readonly modified: Date;
}

export function objectInfoOf({ modified, ...rest }: WireInfo): ObjectInfo {
  const ms = (modified?.seconds ?? 0) * 1000 + (modified?.nanos ?? 0) / 1e6;
  return { ...rest, modified: new Date(ms) };
}
