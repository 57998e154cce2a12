// HOT PATH (bench: every PUT)
/**
 * Request bodies, from the socket to whoever takes them, with their framing off. Promises: at most `bytesMax` bytes come out; a
 * body that was cut, that is framed wrongly or that stalls is an error and never an end; back-pressure reaches the sender.
 *
 * Hardest decision: `for await` over the request costs twice the CPU of its events, so bodies are pumped by events into a sink
 * that says when it is full, and only the streaming sink below pays for promises.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Exchange } from './request.ts';

interface Sink {
  /** Takes a view that stays valid. */
  piece(data: Buffer): void;
  /** The body was whole. */
  end(): void;
  fail(error: unknown): void;
}

/** What takes the framing off (aws-chunked, a form), `undefined` for a plain body. */
export type Framing =
  | {
      /** May throw to refuse the body. */
      push(chunk: Buffer, emit: (data: Buffer) => void): void;
      /** Throws when the body was not whole. */
      end(): void;
    }
  | undefined;

class BodyPump {
  readonly #x: Exchange;
  readonly #framing: Framing;
  readonly #sink: Sink;
  readonly #bytesMax: number;
  readonly #timer: NodeJS.Timeout;
  #rawBytes = 0;
  #rawBytesBefore = 0;
  #bytes = 0;
  #pausedSince = false;
  #done = false;

