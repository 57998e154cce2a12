/** The benchmark of compression counts right and draws what it counted. Ratios and speeds are judged by people, never here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReportData } from '../../bench/measure/report.ts';
import { barChartSvg } from '../../bench/rig/bar-chart.ts';
import { corpusOf, selectFiles } from '../../bench/rig/compression-corpus.ts';
import { Tally, tallyRows } from '../../bench/rig/compression-tally.ts';
import { codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { directCoder } from '../../src/codec/direct-coder.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]) {
  const command = ['--import', 'tsx', 'bench/compression.ts', ...args];
  return spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' });
}

test('two samples are coded, decoded and counted by class and by folder', () => {
  const paths = ['samples/ct/000061.dcm', 'samples/blood/BloodImage_00000.jpg'];
  const [ct, jpeg] = paths.map((path) => statSync(join(root, path)).size) as [number, number];
  const [json, svg] = [join(folder, 'out.json'), join(folder, 'out.svg')];
  const { status, stdout, stderr } = run(...paths, '--rounds', '1', '--json', json, '--svg', svg);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /2 objects came back with the SHA-256/);
  assert.match(stdout, /Already compressed: payloads \+0\.00 % in all, \+0\.00 % for the object that grew most/);
  assert.doesNotMatch(stdout, /Left out/);

  const { tables, series } = JSON.parse(readFileSync(json, 'utf8')) as ReportData;
  const [byClass, byFolder] = tables.map(({ rows }) => new Map(rows.map(([name = '', ...cells]) => [name, cells])));
  assert.deepEqual([...(byClass?.keys() ?? [])], ['class', 'CT', 'already compressed', 'native pixels', 'everything']);
  assert.deepEqual([...(byFolder?.keys() ?? [])], ['folder', 'ct', 'blood']);
  const counted = (name: string) => byClass?.get(name)?.slice(0, 2);
  assert.deepEqual(counted('native pixels'), ['1', (ct / 1e6).toFixed(2)]);
  assert.deepEqual(counted('already compressed'), ['1', (jpeg / 1e6).toFixed(2)]);
  assert.deepEqual(counted('everything'), ['2', ((ct + jpeg) / 1e6).toFixed(2)]);

  const figure = (contender: string, measure: string): number =>
    series.find((one) => one.contender === contender && one.measure === measure)?.median ?? Number.NaN;
  for (const contender of ['default', 'max-ratio', 'zstd-3']) {
    assert.ok(figure(`native pixels, ${contender}`, 'ratio') > 1.5, contender);
    assert.ok(figure(`native pixels, ${contender}`, 'decode, MB a second of CPU') > 0, contender);
    assert.equal(figure(`everything, ${contender}`, 'mismatches'), 0);
  }
  const drawn = readFileSync(svg, 'utf8');
  assert.match(drawn, />\d{4}-\d\d-\d\d, commit [^:]+: npm run bench -- compression samples\/ct/);
  assert.ok(drawn.includes(`>${byClass?.get('CT')?.[4]}</text>`), 'the ratio of the table is not on the chart');
});

test('objects of a series have its dictionary, once there are two of them', async () => {
  const coder = directCoder(codecSetOf((await loadCodecs()).all));
  const withDictionary = async (count: number): Promise<number> => {
    const { files } = selectFiles([join(root, 'samples/pet')], { files: count, bytes: 1e9 });
    let found = 0;
    for await (const { pieces, dictionary } of corpusOf(files, coder))
      if (dictionary !== undefined && pieces[0]?.options.dictionary?.id === dictionary.id) found += 1;
    return found;
  };
  assert.deepEqual([await withDictionary(1), await withDictionary(2), await withDictionary(10)], [0, 2, 10]);
});

test('the benchmark explains itself', () => {
  assert.match(run('--help').stdout, /^Usage: npm run bench -- compression .*PATH.*--rounds <N>.*\n.*--json/s);
});

test('what has no room is left out, and said', () => {
  const { status, stdout, stderr } = run('samples/blood', '--files', '1', '--rounds', '1');
  assert.equal(status, 0, stderr);
  assert.match(stdout, /\n1 objects came back/);
  assert.match(stdout, /Left out for want of room: 19 files of 0\.4 MB\./);
});

test('files are taken in order of names while there is room for them', () => {
  const corpus = join(folder, 'corpus');
  mkdirSync(join(corpus, 'deep'), { recursive: true });
  for (const [name, bytes] of [
    ['a', 10],
    ['b', 100],
    ['c', 20],
    ['deep/d', 5],
  ] as const)
    writeFileSync(join(corpus, name), Buffer.alloc(bytes));
  const taken = (files: number, bytes: number) => {
    const { files: found, leftOut } = selectFiles([corpus], { files, bytes });
    return { sizes: found.map(({ size }) => size), leftOut };
  };
  assert.deepEqual(taken(9, 999), { sizes: [10, 100, 20, 5], leftOut: { files: 0, bytes: 0 } });
  assert.deepEqual(taken(9, 40), { sizes: [10, 20, 5], leftOut: { files: 1, bytes: 100 } });
  assert.deepEqual(taken(2, 999), { sizes: [10, 100], leftOut: { files: 2, bytes: 25 } });
  assert.throws(() => taken(9, 4), /^BenchError: none of 4 files has room/);
  assert.throws(() => selectFiles([join(corpus, 'no')], { files: 9, bytes: 9 }), /^BenchError: .*no does not exist/);
});

test('ratios count dictionaries, rates are medians, and growth is that of the worst', () => {
  const tally = new Tally();
  const coded = (storedBytes: number, dictionaryBytes: number, decodeMs: number[]) => {
    const payloadBytes = storedBytes - 50;
    const one = { payloadBytes, storedBytes, dictionaryBytes, mismatches: 1, encodeMs: [1, 1, 1], decodeMs };
    return { default: one, 'max-ratio': one, 'zstd-3': { ...one, mismatches: 0 } };
  };
  tally.add(1000, coded(300, 100, [1, 2, 4]));
  tally.add(1000, coded(1060, 0, [1, 2, 4]));
  assert.equal(tally.ratio('default'), 2000 / 1460);
  assert.deepEqual(tally.rates('default', 'decode'), [1, 0.5, 0.25]);
  assert.ok(Math.abs(tally.growthMax - 0.01) < 1e-12, 'heads of records are no growth');
  assert.equal(tally.growth('default'), (250 + 100 + 1010) / 2000 - 1);
  const [names = [], row = []] = tallyRows('class', [['x', tally]]);
  assert.equal(row[names.indexOf('decode MB/s, default')], '0.500');
  assert.equal(row[names.indexOf('mismatches')], '4');
});

test('a chart has a bar for every value, and names are no markup', () => {
  const groups = [{ name: 'a<b', note: '"&"', values: [2, 1] }];
  const svg = barChartSvg({ title: 't', subtitle: 's', source: 'x'.repeat(500), series: ['p', 'q'], groups });
  assert.match(svg, />a&lt;b</);
  assert.match(svg, />&quot;&amp;&quot;</);
  const widths = [...svg.matchAll(/<rect x="190" y="\d+" width="([\d.]+)" height="13"/g)].map(([, width]) =>
    Number(width),
  );
  assert.equal(widths.length, 2);
  assert.equal(widths[0], 2 * (widths[1] as number));
  assert.ok(svg.includes('x'.repeat(120)) && !svg.includes('x'.repeat(121)), 'a line of the source is too long');
  assert.equal(svg.match(/>x+…?<\/text>/g)?.length, 2);
  assert.match(svg, /<desc id="values">a&lt;b: p 2\.00, q 1\.00<\/desc>/);
});
