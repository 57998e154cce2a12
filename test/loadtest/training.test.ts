/** training from end to end, tiny, as a user runs it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countErrors } from '../../loadtest/suite/run-report.ts';
import { scenarioRuns } from './scenario-runs.ts';

const { start, assertNothingLeft } = scenarioRuns();
const TINY = ['--epochs', '1', '--seconds', '0.4', '--data-mib', '16'];

test('accelerators read by GetBatch, with hints, and by S3 GETs, and every object is right', async () => {
  const run = start('training', ['--workload', 'pathology-tiles', '--objects', '256', '--with-hints', ...TINY]);
  const { code, text } = await run.ended;
  const report = run.report();
  assert.deepEqual(
    report.points.map(({ load, at }) => [load, at.accelerators]),
    [
      ['GetBatch', 1],
      ['S3 GETs', 1],
      ['GetBatch with hints', 1],
    ],
    text,
  );
  for (const point of report.points) {
    assert.equal(countErrors(point.errors), 0, text);
    assert(point.objects >= 256 * 2 && point.bytes === point.objects * 40_000, text);
    assert((point.serverCpuSeconds ?? -1) >= 0);
    const au = point.more['accelerator utilization, %'] ?? Number.NaN;
    assert(au > 0 && au <= 100.0001, text);
  }
  assert.equal(report.plots[0]?.threshold?.label, 'AU 90 %');
  assert.equal(code, report.verdict?.isPassed === false ? 1 : 0, text);
  assert.match(text, /no result of that benchmark/);
});

test('a search tries one number after the other up to its limit', async () => {
  const words = ['--workload', 'medmnist', '--by', 'batch', '--search', '--max-accelerators', '2', '--objects', '1024'];
  const run = start('training', [...words, ...TINY]);
  const { text } = await run.ended;
  const report = run.report();
  const numbers = report.points.map(({ at }) => at.accelerators);
  assert(numbers[0] === 1 && numbers.length <= 2, text);
  assert.equal(
    report.points.reduce((sum, { errors }) => sum + countErrors(errors), 0),
    0,
    text,
  );
});

test('Ctrl-C ends the trial, and what was whole by then is in the report', async () => {
  const words = ['--by', 's3', '--scale', '100', '--objects', '240', '--accelerators', '1,2,3,4,5,6,7,8,9,10'];
  const { child, ended, told, ...run } = start('training', [...words, ...TINY]);
  await told(/AU/);
  child.kill('SIGINT');
  const { code } = await ended;
  const report = run.report();
  assert.equal(code, 130);
  assert.equal(report.isCutShort, true);
  assert(report.points.length > 0 && report.points.length < 10);
  assert.equal(report.plots.length, 1);
  assertNothingLeft();
});
