/** Progress, summaries and exit codes as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliError, EXIT, endingOf, isFatal, S3ReplyError } from '../../src/cli/exit.ts';
import { progressText, remainingMs } from '../../src/cli/progress.ts';
import { exitCodeOf, summaryLines, TransferReport } from '../../src/cli/transfer-report.ts';

test('the figures beside the bar give rate and time left', () => {
  const tally = { done: 120, total: 2000, totalIsKnown: true, bytes: 30 * 1024 * 1024, failed: 2 };
  assert.equal(progressText(tally, 10_000), '120/2,000 objects | 30.0 MiB | 3.00 MiB/s | 2 m 37 s left | 2 failed');
});

test('the time left is not guessed while items are still being found', () => {
  const tally = { done: 1, total: 10, totalIsKnown: false, bytes: 0, failed: 0 };
  assert.equal(remainingMs(tally, 1000), Number.POSITIVE_INFINITY);
  assert.match(progressText(tally, 1000), /^1\/10\+ objects .* \? left$/);
  assert.equal(remainingMs({ ...tally, totalIsKnown: true }, 1000), 9000);
  assert.equal(remainingMs({ ...tally, totalIsKnown: true, done: 0 }, 1000), Number.POSITIVE_INFINITY);
  assert.equal(remainingMs({ ...tally, totalIsKnown: true, done: 10 }, 1000), 0);
});

const FACTS = { moved: 'sent', elapsedMs: 2000, interrupted: false, skippedWhat: 'links' };

test('a clean run is one line', () => {
  const report = new TransferReport();
  Object.assign(report.counts, { moved: 53, movedBytes: 4 * 1024 * 1024 });
  assert.deepEqual(summaryLines(report, FACTS), ['sent 53 objects, 4.00 MiB, in 2.0 s (27 objects/s, 2.00 MiB/s)']);
  assert.equal(exitCodeOf(report, false), EXIT.ok);
});

test('the summary names the first failures, counts the rest and says how to go on', () => {
  const report = new TransferReport();
  Object.assign(report.counts, { moved: 1, same: 2, skipped: 3 });
  for (let i = 0; i < 25; i += 1) report.fail(`file-${i}\x1b`, new Error('it is not UTF-8'));
  const lines = summaryLines(report, FACTS);
  assert.deepEqual(lines.slice(1, 5), [
    '2 objects there already, with the same content',
    '3 left out: links',
    '25 failures:',
    '  file-0\\x1b: it is not UTF-8',
  ]);
  assert.deepEqual(lines.slice(-2), [
    '  and 5 more',
    'Run the same command again to try what failed: what is there is not moved again.',
  ]);
  assert.equal(exitCodeOf(report, false), EXIT.failed);
  assert.match(
    summaryLines(report, { ...FACTS, interrupted: true }).at(-1) ?? '',
    /^Interrupted\. Run the same command again/,
  );
  assert.equal(exitCodeOf(report, true), EXIT.interrupted);
});

test('failures beyond a bound are counted and not kept', () => {
  const report = new TransferReport();
  for (let i = 0; i < 1500; i += 1) report.fail('x', new Error('y'));
  assert.equal(report.counts.failed, 1500);
  assert.equal(report.failures.length, 1000);
});

test('what every further item would meet too ends the run', () => {
  const report = new TransferReport();
  const full = new S3ReplyError(507, 'StorageFull', 'The disk is full.');
  assert.throws(() => report.fail('a', full), full);
  assert.equal(report.counts.failed, 1);
  assert.equal(isFatal(new CliError('No gateway answers', EXIT.unreachable)), true);
  assert.equal(isFatal(new S3ReplyError(400, 'KeyTooLongError', '')), false);
  assert.equal(isFatal(Object.assign(new Error('no space'), { code: 'ENOSPC' })), true);
  assert.equal(isFatal(Object.assign(new Error('gone'), { code: 'ENOENT' })), false);
});

test('an error ends a verb with the exit code of its kind, and with advice', () => {
  assert.deepEqual(endingOf(new CliError('x', EXIT.usage), false), { exitCode: EXIT.usage, text: 'x' });
  const unknown = endingOf(new S3ReplyError(403, 'InvalidAccessKeyId', 'No such key.'), false);
  assert.equal(unknown.exitCode, EXIT.unreachable);
  assert.match(unknown.text, /^InvalidAccessKeyId: No such key\. Set PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY/);
  assert.equal(endingOf(new S3ReplyError(404, 'NoSuchBucket', 'x does not exist.'), false).exitCode, EXIT.failed);
  assert.equal(endingOf(new Error('anything'), true).exitCode, EXIT.interrupted);
  assert.match(
    endingOf(new TypeError('x is undefined'), false).text,
    /^This is a bug in Penstock.*\n.*TypeError: x is undefined/s,
  );
});
