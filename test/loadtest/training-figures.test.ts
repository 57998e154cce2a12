import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ERRORS } from '../../loadtest/suite/run-report.ts';
import { coreSecondsIn } from '../../loadtest/training/core-time.ts';
import {
  judged,
  loadRemarks,
  neighbourRemarks,
  plotOf,
  pointOf,
  ratiosOf,
  searchVerdictOf,
  type Tried,
  tableOf,
  verdictOf,
} from '../../loadtest/training/figures.ts';
import { dataSetFor, planOf, TRAINING_OPTIONS, type TrainingValues, type Way } from '../../loadtest/training/plan.ts';
import { workloadOf } from '../../loadtest/training/workloads.ts';

const RETINANET = workloadOf('retinanet-b200');
const S3: Way = { load: 'S3 GETs', by: 's3', withHints: false, readers: 8 };
const BATCH: Way = { load: 'GetBatch', by: 'batch', withHints: false, readers: 2 };

function tried(way: Way, accelerators: number, au: number, loadCpuShare = 0.3, othersCpuSeconds = 0): Tried {
  const epoch = { au, steadyAu: au, steps: 100, seconds: 5, samples: 2400 * accelerators };
  const figures = {
    epochs: [epoch, epoch],
    objects: 5000 * accelerators,
    bytes: 5000 * accelerators * 322_957,
    seconds: 10,
    errors: NO_ERRORS,
    firstError: undefined,
    loadCpuSeconds: 10 * loadCpuShare,
    loadCpuShare,
    lateMs: 1,
    batchP50Ms: 20,
    batchP99Ms: 40,
  };
  const serverCpuSeconds = (way.by === 's3' ? 1 : 0.5) * accelerators;
  return judged({ target: 'penstock', way, accelerators, figures, serverCpuSeconds, othersCpuSeconds }, RETINANET);
}

test('a point has what was read, what it cost, and the utilization', () => {
  const point = pointOf(tried(BATCH, 2, 0.875), 24);
  assert.deepEqual(point.at, { accelerators: 2 });
  assert.equal(point.requests, Math.round(10_000 / 24));
  assert.equal(point.serverCpuSeconds, 1);
  assert.equal(point.more['accelerator utilization, %'], 87.5);
  assert.equal(point.more['samples/s'], 960);
  assert.equal(pointOf(tried(S3, 2, 0.875), 24).requests, 10_000);
});

test('the table says what an object costs the server and whether the trial passed', () => {
  const { rows } = tableOf(RETINANET, [tried(S3, 4, 0.8), tried(BATCH, 4, 0.9), tried(S3, 1, 1)]);
  assert.deepEqual(
    rows.slice(1).map((row) => [...row.slice(1, 4), row[7], row[8], row.at(-1)]),
    [
      ['S3 GETs', '1', '100.0', '200', '5,000', 'passed'],
      ['S3 GETs', '4', '80.0', '200', '5,000', 'failed'],
      ['GetBatch', '4', '90.0', '100', '10,000', 'passed'],
    ],
  );
});

test('the plot has a line for each way, ascending, and the threshold', () => {
  const plot = plotOf(RETINANET, [tried(BATCH, 4, 0.9), tried(S3, 1, 1), tried(BATCH, 2, 1)]);
  assert.deepEqual(plot.threshold, { y: 85, label: 'AU 85 %' });
  assert.deepEqual(plot.lines[0], {
    name: 'GetBatch',
    points: [
      { x: 2, y: 100 },
      { x: 4, y: 90 },
    ],
  });
  assert.equal(plot.lines.length, 2);
});

test('one trial that fails fails the run, and one that the load generator kept from passing does not', () => {
  const [passed, failed, limited] = [tried(BATCH, 1, 0.9), tried(S3, 2, 0.7), tried(BATCH, 4, 0.7, 0.95)];
  assert.equal(verdictOf(RETINANET, [passed])?.isPassed, true);
  assert.equal(verdictOf(RETINANET, [passed, failed, limited])?.isPassed, false);
  assert.match(verdictOf(RETINANET, [passed, failed])?.text ?? '', /2 by S3 GETs on penstock \(AU 70\.0 %\)/);
  assert.equal(verdictOf(RETINANET, [passed, limited]), undefined);
  assert.match(
    loadRemarks([limited])[0] ?? '',
    /4 accelerators: the load generator was the limit .* no failure of the target/,
  );
  assert.deepEqual(loadRemarks([passed, failed]), []);
});

