import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BenchError } from '../../bench/measure/options.ts';
import { foundBy, nextTrial, type Trial } from '../../loadtest/training/search.ts';
import { EpochOrder, stepsOfPass } from '../../loadtest/training/shuffle.ts';
import {
  type Block,
  judge,
  loadLimitOf,
  quantileOf,
  steadyUtilizationOf,
  utilizationOf,
} from '../../loadtest/training/utilization.ts';
import { dataSetSizeOf, demandOf, scaled, WORKLOADS, workloadOf } from '../../loadtest/training/workloads.ts';

test('the workloads of the benchmark ask for what it says they need', () => {
  const needs = (name: string) => demandOf(workloadOf(name));
  assert.equal(Math.round(needs('retinanet-b200').objectsPerSecond), 505);
  assert.equal(Math.round(needs('retinanet-mi355').objectsPerSecond), 505);
  assert.equal(Math.round(needs('retinanet-b200').bytesPerSecond / 1e6), 163);
  assert.equal(Math.round(needs('resnet50-a100').objectsPerSecond), 920);
  assert.equal(Math.round(needs('resnet50-h100').objectsPerSecond), 1786);
  assert.equal((needs('unet3d-h100').bytesPerSecond / 1e9).toFixed(1), '3.2');
  assert.equal((needs('unet3d-b200').bytesPerSecond / 1e9).toFixed(1), '6.3');
  assert.equal(Math.round(needs('cosmoflow-h100').objectsPerSecond), 286);
  assert.deepEqual(
    ['retinanet-b200', 'unet3d-a100', 'resnet50-h100', 'cosmoflow-a100'].map((name) => workloadOf(name).auMin),
    [0.85, 0.9, 0.9, 0.7],
  );
});

test('our workloads ask for 1,500 to 4,600 images a second, as one H100 does', () => {
  const ours = WORKLOADS.filter(({ basis }) => basis.startsWith('Derived'));
  assert.deepEqual(ours.map(({ name }) => name).sort(), ['chest-xray', 'ct-slices', 'medmnist', 'pathology-tiles']);
  for (const workload of ours) {
    const { objectsPerSecond } = demandOf(workload);
    assert(objectsPerSecond >= 1499 && objectsPerSecond <= 4601, workload.name);
  }
});

test('an unknown workload is answered with those that there are', () => {
  assert.throws(() => workloadOf('retinanet'), /--workload is "retinanet".*retinanet-b200, retinanet-mi355/);
});

test('scaling makes objects smaller and leaves batch and computation alone', () => {
  const full = workloadOf('unet3d-h100');
  const small = scaled(full, 100);
  assert.deepEqual(small.sizes, { kind: 'normal', mean: 1_466_006, deviation: 683_418 });
  assert.deepEqual([small.batch, small.computeMs], [full.batch, full.computeMs]);
  assert.equal(demandOf(small).objectsPerSecond, demandOf(full).objectsPerSecond);
});

test('a data set has 500 batches for each accelerator, or as many objects as there is room for', () => {
  const retinanet = workloadOf('retinanet-b200');
  const wide = { asked: 0, objectsMax: 1e9, bytesMax: 1e15 };
  assert.deepEqual(dataSetSizeOf(retinanet, 4, wide), { objects: 48_000, asked: 48_000 });
  assert.deepEqual(dataSetSizeOf(retinanet, 4, { ...wide, bytesMax: 322_957 * 1000 }), {
    objects: 1000,
    asked: 48_000,
  });
  assert.deepEqual(dataSetSizeOf(retinanet, 4, { ...wide, asked: 200 }), { objects: 200, asked: 48_000 });
  assert.throws(() => dataSetSizeOf(retinanet, 10, { ...wide, objectsMax: 239 }), BenchError);
});

const shardings = fc
  .record({ batch: fc.integer({ min: 1, max: 8 }), ranks: fc.integer({ min: 1, max: 6 }), seed: fc.nat(1000) })
  .chain((base) => fc.integer({ min: base.batch * base.ranks, max: 300 }).map((count) => ({ ...base, count })));

test('in a pass no sample is read twice, by whatever rank, and fewer than a batch a rank are left out', () => {
  fc.assert(
    fc.property(shardings, fc.nat(5), fc.nat(3), (sharding, epoch, pass) => {
      const order = new EpochOrder(sharding, epoch);
      const steps = stepsOfPass(sharding);
      const seen = new Set<number>();
      for (let rank = 0; rank < sharding.ranks; rank += 1) {
        for (let step = 0; step < steps; step += 1) {
          for (const sample of order.batchAt(rank, pass * steps + step)) {
            assert(sample < sharding.count && !seen.has(sample));
            seen.add(sample);
          }
        }
      }
      assert.equal(seen.size, steps * sharding.ranks * sharding.batch);
      assert(sharding.count - seen.size < sharding.ranks * sharding.batch);
    }),
  );
});

test('passes, epochs and seeds have orders of their own, and the same seed has the same', () => {
  const sharding = { count: 200, batch: 10, ranks: 2, seed: 7 };
  const text = (seed: number, epoch: number, step: number): string =>
    new EpochOrder({ ...sharding, seed }, epoch).batchAt(1, step).join();
  assert.equal(text(7, 0, 0), text(7, 0, 0));
  const others = [text(7, 0, 0), text(7, 0, 10), text(7, 1, 0), text(8, 0, 0)];
  assert.equal(new Set(others).size, 4);
});

test('an order that was dropped is the same when it is asked for again', () => {
  const order = new EpochOrder({ count: 8, batch: 2, ranks: 2, seed: 1 }, 0);
  const first = order.batchAt(0, 1).join();
  for (let step = 0; step < 40; step += 1) order.batchAt(1, step);
  assert.equal(order.batchAt(0, 1).join(), first);
});

