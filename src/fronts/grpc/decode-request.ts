/** Bytes of a request as its message. */
import { GatewayError } from '../../base/errors.ts';

/** @throws GatewayError InvalidRequest when the bytes are no such message */
export function decodeRequest<T>(type: { decode(bytes: Buffer): T }, bytes: Buffer): T {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new GatewayError('InvalidRequest', 'The bytes of the request are not the message that this method takes.', {
      cause: error,
    });
  }
}
