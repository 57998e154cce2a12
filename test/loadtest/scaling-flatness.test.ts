import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatMarkdown } from '../../bench/measure/report.ts';
import { growthOf, growthPlot, growthTable } from '../../loadtest/scaling/flatness.ts';
import { inputsOfReport } from '../../loadtest/scaling/inputs-of-report.ts';
import { modelTable, nodesForPaper } from '../../loadtest/scaling/model.ts';
import { INPUT_NAMES, INPUTS, parseInputs } from '../../loadtest/scaling/model-inputs.ts';
import { NO_ERRORS, type Point, REPORT_FORMAT, type RunReport, type Table } from '../../loadtest/suite/run-report.ts';

const INPUTS_URL = new URL('../../docs/scaling-inputs.json', import.meta.url);
const committed = parseInputs(JSON.parse(readFileSync(INPUTS_URL, 'utf8')), 'docs/scaling-inputs.json');

const SERIES = [
  { contender: 'one', measure: 'CPU', values: [10, 20, 10] },
  { contender: 'two', measure: 'CPU', values: [12, 22, 11] },
  { contender: 'four', measure: 'CPU', values: [13, 26, 9] },
];
const AT = [
  { count: 1, contender: 'one' },
  { count: 2, contender: 'two' },
  { count: 4, contender: 'four' },
];

test('what an object costs is flat when no median of the ratios is above the tolerance', () => {
  const loads = [{ load: 'GET', isJudged: true, at: AT }];
  const [within] = growthOf(SERIES, 'CPU', loads, 0.3);
  const [above] = growthOf(SERIES, 'CPU', loads, 0.29);
  assert.deepEqual(
    within?.steps.map(({ ratio }) => ratio.median),
    [1, 1.1, 1.3],
  );
  assert.equal(within?.isFlat, true);
  assert.equal(above?.isFlat, false);
});

test('the table names counts and ratios, and the plot has a line of ratios and the tolerance', () => {
  const growths = growthOf(SERIES, 'CPU', [{ load: 'GET', isJudged: true, at: AT }], 0.2);
  assert.deepEqual(growthTable('CPU', 'stores', growths).rows, [
    ['load', 'flat', '1 store', '2 stores', '/ 1', '4 stores', '/ 1'],
    ['GET', 'NO', '10.0', '12.0', '1.10', '13.0', '1.30'],
  ]);
  const plot = growthPlot('CPU', 'stores', growths, 0.2);
  assert.deepEqual(plot.lines, [{ name: 'GET', points: [1, 2, 4].map((x, i) => ({ x, y: [1, 1.1, 1.3][i] })) }]);
  assert.equal(plot.threshold?.y, 1.2);
});

function point(load: string, at: Record<string, number>, bytes: number, micros: number): Point {
  const shared = { target: 'penstock', seconds: 1, requests: 100, isLoadLimited: false, errors: NO_ERRORS, more: {} };
  return { ...shared, load, at, objects: 100, bytes: bytes * 100, serverCpuSeconds: (micros * 100) / 1e6 };
}

const MiB = 1024 ** 2;
const POINTS = ['S3 GET', 'GetBatch', 'PutBatch'].flatMap((verb, i) => [
  point(`${verb} 16 KiB`, { round: 1, workers: 1 }, MiB / 64, 10 * (i + 1) + 2),
  point(`${verb} 1 MiB`, { round: 1, workers: 1 }, MiB, 10 * (i + 1) + 128),
  point(`${verb} 16 KiB`, { round: 1, workers: 4 }, MiB / 64, 1000),
]);

function report(points: readonly Point[]): RunReport {
  const machine = { cpu: 'a CPU', node: 'v20', commit: 'c0ffee' } as RunReport['machine'];
  const facts = { format: REPORT_FORMAT, scenario: 'scale', command: 'npm run loadtest -- scale', startedAt: 'today' };
  const nothing = { versions: {}, settings: {}, targets: [], ratios: [], plots: [], tables: [], remarks: [] };
  return { ...facts, ...nothing, machine, seconds: 1, isCutShort: false, points };
}

test('a report of scale gives the costs of one worker and the growth with stores, and says where they are from', () => {
  const stores = [1, 2, 4].map((count) => point('GetBatch 16 KiB', { round: 1, stores: count }, MiB / 64, 20 + count));
  const inputs = inputsOfReport(report([...POINTS, ...stores]), committed);
  const costs = [inputs.s3GetFixedMicros, inputs.s3GetMicrosPerMiB, inputs.getBatchFixedMicros].map(
    ({ value }) => value,
  );
  assert.deepEqual(costs, [10, 128, 20]);
  assert.equal(inputs.cpuWithStores.value, 1.14); // 24 / 21
  assert.match(
    inputs.cpuWithStores.source,
    /measured by npm run loadtest -- scale, today, on a CPU, Node v20, commit c0ffee/,
  );
  assert.equal(inputs.cores, committed.cores);
  assert.equal(inputsOfReport(report(POINTS), committed).cpuWithStores, committed.cpuWithStores);
});

test('a report without what the model needs is refused', () => {
  const without = POINTS.filter(({ load }) => !load.startsWith('PutBatch'));
  assert.throws(() => inputsOfReport(report(without), committed), /no PutBatch with one worker/);
  const oneSize = POINTS.filter(({ load }) => !load.endsWith('MiB'));
  assert.throws(() => inputsOfReport(report(oneSize), committed), /S3 GET of one size/);
});

test('docs/scaling.md shows what the model gives for the inputs beside it', () => {
  const text = readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8');
  const bodyOf = (table: Table): string => formatMarkdown(table).split('\n\n')[1]?.trim() ?? '';
  const rows = INPUT_NAMES.map((name) => [INPUTS[name], String(committed[name].value), committed[name].source]);
  const inputs = { title: '', rows: [['input', 'value', 'where it is from'], ...rows] };
  const lines = bodyOf(inputs).replace('| --- | ---: | ---: |', '| --- | ---: | --- |');
  for (const expected of [bodyOf(modelTable(committed)), bodyOf(nodesForPaper(committed)), lines])
    assert.ok(text.includes(expected), `docs/scaling.md does not have this table:\n${expected}`);
});
