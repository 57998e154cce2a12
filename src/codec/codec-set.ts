/** The codecs of this version by their number, as payloads name them. */
import type { PlaneCodec } from './plane-codec.ts';

export type CodecSet = ReadonlyMap<number, PlaneCodec>;

export function codecSetOf(codecs: readonly PlaneCodec[]): CodecSet {
  return new Map(codecs.map((codec) => [codec.number, codec]));
}