/** Ranks that wait `waitMs` before every step; the first takes `firstMs` more. */
function blockOf(steps: number, computeMs: number, waitMs: number, firstMs = 0): Block {
  const releasedMs = Array.from({ length: steps }, (_, step) => 1000 + firstMs + (step + 1) * (computeMs + waitMs));
  return { startMs: 1000, firstStepEndMs: [releasedMs[0] as number], releasedMs, computeMs };
}

test('AU is 1 when no step waits, whatever the first step took', () => {
  assert.equal(utilizationOf(blockOf(10, 50, 0, 4000)), 1);
  assert.equal(utilizationOf(blockOf(10, 50, 50)), 0.5);
});

test('AU is averaged over the ranks, and waiting for a slower rank counts against the quicker one', () => {
  const block: Block = { startMs: 0, firstStepEndMs: [100, 50], releasedMs: [100, 200, 300], computeMs: 50 };
  assert.equal(utilizationOf(block), (100 / 200 + 100 / 250) / 2);
});

test('a block of less than two steps has no utilization', () => {
  assert.equal(utilizationOf(blockOf(1, 50, 0)), 0);
  assert.equal(utilizationOf({ startMs: 0, firstStepEndMs: [], releasedMs: [], computeMs: 1 }), 0);
});

test('what was read ahead flatters AU and not its steady part', () => {
  const releasedMs = [100, 150, 200, 250, 350, 450, 550]; // 4 steps at once, then each waits as long as it computes
  const block: Block = { startMs: 0, firstStepEndMs: [100], releasedMs, computeMs: 50 };
  assert.equal(utilizationOf(block), 300 / 450);
  assert.equal(steadyUtilizationOf(block, 4), 0.5);
  assert.equal(steadyUtilizationOf(block, 7), 0);
});

test('AU lies between 0 and 1 for every course of steps that could be', () => {
  const waits = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { minLength: 2, maxLength: 50 });
  fc.assert(
    fc.property(waits, fc.double({ min: 1, max: 100, noNaN: true }), (list, computeMs) => {
      let at = 0;
      const releasedMs = list.map((wait) => (at += wait + computeMs));
      const block: Block = { startMs: 0, firstStepEndMs: [releasedMs[0] as number], releasedMs, computeMs };
      for (const au of [utilizationOf(block), steadyUtilizationOf(block, 1)]) assert(au > 0 && au <= 1 + 1e-9);
    }),
  );
});

test('a trial passes when both utilizations reach the threshold, and a busy load generator is no failure', () => {
  const epochs = [
    { au: 0.9, steadyAu: 0.88 },
    { au: 0.86, steadyAu: 0.84 },
  ];
  assert.equal(judge(epochs, 0.85, false).outcome, 'passed');
  assert.equal(judge(epochs, 0.85, true).outcome, 'passed');
  assert.equal(judge(epochs, 0.87, false).outcome, 'failed');
  assert.equal(judge(epochs, 0.87, true).outcome, 'load-limited');
  assert.equal(judge([], 0.85, false).outcome, 'failed');
});

test('the load generator is the limit at 90 % of its core, or when steps end late', () => {
  assert.equal(loadLimitOf({ cpuShare: 0.89, lateMs: 5 }, 50), undefined);
  assert.match(loadLimitOf({ cpuShare: 0.9, lateMs: 0 }, 50) ?? '', /90 % of its core/);
  assert.match(loadLimitOf({ cpuShare: 0.1, lateMs: 6.1 }, 50) ?? '', /6\.1 ms late/);
  assert.equal(loadLimitOf({ cpuShare: 0.1, lateMs: 1.2 }, 3.5), undefined);
});

test('quantiles are of the nearest rank', () => {
  assert.equal(quantileOf([3, 1, 2, 4, 5, 6, 7, 8, 9, 10], 0.9), 9);
  assert.equal(quantileOf([], 0.9), 0);
});

function search(threshold: number, first: number, max: number, miss: Trial['outcome'] = 'failed'): Trial[] {
  const trials: Trial[] = [];
  for (let next = nextTrial(trials, first, max); next !== undefined; next = nextTrial(trials, first, max)) {
    assert(trials.length < 100, 'the search does not end');
    trials.push({ accelerators: next, outcome: next <= threshold ? 'passed' : miss });
  }
  return trials;
}

test('the search finds every threshold with few trials, none twice and none beyond the limit', () => {
  const numbers = fc.integer({ min: 1, max: 1024 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1200 }), numbers, numbers, (threshold, first, max) => {
      const trials = search(threshold, first, max);
      assert.equal(foundBy(trials).accelerators, Math.min(threshold, max));
      assert(trials.every(({ accelerators }) => accelerators >= 1 && accelerators <= max));
      assert.equal(new Set(trials.map(({ accelerators }) => accelerators)).size, trials.length);
      assert(trials.length <= 2 * Math.log2(max) + 2);
    }),
  );
});

test('the search says what stopped it', () => {
  assert.deepEqual(foundBy(search(5, 1, 64)), { accelerators: 5, limit: 'target' });
  assert.deepEqual(foundBy(search(5, 1, 64, 'load-limited')), { accelerators: 5, limit: 'load' });
  assert.deepEqual(foundBy(search(99, 1, 64)), { accelerators: 64, limit: 'max' });
  assert.deepEqual(foundBy(search(0, 4, 64)), { accelerators: 0, limit: 'target' });
});

test('a number that passed above one that failed is not believed', () => {
  const trials: Trial[] = [
    { accelerators: 4, outcome: 'failed' },
    { accelerators: 8, outcome: 'passed' },
    { accelerators: 2, outcome: 'passed' },
  ];
  assert.equal(foundBy(trials).accelerators, 2);
});
