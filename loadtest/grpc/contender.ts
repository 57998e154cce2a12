/** A load that takes turns with others: its first turn warms up and counts for nothing but its errors. */
import type { Contender } from '../../bench/measure/rounds.ts';
import { countErrors } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import type { LoadProcess } from './load-process.ts';
import { type Measured, measuresOf, runTurn, type Turn, troubleOf } from './turn.ts';

/** Longer than a compiler needs. */
const WARM_SECONDS = 1;

export interface LoadContender {
  /** Among those that it is compared with. */
  readonly name: string;
  /** What is loaded in this round; 0 is the warm-up. */
  turn(round: number): Turn;
  /** After every turn, before the next. */
  after?(measured: Measured, turn: Turn): Promise<void>;
}

/** Records a point for each round. @throws what the signal was aborted with */
export function contenderOf(
  { report, signal }: Pick<ScenarioContext, 'report' | 'signal'>,
  loads: LoadProcess,
  { name, turn, after }: LoadContender,
): Contender {
  let round = 0;
  return {
    name,
    async run() {
      const now = turn(round);
      const isWarmUp = round === 0;
      const seconds = isWarmUp ? Math.min(WARM_SECONDS, now.order.seconds) : now.order.seconds;
      const measured = await runTurn(loads, { ...now, at: { round, ...now.at }, order: { ...now.order, seconds } });
      signal.throwIfAborted();
      const trouble = troubleOf(measured);
      if (trouble !== undefined) report.remark(trouble);
      if (!isWarmUp || countErrors(measured.point.errors) > 0) report.point(measured.point);
      await after?.(measured, now);
      round += 1;
      return measuresOf(measured.point);
    },
  };
}
