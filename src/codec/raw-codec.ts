/** The bytes themselves: what every section can fall back to. */
import { CODEC, type PlaneCodec } from './plane-codec.ts';

export function rawCodec(): PlaneCodec {
  return {
    number: CODEC.raw,
    name: 'raw',
    accepts: () => true,
    encode: (bytes) => Buffer.from(bytes),
    decode(coded, _shape, into) {
      if (coded.length !== into.length) throw new Error(`${coded.length} raw bytes; expected ${into.length}`);
      coded.copy(into);
    },
  };
}
