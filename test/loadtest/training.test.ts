import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { countErrors, type RunReport } from '../../loadtest/suite/run-report.ts';

const ENTRY = fileURLToPath(new URL('../../loadtest/training.ts', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  /** Resolves with the exit code, what was printed, and the report where one was written. */
  readonly ended: Promise<{ readonly code: number | null; readonly text: string; readonly report: RunReport }>;
}

function start(t: TestContext, words: readonly string[]): Run {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-training-'));
  const json = join(folder, 'report.json');
  const args = ['--import', 'tsx', ENTRY, ...words, '--json', json, '--html', join(folder, 'page.html')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => {
    const report = JSON.parse(readFileSync(json, 'utf8')) as RunReport;
    return { code: code as number | null, text, report };
  });
  return { child, ended };
}

const TINY = ['--epochs', '1', '--seconds', '0.4', '--data-mib', '16'];

test('accelerators read by GetBatch, with hints, and by S3 GETs, and every object is right', async (t) => {
  const { ended } = start(t, ['--workload', 'pathology-tiles', '--objects', '256', '--with-hints', ...TINY]);
  const { code, text, report } = await ended;
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

test('a search tries one number after the other up to its limit', async (t) => {
  const words = ['--workload', 'medmnist', '--by', 'batch', '--search', '--max-accelerators', '2', '--objects', '1024'];
  const { text, report } = await start(t, [...words, ...TINY]).ended;
  const numbers = report.points.map(({ at }) => at.accelerators);
  assert(numbers[0] === 1 && numbers.length <= 2, text);
  assert.equal(
    report.points.reduce((sum, { errors }) => sum + countErrors(errors), 0),
    0,
    text,
  );
});

test('Ctrl-C ends the trial, and what was whole by then is in the report', async (t) => {
  const words = ['--by', 's3', '--scale', '100', '--objects', '240', '--accelerators', '1,2,3,4,5,6,7,8,9,10'];
  const { child, ended } = start(t, [...words, ...TINY]);
  for await (const [chunk] of on(child.stderr as Readable, 'data')) if (String(chunk).includes('AU')) break;
  child.kill('SIGINT');
  const { code, report } = await ended;
  assert.equal(code, 130);
  assert.equal(report.isCutShort, true);
  assert(report.points.length > 0 && report.points.length < 10);
  assert.equal(report.plots.length, 1);
});