  constructor(x: Exchange, framing: Framing, bytesMax: number, sink: Sink) {
    this.#x = x;
    this.#framing = framing;
    this.#sink = sink;
    this.#bytesMax = bytesMax;
    this.#timer = setInterval(() => this.#watch(), LIMITS.bodyWindowMs);
    const { req } = x;
    x.activeBody = this;
    req.on('data', (chunk: Buffer) => this.#data(chunk));
    req.on('end', () => this.#end());
    req.on('error', (error) => this.#cut(error));
    req.on('close', () => this.#cut(undefined));
    if (req.expectsContinue === true) {
      req.expectsContinue = false;
      x.res.writeContinue();
    }
    if (req.destroyed) this.#cut(undefined);
  }

  pause(): void {
    this.#pausedSince = true;
    this.#x.req.pause();
  }

  resume(): void {
    if (!this.#done) this.#x.req.resume();
  }

  /** Ends it: with an error the sink hears of it, without one the taker has gone. What is still to come is left to the answer. */
  stop(error: unknown): void {
    if (this.#done) return;
    this.#done = true;
    clearInterval(this.#timer);
    this.#x.bytesIn += this.#bytes;
    const { req } = this.#x;
    req.removeAllListeners('data');
    if (!req.complete) req.pause();
    if (error !== undefined) this.#sink.fail(error);
  }

  #cut(cause: unknown): void {
    if (!this.#done)
      this.stop(new GatewayError('IncompleteBody', 'The connection ended before the body did.', { cause }));
  }

  readonly #emit = (data: Buffer): void => {
    this.#bytes += data.length;
    if (this.#bytes > this.#bytesMax) throw tooLarge(this.#bytesMax);
    this.#sink.piece(data);
  };

  #data(chunk: Buffer): void {
    if (this.#done) return;
    this.#rawBytes += chunk.length;
    try {
      if (this.#framing === undefined) this.#emit(chunk);
      else this.#framing.push(chunk, this.#emit);
    } catch (error) {
      this.stop(error);
    }
  }

  #end(): void {
    if (this.#done) return;
    try {
      this.#framing?.end();
    } catch (error) {
      this.stop(error);
      return;
    }
    this.stop(undefined);
    this.#sink.end();
  }

  /** A sender that we wait for must keep a minimal pace; one that waits for us need not. */
  #watch(): void {
    const moved = this.#rawBytes - this.#rawBytesBefore;
    this.#rawBytesBefore = this.#rawBytes;
    const wasPaused = this.#pausedSince;
    this.#pausedSince = this.#x.req.isPaused();
    if (!wasPaused && moved < LIMITS.bodyWindowBytesMin) {
      this.stop(
        new GatewayError(
          'RequestTimeout',
          `The body came to a stall: ${moved} bytes in ${LIMITS.bodyWindowMs / 1000} s.`,
        ),
      );
    }
  }
}

function tooLarge(bytesMax: number): GatewayError {
  return new GatewayError('EntityTooLarge', `The body is larger than the ${bytesMax} bytes that are allowed here.`, {
    details: { MaxSizeAllowed: String(bytesMax) },
  });
}

/**
 * The whole body in one buffer of its own, which is the caller's.
 *
 * @param length announced bytes after the framing, at most `bytesMax`; `undefined` when unknown
 * @throws GatewayError IncompleteBody, EntityTooLarge, RequestTimeout, and what the framing refuses
 */
export function collectBody(
  x: Exchange,
  framing: Framing,
  length: number | undefined,
  bytesMax: number,
): Promise<Buffer> {
  if (length !== undefined && length > bytesMax) throw tooLarge(bytesMax);
  if (!x.hasBody) return Promise.resolve(Buffer.alloc(0));
  return new Promise((resolve, reject) => {
    let buffer: Buffer = Buffer.allocUnsafe(length ?? LIMITS.bodyFirstBytes);
    let used = 0;
    new BodyPump(x, framing, length ?? bytesMax, {
      piece(data) {
        if (used + data.length > buffer.length) buffer = grow(buffer, used, used + data.length);
        buffer.set(data, used);
        used += data.length;
      },
      end() {
        if (length !== undefined && used !== length)
          reject(new GatewayError('IncompleteBody', `The body has ${used} bytes; ${length} were announced.`));
        else resolve(used === buffer.length ? buffer : buffer.subarray(0, used));
      },
      fail: reject,
    });
  });
}

function grow(buffer: Buffer, used: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(needed, buffer.length * 2));
  buffer.copy(larger, 0, 0, used);
  return larger;
}

type Waiter = {
  readonly resolve: (result: IteratorResult<Buffer, undefined>) => void;
  readonly reject: (error: unknown) => void;
};
const FINISHED: IteratorResult<Buffer, undefined> = { done: true, value: undefined };

/** How a body is streamed: see `collectBody`. */
export interface StreamOptions {
  readonly framing: Framing;
  readonly bytesMax: number;
  /** Sees every piece before it is handed on. */
  readonly tap: (data: Buffer) => void;
}

/** The body as an iterable that is read once, from the first `next` on. At most `bodyQueueBytes` wait in it. */
export function streamBody(x: Exchange, options: StreamOptions): AsyncIterable<Buffer> {
  const stream = new BodyStream(x, options);
  return { [Symbol.asyncIterator]: () => stream };
}

class BodyStream implements AsyncIterator<Buffer, undefined>, Sink {
  readonly #x: Exchange;
  readonly #options: StreamOptions;
  readonly #queue: Buffer[] = [];
  #pump: BodyPump | undefined = undefined;
  #queuedBytes = 0;
  #ended = false;
  #error: unknown = undefined;
  #waiter: Waiter | undefined = undefined;

  constructor(x: Exchange, options: StreamOptions) {
    this.#x = x;
    this.#options = options;
  }

  piece(data: Buffer): void {
    this.#options.tap(data);
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: data });
      return;
    }
    this.#queue.push(data);
    this.#queuedBytes += data.length;
    if (this.#queuedBytes >= LIMITS.bodyQueueBytes) this.#pump?.pause();
  }

  end(): void {
    this.#ended = true;
    this.#waiter?.resolve(FINISHED);
    this.#waiter = undefined;
  }

  fail(error: unknown): void {
    this.#error = error;
    this.#queue.length = 0;
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    const value = this.#queue.shift();
    if (value !== undefined) {
      this.#queuedBytes -= value.length;
      if (this.#queuedBytes < LIMITS.bodyQueueBytes / 2) this.#pump?.resume();
      return Promise.resolve({ done: false, value });
    }
    if (this.#ended) return Promise.resolve(FINISHED);
    this.#pump ??= new BodyPump(this.#x, this.#options.framing, this.#options.bytesMax, this);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#pump?.stop(undefined);
    this.#ended = true;
    this.#queue.length = 0;
    return Promise.resolve(FINISHED);
  }
}
