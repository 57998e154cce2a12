/** What is known of an object, as gRPC says it. */
import type { ObjectInfo } from '../../base/object-info.ts';
import type { ObjectInfo as ObjectInfoMessage } from '../../format/messages.ts';
import { shownText } from './stored-text.ts';

/** The message for an object. A CRC-32 of 0 also stands for one that is not known, as of objects of several extents. */
export function objectInfoOf(bucket: string, key: string, info: ObjectInfo): ObjectInfoMessage {
  return {
    bucket,
    key,
    size: info.size,
    etag: info.etag,
    crc32: info.crc32,
    contentType: info.contentType === undefined ? '' : shownText(info.contentType),
    metadata: metadataOf(info),
    modified: timestampOf(info.modifiedMs),
  };
}

const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});

function metadataOf(info: ObjectInfo): Readonly<Record<string, string>> {
  const { metadata } = info.attributes;
  if (metadata === undefined) return NO_METADATA;
  const shown = Object.create(null) as Record<string, string>;
  for (const name in metadata) shown[name] = shownText(metadata[name] as string);
  return shown;
}

function timestampOf(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: (ms - seconds * 1000) * 1e6 };
}
