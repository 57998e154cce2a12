/** What plots are derived from points, and that what is drawn stands where its values say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linearScale, logScale, quantity } from '../../bench/draw/scale.ts';
import { drawPlot } from '../../loadtest/suite/plot.ts';
import { stylesOf } from '../../loadtest/suite/plot-parts.ts';
import type { Plot } from '../../loadtest/suite/run-report.ts';
import { standardPlots } from '../../loadtest/suite/standard-plots.ts';
import { aPoint, latency } from './report-samples.ts';

const LINES: Plot = {
  title: 'Utilization',
  kind: 'lines',
  x: { label: 'accelerators', scale: 'linear' },
  y: { label: '%', scale: 'linear' },
  lines: [{ name: 'GetBatch', points: [1, 2, 4].map((x) => ({ x, y: 100 - x })) }],
  threshold: { y: 85, label: 'to pass' },
};

/** Places of the marks of a drawn plot, with their hover titles. */
function marksOf(svg: string): { title: string; x: number; y: number }[] {
  return [...svg.matchAll(/<title>([^<]*)<\/title><circle class="touch" cx="([\d.]+)" cy="([\d.]+)"/g)].map(
    ([, title = '', x, y]) => ({ title, x: Number(x), y: Number(y) }),
  );
}

test('ticks of a linear axis are round, even, and enclose 0 and all values', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      fc.double({ min: 1e-6, max: 1e9, noNaN: true }),
      (a, b) => {
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        const { ticks, at } = linearScale(min, max);
        const values = ticks.map(({ value }) => value);
        assert.ok(values.length >= 2 && values.length <= 9, `${values}`);
        const [first, last] = [values[0] as number, values.at(-1) as number];
        const dust = (last - first) * 1e-9;
        assert.ok(first <= Math.min(0, min) + dust && last >= max - dust, `${values}`);
        assert.ok(Math.abs(at(first)) < 1e-9 && Math.abs(at(last) - 1) < 1e-9);
        const step = (last - first) / (values.length - 1);
        for (const [i, value] of values.entries()) assert.ok(Math.abs(value - first - i * step) <= dust);
        assert.equal(new Set(ticks.map(({ text }) => text)).size, ticks.length, ticks.map(({ text }) => text).join());
      },
    ),
  );
});

test('ticks of a logarithmic axis enclose all values, and equal ratios are equal distances', () => {
  fc.assert(
    fc.property(fc.double({ min: -6, max: 12, noNaN: true }), fc.double({ min: -6, max: 12, noNaN: true }), (a, b) => {
      const [min, max] = [10 ** Math.min(a, b), 10 ** Math.max(a, b)];
      const { ticks, at } = logScale(min, max);
      assert.ok(ticks.length >= 1 && ticks.length <= 12, `${ticks.length}`);
      assert.ok((ticks[0]?.value ?? 0) <= min * 1.000001 && (ticks.at(-1)?.value ?? 0) >= max * 0.999999);
      assert.ok(at(min) >= -1e-6 && at(max) <= 1 + 1e-6);
      if (max > min * 1.1) assert.ok(Math.abs(at(Math.sqrt(min * max)) - (at(min) + at(max)) / 2) < 1e-6);
    }),
  );
});

test('axes have words that people read', () => {
  const texts = (scale: { ticks: readonly { text: string }[] }) => scale.ticks.map(({ text }) => text);
  assert.deepEqual(texts(linearScale(0, 46_000)), ['0', '10 k', '20 k', '30 k', '40 k', '50 k']);
  assert.deepEqual(texts(linearScale(0, 0.9)), ['0', '0.2', '0.4', '0.6', '0.8', '1']);
  assert.deepEqual(texts(linearScale(0, 300 * 2 ** 20, { unit: 'bytes' })), ['0', '100 MiB', '200 MiB', '300 MiB']);
  assert.deepEqual(texts(linearScale(1, 5, { isWhole: true, isTight: true })), ['1', '2', '3', '4', '5']);
  assert.deepEqual(texts(logScale(0.4, 90)), ['0.3', '1', '3', '10', '30', '100']);
  assert.deepEqual(texts(logScale(4096, 65536, 'bytes', [4096, 65536])), ['4 KiB', '64 KiB']);
  assert.deepEqual(
    [12_345, 999.6, 0.04217, 1.5e9, Number.NaN].map((value) => quantity(value)),
    ['12.3 k', '1,000', '0.0422', '1,500 M', '–'],
  );
});

