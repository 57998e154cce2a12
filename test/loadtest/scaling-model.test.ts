import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fitCost, microsOf } from '../../loadtest/scaling/cost.ts';
import { modelRow, modelTable, nodesForPaper } from '../../loadtest/scaling/model.ts';
import { INPUT_NAMES, type InputName, type ModelInputs, parseInputs } from '../../loadtest/scaling/model-inputs.ts';
import { fullestOverMean, rangeOwner, rendezvousOwner } from '../../loadtest/scaling/placement.ts';

const PLAIN: Record<InputName, number> = {
  s3GetFixedMicros: 20,
  s3GetMicrosPerMiB: 0,
  getBatchFixedMicros: 10,
  getBatchMicrosPerMiB: 1024, // 1 µs a KiB
  putBatchFixedMicros: 0,
  putBatchMicrosPerMiB: 1024,
  cpuWithStores: 1,
  durableShare: 0.5,
  cores: 10,
  coreShare: 0.5,
  networkGBPerSecond: 1000,
  networkShare: 1,
  drives: 4,
  driveReadGBPerSecond: 1000,
  driveWriteGBPerSecond: 1000,
  driveReadsPerSecond: 1e9,
  driveTB: 5,
  fullShare: 0.5,
  readKiB: 90,
  writeKiB: 100,
  operationKiB: 10,
  objects: 1_000_000,
  reduction: 1,
  copies: 1,
};

function inputs(changes: Partial<Record<InputName, number>> = {}): ModelInputs {
  const json = Object.entries({ ...PLAIN, ...changes }).map(([name, value]) => [name, { value, source: 'a test' }]);
  return parseInputs(Object.fromEntries(json), 'inputs.json');
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= Math.abs(expected) * 1e-9, `${actual} is not ${expected}`);
}

test('one node is limited by the CPU of its serving cores when all else is ample', () => {
  const row = modelRow(inputs(), 1);
  near(row.readGB, (5e6 / 100) * 90 * 1024e-9); // 10 + 90 µs an object on 5 cores
  near(row.writeGB, (5e6 / 100) * 100 * 1024e-9);
  near(row.batchOperations, 5e6 / 20);
  near(row.getOperations, 5e6 / 20);
  near(row.capacityPB, 0.01); // half of 20 TB
  assert.deepEqual([row.readBy, row.writeBy, row.batchBy, row.getBy], ['CPU', 'CPU', 'CPU', 'CPU']);
});

test('the network limits both ways, and only the share of it that carries bodies', () => {
  const row = modelRow(inputs({ networkGBPerSecond: 0.001, networkShare: 0.9 }), 1);
  near(row.readGB, 0.0009);
  near(row.writeGB, 0.0009);
  assert.deepEqual([row.readBy, row.writeBy], ['network', 'network']);
});

test('drives limit reads by bytes or by count, whichever is less', () => {
  near(modelRow(inputs({ driveReadGBPerSecond: 0.01 }), 1).readGB, 0.04);
  const byCount = modelRow(inputs({ driveReadsPerSecond: 100 }), 1);
  near(byCount.batchOperations, 400);
  assert.equal(byCount.batchBy, 'drives');
});

test('writes reach the measured share of what drives do, for each copy, and less is stored than was sent', () => {
  const row = modelRow(inputs({ driveWriteGBPerSecond: 0.01, copies: 2, reduction: 3 }), 1);
  near(row.writeGB, (4 * 0.01 * 0.5 * 3) / 2);
  near(row.capacityPB, (0.01 * 3) / 2);
  assert.equal(row.writeBy, 'drives');
});

test('more nodes give more, less what the fullest has above the mean and what many stores cost', () => {
  const row = modelRow(inputs({ cpuWithStores: 1.25 }), 15);
  near(row.batchOperations, ((5e6 / 20 / 1.25) * 15) / fullestOverMean(15, 1_000_000));
});

test('the tables name the least of the limits, and how many nodes the paper takes', () => {
  const given = inputs({ networkGBPerSecond: 1, networkShare: 1, coreShare: 1 });
  const [, one] = modelTable(given).rows;
  assert.deepEqual(one, [
    '1 node',
    '1.0 (network)',
    '1.0 (network)',
    '0.098 M (network)',
    '0.098 M (network)',
    '0.010',
  ]);
  const reads = nodesForPaper(given).rows[1];
  assert.equal(reads?.[0], 'reads, GB/s');
  assert.equal(reads?.[3], String(Math.ceil(75 * fullestOverMean(75, 1_000_000))));
});

