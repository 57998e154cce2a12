// HOT PATH (every message)
/** gRPC's frame around a message: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */

/** Flag byte and length, before every message. */
export const PREFIX_BYTES = 5;

/** Up to this a message is copied behind its prefix, which is cheaper than a second buffer on its way. */
const COPY_BYTES_MAX = 8 * 1024;

/** A message with its prefix, in one buffer or two. */
export function frameMessage(message: Buffer, isCompressed = false): readonly Buffer[] {
  const isCopied = message.length <= COPY_BYTES_MAX;
  const head = Buffer.allocUnsafe(isCopied ? PREFIX_BYTES + message.length : PREFIX_BYTES);
  head[0] = isCompressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  if (!isCopied) return [head, message];
  message.copy(head, PREFIX_BYTES);
  return [head];
}
