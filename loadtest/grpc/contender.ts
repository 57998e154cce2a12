/**
 * A load that takes turns with others. Promises: its first turn warms the servers up and counts for nothing but its errors; every later
 * one is a point of the report.
 *
 * Hardest decision: servers are warm after so many objects and not after so much time. A process that shares its core with three others
 * compiles the same code as one that has it alone, and would else be measured while it does.
 */
import type { Contender } from '../../bench/measure/rounds.ts';
import { countErrors } from '../suite/run-report.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import type { LoadCrew } from './load-process.ts';
import { type Measured, measuresOf, runTurn, type Turn, troubleOf } from './turn.ts';

const WARM_TURN_SECONDS = 1;

/** For the scenarios whose servers warm up like this. */
export const WARM_OPTION = [
  15,
  'the longest that a load warms the servers up, uncounted, before its rounds',
  { min: 0, max: 600 },
] as const;

export interface LoadContender {
  /** Among those that it is compared with. */
  readonly name: string;
  /** The warm-up, which is one turn at least, goes on until so many were served, or for so long. */
  readonly warmObjects?: number;
  readonly warmSeconds?: number;
  /** What is loaded in its nth turn, the turns of the warm-up included. */
  turn(nth: number): Turn;
  /** After every turn, before the next. */
  after?(measured: Measured, turn: Turn): Promise<void>;
}

/** Records a point for each round. @throws what the signal was aborted with */
export function contenderOf(
  { report, signal }: Pick<ScenarioContext, 'report' | 'signal'>,
  loads: LoadCrew,
  { name, warmObjects = 0, warmSeconds = 0, turn, after }: LoadContender,
): Contender {
  let [nth, round] = [0, 0];
  const runOnce = async (secondsMax: number): Promise<Measured> => {
    const now = turn(nth++);
    const seconds = Math.min(secondsMax, now.order.seconds);
    const measured = await runTurn(loads, { ...now, at: { round, ...now.at }, order: { ...now.order, seconds } });
    signal.throwIfAborted();
    const trouble = troubleOf(measured);
    if (trouble !== undefined) report.remark(trouble);
    if (round > 0 || countErrors(measured.point.errors) > 0) report.point(measured.point);
    await after?.(measured, now);
    return measured;
  };
  const warmUp = async (): Promise<Measured> => {
    const endMs = performance.now() + warmSeconds * 1000;
    let measured = await runOnce(WARM_TURN_SECONDS);
    for (let { objects } = measured.point; objects < warmObjects && performance.now() < endMs; ) {
      measured = await runOnce(WARM_TURN_SECONDS);
      objects += measured.point.objects;
    }
    return measured;
  };
  return {
    name,
    async run() {
      const { point } = round === 0 ? await warmUp() : await runOnce(Number.POSITIVE_INFINITY);
      round += 1;
      return measuresOf(point);
    },
  };
}
