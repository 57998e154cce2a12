/**
 * What a google.rpc.Status carries beside its message. Never throws: a detail that cannot be read is none.
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
 */

import type { MessageType } from '../format/message-type.ts';
import { type Any, ErrorInfo, RetryInfo, Status } from '../format/messages.ts';

function detailOf<M>(details: readonly Any[], type: MessageType<M>): M | undefined {
  const found = details.find(({ typeUrl }) => typeUrl.endsWith(`/${type.fullName}`));
  return found && readOr(type, found.value);
}

function readOr<M>(type: MessageType<M>, bytes: Buffer): M | undefined {
  try {
    return type.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The details of a call's `grpc-status-details-bin`. */
export function detailsOf(encoded: Buffer): readonly Any[] {
  return readOr(Status, encoded)?.details ?? [];
}

/** The gateway's own name of the refusal: `NoSuchKey`. */
export function reasonOf(details: readonly Any[]): string | undefined {
  return detailOf(details, ErrorInfo)?.reason;
}

/** How long the gateway asks to wait, in ms; `undefined` when it does not say that asking again may help. */
export function retryAfterMsOf(details: readonly Any[]): number | undefined {
  const info = detailOf(details, RetryInfo);
  if (info === undefined) return undefined;
  const { seconds = 0, nanos = 0 } = info.retryDelay ?? {};
  return Math.max(0, seconds * 1000 + nanos / 1e6);
}