test('inputs are refused with the name of what is wrong', () => {
  const good = JSON.parse(JSON.stringify(inputs())) as Record<string, unknown>;
  const refuses = (changes: object, message: RegExp): void => {
    assert.throws(() => parseInputs({ ...good, ...changes }, 'x.json'), message);
  };
  for (const name of INPUT_NAMES)
    refuses({ [name]: undefined }, new RegExp(`^BenchError: x.json: ${name} is undefined`));
  refuses({ cores: { value: 0, source: 'none' } }, /cores is 0; expected a number above 0/);
  refuses({ coreShare: { value: 1.5, source: 'none' } }, /coreShare is 1.5; expected a number above 0 and at most 1 /);
  refuses({ objects: { value: 1e9, source: 'none' } }, /objects is 1000000000; .* at most 10000000 /);
  refuses(
    { s3GetFixedMicros: { value: -1, source: 'none' } },
    /s3GetFixedMicros is -1; expected a number of 0 or more/,
  );
  refuses({ cores: { value: 4, source: ' ' } }, /cores has no source/);
  refuses({ core: { value: 4, source: 'x' } }, /there is no input "core"/);
  assert.throws(() => parseInputs([], 'x.json'), /x.json holds no inputs/);
});

test('a fitted line gives the costs of points that lie on one', () => {
  const cost = fc.record({
    fixedMicros: fc.double({ min: 1, max: 500, noNaN: true }),
    microsPerMiB: fc.double({ min: 1, max: 5000, noNaN: true }),
  });
  const sizes = fc.uniqueArray(fc.integer({ min: 1024, max: 8 << 20 }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(cost, sizes, (line, bytes) => {
      fc.pre(Math.max(...bytes) / Math.min(...bytes) > 1.5);
      const fitted = fitCost(bytes.map((one) => ({ bytes: one, micros: microsOf(line, one) })));
      for (const one of bytes) {
        const [back, was] = [microsOf(fitted, one), microsOf(line, one)];
        assert.ok(Math.abs(back - was) <= was * 1e-4, `${back} is not ${was}`);
      }
    }),
  );
});

test('no part of a fitted line is below 0', () => {
  assert.deepEqual(fitCost([{ bytes: 1 << 20, micros: 7 }]), { fixedMicros: 7, microsPerMiB: 0 });
  assert.equal(fitCost([{ bytes: 1 << 10, micros: 9 }, { bytes: 1 << 20, micros: 5 }]).microsPerMiB, 0); // biome-ignore format: one line
  assert.equal(fitCost([{ bytes: 1 << 19, micros: 5 }, { bytes: 1 << 20, micros: 50 }]).fixedMicros, 0); // biome-ignore format: one line
});

test('one more store takes keys from the others and moves none between them', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 80 }), (key, stores) => {
      const [before, after] = [rendezvousOwner(key, stores), rendezvousOwner(key, stores + 1)];
      assert.ok(before >= 0 && before < stores);
      assert.ok(after === before || after === stores);
    }),
  );
});

test('keys lie about evenly, and the less so the fewer there are for a store', () => {
  assert.equal(fullestOverMean(1, 1000), 1);
  const [many, few] = [fullestOverMean(75, 1_000_000), fullestOverMean(75, 20_000)];
  assert.ok(many > 1.005 && many < 1.05, `1 M keys: ${many}`); // about 2.5 standard deviations of 115 in 13,333
  assert.ok(few > many && few < 1.4, `20,000 keys: ${few}`);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4000; i += 1) {
    const owner = rendezvousOwner(`train/n${i % 100}/image_${i}.bin`, 4);
    counts[owner] = (counts[owner] as number) + 1;
  }
  for (const count of counts) assert.ok(count > 880 && count < 1120, counts.join(' '));
});

test('ranges keep neighbours together, in parts that differ by one at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 10 }), (count, stores) => {
      const owners = Array.from({ length: count }, (_, position) => rangeOwner(position, count, stores));
      assert.deepEqual(
        owners,
        [...owners].sort((a, b) => a - b),
      );
      const sizes = Array.from({ length: stores }, (_, store) => owners.filter((owner) => owner === store).length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join(' '));
    }),
  );
});
