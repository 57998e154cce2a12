/** The markup of a page: whatever a report says, it becomes text, and the page stands alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderPage, renderPages } from '../../loadtest/suite/page.ts';
import type { Plot, Point, RunReport } from '../../loadtest/suite/run-report.ts';
import { aReport } from './report-samples.ts';

/** Elements that a page may have, so that a tag from a report would be seen. */
const TAGS = new Set(
  'html head meta title style body main header article section p h1 h2 h3 a strong span small code br dl div dt dd ul ol li figure figcaption svg desc g circle path rect line text details summary table caption thead tbody tr th td pre'.split(
    ' ',
  ),
);

/** Whether every `<` begins a tag of ours, with attributes of ours in quotes, and all are closed in order. */
function assertOnlyOurMarkup(html: string): void {
  const [, style = '', rest = ''] = /^<!doctype html>([\s\S]*?<style>[\s\S]*?<\/style>)([\s\S]*)$/.exec(html) ?? [];
  assert.notEqual(rest, '');
  const open: string[] = [];
  for (const [tag] of (style.replace(/<style>[\s\S]*/, '') + rest).matchAll(/<[^>]*>?/g)) {
    const [, close, name = '', attributes = ''] =
      /^<(\/?)([a-z][a-z0-9]*)((?: [a-zA-Z0-9-]+(?:="[^"<>]*")?)*) ?\/?>$/.exec(tag) ?? [];
    assert.ok(TAGS.has(name), `${tag} is no tag of the page`);
    assert.doesNotMatch(attributes.replace(/"[^"]*"/g, ''), / (on[a-z]+|src|srcdoc|action|formaction)=/, tag);
    if (close === '/') assert.equal(open.pop(), name, tag);
    else if (!tag.endsWith('/>') && name !== 'meta' && name !== 'br') open.push(name);
  }
  assert.deepEqual(open, []);
}

const BAIT = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onload='x",
  '</svg>',
  '<!--',
  ']]>',
  '&lt;',
  '\0',
  '\ud800',
  '{{x}}',
  '__proto__',
  '',
];
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 24 }),
  fc.constantFrom(...BAIT),
  fc.string({ maxLength: 200 }),
);
const number = fc.oneof(
  fc.double(),
  fc.nat(),
  fc.constantFrom(0, -1, 5e-324, 1.7e308, Number.NaN, Number.POSITIVE_INFINITY),
);
const latencies = fc.record({
  count: number,
  isCorrected: fc.boolean(),
  mean: number,
  p50: number,
  p75: number,
  p90: number,
  p95: number,
  p99: number,
  p999: number,
  max: number,
});
const point: fc.Arbitrary<Point> = fc.record(
  {
    target: text,
    load: text,
    at: fc.dictionary(text, number, { maxKeys: 3 }),
    seconds: number,
    requests: number,
    objects: number,
    bytes: number,
    latencyMs: latencies,
    serverCpuSeconds: number,
    loadCpuSeconds: number,
    isLoadLimited: fc.boolean(),
    errors: fc.record({ broken: fc.nat(), refused: fc.nat(), short: fc.nat(), wrong: fc.nat() }),
    more: fc.dictionary(text, number, { maxKeys: 2 }),
  },
  {
    requiredKeys: [
      'target',
      'load',
      'at',
      'seconds',
      'requests',
      'objects',
      'bytes',
      'isLoadLimited',
      'errors',
      'more',
    ],
  },
);
const axis = fc.record({ label: text, scale: fc.constantFrom('linear' as const, 'log' as const) });
const plot: fc.Arbitrary<Plot> = fc.record(
  {
    title: text,
    kind: fc.constantFrom('lines' as const, 'bars' as const),
    x: axis,
    y: axis,
    lines: fc.array(
      fc.record({
        name: text,
        points: fc.array(fc.record({ x: number, y: number, label: text }, { requiredKeys: ['x', 'y'] }), {
          maxLength: 5,
        }),
      }),
      { maxLength: 9 },
    ),
    threshold: fc.record({ y: number, label: text }),
  },
  { requiredKeys: ['title', 'kind', 'x', 'y', 'lines'] },
);
const report: fc.Arbitrary<RunReport> = fc.record({
  format: fc.constant(1),
  scenario: text,
  command: text,
  machine: fc.record({
    cpu: text,
    cores: fc.nat(),
    memoryGiB: fc.nat(),
    kernel: text,
    node: text,
    commit: text,
    loadAverage: number,
    date: text,
  }),
  versions: fc.dictionary(text, text, { maxKeys: 3 }),
  startedAt: text,
  seconds: number,
  isCutShort: fc.boolean(),
  settings: fc.dictionary(text, fc.jsonValue(), { maxKeys: 3 }),
  targets: fc.array(fc.record({ name: text, endpoint: text, isOwn: fc.boolean() }), { maxLength: 2 }),
  points: fc.array(point, { maxLength: 6 }),
  ratios: fc.array(fc.record({ contender: text, peer: text, measure: text, median: number, best: number }), {
    maxLength: 2,
  }),
  plots: fc.array(plot, { maxLength: 2 }),
  tables: fc.array(fc.record({ title: text, rows: fc.array(fc.array(text, { maxLength: 3 }), { maxLength: 3 }) }), {
    maxLength: 2,
  }),
  remarks: fc.array(text, { maxLength: 3 }),
  verdict: fc.record({ isPassed: fc.boolean(), text }),
});

test('whatever a report says, it is no markup, and no coordinate is missing', () => {
  fc.assert(
    fc.property(report, report, (one, other) => {
      for (const html of [renderPage(one), renderPages([one, other])]) {
        assertOnlyOurMarkup(html);
        assert.doesNotMatch(html, /(?:\b[xy][12]?|width|height|d)="[^"]*(?:NaN|Infinity|undefined)/);
      }
    }),
    { numRuns: 60 },
  );
});

test('a page stands alone: nothing is loaded, nothing runs', () => {
  const html = renderPage(aReport());
  assert.match(html, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
  assert.doesNotMatch(html, /<script|<link|<iframe|@import|url\(|src=|https?:\/\/(?!127\.0\.0\.1)/);
  assert.match(html, /prefers-color-scheme:dark/);
});
