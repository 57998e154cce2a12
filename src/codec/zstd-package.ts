/**
 * zstd by @toondepauw/node-zstd, which carries libzstd for Node before 22.19.
 *
 * The hardest decision: its decoder takes no bound for what it gives, so a frame is walked block by block before it is decoded; and its encoder does
 * not know the size when it begins, so the size is put into the header afterwards.
 */
import { Decoder, Encoder } from '@toondepauw/node-zstd';
import { LIMITS } from '../base/limits.ts';
import { framesOf, withContentSize } from './zstd-frame.ts';
import type { Zstd } from './zstd-interface.ts';

interface Prepared<T> {
  readonly level: number;
  readonly dictionary: Buffer;
  readonly coder: T;
}

/**
 * The coders of the dictionaries that were used last, youngest first: to prepare one costs as much as to code some headers. They are found by their
 * bytes, because a dictionary that came from another thread is another buffer each time.
 */
function preparedCoder<T>(kept: Prepared<T>[], level: number, dictionary: Buffer, prepare: () => T): T {
  const at = kept.findIndex(
    (one) => one.level === level && (one.dictionary === dictionary || one.dictionary.equals(dictionary)),
  );
  const found = at === -1 ? { level, dictionary, coder: prepare() } : kept[at];
  if (found === undefined) throw new Error('a prepared coder that was found is there');
  if (at !== 0) {
    if (at > 0) kept.splice(at, 1);
    kept.unshift(found);
    if (kept.length > LIMITS.preparedDictionariesMax) kept.pop();
  }
  return found.coder;
}

export function packageZstd(): Zstd {
  const plainDecoder = new Decoder();
  const plainEncoders = new Map<number, Encoder>();
  const encoders: Prepared<Encoder>[] = [];
  const decoders: Prepared<Decoder>[] = [];
  const plainEncoder = (level: number): Encoder => {
    const found = plainEncoders.get(level) ?? new Encoder(level);
    plainEncoders.set(level, found);
    return found;
  };
  return {
    name: 'package',
    compress(bytes, level, dictionary) {
      const encoder =
        dictionary === undefined
          ? plainEncoder(level)
          : preparedCoder(encoders, level, dictionary, () => new Encoder(level, dictionary));
      return withContentSize(encoder.encodeSync(bytes), bytes.length);
    },
    decompress(frames, size, dictionary) {
      framesOf(frames, size);
      const decoder =
        dictionary === undefined ? plainDecoder : preparedCoder(decoders, 0, dictionary, () => new Decoder(dictionary));
      const bytes = decoder.decodeSync(frames);
      if (bytes.length !== size) throw new Error(`zstd frames gave ${bytes.length} bytes; expected ${size}`);
      return bytes;
    },
  };
}
