/** What became of the objects of one batch, and of what they are checked against. */
import { NO_ERRORS } from '../suite/run-report.ts';

/** Objects that came whole and with the right bytes, and the others by what was wrong. */
export interface Tally {
  objects: number;
  bytes: number;
  broken: number;
  refused: number;
  short: number;
  wrong: number;
  /** Of the first that went wrong. */
  firstError: string | undefined;
}

export function newTally(): Tally {
  return { objects: 0, bytes: 0, ...NO_ERRORS, firstError: undefined };
}

export type Fault = 'broken' | 'refused' | 'short' | 'wrong';

export function addFault(tally: Tally, fault: Fault, count: number, text: string): void {
  tally[fault] += count;
  tally.firstError ??= text;
}

/** What the samples must be. */
export interface Expected {
  keyOf(position: number): string;
  sizeOf(position: number): number;
  crcOf(position: number): number;
}

/** Reads one batch, counts what came of each of its objects, and never rejects for what the target does. */
export interface BatchReader {
  /** @param next what this rank reads after it, where the caller says so */
  read(batch: Uint32Array, next: Uint32Array | undefined): Promise<void>;
  close(): void;
}
