// HOT PATH (bench: codec-pool)
/**
 * What a codec pool and its threads say to each other, and the loop of a thread over the items of a task. Inputs of a task come as one
 * ArrayBuffer; each output leaves as an ArrayBuffer of its own, so that a cache that keeps one object of sixteen does not hold the others.
 *
 * Hardest decision: a task begins with a turn of the event loop, for 2 µs. Native codecs free their memory there and only there, and messages
 * that follow each other closely are handed out without one: a thread that decoded objects of 0.5 MB lost 0.5 MB with each.
 *
 * What one item throws is that item's answer, and the thread goes on with the next. Only what ends the thread itself (memory, a hang)
 * is seen by the pool.
 */
import { setImmediate as turn } from 'node:timers/promises';
import * as threads from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type ErrorCode, GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Content } from '../format/content.ts';
import type { DecodeItem, Dictionary, Encoded, EncodeOptions, PieceHint, Profile } from './object-coding.ts';

/** A dictionary in memory that all threads see; `serial` is the pool's own number of it, since ids of four bytes may meet by chance. */
export interface SharedDictionary {
  readonly serial: number;
  readonly id: number;
  readonly bytes: SharedArrayBuffer;
}

/** What is to be done with bytes `start` to `end` of the task. `dictionary` is a place in its list. */
export type Order =
  | { readonly kind: 'examine'; start: number; end: number }
  | {
      readonly kind: 'encode';
      start: number;
      end: number;
      dictionary: number | undefined;
      readonly profile: Profile;
      readonly hint: PieceHint | undefined;
    }
  | {
      readonly kind: 'decode';
      start: number;
      end: number;
      dictionary: number | undefined;
      readonly codec: DecodeItem['codec'];
      readonly size: number;
      readonly crc: number;
      readonly range: DecodeItem['range'];
    };

export interface Task {
  readonly slot: number;
  readonly bytes: ArrayBuffer;
  readonly dictionaries: readonly SharedDictionary[];
  readonly orders: readonly Order[];
}

/** Errors lose their class between threads, hence `fault`. */
export type Answer =
  | { readonly kind: 'content'; readonly content: Content }
  | { readonly kind: 'encoded'; readonly encoded: Omit<Encoded, 'stored'>; readonly stored: ArrayBuffer | undefined }
  | { readonly kind: 'decoded'; readonly bytes: ArrayBuffer }
  | { readonly kind: 'fault'; readonly code: ErrorCode; readonly message: string };

/** What a thread is started with. */
export interface ThreadSetup {
  readonly isBackground: boolean;
  /** Shared by all threads: at the `slot` of a task, how many of its orders were begun. It says which one ended a thread. */
  readonly progress: Int32Array;
}

/** One answer for each order; or why this thread can do nothing at all. */
export type Reply = { readonly answers: readonly Answer[] } | { readonly failure: string };

/** What a thread can do; `C` are its codecs. All of it is synchronous, but for the loading. */
export interface ThreadWork<C> {
  /** Called once, before the first task; again for the next task if it failed. */
  load(): Promise<C>;
  examine(bytes: Buffer): Content;
  encode(codecs: C, bytes: Buffer, options: EncodeOptions): Encoded;
  /** @throws GatewayError DataLoss */
  decode(codecs: C, item: DecodeItem): Buffer;
}

/** The function that a thread runs for each task: its default export. */
export function createTaskHandler<C>(work: ThreadWork<C>, setup: ThreadSetup): (task: Task) => Promise<unknown> {
  const dictionaries = new ThreadDictionaries();
  let loading: Promise<C> | undefined;
  return async (task) => {
    await turn();
    let codecs: C;
    try {
      loading ??= work.load();
      codecs = await loading;
    } catch (error) {
      loading = undefined;
      return { failure: messageOf(error) } satisfies Reply;
    }
    const moved: ArrayBuffer[] = [];
    const known = task.dictionaries.map((shared) => dictionaries.get(shared));
    const answers = task.orders.map((order, index) => {
      Atomics.store(setup.progress, task.slot, index + 1);
      return answerOf(work, codecs, order, task.bytes, known, moved);
    });
    return move({ [transferableSymbol]: moved, [valueSymbol]: { answers } satisfies Reply });
  };
}

/** @param moved takes the buffers of the answer that go to the pool without a copy */
function answerOf<C>(
  work: ThreadWork<C>,
  codecs: C,
  order: Order,
  bytes: ArrayBuffer,
  known: readonly Dictionary[],
  moved: ArrayBuffer[],
): Answer {
  const input = Buffer.from(bytes, order.start, order.end - order.start);
  try {
    switch (order.kind) {
      case 'examine':
        return { kind: 'content', content: work.examine(input) };
      case 'encode': {
        const { profile, hint } = order;
        const { stored, ...encoded } = work.encode(codecs, input, { profile, hint, dictionary: pick(known, order) });
        return { kind: 'encoded', encoded, stored: stored === undefined ? undefined : moving(stored, bytes, moved) };
      }
      case 'decode': {
        const { codec, size, crc, range } = order;
        const item = { codec, stored: input, size, crc, range, dictionary: pick(known, order) };
        return { kind: 'decoded', bytes: moving(work.decode(codecs, item), bytes, moved) };
      }
    }
  } catch (error) {
    const code = error instanceof GatewayError ? error.code : 'InternalError';
    return { kind: 'fault', code, message: messageOf(error) };
  }
}

function pick(
  known: readonly Dictionary[],
  { dictionary }: { dictionary: number | undefined },
): Dictionary | undefined {
  return dictionary === undefined ? undefined : known[dictionary];
}

/** Adds the bytes to what moves: as they are when they fill an ArrayBuffer that may move, else a copy that is no larger than they are. */
function moving(bytes: Buffer, input: ArrayBuffer, moved: ArrayBuffer[]): ArrayBuffer {
  const whole = bytes.buffer;
  const isOwn = whole instanceof ArrayBuffer && whole !== input && whole.byteLength === bytes.length && mayMove(whole);
  const own = isOwn ? whole : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  moved.push(own as ArrayBuffer);
  return own as ArrayBuffer;
}

/** Memory of native modules and of Node's pool stays where it is: Node 20 copies it unasked, newer ones refuse the whole message. */
function mayMove(buffer: ArrayBuffer): boolean {
  const { isMarkedAsUntransferable } = threads as { isMarkedAsUntransferable?: (buffer: ArrayBuffer) => boolean };
  return isMarkedAsUntransferable === undefined || !isMarkedAsUntransferable(buffer);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A thread's own copies of dictionaries: native codecs take no shared memory. The same one is the same object every time. */
class ThreadDictionaries {
  readonly #known = new Map<number, Dictionary>();
  #bytes = 0;

  get({ serial, id, bytes }: SharedDictionary): Dictionary {
    const known = this.#known.get(serial);
    if (known !== undefined) {
      this.#known.delete(serial); // and behind the others, so that the one used longest ago is first
      this.#known.set(serial, known);
      return known;
    }
    const dictionary = { id, bytes: Buffer.from(new Uint8Array(bytes)) };
    this.#known.set(serial, dictionary);
    this.#bytes += dictionary.bytes.length;
    for (const [oldest, { bytes: old }] of this.#known) {
      if (this.#bytes <= LIMITS.codecDictionaryBytesMax) break;
      this.#known.delete(oldest);
      this.#bytes -= old.length;
    }
    return dictionary;
  }
}