test('points of a line stand where their values say, and tell them when they are touched', () => {
  const marks = marksOf(drawPlot(LINES, 'a').toString());
  assert.deepEqual(
    marks.map(({ title }) => title),
    ['GetBatch: 99 at 1 (accelerators)', 'GetBatch: 98 at 2 (accelerators)', 'GetBatch: 96 at 4 (accelerators)'],
  );
  const [a, b, c] = marks as [(typeof marks)[0], (typeof marks)[0], (typeof marks)[0]];
  assert.ok(Math.abs((c.x - a.x) / (b.x - a.x) - 3) < 0.02, 'x is linear');
  assert.ok(a.y < b.y && b.y < c.y, 'more is higher');
});

test('a plot has a title, a description, a threshold with its label, and its values as a table', () => {
  const html = drawPlot(LINES, 'a').toString();
  assert.match(html, /role="img" aria-labelledby="a-caption a-about"/);
  assert.match(html, /<figcaption id="a-caption">Utilization<\/figcaption>/);
  assert.match(html, /<desc id="a-about">% against accelerators\. GetBatch<\/desc>/);
  assert.match(html, /class="threshold"[\s\S]*>to pass<\/text>/);
  assert.match(html, /<tr><th scope="row">2<\/th><td class="figure">98<\/td><\/tr>/);
});

test('bars are as long as their values, have them beside them, and begin at 0', () => {
  const points = [30, 60].map((y, x) => ({ x, y, label: `load ${x}` }));
  const plot: Plot = { ...LINES, kind: 'bars', lines: [{ name: 'ours', points }] };
  const html = drawPlot(plot, 'a').toString();
  const widths = [...html.matchAll(/<title>[^<]*<\/title><rect class="s0"[^>]* width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  assert.equal(widths.length, 2);
  assert.ok(Math.abs((widths[1] as number) / (widths[0] as number) - 2) < 0.01);
  for (const text of ['load 0', 'load 1', '30', '60']) assert.ok(html.includes(`>${text}</text>`), text);
});

test('what has no place on an axis is left out, and a plot of nothing says so', () => {
  const points = [Number.NaN, -1, 0, 10].map((y, i) => ({ x: i + 1, y }));
  const log: Plot = { ...LINES, y: { label: 'ms', scale: 'log' }, lines: [{ name: 'a', points }] };
  assert.equal(marksOf(drawPlot(log, 'a').toString()).length, 1);
  assert.match(drawPlot({ ...log, lines: [] }, 'a').toString(), /Nothing to draw\./);
});

test('lines of many points have no marks, and keep their peaks', () => {
  const points = Array.from({ length: 5000 }, (_, x) => ({ x, y: x === 2345 ? 100 : 50 }));
  const html = drawPlot({ ...LINES, lines: [{ name: 'a', points }] }, 'a').toString();
  assert.equal(marksOf(html).length, 0);
  const [, path = ''] = /class="line s0 d0" d="M([^"]*)"/.exec(html.slice(html.indexOf('class="grid"'))) ?? [];
  const places = path.split('L').map((place) => Number(place.split(' ')[1]));
  assert.ok(places.length < 1000);
  assert.equal(places.filter((y) => y === Math.min(...places)).length, 1);
});

test('two things in the names of lines are told by colour and by dash', () => {
  const names = ['ours, 4 KiB', 'theirs, 4 KiB', 'ours, 16 KiB', 'theirs, 16 KiB', 'ours, 64 KiB', 'theirs, 64 KiB'];
  assert.deepEqual(
    stylesOf(names).map(({ hue, dash }) => [hue, dash]),
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ],
  );
  assert.deepEqual(
    stylesOf(['a', 'b, c']).map(({ hue, dash }) => [hue, dash]),
    [
      [0, 0],
      [1, 0],
    ],
  );
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 21 }), (any) => {
      const styles = stylesOf(any).map(({ hue, dash }) => `${hue} ${dash}`);
      assert.equal(new Set(styles).size, any.length);
    }),
  );
});

