/**
 * When a request is sent again: only answers and failures that say "not now", only requests that may be repeated, a bounded
 * number of times, with growing pauses that are spread by chance so that many clients do not come back at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export const ATTEMPTS_MAX = 7;
const BASE_MS = 100;
const PAUSE_MS_MAX = 10_000;

/** Pause before attempt `attempt` (1 is the first repetition), between half and all of 100 ms doubled each time. */
export function pauseMs(attempt: number, random: number, retryAfter: string | undefined): number {
  const asked = Number(retryAfter);
  const grown = Math.min(PAUSE_MS_MAX, BASE_MS * 2 ** attempt) * (0.5 + random / 2);
  if (retryAfter === undefined || !Number.isFinite(asked) || asked < 0) return grown;
  // spread above what was asked for, never below it
  return Math.min(PAUSE_MS_MAX, asked * 1000) + grown;
}

const STATUSES: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

export function isRetryStatus(status: number): boolean {
  return STATUSES.has(status);
}

const CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

/** The code of a failure of the transport, wherever it stands in the chain of causes. */
export function transportCode(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const { code, name } = at as NodeJS.ErrnoException;
    if (code !== undefined) return code;
    if (name === 'AggregateError') return ((at as AggregateError).errors[0] as NodeJS.ErrnoException | undefined)?.code;
  }
  return undefined;
}

export function isRetryFailure(error: unknown): boolean {
  const code = transportCode(error);
  return code !== undefined && CODES.has(code);
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
