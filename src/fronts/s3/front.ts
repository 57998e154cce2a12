/**
 * What the S3 front is given and what it tells about each request. Nothing here does anything: the composition root fills
 * `S3FrontDeps`, `server.ts` makes a front of it.
 */
import type { Server } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import type { Storage } from '../../base/object-store.ts';
import type { Checksums } from '../../format/checksum.ts';
import type { CredentialSource } from '../../service/credentials.ts';
import type { HostTable } from './hosts.ts';
import type { HttpDates } from './http-dates.ts';
import type { Verifier } from './verifier.ts';

/** The part of pino's interface that the front uses: facts first, then a sentence. */
export interface FrontLog {
  info(facts: Readonly<Record<string, unknown>>, message: string): void;
  warn(facts: Readonly<Record<string, unknown>>, message: string): void;
  error(facts: Readonly<Record<string, unknown>>, message: string): void;
}

/** One finished request, for metrics and the audit log. */
export interface RequestEvent {
  /** Name of the S3 operation, as in `OPERATIONS`; `Unknown` when the request never came so far. */
  readonly operation: string;
  readonly method: string;
  /** As the client named it; may be no valid name. */
  readonly bucket: string | undefined;
  readonly key: string;
  readonly status: number;
  /** Code of the S3 error, `undefined` when there was none. */
  readonly errorCode: string | undefined;
  /** Bytes of the request body that were read, after decoding `aws-chunked`. */
  readonly bytesIn: number;
  /** Bytes of the response body that were handed to the socket. */
  readonly bytesOut: number;
  /** From the parsed head of the request until the response was handed to the socket. */
  readonly durationMs: number;
  readonly requestId: string;
  /** `undefined` for anonymous requests and for those whose signature was not verified. */
  readonly accessKeyId: string | undefined;
  readonly remoteAddress: string;
}

export interface S3FrontLimits {
  /** Requests of one worker that may be under way at once; beyond it `503 SlowDown`. */
  readonly requestsMax: number;
  /** Open connections of one worker; beyond it new ones are dropped. */
  readonly connectionsMax: number;
}

export interface S3FrontDeps {
  readonly storage: Storage;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly log: FrontLog;
  readonly observe?: ((event: RequestEvent) => void) | undefined;
  /** Region that requests are signed for and that GetBucketLocation answers. */
  readonly region: string;
  /** Base domains of virtual-host style (`bucket.DOMAIN`), lower case, without port; may be empty. */
  readonly domains: readonly string[];
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined;
  readonly limits?: Partial<S3FrontLimits> | undefined;
}

export interface S3Front {
  /** Not listening yet: the caller binds it, a cluster worker with the port that it shares. */
  readonly server: Server;
  /** From now on every answer says `Connection: close`; connections that are idle are left to their next request. */
  closeAfterAnswers(): void;
  /**
   * Stops accepting, answers what is under way (each with `Connection: close`), closes idle connections, and destroys what is
   * left after `graceMs`. Resolves when no connection is left. Idempotent.
   */
  drain(graceMs: number): Promise<void>;
}

/** What one batch is sent with. */
export interface BatchBuffers {
  /** Of `batchFillBytes`: what the store fills. */
  readonly fill: Buffer;
  /** Of `batchOutBytes`: heads, padding and small bodies. */
  readonly out: Buffer;
}

/** What every request of one front shares. */
export interface FrontState {
  readonly storage: Storage;
  readonly credentials: CredentialSource;
  readonly verifier: Verifier;
  readonly checksums: Checksums;
  readonly clock: Clock;
  readonly log: FrontLog;
  readonly observe: ((event: RequestEvent) => void) | undefined;
  readonly region: string;
  readonly hosts: HostTable;
  readonly dates: HttpDates;
  /** x-amz-id-2 of this process. */
  readonly hostId: string;
  /** First half of the request ids of this process. */
  readonly idPrefix: string;
  /** Requests so far, modulo 2^32. */
  requests: number;
  /** Header pairs of every answer: who answers. */
  readonly identity: readonly string[];
  readonly limits: S3FrontLimits;
  /** Admitted requests under way. */
  inFlight: number;
  /** Bytes of bodies that are held whole until their request ends. */
  collectedBytes: number;
  /** Bytes of the buffers and lists of batches that are being sent. */
  batchBytes: number;
  /** Buffers of batches that have been sent, for the next ones. */
  readonly batchBuffers: BatchBuffers[];
  /** From `drain` on: every answer closes its connection. */
  draining: boolean;
}
