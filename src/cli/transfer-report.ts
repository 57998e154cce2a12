/**
 * What became of every item of an import or export: counts that always add up, and the first failures by name. The summary is
 * the last thing printed, also after Ctrl-C, and says how to go on.
 */
import type { Writable } from 'node:stream';
import { EXIT, type ExitCode, isFatal, messageOf } from './exit.ts';
import { formatBytes, formatCount, formatDuration, plural, printable } from './figures.ts';
import { printLine } from './terminal.ts';

/** Failures beyond this are counted, not kept. */
const FAILURES_KEPT_MAX = 1000;
const FAILURES_SHOWN_MAX = 20;

export interface Failure {
  readonly name: string;
  readonly why: string;
}

export interface TransferCounts {
  moved: number;
  movedBytes: number;
  /** There already, with the same content. */
  same: number;
  /** Left out by rule: links, devices, folder markers. */
  skipped: number;
  failed: number;
}

export class TransferReport {
  readonly counts: TransferCounts = { moved: 0, movedBytes: 0, same: 0, skipped: 0, failed: 0 };
  readonly failures: Failure[] = [];

  /** @throws the error again when every further item would meet it too */
  fail(name: string, error: unknown): void {
    this.counts.failed += 1;
    if (this.failures.length < FAILURES_KEPT_MAX) this.failures.push({ name, why: messageOf(error) });
    if (isFatal(error)) throw error;
  }

  /** Nothing was dealt with, so that there is nothing to sum up. */
  get isEmpty(): boolean {
    const { moved, same, skipped, failed } = this.counts;
    return moved + same + skipped + failed === 0;
  }
}

export interface SummaryFacts {
  /** `sent`, `fetched` */
  readonly moved: string;
  readonly elapsedMs: number;
  readonly interrupted: boolean;
  /** What was left out, in words. */
  readonly skippedWhat: string;
}

/** The summary as lines. Pure. */
export function summaryLines(report: TransferReport, facts: SummaryFacts): string[] {
  const { moved, movedBytes, same, skipped, failed } = report.counts;
  const seconds = Math.max(facts.elapsedMs, 1) / 1000;
  const perSecond = moved / seconds;
  const objectRate = perSecond < 10 ? perSecond.toFixed(1) : formatCount(perSecond);
  const rate = moved === 0 ? '' : ` (${objectRate} objects/s, ${formatBytes(movedBytes / seconds)}/s)`;
  const lines = [
    `${facts.moved} ${plural(moved, 'object')}, ${formatBytes(movedBytes)}, in ${formatDuration(facts.elapsedMs)}${rate}`,
  ];
  if (same > 0) lines.push(`${plural(same, 'object')} there already, with the same content`);
  if (skipped > 0) lines.push(`${formatCount(skipped)} left out: ${facts.skippedWhat}`);
  if (failed > 0) {
    lines.push(`${plural(failed, 'failure')}:`);
    for (const { name, why } of report.failures.slice(0, FAILURES_SHOWN_MAX))
      lines.push(`  ${printable(name)}: ${why}`);
    if (failed > FAILURES_SHOWN_MAX) lines.push(`  and ${formatCount(failed - FAILURES_SHOWN_MAX)} more`);
  }
  if (facts.interrupted)
    lines.push('Interrupted. Run the same command again to go on: what is there is not moved again.');
  else if (failed > 0) lines.push('Run the same command again to try what failed: what is there is not moved again.');
  return lines;
}

export async function printSummary(
  out: Writable,
  report: TransferReport,
  facts: SummaryFacts,
  asJson: boolean,
): Promise<void> {
  if (asJson) {
    const { elapsedMs, interrupted } = facts;
    await printLine(
      out,
      JSON.stringify({ ...report.counts, elapsedMs: Math.round(elapsedMs), interrupted, failures: report.failures }),
    );
    return;
  }
  for (const line of summaryLines(report, facts)) await printLine(out, line);
}

export function exitCodeOf(report: TransferReport, interrupted: boolean): ExitCode {
  if (interrupted) return EXIT.interrupted;
  return report.counts.failed > 0 ? EXIT.failed : EXIT.ok;
}
