/**
 * One instance of a WebAssembly module for a thread, and a fresh one whenever the old one can no longer be trusted.
 *
 * Promises: whatever a call does to the module's memory, the next call finds one that works; and the memory has a bound.
 *
 * The hardest decision: a fresh instance is made at once and not in the next turn, because codecs are synchronous. Emscripten's glue allows that
 * when it is given the compiled module: its promise only says later what is already there.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { LIMITS } from '../base/limits.ts';
import type { PlaneCodec } from './plane-codec.ts';

/** Makes what the glue gives: it puts its classes into the object that it is given. */
type CreateModule = (module: object) => Promise<unknown>;

interface Instantiated<T> {
  /** The glue's object with its classes. */
  readonly api: T;
  readonly memory: WebAssembly.Memory;
}

export interface WasmHost<C> {
  /** The coders of the present instance, of which there is one at a time. */
  use<R>(run: (coders: C) => R): R;
  /** Of the present instance; 0 while there is none. */
  memoryBytes(): number;
}

export interface WasmCodec extends PlaneCodec {
  /** Of the module's present instance; 0 when the last call ended badly, or before the first. */
  memoryBytes(): number;
}

function memoryOf(exports: Readonly<Record<string, unknown>>): WebAssembly.Memory {
  const memory = Object.values(exports).find((value) => value instanceof WebAssembly.Memory);
  if (memory === undefined) throw new Error('a WebAssembly module that exports no memory');
  return memory;
}

function instantiate<T>(create: CreateModule, compiled: WebAssembly.Module): Instantiated<T> {
  let memory: WebAssembly.Memory | undefined;
  const silent = () => undefined;
  const api = {
    // What the libraries have to say about bad bytes is said by our errors.
    print: silent,
    printErr: silent,
    instantiateWasm(imports: WebAssembly.Imports, receive: (instance: unknown, module: unknown) => void) {
      const instance = new WebAssembly.Instance(compiled, imports);
      memory = memoryOf(instance.exports);
      receive(instance, compiled);
      return instance.exports;
    },
  };
  // It cannot fail any more; if it did, `memory` would be missing.
  create(api).catch(silent);
  if (memory === undefined) throw new Error('the glue of a WebAssembly module did not instantiate it at once');
  return { api: api as T, memory };
}

/** C++ exceptions come out of a module as the number of where they lie in its memory. */
export class WasmException extends Error {
  constructor(cause: unknown) {
    super(`a WebAssembly module threw ${String(cause)}`, { cause });
    this.name = 'WasmException';
  }
}

function guarded<C, R>(run: (coders: C) => R, coders: C): R {
  try {
    return run(coders);
  } catch (error) {
    if (error instanceof Error) throw error;
    throw new WasmException(error);
  }
}

/**
 * @param wasm what `import` would find the binary by
 * @param makeCoders makes, once for each instance, the objects that calls share
 */
export async function loadWasm<T, C>(
  create: CreateModule,
  wasm: string,
  makeCoders: (api: T) => C,
): Promise<WasmHost<C>> {
  const compiled = await WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(wasm)));
  let present: { coders: C; memory: WebAssembly.Memory } | undefined;
  const renew = () => {
    const { api, memory } = instantiate<T>(create, compiled);
    present = { coders: makeCoders(api), memory };
    return present;
  };
  return {
    use(run) {
      const { coders, memory } = present ?? renew();
      // Until the call has ended well.
      present = undefined;
      const result = guarded(run, coders);
      if (memory.buffer.byteLength <= LIMITS.wasmBytesMax) present = { coders, memory };
      return result;
    },
    memoryBytes: () => present?.memory.buffer.byteLength ?? 0,
  };
}
