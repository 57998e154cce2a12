/**
 * The one error of the client. It says what was refused, by whom it may be tried again, and how gRPC and the gateway name it.
 *
 * Hardest decision: `retryable` follows the gateway's own table where the answer carries a reason, and only else the status code: a full
 * disk and too many requests are one status, and only one of them passes by itself.
 */
import { type StatusObject, status } from '@grpc/grpc-js';
import { ERROR_TABLE, type ErrorCode } from '../base/errors.ts';
import type { Any, Status } from '../format/messages.ts';
import { detailsOf, reasonOf, retryAfterMsOf } from './error-details.ts';

/** gRPC status numbers by name: https://grpc.io/docs/guides/status-codes/ */
export const GrpcCode = status;
export type GrpcCode = status;

export interface PenstockErrorFacts {
  readonly code: GrpcCode;
  /** Name of the refusal in the gateway's table (`NoSuchKey`, `StorageFull`), from `google.rpc.ErrorInfo`. */
  readonly reason?: string | undefined;
  /** May the same request succeed later, unchanged? */
  readonly retryable?: boolean;
  /** The key that it is about, where it is about one. */
  readonly key?: string | undefined;
  /** The pause that the gateway asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class PenstockError extends Error {
  readonly code: GrpcCode;
  readonly reason: string | undefined;
  readonly retryable: boolean;
  readonly key: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, facts: PenstockErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'PenstockError';
    this.code = facts.code;
    this.reason = facts.reason;
    this.retryable = facts.retryable ?? isRetryable(facts.code, facts.reason);
    this.key = facts.key;
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** The name of the status, such as `NOT_FOUND`. */
  get status(): string {
    return status[this.code] ?? String(this.code);
  }

  /** The same about one key, which its message then names. */
  about(key: string): PenstockError {
    if (this.key !== undefined) return this;
    const { code, reason, retryable, retryAfterMs } = this;
    return new PenstockError(`${key}: ${this.message}`, { code, reason, retryable, retryAfterMs, key, cause: this });
  }
}

/** A call that was cut shows as one of these; INTERNAL and UNKNOWN are what grpc-js makes of a reset stream. */
const PASSING: ReadonlySet<GrpcCode> = new Set([
  status.CANCELLED,
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.INTERNAL,
  status.UNAVAILABLE,
]);

function isRetryable(code: GrpcCode, reason: string | undefined): boolean {
  if (reason !== undefined && Object.hasOwn(ERROR_TABLE, reason)) return ERROR_TABLE[reason as ErrorCode].retry;
  return PASSING.has(code);
}

/** How a call ended that did not end well. */
export function errorOfStatus({ code, details, metadata }: StatusObject): PenstockError {
  const found = metadata.get('grpc-status-details-bin')[0];
  return errorOf(code, details, Buffer.isBuffer(found) ? detailsOf(found) : []);
}

/** What an entry of a batch, or a result, carries. */
export function errorOfRpcStatus({ code, message, details }: Status, key?: string): PenstockError {
  return errorOf(code, message, details, key);
}

function errorOf(code: number, message: string, details: readonly Any[], key?: string): PenstockError {
  const reason = reasonOf(details);
  const retryAfterMs = retryAfterMsOf(details);
  const text = message === '' ? `the gateway answered ${status[code] ?? code}` : message;
  const retryable = retryAfterMs !== undefined || isRetryable(code, reason);
  return new PenstockError(key === undefined ? text : `${key}: ${text}`, {
    code,
    reason,
    key,
    retryAfterMs,
    retryable,
  });
}
