/**
 * What the gateway needs of a logger, in the shape of pino, which is made in one place per process (`src/process-log.ts`). A line
 * is facts first, then one sentence for people. Payloads and secrets are never facts.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  (facts: Readonly<Record<string, unknown>>, message: string): void;
  (message: string): void;
}

export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  /** A log whose lines all carry `facts`. */
  child(facts: Readonly<Record<string, unknown>>): Log;
}

function nothing(): void {}

/** For tests, and for libraries of ours that run without a gateway. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLog };
