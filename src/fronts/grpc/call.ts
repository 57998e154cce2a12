/**
 * One gRPC call on one HTTP/2 stream: reads a single request message, and ends with a status exactly once. Enough for unary and
 * server-streaming calls with small requests, which is all that health needs.
 *
 * Hardest decision: nothing closes a stream inside a callback of http2, where nghttp2 may be re-entered; resets wait two turns.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { LIMITS } from '../../base/limits.ts';
import { encodeStatusMessage, PREFIX_BYTES, parseTimeout } from './message.ts';

/** https://grpc.io/docs/guides/status-codes/ */
export const GRPC_STATUS = {
  ok: 0,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;
export type GrpcStatus = (typeof GRPC_STATUS)[keyof typeof GRPC_STATUS];

const HEADERS: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': 'identity',
};
const NO_ERROR = 0;

export class GrpcCall {
  readonly #stream: ServerHttp2Stream;
  #headersSent = false;
  #finished = false;
  #inputEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    stream.once('close', () => clearTimeout(this.#timer));
    const timeout = headers['grpc-timeout'];
    if (typeof timeout !== 'string') return;
    const ms = parseTimeout(timeout);
    if (ms === undefined)
      this.finish(GRPC_STATUS.internal, `grpc-timeout is "${timeout}"; expected up to 8 digits and a unit`);
    else this.#timer = setTimeout(() => this.finish(GRPC_STATUS.deadlineExceeded, 'the deadline has passed'), ms);
  }

  get #dead(): boolean {
    return this.#finished || this.#stream.closed || this.#stream.destroyed;
  }

  /** Calls `done` with the one message of the request, unless the call fails first. */
  readMessage(done: (message: Buffer) => void): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    this.#stream.on('data', (chunk: Buffer) => {
      if (this.#finished) return;
      bytes += chunk.length;
      if (bytes > LIMITS.grpcHealthRequestBytesMax) {
        this.finish(
          GRPC_STATUS.resourceExhausted,
          `the request is larger than ${LIMITS.grpcHealthRequestBytesMax} bytes`,
        );
      } else chunks.push(chunk);
    });
    this.#stream.on('end', () => {
      this.#inputEnded = true;
      if (this.#dead) return;
      const body = Buffer.concat(chunks); // at most one small message
      if (bytes < PREFIX_BYTES || body.readUInt32BE(1) !== bytes - PREFIX_BYTES) {
        this.finish(GRPC_STATUS.internal, 'the request is not one whole message');
      } else if (body[0] !== 0) {
        this.finish(GRPC_STATUS.unimplemented, 'compressed messages are not supported');
      } else done(body.subarray(PREFIX_BYTES));
    });
    this.#stream.resume();
  }

  /** @param framed with its prefix; not changed afterwards */
  write(framed: Buffer): void {
    if (this.#dead) return;
    if (!this.#headersSent) {
      this.#headersSent = true;
      this.#stream.respond(HEADERS, { waitForTrailers: true });
    }
    this.#stream.write(framed);
  }

  /** Idempotent: the first status counts. */
  finish(status: GrpcStatus, message = ''): void {
    if (this.#dead) return;
    this.#finished = true;
    clearTimeout(this.#timer);
    const stream = this.#stream;
    const trailers: OutgoingHttpHeaders = { 'grpc-status': status };
    if (message !== '') trailers['grpc-message'] = encodeStatusMessage(message);
    stream.resume(); // what still comes is not wanted, but must not block the session
    if (!this.#headersSent) {
      stream.respond({ ...HEADERS, ...trailers }, { endStream: true });
      this.#resetUnlessEnded();
      return;
    }
    stream.once('wantTrailers', () => {
      stream.sendTrailers(trailers);
      this.#resetUnlessEnded();
    });
    stream.end();
  }

  /** A client that has its answer need not send the rest. */
  #resetUnlessEnded(): void {
    if (this.#inputEnded) return;
    const stream = this.#stream;
    setImmediate(() => setImmediate(() => !stream.closed && !stream.destroyed && stream.close(NO_ERROR)));
  }
}
