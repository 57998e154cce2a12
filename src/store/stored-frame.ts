/** Objects that are stored as one zstd frame, which a client may take as it is. */
import { PAYLOAD_CODEC } from '../codec/object-coding.ts';
import type { EntryInfo } from '../format/index-entry.ts';
import type { Location } from '../format/manifest.ts';

/** The CRC-32 before every coded payload. */
export const PAYLOAD_CRC_BYTES = 4;

/** Not one with a Content-Encoding of its own: it would have two, and a client may undo one too many. */
export function isFrame(info: EntryInfo, { codec }: Location): boolean {
  return codec === PAYLOAD_CODEC.zstd && info.attributes.headers?.['content-encoding'] === undefined;
}
