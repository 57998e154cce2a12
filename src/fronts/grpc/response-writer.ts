// HOT PATH (every message of every response)
/**
 * The response of one call on its stream: headers once, messages, and an end with trailers. Promises: a write settles when the stream
 * is done with its buffers, and no earlier, whatever happens to the call; a peer that takes nothing is noticed.
 *
 * Hardest decision: the callback of a write is the only sign that a buffer is free. Not an error, not the close of the stream: after
 * either the socket may still be sending from it.
 */
import type { OutgoingHttpHeaders, ServerHttp2Stream, ServerStreamResponseOptions } from 'node:http2';
import { LIMITS } from '../../base/limits.ts';
import { compress } from './compression.ts';
import { frameMessage } from './message.ts';

const HEADERS: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': 'identity,gzip',
};
const GZIP_HEADERS: OutgoingHttpHeaders = { ...HEADERS, 'grpc-encoding': 'gzip' };
const OPEN: ServerStreamResponseOptions & { sendDate: boolean } = { waitForTrailers: true, sendDate: false };
const ENDED: ServerStreamResponseOptions & { sendDate: boolean } = { endStream: true, sendDate: false };

export class ResponseWriter {
  readonly #stream: ServerHttp2Stream;
  readonly #isGzip: boolean;
  #areHeadersSent = false;
  #isEnding = false;
  /** Compression ends in any order, messages do not. */
  #compressing: Promise<void> | undefined;
  #pending = 0;
  #done = 0;
  #doneBefore = 0;
  #stalledSweeps = 0;
  bytes = 0;
  messages = 0;

  constructor(stream: ServerHttp2Stream, isGzip: boolean) {
    this.#stream = stream;
    this.#isGzip = isGzip;
  }

  get areHeadersSent(): boolean {
    return this.#areHeadersSent;
  }

  /** Some write is not done. */
  get isBlocked(): boolean {
    return this.#pending > 0;
  }

  respond(metadata?: Readonly<Record<string, string>>): void {
    this.#areHeadersSent = true;
    const headers = this.#isGzip ? GZIP_HEADERS : HEADERS;
    this.#stream.respond(metadata === undefined ? headers : { ...headers, ...metadata }, OPEN);
  }

  /** @param isOver asked when the bytes are out of use: the write then rejects */
  write(message: Buffer, isOver: () => Error | undefined): Promise<void> {
    if (!this.#isGzip) return this.writeFramed(frameMessage(message), 1, isOver);
    const writing = (this.#compressing ?? Promise.resolve()).then(async () => {
      const isSmall = message.length < LIMITS.grpcCompressBytesMin;
      const frame = isSmall ? frameMessage(message) : frameMessage(await compress(message), true);
      return this.writeFramed(frame, 1, isOver);
    });
    this.#compressing = writing.catch(() => {});
    return writing;
  }

  writeFramed(buffers: readonly Buffer[], messages: number, isOver: () => Error | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = isOver();
      if (over !== undefined) {
        reject(over);
        return;
      }
      if (!this.#areHeadersSent) this.respond();
      this.messages += messages;
      this.#pending++;
      this.#send(buffers, (error) => {
        this.#pending--;
        this.#done++;
        const failure = isOver() ?? error ?? undefined; // newer Node also has an error of its own for what was cancelled
        if (failure === undefined) resolve();
        else reject(failure);
      });
    });
  }

  #send(buffers: readonly Buffer[], done: (error: Error | null | undefined) => void): void {
    const stream = this.#stream;
    const last = buffers.length - 1;
    if (last > 0) stream.cork();
    for (let i = 0; i <= last; i++) {
      const buffer = buffers[i] as Buffer;
      this.bytes += buffer.length;
      if (i < last) stream.write(buffer);
      else stream.write(buffer, done);
    }
    if (last > 0) stream.uncork();
  }

  /** @param sent called when the trailers are on their way */
  end(trailers: OutgoingHttpHeaders, sent: () => void): void {
    const stream = this.#stream;
    this.#isEnding = true;
    if (!this.#areHeadersSent) {
      this.#areHeadersSent = true;
      stream.respond({ ...HEADERS, ...trailers }, ENDED);
      sent();
      return;
    }
    stream.once('wantTrailers', () => {
      stream.sendTrailers(trailers);
      sent();
    });
    stream.end();
  }

  /** Called at regular times: has the peer taken nothing of what waits for it in so many of them? */
  isStalled(sweepsMax: number): boolean {
    if ((this.#pending === 0 && !this.#isEnding) || this.#done !== this.#doneBefore) {
      this.#doneBefore = this.#done;
      this.#stalledSweeps = 0;
      return false;
    }
    this.#stalledSweeps++;
    return this.#stalledSweeps >= sweepsMax;
  }
}
