// HOT PATH (bench: every S3 request)
/**
 * The life of one request: admitted, read, authenticated, routed, answered, reported. Promises: whatever is thrown on the way
 * becomes an answer or, when the answer has begun, ends the connection; a request is counted out exactly once.
 */
import type { ServerResponse } from 'node:http';
import { GatewayError } from '../../base/errors.ts';
import { authenticate } from './authenticate.ts';
import type { FrontState, RequestEvent } from './front.ts';
import { refuseHeaders } from './refused.ts';
import { type Answer, errorAnswer, send } from './reply.ts';
import { type BusySocket, Exchange, nextRequestId, refuseAmbiguousHttp, type S3Message } from './request.ts';
import { findOperation } from './router.ts';

/** Never throws and never rejects. */
export function handle(front: FrontState, req: S3Message, res: ServerResponse): void {
  const x = new Exchange(front, req, res, nextRequestId(front), front.clock.now());
  (req.socket as BusySocket).s3Busy = true;
  // A client that goes away shows up as an error of these streams; what reads or writes them sees it by itself.
  req.on('error', ignore);
  res.on('error', ignore);
  res.strictContentLength = true;
  void answerRequest(x);
}

function ignore(): void {}

/** Never rejects. */
async function answerRequest(x: Exchange): Promise<void> {
  let answer: Answer;
  try {
    admit(x);
    answer = await operate(x);
  } catch (error) {
    answer = errorAnswer(x, error);
  }
  try {
    const sent = send(x, answer);
    if (sent !== undefined) await sent;
  } catch (error) {
    breakOff(x, error);
  }
  finish(x);
}

/** @throws GatewayError SlowDown, InvalidRequest, NotImplemented */
function admit(x: Exchange): void {
  refuseAmbiguousHttp(x.req);
  // Refused requests do not count: while their bodies are read away they must not keep others out.
  if (x.front.inFlight >= x.front.limits.requestsMax) {
    throw new GatewayError(
      'SlowDown',
      `This worker has ${x.front.limits.requestsMax} requests under way; try again in a moment.`,
    );
  }
  x.front.inFlight += 1;
  x.admitted = true;
}

/** Not async: what is thrown here is caught by the one `try` around it. */
function operate(x: Exchange): Answer | Promise<Answer> {
  x.parseTarget();
  const operation = findOperation(x);
  x.operation = operation.name;
  if (operation.unsigned !== true) authenticate(x);
  if (operation.run === undefined)
    throw new GatewayError('NotImplemented', `${operation.name} is not implemented by Penstock.`);
  refuseHeaders(x.req.rawHeaders);
  return operation.run(x);
}

/** The answer itself failed: a bug, or a header that cannot be sent. */
function breakOff(x: Exchange, error: unknown): void {
  x.errorCode = 'InternalError';
  x.front.log.error(
    { requestId: x.id, operation: x.operation, resource: x.resource, err: error },
    'An answer could not be sent; its connection was closed.',
  );
  x.res.destroy();
}

function finish(x: Exchange): void {
  const { front, req } = x;
  if (x.admitted) front.inFlight -= 1;
  front.collectedBytes -= x.collectedBytes;
  (req.socket as BusySocket).s3Busy = false;
  if (front.observe === undefined) return;
  report(front, {
    operation: x.operation,
    method: x.method,
    bucket: x.bucketName,
    key: x.keyName,
    status: x.status,
    errorCode: x.errorCode,
    bytesIn: x.bytesIn,
    bytesOut: x.bytesOut,
    durationMs: performance.now() - x.startedAt,
    requestId: x.id,
    accessKeyId: x.credential?.accessKeyId,
    remoteAddress: req.socket?.remoteAddress ?? '',
  });
}

/** Tells the observer of a finished request. Never throws. */
export function report(front: FrontState, event: RequestEvent): void {
  try {
    front.observe?.(event);
  } catch (error) {
    front.log.error(
      { requestId: event.requestId, err: error },
      'The observer of requests failed; the request itself was answered.',
    );
  }
}
