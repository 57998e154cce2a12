/**
 * What the supervisor and its children say to each other over the IPC channel of `child_process.fork`. A child opens with
 * `hello`, is told what to be with `start`, and answers `ready` or `failed`. The channel keeps the order, so a worker that reads
 * `drain` has every connection that it was ever given.
 */
import type { Config } from '../base/settings.ts';

export type PortName = 's3' | 'grpc';

export interface KeeperSetup {
  readonly role: 'keeper';
  readonly name: string;
  readonly config: Config;
  /** Unix socket on which workers reach the keeper. */
  readonly keeperSocket: string;
  /** Sessions of the workers that run now; others that the store remembers are dead. */
  readonly liveSessions: readonly string[];
}

export interface WorkerSetup {
  readonly role: 'worker';
  readonly name: string;
  readonly config: Config;
  readonly keeperSocket: string;
  /** How much of its memory the worker may use for its cache. */
  readonly cacheBytes: number;
  /** 32 hex digits, new for each process. */
  readonly session: string;
}

export type ChildSetup = KeeperSetup | WorkerSetup;

/** How long a process that drains waits for what. */
export interface Grace {
  /** For connections without a request. */
  readonly idleMs: number;
  /** For responses that are under way; at least `idleMs`. */
  readonly busyMs: number;
}

export type ToChild =
  | { readonly kind: 'start'; readonly setup: ChildSetup }
  /** Comes with the socket, unless its client has gone; answered with `taken` in any case. */
  | { readonly kind: 'connection'; readonly id: number; readonly port: PortName }
  /** Finish what runs within the grace, close the store, exit. */
  | { readonly kind: 'drain'; readonly grace: Grace }
  | { readonly kind: 'report'; readonly id: number }
  /** To the keeper: a worker is gone, and nothing of its session will come any more. */
  | { readonly kind: 'worker-exit'; readonly session: string };

/** What a process knows of itself: metrics as `prom-client` JSON, and the store's figures where it has them. */
export interface ProcessReport {
  readonly metrics: readonly object[];
  readonly store?: object;
}

export type FromChild =
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready' }
  /** `message` is for people; the process exits after it. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'taken'; readonly id: number }
  | { readonly kind: 'report'; readonly id: number; readonly report: ProcessReport }
  | { readonly kind: 'drained'; readonly report: ProcessReport };

export const ROLE_VERBS = { keeper: 'keeper-process', worker: 'worker-process' } as const;
