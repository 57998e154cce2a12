/** What a gateway, or what stands between, did against the protocol. Asking again may meet a better one, so it is retryable. */
import { status } from '@grpc/grpc-js';
import type { MessageType } from '../format/message-type.ts';
import { PenstockError } from './penstock-error.ts';

/** @param what it did: `sent two answers` */
export function brokenProtocol(what: string, cause?: unknown): PenstockError {
  return new PenstockError(`the gateway ${what}`, { code: status.INTERNAL, retryable: true, cause });
}

/** @throws PenstockError when the bytes are no such message */
export function decodeAnswer<M>(type: MessageType<M>, message: Buffer): M {
  try {
    return type.decode(message);
  } catch (error) {
    throw brokenProtocol(`sent a ${type.fullName} that cannot be read`, error);
  }
}
