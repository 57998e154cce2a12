// HOT PATH (bench: codec-pool)
/** The pure half of the codec pool: how work is cut into tasks, and laid into the one buffer that goes to a thread. */
import type { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { DecodeItem, Dictionary, EncodeItem } from './object-coding.ts';
import type { Answer, Order, SharedDictionary, Task } from './thread-task.ts';

/** What is to be done with one item. */
export interface Work {
  readonly input: Buffer;
  readonly dictionary: Dictionary | undefined;
  /** Its places are filled in when the task is packed. */
  readonly order: Order;
  /** By which tasks are cut: what the work of an item grows with. */
  readonly originalBytes: number;
  /** What it takes in memory, input and output. */
  readonly heldBytes: number;
}

/** One item of a call. */
export interface Job {
  readonly work: Work;
  readonly call: Call;
  readonly index: number;
}

export function toExamine(bytes: Buffer): Work {
  return {
    input: bytes,
    dictionary: undefined,
    order: { kind: 'examine', start: 0, end: 0 },
    originalBytes: bytes.length,
    heldBytes: bytes.length + LIMITS.codecItemBytes,
  };
}

export function toEncode({ bytes, options }: EncodeItem): Work {
  const { profile, hint, dictionary } = options;
  return {
    input: bytes,
    dictionary,
    order: { kind: 'encode', start: 0, end: 0, dictionary: undefined, profile, hint },
    originalBytes: bytes.length,
    heldBytes: 2 * bytes.length + LIMITS.codecItemBytes,
  };
}

export function toDecode({ codec, stored, size, crc, range, dictionary }: DecodeItem): Work {
  const originalBytes = range === undefined ? size : range.end - range.start;
  return {
    input: stored,
    dictionary,
    order: { kind: 'decode', start: 0, end: 0, dictionary: undefined, codec, size, crc, range },
    originalBytes,
    heldBytes: stored.length + originalBytes + LIMITS.codecItemBytes,
  };
}

/** Answers of one call, in the order of its items, when all of them are there. */
export class Call {
  readonly answers: Promise<readonly (Answer | GatewayError)[]>;
  readonly #answers: (Answer | GatewayError)[];
  #left: number;
  #done: (answers: readonly (Answer | GatewayError)[]) => void = () => {};

  constructor(items: number) {
    this.#answers = new Array(items);
    this.#left = items;
    this.answers = new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  settle(index: number, answer: Answer | GatewayError): void {
    this.#answers[index] = answer;
    if (--this.#left === 0) this.#done(this.#answers);
  }
}

/**
 * How many of the first jobs (one or more) make the next task: of one kind, up to `codecTaskItemsMax` or `codecTaskBytesMax`; less when that
 * leaves something for the other idle threads and is worth a task.
 *
 * @param idle threads without work, 1 or more
 */
export function cutLength(waiting: readonly Job[], idle: number): number {
  const first = (waiting[0] as Job).work;
  const most = Math.min(waiting.length, LIMITS.codecTaskItemsMax);
  const share = Math.ceil(waiting.length / idle);
  let bytes = first.originalBytes;
  let count = 1;
  for (; count < most; count++) {
    const next = (waiting[count] as Job).work;
    if (next.order.kind !== first.order.kind || bytes + next.originalBytes > LIMITS.codecTaskBytesMax) break;
    if (count >= share && bytes >= LIMITS.codecTaskBytesMin) break;
    bytes += next.originalBytes;
  }
  return count;
}

/** Copies the inputs into one buffer that may move to a thread, and tells where each lies. */
export function packTask(jobs: readonly Job[], slot: number, shared: SharedDictionaries): Task {
  let total = 0;
  for (const { work } of jobs) total += work.input.length;
  // Not zeroed, and never a piece of Node's pool, which must not move.
  const bytes = Buffer.allocUnsafeSlow(total);
  const dictionaries: SharedDictionary[] = [];
  const orders: Order[] = [];
  let at = 0;
  for (const { work } of jobs) {
    const { input, order, dictionary } = work;
    order.start = at;
    at += input.copy(bytes, at);
    order.end = at;
    if (order.kind !== 'examine' && dictionary !== undefined) {
      order.dictionary = placeOf(dictionaries, shared.share(dictionary));
    }
    orders.push(order);
  }
  return { slot, bytes: bytes.buffer as ArrayBuffer, dictionaries, orders };
}

function placeOf(dictionaries: SharedDictionary[], wanted: SharedDictionary): number {
  const place = dictionaries.indexOf(wanted);
  return place >= 0 ? place : dictionaries.push(wanted) - 1;
}

/**
 * Dictionaries in memory that all threads see, so that a task of small objects does not carry 128 KiB with it. Callers keep theirs: one
 * whose `bytes` are the same Buffer is copied once, and forgotten with that Buffer.
 */
export class SharedDictionaries {
  readonly #known = new WeakMap<Buffer, SharedDictionary>();
  #nextSerial = 1;

  share({ id, bytes }: Dictionary): SharedDictionary {
    const known = this.#known.get(bytes);
    if (known !== undefined) return known;
    const memory = new SharedArrayBuffer(bytes.length);
    new Uint8Array(memory).set(bytes);
    const shared = { serial: this.#nextSerial++, id, bytes: memory };
    this.#known.set(bytes, shared);
    return shared;
  }
}
