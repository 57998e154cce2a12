// HOT PATH (bench: every S3 answer leaves through `send`)
/**
 * Answers on the wire. Promises: every answer carries x-amz-request-id and an exact Content-Length (or none where HTTP forbids
 * it); a body that fails half-way destroys the connection, so that a short body never looks whole; HEAD, 204 and 304 have no
 * body; a client that goes away ends the read behind its answer.
 *
 * Hardest decision: an error answer to a request whose body is still on its way. Closing at once makes the kernel reset the
 * connection and the client loses the answer, so the answer is written, the rest of the body is read and dropped up to a bound
 * of bytes and time, and only then the connection ends (RFC 9112 section 9.6).
 */
import { asGatewayError, ERROR_TABLE, type GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { writeError } from '../../format/s3-xml-write.ts';
import { pushCorsHeaders } from './cors-rules.ts';
import type { FrontState } from './front.ts';
import type { BusySocket, Exchange } from './request.ts';

/** A body that writes itself, because it uses its buffers again and must know when each of them has left. */
export interface BodyWriter {
  /** After the head. Resolves when everything has left, or the client has; what it throws breaks the answer off. */
  writeTo(x: Exchange): Promise<void>;
  /** Called instead when nothing will be sent. */
  discard(): void;
}

export interface Answer {
  readonly status: number;
  /** Alternating names and values, without Content-Length and without what every answer has. */
  readonly headers: string[];
  /** A buffer is sent whole; an iterable is streamed, `length` bytes of it. */
  readonly body: Buffer | AsyncIterable<Buffer> | BodyWriter | undefined;
  /** Content-Length; for HEAD that of the body that GET would have. `undefined`: no such header (204, 304). */
  readonly length: number | undefined;
}

const EMPTY = Buffer.alloc(0);

export function empty(status: number, headers: string[] = []): Answer {
  return { status, headers, body: undefined, length: status === 204 || status === 304 ? undefined : 0 };
}

export function xml(text: string, headers: string[] = [], status = 200): Answer {
  const body = Buffer.from(text, 'utf8');
  headers.push('Content-Type', 'application/xml');
  return { status, headers, body, length: body.length };
}

/** Writes an answer and resolves when it was handed to the socket, or at once (`undefined`) when nothing needs waiting. */
export function send(x: Exchange, answer: Answer): Promise<void> | undefined {
  const { res } = x;
  const { body, headers, length } = answer;
  x.status = answer.status;
  x.activeBody?.stop(undefined);
  if (res.destroyed || res.headersSent) return releaseBody(body);
  pushCommon(headers, x.front, x.id, length);
  if (x.req.headers.origin !== undefined) pushCorsHeaders(x, headers);
  const early = !x.req.complete && x.hasBody;
  if (early && (body === undefined || Buffer.isBuffer(body))) return sendEarly(x, answer);
  if (x.front.draining || early) headers.push('Connection', 'close');
  res.writeHead(answer.status, headers);
  if (body === undefined || x.method === 'HEAD') {
    res.end();
    return releaseBody(body);
  }
  if (!Buffer.isBuffer(body)) return pump(x, body);
  x.bytesOut = body.length;
  res.end(body);
  return undefined;
}

/** What every answer has, after its own headers. */
export function pushCommon(headers: string[], front: FrontState, requestId: string, length: number | undefined): void {
  headers.push('x-amz-request-id', requestId);
  for (const value of front.identity) headers.push(value);
  if (length !== undefined) headers.push('Content-Length', String(length));
}

/** A body that will not be sent must be told, so that its store lets go of what it holds. */
function releaseBody(body: Answer['body']): Promise<void> | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return undefined;
  if (!('writeTo' in body)) return release(body);
  body.discard();
  return undefined;
}

