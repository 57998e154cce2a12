/** Every codec that this version has, one of each for a thread. */
import { loadHtj2kCodec } from './htj2k-codec.ts';
import { loadJpegLsCodec } from './jpeg-ls-codec.ts';
import { medCodec } from './med-codec.ts';
import type { PlaneCodec } from './plane-codec.ts';
import { rawCodec } from './raw-codec.ts';
import { shuffleCodec } from './shuffle-codec.ts';
import { chooseZstd } from './zstd-binding.ts';
import { zstdCodec, zstdDictionaryCodec } from './zstd-codec.ts';
import type { Zstd } from './zstd-interface.ts';

export interface Codecs {
  readonly zstd: Zstd;
  readonly all: readonly PlaneCodec[];
  /** @throws Error when this version has no codec of that number */
  byNumber(number: number): PlaneCodec;
}

/** Loads what has to be compiled first. One call for each thread: codecs keep memory between their calls. */
export async function loadCodecs(): Promise<Codecs> {
  const zstd = chooseZstd();
  const [htj2k, jpegLs] = await Promise.all([loadHtj2kCodec(), loadJpegLsCodec()]);
  const plain = [rawCodec(), zstdCodec(zstd), zstdDictionaryCodec(zstd), shuffleCodec(zstd), medCodec(zstd)];
  const all: readonly PlaneCodec[] = [...plain, htj2k, jpegLs];
  const byNumber = new Map<number, PlaneCodec>(all.map((codec) => [codec.number, codec]));
  return {
    zstd,
    all,
    byNumber(number) {
      const codec = byNumber.get(number);
      if (codec === undefined)
        throw new Error(`codec ${number} is not one of ${[...byNumber.keys()].join(', ')}: a newer version wrote this`);
      return codec;
    },
  };
}
