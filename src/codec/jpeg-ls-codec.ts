/**
 * JPEG-LS, lossless (ITU-T T.87), by CharLS in WebAssembly: the fewest bytes of all, and the slowest to decode.
 *
 * The hardest decision: bytes that are too noisy are refused before they are coded. CharLS guesses how much room their codestream needs, and
 * throws when it needs more, which costs an instance of the module.
 */
import createCharLs, { type CharLs } from '@cornerstonejs/codec-charls/wasmjs';
import { bodyOf, jpegLsStream, type PlaneSize, streamLength, writeStream } from './codestream-heads.ts';
import { CODEC, type Shape } from './plane-codec.ts';
import { decodeStreams, encodeStreams, type StreamCoder } from './stream-codec.ts';
import { loadWasm, type WasmCodec, WasmException, type WasmHost } from './wasm-host.ts';

type Coders = {
  readonly encoder: InstanceType<CharLs['JpegLSEncoder']>;
  readonly decoder: InstanceType<CharLs['JpegLSDecoder']>;
};

/** The library takes bytes for depths up to 8 and words for more; the standard begins at 2. */
function coded({ width, height, bits }: PlaneSize): PlaneSize {
  return { width, height, bits: Math.max(2, bits) };
}

/** Samples that are looked at. */
const LOOKED_AT = 4096;

/** Whether neighbours differ nearly as much as independent samples do (a third of their range), of depths that leave no room for it. */
function isNoise(room: Uint8Array, bits: number): boolean {
  const spare = (bits > 8 ? 16 : 8) - bits;
  if (spare > 1) return false;
  const samples = bits > 8 ? new Uint16Array(room.buffer, room.byteOffset, room.length >> 1) : room;
  const step = Math.max(1, Math.floor(samples.length / LOOKED_AT));
  let difference = 0;
  let looked = 0;
  for (let at = 1; at < samples.length; at += step, looked += 1)
    difference += Math.abs((samples[at] as number) - (samples[at - 1] as number));
  return difference > (looked * 2 ** bits) / 5;
}

/** What the library has no room for, it says with an exception of C++. */
function unlessThrown<R>(run: () => R): R | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof WasmException) return undefined;
    throw error;
  }
}

function coderOver(host: WasmHost<Coders>): StreamCoder {
  return {
    encode: (size, fill) =>
      unlessThrown(() =>
        host.use(({ encoder }) => {
          const { width, height, bits } = coded(size);
          const room = encoder.getDecodedBuffer({ width, height, bitsPerSample: bits, componentCount: 1 });
          fill(room);
          if (isNoise(room, bits)) return undefined;
          encoder.setNearLossless(0);
          // The library does not initialise it.
          encoder.setInterleaveMode(0);
          encoder.encode();
          return bodyOf(Buffer.from(encoder.getEncodedBuffer()), jpegLsStream({ width, height, bits }));
        }),
      ),
    decode(body, size, take) {
      const codestream = jpegLsStream(coded(size));
      host.use(({ decoder }) => {
        writeStream(codestream, body, decoder.getEncodedBuffer(streamLength(codestream, body)));
        decoder.decode();
        const samples = decoder.getDecodedBuffer();
        const bytes = size.width * size.height * (size.bits > 8 ? 2 : 1);
        if (samples.length !== bytes)
          throw new Error(`a codestream of JPEG-LS gave ${samples.length} bytes; expected ${bytes}`);
        take(samples);
      });
    },
  };
}

function accepts(shape: Shape | undefined): boolean {
  return shape !== undefined && shape.bytesPerSample <= 2;
}

export async function loadJpegLsCodec(): Promise<WasmCodec> {
  const host = await loadWasm(createCharLs, '@cornerstonejs/codec-charls/wasm', (api: CharLs) => ({
    encoder: new api.JpegLSEncoder(),
    decoder: new api.JpegLSDecoder(),
  }));
  const coder = coderOver(host);
  return {
    number: CODEC.jpegls,
    name: 'JPEG-LS',
    accepts,
    encode: (bytes, shape) => (shape !== undefined && accepts(shape) ? encodeStreams(coder, bytes, shape) : undefined),
    decode(coded, shape, into) {
      if (shape === undefined || !accepts(shape)) throw new Error('JPEG-LS does not code bytes of this shape');
      decodeStreams(coder, coded, shape, into);
    },
    memoryBytes: host.memoryBytes,
  };
}
