/**
 * The seam between the gRPC transport and the services: what a method is given, and what it may do. Nothing here does anything.
 *
 * Promises of the transport: a handler runs once a call; it sees whole messages; after the call is over (cancelled, deadline passed,
 * connection gone, or aborted) nothing that the handler does has an effect, and writes and reads reject. A handler that returns ends
 * the call with OK; one that throws a `GatewayError` ends it with the status of the error table and its details; one that throws
 * anything else, with INTERNAL, and the error is logged.
 */
import type { IncomingHttpHeaders } from 'node:http2';
import type { MessageMemory } from './message-memory.ts';

export interface ServerCall {
  /** `/penstock.v1.Batches/GetBatch` */
  readonly path: string;
  /** Request metadata by lower-case name; `-bin` values still in base64. */
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  /** When the call began and when its deadline passes, on the clock of `performance.now()`; `Infinity` without a deadline. */
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** The client cancelled, its connection broke, the deadline passed, or the call was aborted. */
  readonly isOver: boolean;
  /** Aborted when the call is over. Made when it is first asked for. */
  readonly signal: AbortSignal;
  /** For the audit: who calls, and what about (`/bucket` or `/bucket/key`). Set by the handler as soon as it knows. */
  accessKeyId?: string | undefined;
  resource?: string | undefined;
  /**
   * Messages of the request, decompressed, with back-pressure: while nobody asks, little is read. A message belongs to the receiver.
   * Their end is the end of the request; throws a GatewayError for a malformed one, and when the call is over before that end. Yet a
   * client on Node cancels by ending its request before it resets it, and the reset may come late: what must be whole has to say its
   * size or checksum in its messages, and `isOver` is worth a look before it is kept. Call it once.
   */
  messages(): AsyncIterable<Buffer>;
  /**
   * The one message of a unary or server-streaming call. @throws GatewayError when there is none or more than one, it is malformed, or
   * the call is over
   */
  message(): Promise<Buffer>;
  /**
   * Sends one message. Resolves when the bytes have left this process: not before that may the buffer be written to. Rejects when the
   * call is over, and not before the bytes are out of use either.
   */
  write(message: Buffer): Promise<void>;
  /**
   * The same for buffers that together are a message with its five-byte prefix (`PREFIX_BYTES`): nothing is copied.
   *
   * @param messages how many it are when they are several, one behind the other
   */
  writeFramed(buffers: readonly Buffer[], messages?: number): Promise<void>;
  /**
   * Response metadata, before the first write. Names are lower case, values printable ASCII, or base64 under names that end in `-bin`.
   * @throws TypeError for others
   */
  sendHeaders(metadata: Readonly<Record<string, string>>): void;
  /** Resets the stream, so that no client can take what it has for the whole. */
  abort(): void;
}

export type CallKind = 'unary' | 'server-stream' | 'client-stream' | 'bidi-stream';

export interface GrpcMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly kind: CallKind;
  /** Bytes of one request message after decompression. */
  readonly messageBytesMax: number;
  /** Messages are put together here, and the handler gives them back. Absent: they are the garbage collector's. */
  readonly messageMemory?: MessageMemory;
  /** Responses are compressed for clients that take it. Not for image bytes, which do not shrink. */
  readonly compresses?: boolean;
  readonly handle: (call: ServerCall) => Promise<void>;
}
