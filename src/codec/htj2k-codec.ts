/**
 * High-throughput JPEG 2000, lossless (ISO/IEC 15444-15), by OpenJPH in WebAssembly. A plane at a time: the library's own colour transform is not
 * exact for 16 bits.
 */
import createOpenJph, { type OpenJph } from '@cornerstonejs/codec-openjph';
import { bodyOf, decompositionsFor, htj2kStream, streamLength, writeStream } from './codestream-heads.ts';
import { CODEC, type Shape } from './plane-codec.ts';
import { decodeStreams, encodeStreams, type StreamCoder } from './stream-codec.ts';
import { loadWasm, type WasmCodec, type WasmHost } from './wasm-host.ts';

type Coders = {
  readonly encoder: InstanceType<OpenJph['HTJ2KEncoder']>;
  readonly decoder: InstanceType<OpenJph['HTJ2KDecoder']>;
};

function coderOver(host: WasmHost<Coders>): StreamCoder {
  return {
    encode: (size, fill) =>
      host.use(({ encoder }) => {
        const { width, height, bits } = size;
        const info = { width, height, bitsPerSample: bits, componentCount: 1, isSigned: false };
        fill(encoder.getDecodedBuffer({ ...info, isUsingColorTransform: false }));
        encoder.setQuality(true, 0);
        encoder.setDecompositions(decompositionsFor(size));
        encoder.encode();
        return bodyOf(Buffer.from(encoder.getEncodedBuffer()), htj2kStream(size));
      }),
    decode(body, size, take) {
      const codestream = htj2kStream(size);
      host.use(({ decoder }) => {
        writeStream(codestream, body, decoder.getEncodedBuffer(streamLength(codestream, body)));
        decoder.decode();
        const info = decoder.getFrameInfo();
        const samples = decoder.getDecodedBuffer();
        const bytes = size.width * size.height * (size.bits > 8 ? 2 : 1);
        if (info.width !== size.width || info.height !== size.height || samples.length !== bytes)
          throw new Error(
            `a codestream of JPEG 2000 gave ${info.width}x${info.height} samples in ${samples.length} bytes`,
          );
        take(samples);
      });
    },
  };
}

function accepts(shape: Shape | undefined): boolean {
  if (shape === undefined || shape.bytesPerSample > 2) return false;
  // The library does not give single lines and columns back.
  if (shape.width < 2 || shape.height < 2) return false;
  return shape.samples === 1 || shape.bytesPerSample === 1;
}

export async function loadHtj2kCodec(): Promise<WasmCodec> {
  const host = await loadWasm(createOpenJph, '@cornerstonejs/codec-openjph/wasm', (api: OpenJph) => ({
    encoder: new api.HTJ2KEncoder(),
    decoder: new api.HTJ2KDecoder(),
  }));
  const coder = coderOver(host);
  return {
    number: CODEC.htj2k,
    name: 'HTJ2K',
    accepts,
    encode: (bytes, shape) => (shape !== undefined && accepts(shape) ? encodeStreams(coder, bytes, shape) : undefined),
    decode(coded, shape, into) {
      if (shape === undefined || !accepts(shape)) throw new Error('HTJ2K does not code bytes of this shape');
      decodeStreams(coder, coded, shape, into);
    },
    memoryBytes: host.memoryBytes,
  };
}
