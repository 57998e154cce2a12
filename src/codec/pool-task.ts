// HOT PATH (bench: codec-pool)
/** The pure half of the codec pool: how work is cut into tasks, and laid into the one buffer that goes to a thread. */
import type { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Dictionary } from './object-coding.ts';
import type { Answer, Order, SharedDictionary, Task } from './thread-task.ts';

/** One item of a call. */
export interface Job {
  readonly call: Call;
  readonly index: number;
  readonly kind: Order['kind'];
  readonly input: Buffer;
  readonly dictionary: Dictionary | undefined;
  /** Its places are filled in when the task is packed. */
  readonly order: Order;
  /** By which tasks are cut: what the work of an item grows with. */
  readonly originalBytes: number;
  readonly heldBytes: number;
}

export interface Call {
  settle(index: number, answer: Answer | GatewayError): void;
}

/** Answers of one call, in the order of its items, when all of them are there. */
export class CallOf implements Call {
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
  const first = waiting[0] as Job;
  const most = Math.min(waiting.length, LIMITS.codecTaskItemsMax);
  const share = Math.ceil(waiting.length / idle);
  let bytes = first.originalBytes;
  let count = 1;
  for (; count < most; count++) {
    const next = waiting[count] as Job;
    if (next.kind !== first.kind || bytes + next.originalBytes > LIMITS.codecTaskBytesMax) break;
    if (count >= share && bytes >= LIMITS.codecTaskBytesMin) break;
    bytes += next.originalBytes;
  }
  return count;
}

/** Copies the inputs into one buffer that may move to a thread, and tells where each lies. */
export function packTask(jobs: readonly Job[], slot: number, shared: SharedDictionaries): Task {
  let total = 0;
  for (const { input } of jobs) total += input.length;
  // Not zeroed, and never a piece of Node's pool, which must not move.
  const bytes = Buffer.allocUnsafeSlow(total);
  const dictionaries: SharedDictionary[] = [];
  const orders: Order[] = [];
  let at = 0;
  for (const { input, order, dictionary } of jobs) {
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
