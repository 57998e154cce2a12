/** What we use of WebAssembly, which the types of Node leave to the browser's, and of two packages that come without types. */

declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module';
  }
  class Memory {
    /** @param descriptor pages of 64 KiB */
    constructor(descriptor: { readonly initial: number });
    readonly buffer: ArrayBuffer;
  }
  type Imports = Readonly<Record<string, unknown>>;
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  function compile(bytes: Uint8Array): Promise<Module>;
}

declare module '@cornerstonejs/codec-openjph' {
  interface FrameInfo {
    readonly width: number;
    readonly height: number;
    readonly bitsPerSample: number;
    readonly componentCount: number;
    readonly isSigned: boolean;
    readonly isUsingColorTransform: boolean;
  }
  interface HTJ2KEncoder {
    /** Memory of the module for the samples: valid until the next call. */
    getDecodedBuffer(info: FrameInfo): Uint8Array;
    setQuality(isLossless: boolean, quantizationStep: number): void;
    setDecompositions(count: number): void;
    encode(): void;
    getEncodedBuffer(): Uint8Array;
    delete(): void;
  }
  interface HTJ2KDecoder {
    getEncodedBuffer(length: number): Uint8Array;
    /** Does not throw when the codestream is bad; the frame info is then that of no picture. */
    decode(): void;
    getFrameInfo(): FrameInfo;
    getDecodedBuffer(): Uint8Array;
    delete(): void;
  }
  export interface OpenJph {
    readonly HTJ2KEncoder: new () => HTJ2KEncoder;
    readonly HTJ2KDecoder: new () => HTJ2KDecoder;
  }
  export default function createOpenJph(module: object): Promise<unknown>;
}

declare module '@cornerstonejs/codec-charls/wasmjs' {
  interface FrameInfo {
    readonly width: number;
    readonly height: number;
    readonly bitsPerSample: number;
    readonly componentCount: number;
  }
  interface JpegLSEncoder {
    /** Memory of the module for the samples: valid until the next call. */
    getDecodedBuffer(info: FrameInfo): Uint8Array;
    setNearLossless(difference: number): void;
    setInterleaveMode(mode: 0 | 1 | 2): void;
    /** Throws when the codestream is longer than the room that was guessed for it. */
    encode(): void;
    getEncodedBuffer(): Uint8Array;
    delete(): void;
  }
  interface JpegLSDecoder {
    getEncodedBuffer(length: number): Uint8Array;
    decode(): void;
    getFrameInfo(): FrameInfo;
    getDecodedBuffer(): Uint8Array;
    delete(): void;
  }
  export interface CharLs {
    readonly JpegLSEncoder: new () => JpegLSEncoder;
    readonly JpegLSDecoder: new () => JpegLSDecoder;
  }
  export default function createCharLs(module: object): Promise<unknown>;
}
