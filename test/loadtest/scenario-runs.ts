/** Scenarios as a user runs them: each a process of its own, whose files and temporary folders all stand in one folder of the test. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RunReport } from '../../loadtest/suite/run-report.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both. */
  readonly text: string;
}

export interface ScenarioRun {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** @param pattern of what it writes to stderr @throws AssertionError when it ends before */
  told(pattern: RegExp): Promise<void>;
  report(): RunReport;
  /** Where it writes its report. */
  readonly json: string;
  readonly html: string;
}

export interface ScenarioRuns {
  readonly folder: string;
  start(scenario: string, args: readonly string[]): ScenarioRun;
  /** That no run has left anything but its report. */
  assertNothingLeft(): void;
}

/** Their folder is removed after the tests. */
export function scenarioRuns(): ScenarioRuns {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-loadtest-test-'));
  const children = new Set<ChildProcess>();
  after(() => {
    for (const child of children) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  });
  let runs = 0;
  const start = (scenario: string, args: readonly string[]): ScenarioRun => {
    runs += 1;
    const [json, html] = [join(folder, `${runs}.json`), join(folder, `${runs}.html`)];
    const words = ['--import', 'tsx', `loadtest/${scenario}.ts`, ...args, '--json', json, '--html', html];
    const child = spawn(process.execPath, words, {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    children.add(child);
    const texts = { stdout: '', stderr: '', text: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (more: string) => {
        texts[name] += more;
        texts.text += more;
      });
    }
    const ended = once(child, 'close').then(([code]) => {
      children.delete(child);
      return { code: code as number | null, ...texts };
    });
    const told = async (pattern: RegExp): Promise<void> => {
      const heard = new Promise<void>((resolve) => {
        child.stderr.on('data', () => pattern.test(texts.stderr) && resolve());
      });
      await Promise.race([heard, ended.then(({ text }) => assert.fail(`it ended by itself: ${text}`))]);
    };
    const report = (): RunReport => JSON.parse(readFileSync(json, 'utf8')) as RunReport;
    return { child, ended, told, report, json, html };
  };
  const assertNothingLeft = (): void => {
    const left = readdirSync(folder).filter((name) => name.startsWith('penstock-bench-'));
    assert.deepEqual(left, []);
  };
  return { folder, start, assertNothingLeft };
}
