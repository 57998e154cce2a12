// HOT PATH (bench: codec-pool)
/**
 * Threads that code and decode. No thread runs before the first task, and idle ones end, so a pool that is not used costs nothing.
 *
 * Work waits in one queue, in the order in which it came, and is cut into tasks only when a thread is free: what arrives in one turn of the
 * event loop, from whomever, is gathered, and the busier the threads are, the larger tasks become. (A task costs 100 µs
 * whatever is in it, as much as decoding an object of 10 KiB.) Callers whose work does not fit into `codecBytesMax` wait, in order.
 *
 * Hardest decision: piscina never gets more tasks than there are threads. Its own queue forgets tasks when the last thread dies. And this one
 * can do more: threads tell in shared memory which item they are at, so when one dies that item alone fails, and its neighbours
 * run again. A decode then fails with InternalError and not with DataLoss: nothing says that the bytes are damaged, and another try may
 * succeed. An encode stays raw. A thread that died before its first item says nothing about items: the call fails.
 */
import { EventEmitter } from 'node:events';
import { extname } from 'node:path';
import { Piscina } from 'piscina';
import { ByteGate } from '../base/byte-gate.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { CONTENT_CLASS, type Content } from '../format/content.ts';
import { type Coder, type DecodeItem, type Encoded, type EncodeItem, PAYLOAD_CODEC } from './object-coding.ts';
import {
  Call,
  cutLength,
  type Job,
  packTask,
  SharedDictionaries,
  toDecode,
  toEncode,
  toExamine,
  type Work,
} from './pool-task.ts';
import type { Answer, Reply, ThreadSetup } from './thread-task.ts';

export interface CodecPoolOptions {
  /** At most so many; 1 or more. */
  readonly threads: number;
  /** Its threads leave the cores to everybody else (nice 19, where the system has priorities of threads: Linux). */
  readonly isBackground: boolean;
}

/** For tests: other threads than the real ones, and less patience. */
export interface CodecPoolParts {
  readonly entry: URL;
  readonly taskMs: number;
  readonly idleMs: number;
}

export interface CodecPoolStats {
  readonly examineTasks: number;
  readonly encodeTasks: number;
  readonly decodeTasks: number;
  /** Items of those tasks. */
  readonly items: number;
  /** Granted to work that is queued or under way. */
  readonly queuedBytes: number;
  /** That run now. */
  readonly threads: number;
  /** That died or were ended because they hung. */
  readonly lostThreads: number;
}

/** A task on a thread. */
interface Flight {
  readonly jobs: readonly Job[];
  readonly slot: number;
  readonly signal: EventEmitter;
  /** Why it is ended, when the items are not to blame. */
  refusal: GatewayError | undefined;
}

/** The codec threads of a process. All methods may be called at any time, and share the threads. */
export class CodecPool implements Coder {
  readonly #options: CodecPoolOptions;
  readonly #parts: CodecPoolParts;
  readonly #gate = new ByteGate(LIMITS.codecBytesMax);
  readonly #dictionaries = new SharedDictionaries();
  #waiting: Job[] = [];
  readonly #flights = new Map<Flight, Promise<void>>();
  readonly #progress: Int32Array;
  readonly #freeSlots: number[];
  readonly #counts = { examine: 0, encode: 0, decode: 0, items: 0, lostThreads: 0 };
  #threads: Piscina | undefined;
  #isGathering = false;
  #closed: Promise<void> | undefined;

