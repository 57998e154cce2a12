/**
 * One epoch of simulated accelerators: each takes a batch from its loader, computes, and waits until all have computed, as for the
 * exchange of gradients; then the next step begins.
 *
 * Hardest decision: what a step took is reckoned, not clocked. A timer fires up to a millisecond late, which is a fifth of CosmoFlow's
 * steps, and an accelerator has no timer. So a step begins when its batch was ready (clocked) or when the ranks were done with the step
 * before (reckoned), whichever is later, and ends the computation after that. The timer only decides when the next batch is taken, and never
 * early; how late it fires is watched, because a load process that is busy would notice nothing of what it measures.
 */
import type { Prefetch } from './prefetch.ts';
import type { Block } from './utilization.ts';

export interface EpochOptions {
  /** One for each rank. */
  readonly loaders: readonly Pick<Prefetch, 'take'>[];
  readonly computeMs: number;
  /** It ends there: all of the data set was read. */
  readonly stepsMax: number;
  /** It ends when it has run so long and made `stepsMin` steps. */
  readonly ms: number;
  readonly stepsMin: number;
  /** It ends in any case. */
  readonly msMax: number;
  readonly nowMs: () => number;
  /** Resolves not before that time. */
  readonly until: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface EpochCourse {
  readonly block: Block;
  /** How late the end of each step of each rank was noticed. */
  readonly lateMs: number[];
}

/** Never rejects for what the loaders do not. */
export async function runEpoch(options: EpochOptions): Promise<EpochCourse> {
  const { loaders, computeMs, nowMs, until } = options;
  const startMs = nowMs();
  const lateMs: number[] = [];
  const firstStepEndMs: number[] = [];
  const releasedMs: number[] = [];
  const stepOf = async (loader: Pick<Prefetch, 'take'>, freeMs: number): Promise<number> => {
    const endMs = Math.max(freeMs, await loader.take()) + computeMs;
    await until(endMs);
    lateMs.push(nowMs() - endMs);
    return endMs;
  };
  let freeMs = startMs;
  while (!isOver(options, releasedMs.length, freeMs - startMs)) {
    const ends = await Promise.all(loaders.map((loader) => stepOf(loader, freeMs)));
    if (releasedMs.length === 0) firstStepEndMs.push(...ends);
    freeMs = Math.max(...ends);
    releasedMs.push(freeMs);
  }
  return { block: { startMs, firstStepEndMs, releasedMs, computeMs }, lateMs };
}

function isOver({ stepsMax, stepsMin, ms, msMax, signal }: EpochOptions, steps: number, tookMs: number): boolean {
  if (steps >= stepsMax || tookMs >= msMax || signal.aborted) return true;
  return steps >= stepsMin && tookMs >= ms;
}
