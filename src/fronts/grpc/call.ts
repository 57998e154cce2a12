// HOT PATH (every call)
/**
 * One call: it runs its handler, bounds it by deadline and cancellation, and ends with a status exactly once. Promises what
 * `server-call.ts` does.
 *
 * Hardest decision: nothing closes a stream inside a callback of http2, where nghttp2 may be re-entered; resets wait two turns. That
 * also lets trailers leave before the reset that tells a client to stop sending.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseTimeout } from './deadline.ts';
import type { FrontState } from './front.ts';
import { checkMetadata } from './metadata.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseWriter } from './response-writer.ts';
import type { GrpcMethod, ServerCall } from './server-call.ts';
import {
  CallError,
  type CallStatus,
  callStatusOf,
  GRPC_STATUS,
  isForeseen,
  OK,
  plainStatus,
  trailersOf,
} from './status.ts';

/** The connection of a call. */
export interface Peer {
  readonly remoteAddress: string;
  readonly calls: Set<GrpcCall>;
  /** Something was sent: a client's pings are then no nuisance. */
  sent(): void;
}

/** What reads and writes reject with after the call is over; the transport expects it back. Shared, since most are never looked at. */
const OVER = new GatewayError(
  'RequestTimeout',
  'The call is over: it was answered, cancelled or cut off, or its deadline passed.',
);
const CANCELLED = plainStatus(GRPC_STATUS.cancelled, 'The client did not wait for the end.');
const LATE = plainStatus(GRPC_STATUS.deadlineExceeded, 'The deadline has passed.');
const ABORTED = plainStatus(GRPC_STATUS.internal, 'The call could not be finished and was cut off.');
const STALLED = plainStatus(GRPC_STATUS.resourceExhausted, 'The client did not read its response.');

