/**
 * Does something over and over, so many at once, for so long: as fast as it goes (a closed loop), or so often a second whatever became of
 * what was begun before (an open loop). Promises: never more at once than was said; each is told from when its latency counts, which is
 * when it was due where there is a rate, however long it had to wait for its turn.
 */
import { keepPace } from '../suite/pace.ts';

export interface Streams {
  readonly streams: number;
  readonly seconds: number;
  /** A second, over all streams; 0: as fast as it goes. */
  readonly rate: number;
  readonly isOver: () => boolean;
}

export interface StreamsRun {
  /** Until the last was done. */
  readonly seconds: number;
  /** Processor time that went into waiting. */
  readonly spunSeconds: number;
}

/** @param once never rejects for what belongs into the figures; what it rejects with ends the run */
export async function runStreams(how: Streams, once: (sinceMs: number) => Promise<void>): Promise<StreamsRun> {
  const startedMs = performance.now();
  const spunSeconds = how.rate > 0 ? await openLoop(how, once) : await closedLoop(how, once);
  return { seconds: (performance.now() - startedMs) / 1000, spunSeconds };
}

async function closedLoop(how: Streams, once: (sinceMs: number) => Promise<void>): Promise<number> {
  const endMs = performance.now() + how.seconds * 1000;
  const stream = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs && !how.isOver(); nowMs = performance.now()) await once(nowMs);
  };
  await Promise.all(Array.from({ length: how.streams }, stream));
  return 0;
}

async function openLoop(how: Streams, once: (sinceMs: number) => Promise<void>): Promise<number> {
  const turns = Math.max(1, Math.round(how.rate * how.seconds));
  const stop = new AbortController();
  const waiting: number[] = [];
  const running = new Set<Promise<void>>();
  let failure: Error | undefined;
  let next = 0;
  const begin = (): void => {
    while (running.size < how.streams && next < waiting.length && failure === undefined && !how.isOver()) {
      const one = once(waiting[next++] as number)
        .catch((error: unknown) => {
          failure = error instanceof Error ? error : new Error(String(error));
          stop.abort();
        })
        .finally(() => {
          running.delete(one);
          begin();
        });
      running.add(one);
    }
    if (how.isOver()) stop.abort();
  };
  const add = (_turn: number, dueAtMs: number): void => {
    waiting.push(dueAtMs);
    begin();
  };
  const { spunSeconds } = await keepPace({ rate: how.rate, turns }, add, stop.signal);
  while (running.size > 0) await Promise.race(running);
  if (failure !== undefined) throw failure;
  return spunSeconds;
}
