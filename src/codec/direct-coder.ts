/**
 * The coder that works where it stands, without threads: for tests, tools, and a look at single payloads. It holds the event loop for as long
 * as the work takes.
 */
import { detectContent } from '../format/content-detect.ts';
import type { CodecSet } from './codec-set.ts';
import { decodePayload } from './decode-payload.ts';
import { encodeObject } from './encode-object.ts';
import type { Coder, DecodeItem } from './object-coding.ts';

export function directCoder(codecs: CodecSet): Coder {
  return {
    examine: async (items) => items.map(detectContent),
    encode: async (items) => items.map(({ bytes, options }) => encodeObject(codecs, bytes, options)),
    decode: async (items) => items.map((item) => decodeOrError(codecs, item)),
    close: async () => {},
  };
}

/** What is not about the bytes is a bug, and is told as it is. */
function decodeOrError(codecs: CodecSet, item: DecodeItem): Buffer | Error {
  try {
    return decodePayload(codecs, item);
  } catch (error) {
    return error as Error;
  }
}
