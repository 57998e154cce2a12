/** What an operation costs, from what was measured at a few sizes: a straight line, CPU = fixed + bytes × slope. Pure. */
import assert from 'node:assert/strict';

export interface OperationCost {
  readonly fixedMicros: number;
  readonly microsPerMiB: number;
}

export interface CostPoint {
  readonly bytes: number;
  readonly micros: number;
}

const MiB = 1024 * 1024;

export function microsOf(cost: OperationCost, bytes: number): number {
  return cost.fixedMicros + (cost.microsPerMiB * bytes) / MiB;
}

/**
 * Least squares of relative errors, so that a small object counts as much as a large one. Neither part is ever below 0: where the best
 * line has a part below, the best line without that part.
 */
export function fitCost(points: readonly CostPoint[]): OperationCost {
  assert(points.length > 0, 'no points to fit');
  let [w, x, y, xx, xy] = [0, 0, 0, 0, 0];
  for (const { bytes, micros } of points) {
    assert(micros > 0, `an object of ${bytes} bytes cost ${micros} µs`);
    const [weight, size] = [1 / micros ** 2, bytes / MiB];
    w += weight;
    x += weight * size;
    y += weight * micros;
    xx += weight * size * size;
    xy += weight * size * micros;
  }
  const spread = w * xx - x * x;
  if (spread <= 1e-12 * w * xx) return { fixedMicros: y / w, microsPerMiB: 0 }; // one size: nothing tells the parts apart
  const microsPerMiB = (w * xy - x * y) / spread;
  const fixedMicros = (y - microsPerMiB * x) / w;
  if (microsPerMiB < 0) return { fixedMicros: y / w, microsPerMiB: 0 };
  if (fixedMicros < 0) return { fixedMicros: 0, microsPerMiB: xy / xx };
  return { fixedMicros, microsPerMiB };
}
