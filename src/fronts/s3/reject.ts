/**
 * Requests whose head the parser refuses, so that they never become one. Promises: the answer is an S3 error document where a
 * client can still read one, and never overtakes the answer of an earlier request on the same connection.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FrontState } from './front.ts';
import { nextRequestId } from './request.ts';

/** What node:http says, as S3 says it. */
const HEAD_FAULTS: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'RequestHeaderSectionTooLarge', 'The request head is too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'RequestTimeout', 'The request head was not sent within the time allowed.'],
};
const MALFORMED = [400, 'BadRequest', 'The request is not well-formed HTTP/1.1.'] as const;

type HeadError = Error & { readonly code?: string };
/** node:http keeps the response under way here; `null` between requests. */
type HttpSocket = Socket & { readonly _httpMessage?: unknown };

/** Whether node:http owes an answer on this connection. */
export function owesAnswer(socket: HttpSocket): boolean {
  return socket._httpMessage !== undefined && socket._httpMessage !== null;
}

/** For node:http's `clientError`. */
export function createHeadRejecter(front: FrontState): (error: HeadError, socket: HttpSocket) => void {
  return (error, socket) => {
    if (!socket.writable || owesAnswer(socket) || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const [status, code, message] = HEAD_FAULTS[error.code ?? ''] ?? MALFORMED;
    const id = nextRequestId(front);
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><RequestId>${id}</RequestId><HostId>${front.hostId}</HostId></Error>`;
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nx-amz-request-id: ${id}\r\nx-amz-id-2: ${front.hostId}\r\n` +
        `Content-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    socket.destroySoon();
  };
}
