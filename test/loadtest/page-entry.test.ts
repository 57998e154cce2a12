/** `npm run loadtest -- page`: old reports become a page again, and a file that is no report is named with what to do. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { renderPage, renderPages } from '../../loadtest/suite/page.ts';
import { parseReport } from '../../loadtest/suite/read-report.ts';
import { aPoint, aReport, latency } from './report-samples.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]) {
  return spawnSync(process.execPath, ['--import', 'tsx', 'loadtest/page.ts', ...args], { cwd: root, encoding: 'utf8' });
}

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

const first = aReport({ points: [aPoint({ latencyMs: latency(3, true), more: { 'Jain index': Number.NaN } })] });

test('a report is drawn beside its file, several are one page, and --out names another', () => {
  const one = file('one.json', first);
  const two = file('two.json', aReport({ scenario: 'soak' }));
  const asRead = parseReport(one, readFileSync(one, 'utf8'));
  const alone = run(one);
  assert.equal(alone.stdout, `written: ${join(folder, 'one.html')}\n`, alone.stderr);
  assert.equal(readFileSync(join(folder, 'one.html'), 'utf8'), renderPage(asRead));

  const both = run(one, two);
  assert.equal(both.stdout, `written: ${join(folder, 'runs.html')}\n`, both.stderr);
  assert.equal(readFileSync(join(folder, 'runs.html'), 'utf8'), renderPages([asRead, aReport({ scenario: 'soak' })]));

  const named = join(folder, 'new', 'page.html');
  assert.equal(run(one, '--out', named).status, 0);
  assert.equal(readFileSync(named, 'utf8'), renderPage(asRead));
});

test('mistakes are answered with the file and what to do, and the exit code 2', () => {
  const one = file('one.json', first);
  const before = readFileSync(one, 'utf8');
  const complaint = (...args: string[]): string => {
    const { status, stdout, stderr } = run(...args);
    assert.deepEqual([status, stdout], [2, '']);
    return stderr;
  };
  assert.equal(complaint(), "loadtest page: missing required argument 'FILE.json'. See --help.\n");
  assert.match(
    complaint(join(folder, 'no.json')),
    /^loadtest page: .*no\.json cannot be read \(ENOENT\); name the JSON of a run\.\n$/,
  );
  assert.match(complaint(one, '--out', one), /^loadtest page: --out is ".*one\.json", which is one of the reports/);
  assert.match(complaint(one, '--out', folder), /cannot be written \(EISDIR\); name another with --out\.\n$/);
  assert.equal(readFileSync(one, 'utf8'), before);
});

test('what is no report is refused with what is wrong with it', () => {
  const read = (json: string) => () => parseReport('x.json', json);
  assert.throws(read('{'), { message: 'x.json is not JSON; name the JSON that a load test wrote.' });
  for (const other of ['null', '[]', '"a"', '{"benchmark":"put"}'])
    assert.throws(read(other), {
      message: 'x.json is not the report of a load test (it has no "format"); name the JSON that one wrote.',
    });
  assert.throws(read(JSON.stringify({ ...first, format: 2 })), {
    message: 'x.json has format 2; this version reads 1. Draw it with the version that wrote it.',
  });
  const broken = { ...first, points: [aPoint(), { ...aPoint(), errors: { broken: 'many' } }] };
  assert.throws(
    read(JSON.stringify(broken)),
    /^BenchError: x\.json is not a whole report: points\.1\.errors must have required property 'refused'\./,
  );
});

test('a report that was written is read as it was, what is no number as null', () => {
  const given = aReport({
    verdict: { isPassed: true, text: 'well' },
    ratios: [{ contender: 'a', peer: 'b', measure: 'c', median: 1, best: 2 }],
    plots: [
      {
        title: 'p',
        kind: 'bars',
        x: { label: 'x', scale: 'linear' },
        y: { label: 'y', scale: 'log' },
        lines: [{ name: 'l', points: [{ x: 0, y: 1, label: 'q' }] }],
        threshold: { y: 1, label: 't' },
      },
    ],
    tables: [{ title: 't', rows: [['a'], ['b']] }],
    points: [aPoint({ latencyMs: latency(3, false) })],
  });
  assert.deepEqual(parseReport('x.json', JSON.stringify(given)), given);
  const json = JSON.stringify(first);
  assert.deepEqual(parseReport('x.json', json), JSON.parse(json));
});
