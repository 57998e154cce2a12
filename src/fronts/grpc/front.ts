/** What the gRPC front is given and what it tells about each call. Nothing here does anything. */
import type { Server } from 'node:net';
import type { ErrorCode } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { RequestMemory } from './request-memory.ts';
import type { GrpcMethod } from './server-call.ts';

/** One call that is over, for metrics and the audit log. */
export interface CallEvent {
  /** `/package.Service/Method`, or `Unknown` for one that is not served. */
  readonly method: string;
  /** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md; 1 when the client did not wait for the end. */
  readonly status: number;
  /** Code of the refusal, `undefined` when there was none. */
  readonly errorCode: ErrorCode | undefined;
  /** From the headers of the request until its stream was closed. */
  readonly durationMs: number;
  /** Bytes of messages with their prefixes, as they came, and as they were handed to the connection. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** `undefined` for anonymous calls and for those whose token was not verified. */
  readonly accessKeyId: string | undefined;
  /** What the call was about, as far as its handler says. */
  readonly resource: string | undefined;
  readonly remoteAddress: string;
}

/** Shorter times for tests; `LIMITS` gives the values and their reasons. */
export interface GrpcFrontLimits {
  readonly helloMs: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly pingsMax: number;
  readonly stalledMs: number;
  readonly connectionAgeMs: number;
  readonly connectionGraceMs: number;
  readonly goodbyeMs: number;
  readonly streamsMax: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly requestBytesMax: number;
}

export interface GrpcFrontDeps {
  /** Methods of the data plane; health and reflection come with the front. */
  readonly methods: readonly GrpcMethod[];
  readonly log: Log;
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined;
  readonly observe?: ((event: CallEvent) => void) | undefined;
  readonly limits?: Partial<GrpcFrontLimits> | undefined;
}

export interface GrpcFront {
  /** Not listening: connections are given to it with `emit('connection', socket)`. */
  readonly server: Server;
  /**
   * Says GOAWAY, lets calls end, and destroys the connections that are left after the grace. From now on a new connection is told to go
   * as well. Resolves when no connection is left. Idempotent.
   */
  drain(graceMs: number): Promise<void>;
}

/** What all calls of a front share. */
export interface FrontState {
  readonly log: Log;
  readonly observe: ((event: CallEvent) => void) | undefined;
  readonly memory: RequestMemory;
}
