/**
 * How a long run shows that it moves: one bar on a terminal, one line for each finished step elsewhere, so that a log stays readable. All of
 * it goes to standard error; standard output is for results.
 */
import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import { isTerminal } from '../../src/cli/terminal.ts';

/** A step that takes a while. */
export interface Phase {
  /** @param by steps done since the last call */
  advance(by?: number): void;
  /** Takes the bar away. Idempotent. */
  end(): void;
}

export interface Progress {
  /** Something begins that has `total` steps: `uploading`. A phase that is still open is ended. */
  phase(title: string, total: number, unit?: string): Phase;
  /** Something begins that takes that long: its bar moves by the clock. */
  timed(title: string, seconds: number): Phase;
  /** A line that stays: `round 1  penstock: 12,345 objects/s`. */
  tell(text: string): void;
  /** The end of everything. Idempotent. */
  stop(): void;
}

const FRAME_MS = 200;
/** Lines of phases that take long where there is no terminal. */
const LINE_MS = 10_000;

const SILENT: Phase = { advance: () => {}, end: () => {} };

/** @param stream stderr */
export function startProgress(stream: Writable): Progress {
  const isShown = isTerminal(stream);
  let open = SILENT;
  const begin = (phase: Phase): Phase => {
    open = phase;
    return phase;
  };
  return {
    phase: (title, total, unit = 'objects') => {
      open.end();
      return begin(isShown ? barPhase(stream, title, total, unit) : linePhase(stream, title, total, unit));
    },
    timed: (title, seconds) => {
      open.end();
      return begin(isShown ? timedBar(stream, title, seconds) : SILENT);
    },
    tell: (text) => {
      open.end();
      open = SILENT;
      stream.write(`  ${text}\n`);
    },
    stop: () => {
      open.end();
      open = SILENT;
    },
  };
}

function startBar(stream: Writable, title: string, total: number, unit: string): SingleBar {
  const bar = new SingleBar({
    stream: stream as NodeJS.WritableStream,
    format: `  {bar} {value}/{total} ${unit} | ${title}`,
    barsize: 24,
    fps: 1000 / FRAME_MS,
    hideCursor: true,
    clearOnComplete: true,
    emptyOnZero: true,
    gracefulExit: false, // Ctrl-C ends with the report, which stops the bar
  });
  bar.start(total, 0);
  return bar;
}

function barPhase(stream: Writable, title: string, total: number, unit: string): Phase {
  const bar = startBar(stream, title, total, unit);
  return { advance: (by = 1) => bar.increment(by), end: () => bar.stop() };
}

function timedBar(stream: Writable, title: string, seconds: number): Phase {
  const bar = startBar(stream, title, seconds, 's');
  const startMs = performance.now();
  const elapsed = (): number => Math.min(seconds, Math.round((performance.now() - startMs) / 1000));
  const timer = setInterval(() => bar.update(elapsed()), FRAME_MS);
  timer.unref();
  const end = (): void => {
    clearInterval(timer);
    bar.stop();
  };
  return { advance: () => {}, end };
}

function linePhase(stream: Writable, title: string, total: number, unit: string): Phase {
  let done = 0;
  const timer = setInterval(() => stream.write(`  ${title}: ${done}/${total} ${unit}\n`), LINE_MS);
  timer.unref();
  return {
    advance: (by = 1) => {
      done += by;
    },
    end: () => clearInterval(timer),
  };
}
