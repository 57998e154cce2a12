/** Bytes of any kind as one zstd frame, with or without the dictionary that the payload names. */
import { CODEC, type PlaneCodec } from './plane-codec.ts';
import { isRawContent } from './zstd-frame.ts';
import type { Zstd } from './zstd-interface.ts';

const LEVEL = 3;
/** Headers are small and alike: nearly all of the time is the dictionary's. */
const DICTIONARY_LEVEL = 3;

export function zstdCodec(zstd: Zstd): PlaneCodec {
  return {
    number: CODEC.zstd,
    name: 'zstd',
    accepts: () => true,
    encode: (bytes) => zstd.compress(bytes, LEVEL),
    decode(coded, _shape, into) {
      zstd.decompress(coded, into.length).copy(into);
    },
  };
}

/** Without a dictionary, or with one that libzstd would not take as raw content, it codes nothing. */
export function zstdDictionaryCodec(zstd: Zstd): PlaneCodec {
  return {
    number: CODEC.zstdDictionary,
    name: 'zstd with dictionary',
    accepts: () => true,
    encode(bytes, _shape, dictionary) {
      if (dictionary === undefined || !isRawContent(dictionary)) return undefined;
      return zstd.compress(bytes, DICTIONARY_LEVEL, dictionary);
    },
    decode(coded, _shape, into, dictionary) {
      if (dictionary === undefined) throw new Error('bytes that were coded with a dictionary need it to be decoded');
      zstd.decompress(coded, into.length, dictionary).copy(into);
    },
  };
}
