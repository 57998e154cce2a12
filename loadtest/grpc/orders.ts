/** What the process that loads is told, and what it says when it is done: plain data, sent between processes. */
import type { Spread } from '../scaling/placement.ts';
import type { DataSetSpec } from '../suite/data-set.ts';
import type { LoadErrors, Percentiles } from '../suite/run-report.ts';
import type { Server } from './servers.ts';

interface Order {
  /** More than one: each key belongs to one of them. */
  readonly servers: readonly Server[];
  readonly spread: Spread;
  readonly bucket: string;
  readonly dataSet: DataSetSpec;
  /** Bodies begin as a JPEG does. */
  readonly content?: 'jpeg' | undefined;
  readonly seconds: number;
}

/** Batches of keys in random order, each key once before any comes again. */
export interface GetBatchOrder extends Order {
  readonly kind: 'get-batch';
  /** `client`: the published TypeScript client. `http2`: as little as can tell right bytes from wrong ones. */
  readonly by: 'client' | 'http2';
  readonly batch: number;
  /** Batches at once, and over how many connections. */
  readonly streams: number;
  readonly clients: number;
  readonly order: 'completion' | 'strict';
  /** Batches a second; 0: one after the other. */
  readonly rate: number;
}

/** Single GETs over kept connections, in random order. */
export interface GetOrder extends Order {
  readonly kind: 's3-get';
  readonly connections: number;
}

/** Objects of the set in turn, each once; ends when there are no more. */
export interface PutOrder extends Order {
  readonly kind: 's3-put';
  readonly connections: number;
}

export interface PutBatchOrder extends Order {
  readonly kind: 'put-batch';
  readonly streams: number;
  readonly clients: number;
}

/** Reads what a put has stored and compares it; not measured. */
export interface VerifyOrder extends Order {
  readonly kind: 'verify';
  /** By place of the server: what lies before this position was acknowledged, where it belongs to that server. */
  readonly until: readonly number[];
  /** Remove it afterwards. */
  readonly remove: boolean;
}

export type LoadOrder = GetBatchOrder | GetOrder | PutOrder | PutBatchOrder | VerifyOrder;

export interface LoadResult {
  readonly seconds: number;
  readonly requests: number;
  readonly objects: number;
  readonly bytes: number;
  readonly first?: Percentiles | undefined;
  readonly whole?: Percentiles | undefined;
  readonly errors: LoadErrors;
  /** Of the first error. */
  readonly failure?: string | undefined;
  /** User and system time of the process, without what it waited with. */
  readonly loadCpuSeconds: number;
  /** Of puts, see `VerifyOrder`. */
  readonly until?: readonly number[] | undefined;
}

// A type and not an interface, so that it has an index signature.
export type LoadOrders = { readonly load: { readonly order: LoadOrder; readonly result: LoadResult } };
