/**
 * How calls end: statuses of gRPC made from errors, as objects (`google.rpc.Status`) and as trailers. Promises: the code is that of the
 * error table; an ErrorInfo names the cause for programs, a RetryInfo says when the same request may succeed later; of what is no
 * refusal nothing is told but that it happened; what node:http2 sends is printable ASCII and fits what clients take.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
 */
import type { OutgoingHttpHeaders } from 'node:http2';
import { asGatewayError, type ErrorCode, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type Any, ErrorInfo, RetryInfo, Status } from '../../format/messages.ts';

/** Statuses that the transport itself gives: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
export const GRPC_STATUS = {
  ok: 0,
  cancelled: 1,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
} as const;

const ERROR_DOMAIN = 'penstock';
const TYPE_URLS = 'type.googleapis.com/';
/** Characters of a message for people. */
const MESSAGE_CHARS_MAX = 1024;
/** Of `grpc-message`, encoded, and of the Status before base64: together below the 8 KiB of metadata that clients take. */
const ENCODED_CHARS_MAX = 2048;
const DETAILS_BYTES_MAX = 4096;

/** A refusal whose status is gRPC's own and not that of the error table. */
export class CallError extends Error {
  readonly grpcStatus: number;
  readonly code: ErrorCode;

  constructor(grpcStatus: number, code: ErrorCode, message: string) {
    super(message);
    this.name = 'CallError';
    this.grpcStatus = grpcStatus;
    this.code = code;
  }
}

export function tooLarge(message: string): CallError {
  return new CallError(GRPC_STATUS.resourceExhausted, 'MaxMessageLengthExceeded', message);
}

export function malformed(message: string, code: ErrorCode = 'InvalidRequest'): CallError {
  return new CallError(GRPC_STATUS.internal, code, message);
}

/** How a call ended. */
export interface CallStatus {
  readonly code: number;
  readonly message: string;
  /** Of the error table, `undefined` when no refusal ended it. */
  readonly errorCode: ErrorCode | undefined;
  /** An encoded `google.rpc.Status`. */
  readonly details: Buffer | undefined;
}

export const OK: CallStatus = { code: GRPC_STATUS.ok, message: '', errorCode: undefined, details: undefined };
export const OK_STATUS: Status = { code: GRPC_STATUS.ok, message: '', details: [] };

/** A status without details. */
export function plainStatus(code: number, message: string): CallStatus {
  return { code, message, errorCode: undefined, details: undefined };
}

/** What can be told of an error. Pass `grpcStatus` where gRPC itself says which it is. */
export function statusOf(thrown: unknown, grpcStatus?: number): Status {
  const error = asGatewayError(thrown);
  const metadata = { ...error.details, ...(error.resource !== undefined && { resource: error.resource }) };
  return {
    code: grpcStatus ?? error.facts.grpcStatus,
    message: error.message.slice(0, MESSAGE_CHARS_MAX).toWellFormed(),
    details: [errorInfo(error.code, metadata), ...(error.facts.retry ? [retryInfo()] : [])],
  };
}

/** The same for the end of a call. */
export function callStatusOf(thrown: unknown, grpcStatus?: number): CallStatus {
  const { code: errorCode } = asGatewayError(thrown);
  const status = statusOf(thrown, grpcStatus);
  let details = Status.encode(status);
  if (details.length > DETAILS_BYTES_MAX) {
    details = Status.encode({ ...status, details: [errorInfo(errorCode, {}), ...status.details.slice(1)] });
  }
  return { code: status.code, message: status.message, errorCode, details };
}

function errorInfo(reason: ErrorCode, metadata: Readonly<Record<string, string>>): Any {
  const known = Object.entries(metadata).map(([name, value]) => [name, value.toWellFormed()]);
  const value = ErrorInfo.encode({ reason, domain: ERROR_DOMAIN, metadata: Object.fromEntries(known) });
  return { typeUrl: `${TYPE_URLS}google.rpc.ErrorInfo`, value };
}

function retryInfo(): Any {
  const value = RetryInfo.encode({ retryDelay: { seconds: LIMITS.retryAfterSeconds, nanos: 0 } });
  return { typeUrl: `${TYPE_URLS}google.rpc.RetryInfo`, value };
}

/** The headers that end a call. */
export function trailersOf(status: CallStatus): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = { 'grpc-status': status.code };
  if (status.message !== '') trailers['grpc-message'] = encodeStatusMessage(status.message);
  if (status.details !== undefined) trailers['grpc-status-details-bin'] = status.details.toString('base64');
  return trailers;
}

/** A value for `grpc-message`: printable ASCII, everything else percent-encoded, since node:http2 sends header values unchecked. */
export function encodeStatusMessage(text: string): string {
  let encoded = '';
  for (const character of text) {
    const next = isPlain(character) ? character : percentEncoded(character);
    if (encoded.length + next.length > ENCODED_CHARS_MAX) break;
    encoded += next;
  }
  return encoded;
}

function isPlain(character: string): boolean {
  return character >= ' ' && character <= '~' && character !== '%';
}

function percentEncoded(character: string): string {
  let encoded = '';
  for (const byte of Buffer.from(character)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
}

/** Is it a refusal that was foreseen? Everything else is worth a line in the log. */
export function isForeseen(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code !== 'InternalError' && thrown.code !== 'DataLoss';
}