export class GrpcCall implements ServerCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  readonly startedMs = performance.now();
  readonly deadlineMs: number;
  accessKeyId: string | undefined;
  resource: string | undefined;
  readonly #front: FrontState;
  readonly #peer: Peer;
  readonly #stream: ServerHttp2Stream;
  readonly #method: GrpcMethod | undefined;
  readonly #reader: RequestReader;
  readonly #writer: ResponseWriter;
  readonly #timer: NodeJS.Timeout | undefined;
  #status: CallStatus | undefined;
  #isTold = false;
  #controller: AbortController | undefined;

  constructor(
    front: FrontState,
    peer: Peer,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    method: GrpcMethod | undefined,
  ) {
    this.#front = front;
    this.#peer = peer;
    this.#stream = stream;
    this.#method = method;
    this.path = headers[':path'] ?? '';
    this.headers = headers;
    this.remoteAddress = peer.remoteAddress;
    const isGzip = headers['grpc-encoding'] === 'gzip';
    this.#reader = new RequestReader(stream, method, isGzip, front.memory);
    this.#writer = new ResponseWriter(stream, method?.compresses === true && takesGzip(headers));
    const timeoutMs = timeoutOf(headers);
    this.deadlineMs = this.startedMs + timeoutMs;
    if (timeoutMs < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#expire(), Math.ceil(timeoutMs));
    peer.calls.add(this);
    stream.on('error', ignore); // without a listener one reset by a client would end the process
    stream.on('aborted', () => this.#cancel());
    stream.once('close', () => this.#closed());
  }

  get isOver(): boolean {
    return this.#status !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.isOver) this.#controller.abort(OVER);
    }
    return this.#controller.signal;
  }

  /** Refuses the call, or runs its handler. Never rejects. */
  async run(): Promise<void> {
    const method = this.#method;
    const refusal = refusalOf(this.headers, method);
    if (refusal !== undefined || method === undefined) {
      this.#end(refusal ?? OK);
      return;
    }
    try {
      await method.handle(this);
      if (!this.isOver) this.#checkAnswer(method);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#end(OK);
  }

  /** @throws TypeError: a method with one response that sent none has a bug */
  #checkAnswer({ kind }: GrpcMethod): void {
    if ((kind === 'unary' || kind === 'client-stream') && this.#writer.messages !== 1) {
      throw new TypeError(`${this.path} answered with ${this.#writer.messages} messages instead of one`);
    }
  }

  #fail(error: unknown): void {
    const { log } = this.#front;
    if (this.isOver) {
      if (error !== OVER) log.debug({ method: this.path, err: error }, 'A call failed after it was over.');
      return;
    }
    if (error instanceof CallError) {
      this.#refuse(error);
      return;
    }
    const status = callStatusOf(error);
    if (!isForeseen(error)) {
      const cause = (error instanceof GatewayError && error.cause) || error;
      log.error({ method: this.path, resource: this.resource, err: cause }, `A call failed: ${status.message}`);
    }
    this.#end(status);
  }

  async *messages(): AsyncGenerator<Buffer, void, undefined> {
    for (let next = await this.#next(); next !== undefined; next = await this.#next()) yield next;
  }

  async message(): Promise<Buffer> {
    const message = await this.#next();
    if (message !== undefined && (await this.#next()) === undefined) return message;
    const problem = `The call takes one message and has ${message === undefined ? 'none' : 'more'}.`;
    throw this.#refuse(new CallError(GRPC_STATUS.unimplemented, 'InvalidRequest', problem));
  }

  async #next(): Promise<Buffer | undefined> {
    try {
      return await this.#reader.next();
    } catch (error) {
      throw error instanceof CallError ? this.#refuse(error) : error;
    }
  }

  /** Ends the call with what gRPC calls it. @returns the error for its handler */
  #refuse(error: CallError): GatewayError {
    const refusal = new GatewayError(error.code, error.message);
    this.#end(callStatusOf(refusal, error.grpcStatus));
    return refusal;
  }

  write(message: Buffer): Promise<void> {
    return this.#checkSize(message.length, 1) ?? this.#writer.write(message, this.#whyOver);
  }

  writeFramed(buffers: readonly Buffer[], messages = 1): Promise<void> {
    let bytes = 0;
    for (const buffer of buffers) bytes += buffer.length;
    return this.#checkSize(bytes, messages) ?? this.#writer.writeFramed(buffers, messages, this.#whyOver);
  }

  readonly #whyOver = (): Error | undefined =>
    this.#status !== undefined || this.#stream.destroyed || this.#stream.closed ? OVER : undefined;

  /** A rejection for what must not be sent. */
  #checkSize(bytes: number, messages: number): Promise<void> | undefined {
    this.#peer.sent();
    const kind = this.#method?.kind;
    if ((kind === 'unary' || kind === 'client-stream') && this.#writer.messages + messages > 1) {
      return Promise.reject(new TypeError(`${this.path} answers with one message, and another was to be sent`));
    }
    if (bytes <= LIMITS.grpcResponseBytesMax * messages) return undefined;
    const problem = `A response has ${bytes} bytes; at most ${LIMITS.grpcResponseBytesMax} can be sent.`;
    return Promise.reject(
      this.#refuse(new CallError(GRPC_STATUS.resourceExhausted, 'MaxMessageLengthExceeded', problem)),
    );
  }

  sendHeaders(metadata: Readonly<Record<string, string>>): void {
    checkMetadata(metadata);
    if (this.#writer.areHeadersSent) throw new TypeError('response metadata comes before the first message, once');
    if (this.#whyOver() === undefined) this.#writer.respond(metadata);
  }

  abort(): void {
    if (this.isOver) return;
    this.#close(ABORTED);
    this.#resetSoon(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Called at regular times: resets a call whose client takes nothing in so many of them. */
  sweep(sweepsMax: number): void {
    if (!this.#writer.isStalled(sweepsMax)) return;
    this.#close(STALLED);
    if (this.#stream.closed)
      this.#stream.destroy(); // it was reset before, and even that did not leave
    else this.#resetSoon(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #expire(): void {
    if (this.isOver) return;
    if (!this.#writer.isBlocked) {
      this.#end(LATE);
      return;
    }
    // The trailers would wait behind what the client does not take.
    this.#close(LATE);
    this.#resetSoon(constants.NGHTTP2_CANCEL);
  }

  #cancel(): void {
    if (!this.isOver) this.#close(CANCELLED);
  }

  /** Sends the status. The first one counts. */
  #end(status: CallStatus): void {
    if (this.isOver) return;
    this.#close(status);
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    this.#peer.sent();
    this.#writer.end(trailersOf(status), () => {
      this.#isTold = true;
      // Who has the answer need not send the rest.
      if (!this.#reader.isEnded) this.#resetSoon(constants.NGHTTP2_NO_ERROR);
    });
  }

  #close(status: CallStatus): void {
    this.#status ??= status;
    clearTimeout(this.#timer);
    this.#reader.stop(OVER);
    this.#controller?.abort(OVER);
  }

  #resetSoon(code: number): void {
    const stream = this.#stream;
    setImmediate(() => setImmediate(() => !stream.closed && !stream.destroyed && stream.close(code)));
  }

  #closed(): void {
    this.#cancel();
    this.#peer.calls.delete(this);
    const { observe, log } = this.#front;
    if (observe === undefined) return;
    const status = this.#status ?? CANCELLED;
    const wasHeard = this.#isTold || status.code !== GRPC_STATUS.ok;
    try {
      observe({
        method: this.#method?.path ?? 'Unknown',
        status: wasHeard ? status.code : GRPC_STATUS.cancelled,
        errorCode: status.errorCode,
        durationMs: performance.now() - this.startedMs,
        bytesIn: this.#reader.bytes,
        bytesOut: this.#writer.bytes,
        messagesIn: this.#reader.messages,
        messagesOut: this.#writer.messages,
        accessKeyId: this.accessKeyId,
        resource: this.resource,
        remoteAddress: this.remoteAddress,
      });
    } catch (error) {
      log.error({ method: this.path, err: error }, 'The observer of calls failed; the call itself was answered.');
    }
  }
}

function ignore(): void {}

function takesGzip(headers: IncomingHttpHeaders): boolean {
  const accepted = headers['grpc-accept-encoding'];
  return typeof accepted === 'string' && accepted.split(',').some((name) => name.trim() === 'gzip');
}

/** `Infinity` without a deadline, and with a malformed one, which is refused before it counts. */
function timeoutOf(headers: IncomingHttpHeaders): number {
  const timeout = headers['grpc-timeout'];
  const ms = typeof timeout === 'string' ? parseTimeout(timeout) : undefined;
  return ms ?? Number.POSITIVE_INFINITY;
}

/** What is wrong with a call before its handler runs. */
function refusalOf(headers: IncomingHttpHeaders, method: GrpcMethod | undefined): CallStatus | undefined {
  const timeout = headers['grpc-timeout'];
  if (timeout !== undefined && (typeof timeout !== 'string' || parseTimeout(timeout) === undefined)) {
    return plainStatus(GRPC_STATUS.internal, `grpc-timeout is "${timeout}"; expected up to 8 digits and a unit.`);
  }
  if (method === undefined) {
    return plainStatus(GRPC_STATUS.unimplemented, `Penstock has no method ${headers[':path']}`);
  }
  const encoding = headers['grpc-encoding'] ?? 'identity';
  if (encoding === 'identity' || encoding === 'gzip') return undefined;
  return plainStatus(GRPC_STATUS.unimplemented, `grpc-encoding is "${encoding}"; identity and gzip are understood.`);
}