  constructor(options: CodecPoolOptions, parts: Partial<CodecPoolParts> = {}) {
    this.#options = options;
    this.#progress = new Int32Array(new SharedArrayBuffer(options.threads * Int32Array.BYTES_PER_ELEMENT));
    this.#freeSlots = Array.from({ length: options.threads }, (_, slot) => slot);
    this.#parts = {
      // Beside this file, and in the same language: sources in tests, else compiled.
      entry: new URL(`./codec-thread${extname(import.meta.url)}`, import.meta.url),
      taskMs: options.isBackground ? LIMITS.codecBackgroundTaskMs : LIMITS.codecTaskMs,
      idleMs: LIMITS.codecIdleMs,
      ...parts,
    };
  }

  get stats(): CodecPoolStats {
    const { examine, encode, decode, items, lostThreads } = this.#counts;
    return {
      examineTasks: examine,
      encodeTasks: encode,
      decodeTasks: decode,
      items,
      queuedBytes: this.#gate.held,
      threads: this.#threads?.threads.length ?? 0,
      lostThreads,
    };
  }

  /**
   * The buffers stay the caller's, and must not change until it is answered: they are copied when a thread is free.
   *
   * @throws GatewayError ServerClosed, or InternalError when no thread starts; never for what the bytes are
   */
  async examine(items: readonly Buffer[]): Promise<readonly Content[]> {
    const answers = await this.#run(items, toExamine);
    return answers.map((answer) => {
      if (answer instanceof GatewayError) throw answer;
      return answer.kind === 'content' ? answer.content : NOBODY_KNOWS;
    });
  }

  /**
   * The buffers stay the caller's, as with `examine`.
   *
   * @throws GatewayError ServerClosed, or InternalError when no thread starts; never for what the bytes are
   */
  async encode(items: readonly EncodeItem[]): Promise<readonly Encoded[]> {
    const answers = await this.#run(items, toEncode);
    return answers.map((answer) => {
      if (answer instanceof GatewayError) throw answer;
      if (answer.kind !== 'encoded') return KEPT_RAW;
      return { ...answer.encoded, stored: answer.stored === undefined ? undefined : Buffer.from(answer.stored) };
    });
  }

  /**
   * The buffers stay the caller's, as with `examine`. Each result is memory of its own, which nothing else shares. Errors are GatewayErrors:
   * DataLoss, ServerClosed, or InternalError where the thread did not survive the item, or none starts.
   */
  async decode(items: readonly DecodeItem[]): Promise<readonly (Buffer | Error)[]> {
    const answers = await this.#run(items, toDecode);
    return answers.map((answer) => {
      if (answer instanceof GatewayError) return answer;
      if (answer.kind === 'decoded') return Buffer.from(answer.bytes);
      return answer.kind === 'fault' ? new GatewayError(answer.code, answer.message) : UNEXPECTED;
    });
  }

  /** Refuses what waits, gives what is under way a moment, and ends the threads. Whoever waits for an answer gets one. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #run<T>(items: readonly T[], workOf: (item: T) => Work): Promise<readonly (Answer | GatewayError)[]> {
    if (items.length === 0) return [];
    const call = new Call(items.length);
    for (let index = 0; index < items.length; index++) {
      const job = { work: workOf(items[index] as T), call, index };
      const granted = this.#gate.acquire(job.work.heldBytes);
      if (granted !== undefined) await granted;
      if (this.#closed !== undefined) this.#settle(job, new GatewayError('ServerClosed'));
      else this.#waiting.push(job);
      this.#gather();
    }
    return call.answers;
  }

  /** Tasks are cut after this turn of the event loop, when what came with it is here. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    setImmediate(() => {
      this.#isGathering = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const idle = this.#freeSlots.length;
      const slot = this.#freeSlots.pop();
      if (slot === undefined) return;
      this.#start(this.#waiting.splice(0, cutLength(this.#waiting, idle)), slot);
    }
  }

  #start(jobs: readonly Job[], slot: number): void {
    const task = packTask(jobs, slot, this.#dictionaries);
    const flight: Flight = { jobs, slot, signal: new EventEmitter(), refusal: undefined };
    Atomics.store(this.#progress, slot, 0);
    const patience = setTimeout(() => flight.signal.emit('abort'), this.#parts.taskMs);
    const reply = this.#piscina().run(task, { transferList: [task.bytes], signal: flight.signal }) as Promise<Reply>;
    const end = () => {
      clearTimeout(patience);
      this.#flights.delete(flight);
      this.#freeSlots.push(slot);
    };
    const landed = reply.then(
      (value) => {
        end();
        this.#answered(flight, value);
      },
      (error: unknown) => {
        end();
        this.#lost(flight, error);
      },
    );
    this.#flights.set(flight, landed);
  }

  #answered({ jobs }: Flight, reply: Reply): void {
    this.#counts[(jobs[0] as Job).work.order.kind]++;
    this.#counts.items += jobs.length;
    const refusal = 'failure' in reply ? broken(reply.failure) : undefined;
    for (const [index, job] of jobs.entries()) {
      this.#settle(job, 'answers' in reply ? (reply.answers[index] as Answer) : (refusal as GatewayError));
    }
    this.#dispatch();
  }

  /** A thread died, or hung and was ended. */
  #lost({ jobs, slot, refusal }: Flight, error: unknown): void {
    this.#counts.lostThreads++;
    const why =
      (error as Error).name === 'AbortError' ? `a task took longer than ${this.#parts.taskMs} ms` : String(error);
    const culprit = Atomics.load(this.#progress, slot) - 1;
    const whole =
      refusal ??
      (this.#closed !== undefined ? new GatewayError('ServerClosed') : culprit < 0 ? broken(why) : undefined);
    const again: Job[] = [];
    for (const [index, job] of jobs.entries()) {
      if (whole !== undefined) this.#settle(job, whole);
      else if (index === culprit)
        this.#settle(job, { kind: 'fault', code: 'InternalError', message: `${LOST}: ${why}` });
      else again.push(job);
    }
    this.#waiting = [...again, ...this.#waiting];
    this.#freeStranded(why);
    this.#dispatch();
  }

  /** Tasks that wait for a thread to start wait forever when it does not: piscina starts another one only for another task. */
  #freeStranded(why: string): void {
    if (this.#threads === undefined || this.#threads.threads.length > 0) return;
    for (const flight of this.#flights.keys()) {
      flight.refusal = broken(why);
      flight.signal.emit('abort');
    }
  }

  #settle(job: Job, answer: Answer | GatewayError): void {
    this.#gate.release(job.work.heldBytes);
    job.call.settle(job.index, answer);
  }

  #piscina(): Piscina {
    if (this.#threads !== undefined) return this.#threads;
    this.#threads = new Piscina({
      filename: this.#parts.entry.href,
      minThreads: 0,
      maxThreads: this.#options.threads,
      idleTimeout: this.#parts.idleMs,
      recordTiming: false,
      // Else a thread without work waits where its event loop stands still, with what it could free. It is no faster here.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: LIMITS.codecThreadHeapMB },
      workerData: { isBackground: this.#options.isBackground, progress: this.#progress } satisfies ThreadSetup,
    });
    this.#threads.on('error', (error: unknown) => this.#freeStranded(String(error)));
    return this.#threads;
  }

  async #close(): Promise<void> {
    for (const job of this.#waiting.splice(0)) this.#settle(job, new GatewayError('ServerClosed'));
    const patience = setTimeout(() => {
      for (const { signal } of this.#flights.keys()) signal.emit('abort');
    }, LIMITS.codecCloseMs);
    await Promise.all(this.#flights.values());
    clearTimeout(patience);
    await this.#threads?.destroy();
  }
}

/** What ended the thread that looked at it is nothing to be tried again. */
const NOBODY_KNOWS: Content = {
  class: CONTENT_CLASS.other,
  headerLength: 0,
  series: undefined,
  pixels: undefined,
  isCompressed: true,
};

const KEPT_RAW: Encoded = {
  class: CONTENT_CLASS.other,
  codec: PAYLOAD_CODEC.raw,
  stored: undefined,
  dictionaryId: 0,
  mismatches: 1,
};

const LOST = 'The thread that worked on the object was lost';

const UNEXPECTED = new GatewayError('InternalError');

function broken(why: string): GatewayError {
  return new GatewayError('InternalError', `The threads that code and decode objects do not work: ${why}`);
}
