/**
 * How a long run shows that it moves: a bar with rate and time left on a terminal, a plain line every ten seconds elsewhere, so
 * that a log stays readable. All of it goes to standard error; standard output is for results.
 */
import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import { formatBytes, formatCount, formatDuration } from './figures.ts';
import { isTerminal } from './terminal.ts';

export interface Tally {
  /** Items that are dealt with, in whatever way. */
  done: number;
  /** Items found so far. */
  total: number;
  /** False while items are still being found. */
  totalIsKnown: boolean;
  /** Bytes moved. */
  bytes: number;
  failed: number;
}

/** The figures beside the bar: `120/2,000 objects | 3.4 MiB/s | 1 m 05 s left | 2 failed`. Pure. */
export function progressText(tally: Tally, elapsedMs: number): string {
  const total = `${formatCount(tally.total)}${tally.totalIsKnown ? '' : '+'}`;
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const parts = [
    `${formatCount(tally.done)}/${total} objects`,
    `${formatBytes(tally.bytes)}`,
    `${formatBytes(tally.bytes / seconds)}/s`,
  ];
  parts.push(`${formatDuration(remainingMs(tally, elapsedMs))} left`);
  if (tally.failed > 0) parts.push(`${formatCount(tally.failed)} failed`);
  return parts.join(' | ');
}

/** Time left at the speed so far, by objects; not finite while it cannot be known. */
export function remainingMs(tally: Tally, elapsedMs: number): number {
  if (!tally.totalIsKnown) return Number.POSITIVE_INFINITY;
  if (tally.done >= tally.total) return 0;
  return tally.done === 0 ? Number.POSITIVE_INFINITY : ((tally.total - tally.done) * elapsedMs) / tally.done;
}

export interface Progress {
  readonly tally: Tally;
  elapsedMs(): number;
  stop(): void;
}

const BAR_MS = 200;
const LINE_MS = 10_000;

export function startProgress(verb: string, stream: Writable, now: () => number = Date.now): Progress {
  const tally: Tally = { done: 0, total: 0, totalIsKnown: false, bytes: 0, failed: 0 };
  const startMs = now();
  const elapsedMs = (): number => now() - startMs;
  const stop = isTerminal(stream) ? showBar(verb, stream, tally, elapsedMs) : showLines(verb, stream, tally, elapsedMs);
  return { tally, elapsedMs, stop };
}

function showBar(verb: string, stream: Writable, tally: Tally, elapsedMs: () => number): () => void {
  const options = {
    stream: stream as NodeJS.WritableStream,
    format: `${verb} {bar} {percentage}% | {figures}`,
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    emptyOnZero: true,
    gracefulExit: false, // Ctrl-C ends with the summary, which stops the bar
  };
  const bar = new SingleBar(options);
  const show = (): void => {
    bar.setTotal(Math.max(tally.total, tally.done));
    bar.update(tally.done, { figures: progressText(tally, elapsedMs()) });
  };
  bar.start(0, 0, { figures: progressText(tally, 0) });
  const timer = setInterval(show, BAR_MS);
  return () => {
    clearInterval(timer);
    show();
    bar.stop();
  };
}

function showLines(verb: string, stream: Writable, tally: Tally, elapsedMs: () => number): () => void {
  const timer = setInterval(() => stream.write(`${verb}: ${progressText(tally, elapsedMs())}\n`), LINE_MS);
  return () => clearInterval(timer);
}