const titlesOf = (plots: readonly Plot[]): string[] =>
  plots.map(({ title, kind, x }) => `${title} | ${kind} | ${x.label}`);

test('throughput, latency and CPU are drawn against what was varied, as medians of the rounds', () => {
  const points = [1, 16, 256].flatMap((connections) =>
    [1, 2, 3].map((round) =>
      aPoint({
        at: { round, connections },
        objects: connections * 10 * round,
        bytes: connections * 10 * round * (16384 + round),
        latencyMs: latency(connections, false),
      }),
    ),
  );
  const plots = standardPlots(points);
  assert.deepEqual(titlesOf(plots), [
    'Throughput (medians of 3 rounds) | lines | connections',
    'Latency, closed loop, not corrected (medians of 3 rounds) | lines | connections',
    'Server CPU per object (medians of 3 rounds) | lines | connections',
  ]);
  assert.deepEqual(plots[0]?.lines, [
    {
      name: 'penstock, GET 16 KiB',
      points: [
        { x: 1, y: 20 },
        { x: 16, y: 320 },
        { x: 256, y: 5120 },
      ],
    },
  ]);
  assert.equal(plots[0]?.x.scale, 'log');
  assert.deepEqual(
    plots[1]?.lines.map(({ name }) => name),
    ['p99', 'p50'],
  );
});

test('where nothing was varied loads are bars, and latency is drawn by percentile', () => {
  const latencyMs = latency(9, true);
  const plots = standardPlots([aPoint({ load: 'alone', latencyMs }), aPoint({ load: 'with a greedy one', latencyMs })]);
  assert.deepEqual(titlesOf(plots), [
    'Throughput | bars | load',
    'Latency at a set rate | lines | percentile',
    'Server CPU per object | bars | load',
  ]);
  assert.deepEqual(
    plots[1]?.lines[0]?.points.map(({ label, y }) => `${label} ${y}`),
    ['p50 1', 'p75 2', 'p90 3', 'p95 4', 'p99 9', 'p99.9 18', 'max 27'],
  );
});

test('CPU per object is drawn by size where there were three sizes, one line a target', () => {
  const points = [4, 16, 64].flatMap((kib) =>
    ['penstock', 'nginx'].map((target) =>
      aPoint({ target, load: `GET ${kib} KiB`, bytes: 500 * kib * 1024, serverCpuSeconds: kib / 100 }),
    ),
  );
  const bySize = standardPlots(points).find(({ title }) => title === 'Server CPU per object by size');
  assert.deepEqual(
    bySize?.lines.map(({ name }) => name),
    ['penstock', 'nginx'],
  );
  assert.deepEqual(
    bySize?.lines[0]?.points.map(({ x, y }) => [x, Math.round(y)]),
    [
      [4096, 80],
      [16384, 320],
      [65536, 1280],
    ],
  );
});

test('latencies at a set rate and of a closed loop are never in one plot', () => {
  const plots = standardPlots([
    aPoint({ load: 'a', latencyMs: latency(9, true) }),
    aPoint({ load: 'b', latencyMs: latency(9, false) }),
  ]);
  const latencies = plots.filter(({ title }) => title.startsWith('Latency'));
  assert.deepEqual(
    latencies.map(({ lines }) => lines.length),
    [1, 1],
  );
});

test('many lines are several plots, and whatever else was measured is drawn too', () => {
  const points = Array.from({ length: 10 }, (_, i) =>
    [1, 2].map((n) => aPoint({ load: `load ${i}`, at: { n }, more: { 'memory, bytes': n } })),
  ).flat();
  const plots = standardPlots(points);
  const memory = plots.filter(({ y }) => y.label === 'memory, bytes');
  assert.deepEqual(
    memory.map(({ title, lines }) => `${title}: ${lines.length}`),
    ['Memory, 1 of 2: 5', 'Memory, 2 of 2: 5'],
  );
  assert.deepEqual(standardPlots([aPoint()]), []);
  assert.deepEqual(standardPlots([]), []);
});