test('a trial that failed beside other processes on the core of the target is told', () => {
  const [text] = neighbourRemarks([tried(S3, 4, 0.5, 0.3, 4), tried(S3, 8, 0.4, 0.3, 0.5), tried(S3, 1, 1, 0.3, 5)]);
  assert.match(text ?? '', /up to 40 % of the target's core in 1 of the trials/);
  assert.deepEqual(neighbourRemarks([tried(S3, 1, 1, 0.3, 5)]), []);
});

test('the time of a core is read without that of interrupts', () => {
  const stat = 'cpu  9 9 9 9\ncpu0 100 20 30 4000 5 6 7 8 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0\nintr 5';
  assert.equal(coreSecondsIn(stat, 0), 1.5);
  assert.equal(coreSecondsIn(stat, 2), undefined);
});

test('every way reads objects of its own', () => {
  const made = plan({ 'with-hints': true });
  const prefixes = made.ways.map((way) => dataSetFor(made, way).prefix);
  assert.equal(new Set(prefixes).size, 3);
});

test('a search says how many pass by each way and what stopped it', () => {
  const trials = [
    tried(BATCH, 1, 1),
    tried(BATCH, 2, 0.7, 0.95),
    tried(S3, 1, 1),
    tried(S3, 2, 0.9),
    tried(S3, 3, 0.5),
  ];
  const verdict = searchVerdictOf(RETINANET, trials);
  assert.equal(verdict?.isPassed, true);
  assert.match(verdict?.text ?? '', /1 by GetBatch on penstock \(beyond that the load generator/);
  assert.match(verdict?.text ?? '', /2 by S3 GETs on penstock \(one more did not\)/);
  assert.equal(searchVerdictOf(RETINANET, [tried(S3, 1, 0.5)])?.isPassed, false);
  assert.equal(searchVerdictOf(RETINANET, [tried(S3, 1, 0.5, 0.95)]), undefined);
});

test('what an object costs is compared between ways that had the same trials', () => {
  const [ratio] = ratiosOf([tried(BATCH, 1, 1), tried(S3, 1, 1)]);
  assert.equal(ratio?.median, 0.5);
  assert.deepEqual(ratiosOf([tried(BATCH, 1, 1)]), []);
});

const DEFAULTS = Object.fromEntries(
  Object.entries(TRAINING_OPTIONS).map(([name, [value]]) => [name, value]),
) as unknown as TrainingValues;
const ROOM = { diskBytes: 1e15, memoryBytes: 1e9 };

function plan(changes: Partial<TrainingValues>) {
  return planOf({ ...DEFAULTS, seed: 1, ...changes }, ROOM);
}

test('a plan has a way for each protocol, and one more with hints that is marked', () => {
  assert.deepEqual(plan({}).ways, [BATCH, S3]);
  const hinted = plan({ by: 'batch', 'with-hints': true, readers: 3 });
  assert.deepEqual(
    hinted.ways.map(({ load, withHints, readers }) => [load, withHints, readers]),
    [
      ['GetBatch', false, 3],
      ['GetBatch with hints', true, 3],
    ],
  );
  assert(hinted.remarks.some((text) => text.includes('forbid telling the storage the order')));
});

test('a plan says what of the data set is not as the benchmark has it', () => {
  const small = plan({ accelerators: '2,1,2' });
  assert.deepEqual(small.accelerators, [1, 2]);
  assert.equal(small.dataSet.count, Math.floor(2 ** 30 / 322_957));
  assert(small.remarks.some((text) => text.includes('2 accelerators ask for 24,000 (500 batches each)')));
  const full = plan({ 'data-mib': 65_536 });
  assert.equal(full.dataSet.count, 12_000);
  assert(!full.remarks.some((text) => text.includes('ask for')));
  assert(plan({ workload: 'unet3d-a100', scale: 100 }).remarks.some((text) => text.includes('1/100 of the bytes')));
});

test('a search goes no further than the data set has a batch for every accelerator', () => {
  const search = plan({ search: true, workload: 'resnet50-h100', 'data-mib': 512 });
  assert.equal(search.dataSet.count, Math.floor(2 ** 29 / 114_660));
  assert.equal(search.searchMax, Math.floor(search.dataSet.count / 400));
});

test('what cannot be planned is said with option, value and what to do', () => {
  const refused: [Partial<TrainingValues>, RegExp][] = [
    [{ by: 'nfs' }, /--by is "nfs"; expected batch, s3/],
    [{ by: 's3', 'with-hints': true }, /--with-hints needs --by batch/],
    [{ search: true, accelerators: '1,2' }, /--accelerators is "1,2"; with --search/],
    [{ accelerators: '0' }, /--accelerators is "0"/],
    [{ 'bytes-from': 'zeros' }, /--bytes-from is "zeros"/],
    [{ 'data-mib': 1 }, /raise --data-mib or --objects/],
    [{ workload: 'bert' }, /--workload is "bert"/],
  ];
  for (const [changes, expected] of refused) assert.throws(() => plan(changes), expected);
});
