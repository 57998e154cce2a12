// HOT PATH (every message of every request)
/**
 * The messages of one call's request, read when they are asked for. Promises: while nobody asks, the stream is paused, so that the
 * client's window fills and it stops; a request that breaks off never looks like one that ended; what cannot be read ends the call.
 *
 * Clients on Node (grpc-js) cancel an upload by ending it and then resetting it. The reset comes right behind, so the end of a stream of
 * messages is believed two turns later; where it still comes too late, only a size or checksum inside the messages can tell.
 *
 * Hardest decision: nothing is read ahead here. The flow-control window is the read-ahead: one more message in it costs memory that
 * nobody counts, and saves no round trip.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { GatewayError } from '../../base/errors.ts';
import { decompress } from './compression.ts';
import { type Frame, FrameReader } from './frame-reader.ts';
import type { RequestMemory } from './request-memory.ts';
import type { GrpcMethod } from './server-call.ts';
import { malformed, tooLarge } from './status.ts';

export class RequestReader {
  readonly #stream: ServerHttp2Stream;
  readonly #frames: FrameReader;
  readonly #messageBytesMax: number;
  readonly #isGzip: boolean;
  /** More than one message is expected. */
  readonly #isStream: boolean;
  readonly #memory: RequestMemory;
  /** What `#memory` knows of. */
  #charged = 0;
  #isReading = false;
  #isEnded = false;
  #isAsked = false;
  /** Why nothing more comes. */
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  bytes = 0;
  messages = 0;

  constructor(stream: ServerHttp2Stream, method: GrpcMethod | undefined, isGzip: boolean, memory: RequestMemory) {
    this.#stream = stream;
    this.#isStream = method?.kind === 'client-stream' || method?.kind === 'bidi-stream';
    this.#messageBytesMax = method?.messageBytesMax ?? 0;
    const allocate = method?.messageMemory;
    this.#frames = new FrameReader(this.#messageBytesMax, allocate && ((bytes) => allocate.take(bytes)));
    this.#isGzip = isGzip;
    this.#memory = memory;
  }

  /** The client has sent everything, and it was read. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * The next message, `undefined` after the last one. One at a time.
   *
   * @throws the failure that `stop` was given; CallError for what the client did wrong; GatewayError SlowDown
   */
  async next(): Promise<Buffer | undefined> {
    if (this.#isAsked) throw new TypeError('a message is being waited for already');
    this.#isAsked = true;
    try {
      const frame = this.#take() ?? (await this.#read());
      if (frame === undefined) return undefined;
      this.messages++;
      if (!frame.isCompressed) {
        this.#charge(this.#frames.held + frame.message.length);
        return frame.message;
      }
      return await this.#decompress(frame.message);
    } finally {
      this.#isAsked = false;
    }
  }

  /** Nothing more is wanted: what waits fails, and what still comes is dropped. Idempotent. */
  stop(failure: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#charge(0);
    this.#wake?.();
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  #read(): Promise<Frame | undefined> {
    return new Promise((resolve, reject) => {
      const attempt = () => {
        try {
          const frame = this.#take();
          if (frame === undefined && !this.#isEnded) return;
          this.#wake = undefined;
          if (frame === undefined && this.#frames.held > 0) {
            throw malformed('The last message of the request is cut short.', 'IncompleteBody');
          }
          // Behind a single message its reader asks for the end at once.
          if (frame !== undefined && this.#isStream) this.#stream.pause();
          resolve(frame);
        } catch (error) {
          this.#wake = undefined;
          reject(error as Error);
        }
      };
      this.#wake = attempt;
      if (this.#isEnded || this.#failure !== undefined) attempt();
      else if (this.#isReading) this.#stream.resume();
      else this.#startReading();
    });
  }

  #take(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const frame = this.#frames.take();
    if (frame?.isCompressed === true && !this.#isGzip) {
      throw malformed('A message is marked as compressed, and the call has no grpc-encoding.');
    }
    return frame;
  }

  #startReading(): void {
    this.#isReading = true;
    const stream = this.#stream;
    stream.on('data', (piece: Buffer) => {
      this.bytes += piece.length;
      if (this.#failure !== undefined) return;
      this.#frames.push(piece);
      if (this.#wake === undefined) stream.pause();
      else if (this.#tryCharge(this.#frames.held)) this.#wake();
      else this.stop(noMemory());
    });
    const end = () => {
      // A reset ends the stream as well.
      if (stream.aborted || stream.destroyed) return;
      this.#isEnded = true;
      this.#wake?.();
    };
    stream.on('end', () => {
      if (this.#isStream) setImmediate(() => setImmediate(end));
      else end();
    });
  }

  async #decompress(message: Buffer): Promise<Buffer> {
    // Everything that it may become: many small bombs at once must not be larger than one.
    this.#charge(this.#frames.held + message.length + this.#messageBytesMax);
    const whole = await decompress(message, this.#messageBytesMax).catch((error: Error) => {
      throw error instanceof RangeError ? tooLarge(error.message) : malformed(error.message);
    });
    if (this.#failure !== undefined) throw this.#failure;
    this.#charge(this.#frames.held + whole.length);
    return whole;
  }

  #tryCharge(bytes: number): boolean {
    if (!this.#memory.change(this.#charged, bytes)) return false;
    this.#charged = bytes;
    return true;
  }

  /** @throws GatewayError SlowDown */
  #charge(bytes: number): void {
    if (!this.#tryCharge(bytes)) throw noMemory();
  }
}

function noMemory(): GatewayError {
  return new GatewayError(
    'SlowDown',
    'The requests under way hold all the memory that they may; try again in a moment.',
  );
}
