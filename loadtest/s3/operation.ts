/** One S3 request of a load, ready for the wire, and how its answer is judged. */
import type { LoadErrors } from '../suite/run-report.ts';

export const OPERATIONS = ['GET', 'PUT', 'HEAD', 'DELETE', 'LIST'] as const;
export type OperationName = (typeof OPERATIONS)[number];

/** Of the bytes that a GET must bring, or that a HEAD must promise. */
export interface Expected {
  readonly bytes: number;
  readonly crc: number;
}

export interface Operation {
  readonly name: OperationName;
  /** Head and body. Written once, and not changed until the answer is there. */
  readonly request: Buffer;
  /** Absent: any body will do. */
  readonly expected?: Expected;
  /** Of a PUT: bytes that it brings. */
  readonly sentBytes?: number;
  /** Told once what became of it; `'unknown'`: no answer, so that it may have happened or not. */
  readonly settle?: (outcome: 'done' | 'failed' | 'unknown') => void;
}

/** What came back. */
export interface Reply {
  status: number;
  /** Of the body; of a HEAD, what its content-length says. */
  bytes: number;
  crc: number;
}

/** Where a load's operations come from: one for each time that a connection is free. */
export interface OperationSource {
  next(): Operation;
}

/** The kind of error that an answer is, if any. Pure. */
export function faultOf({ name, expected }: Operation, { status, bytes, crc }: Reply): keyof LoadErrors | undefined {
  if (status < 200 || status > 299) return 'refused';
  if (name === 'LIST') return bytes === 0 ? 'short' : undefined;
  if (expected === undefined) return undefined;
  if (bytes < expected.bytes) return 'short';
  if (bytes > expected.bytes) return 'wrong';
  return name === 'GET' && crc !== expected.crc ? 'wrong' : undefined;
}