export async function release(body: AsyncIterable<Buffer>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

async function pump(x: Exchange, body: AsyncIterable<Buffer> | BodyWriter): Promise<void> {
  const { res } = x;
  (x.req.socket as BusySocket).s3Busy = false; // from here on silence is a client that does not read
  try {
    await ('writeTo' in body ? body.writeTo(x) : copyOut(x, body));
    if (!isGone(x)) res.end();
  } catch (error) {
    x.errorCode = asGatewayError(error).code;
    x.front.log.error(
      { requestId: x.id, operation: x.operation, resource: x.resource, err: error },
      'A response broke off in its body; its connection was closed.',
    );
    res.destroy();
  }
}

async function copyOut(x: Exchange, body: AsyncIterable<Buffer>): Promise<void> {
  const { res } = x;
  for await (const chunk of body) {
    if (isGone(x)) return;
    x.bytesOut += chunk.length;
    res.write(chunk);
    // `write` is false above 16 KiB even when the kernel took everything; what waits in the socket is what counts.
    if (res.writableLength > LIMITS.responseQueueBytes) await drained(x);
  }
}

/** An answer that waits behind another on its connection is not told when the connection ends, so the socket is asked. */
export function isGone(x: Exchange): boolean {
  return x.res.destroyed || x.req.socket.destroyed;
}

/** Resolves when the socket took what waits in it, or is gone. */
function drained(x: Exchange): Promise<void> {
  const { res, req } = x;
  if (isGone(x)) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = () => {
      res.off('drain', settle);
      res.off('close', settle);
      req.socket.off('close', settle);
      resolve();
    };
    res.on('drain', settle);
    res.on('close', settle);
    req.socket.on('close', settle);
  });
}

/** See "Hardest decision" above. Only answers that are whole in memory come here: refusals, nearly always. */
async function sendEarly(x: Exchange, answer: Answer): Promise<void> {
  const { req, res } = x;
  const left = Number(req.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  // A client that waits for "100 Continue" may send the body all the same or never: only closing is unambiguous.
  const close = x.req.expectsContinue === true || x.front.draining || !(left <= LIMITS.earlyAnswerKeepBytes);
  if (close) answer.headers.push('Connection', 'close');
  res.writeHead(answer.status, answer.headers);
  const body = Buffer.isBuffer(answer.body) && x.method !== 'HEAD' ? answer.body : EMPTY;
  x.bytesOut = body.length;
  if (body.length > 0) res.write(body);
  else res.flushHeaders();
  // Whoever stalled will not send the rest, and whoever waits for "100 Continue" sends nothing.
  if (x.req.expectsContinue !== true && x.errorCode !== 'RequestTimeout') await discardBody(x);
  res.end();
  if (!req.complete) req.socket.destroySoon();
}

/** Reads and drops the rest of the request body, within bounds. Resolves whatever happens. */
function discardBody(x: Exchange): Promise<void> {
  const { req } = x;
  return new Promise((resolve) => {
    let bytes = 0;
    const settle = () => {
      clearTimeout(timer);
      req.off('data', count);
      req.off('end', settle);
      req.off('error', settle);
      req.socket.off('close', settle);
      resolve();
    };
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LIMITS.discardBytesMax) settle();
    };
    const timer = setTimeout(settle, LIMITS.discardMs);
    req.on('data', count);
    req.on('end', settle);
    req.on('error', settle);
    req.socket.on('close', settle);
    req.resume();
    if ((req.complete && req.readableEnded) || isGone(x)) settle();
  });
}

/** The answer that says no. What is not a refusal is a bug and is logged with its cause. */
export function errorAnswer(x: Exchange, thrown: unknown): Answer {
  const error = asGatewayError(thrown);
  x.errorCode = error.code;
  const { httpStatus } = ERROR_TABLE[error.code];
  if (error.code === 'InternalError') {
    x.front.log.error(
      { requestId: x.id, operation: x.operation, resource: x.resource, err: error.cause ?? error },
      'A request failed in a way that nobody foresaw.',
    );
  } else if (error.code === 'DataLoss') {
    x.front.log.error(
      { requestId: x.id, operation: x.operation, resource: x.resource, reason: error.message },
      'Stored bytes are damaged and were not served.',
    );
  }
  const headers: string[] = [];
  if (error.facts.retry && httpStatus === 503) headers.push('Retry-After', String(LIMITS.retryAfterSeconds));
  if (error.code === 'InvalidRange' && error.details?.ActualObjectSize !== undefined) {
    headers.push('Content-Range', `bytes */${error.details.ActualObjectSize}`);
  }
  if (x.method === 'HEAD') return { status: httpStatus, headers, body: undefined, length: undefined };
  return xml(errorXml(x, error), headers, httpStatus);
}

function errorXml(x: Exchange, error: GatewayError): string {
  return writeError(error, x.resource, x.id, x.front.hostId);
}
