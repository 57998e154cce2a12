/** The page of a report: what stands on it, what never becomes markup, and what is drawn where a scenario drew nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderPage, renderPages } from '../../loadtest/suite/page.ts';
import { NO_ERRORS, type Plot, type Point, type RunReport } from '../../loadtest/suite/run-report.ts';
import { aPoint, aReport, latency } from './report-samples.ts';

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
    { numRuns: 150 },
  );
});

test('a page stands alone: nothing is loaded, nothing runs', () => {
  const html = renderPage(aReport());
  assert.match(html, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
  assert.doesNotMatch(html, /<script|<link|<iframe|@import|url\(|src=|https?:\/\/(?!127\.0\.0\.1)/);
  assert.match(html, /prefers-color-scheme:dark/);
});

test('errors are the verdict, whatever the scenario says, and their rows are marked', () => {
  const errors = { broken: 2, refused: 0, short: 0, wrong: 1 };
  const html = renderPage(
    aReport({ points: [aPoint(), aPoint({ errors })], verdict: { isPassed: true, text: 'All well.' } }),
  );
  assert.match(
    html,
    /class="verdict bad" role="status"><strong>Failed<\/strong> <span>Errors: 2 without an answer, 1 with wrong bytes\. All well\./,
  );
  assert.match(html, /class="tile bad"><dt>Errors<\/dt><dd><strong>3</);
  assert.equal(html.match(/<tr class="bad">/g)?.length, 1);
  assert.match(html, />2 broken, 1 wrong</);
});

test('the verdict tells passed, failed, cut short and nothing measured apart', () => {
  const wordOf = (changes: Partial<RunReport>): string | undefined =>
    /class="verdict \w+" role="status"><strong>([^<]*)/.exec(renderPage(aReport(changes)))?.[1];
  assert.equal(wordOf({}), 'No errors');
  assert.equal(wordOf({ verdict: { isPassed: true, text: '' } }), 'Passed');
  assert.equal(wordOf({ verdict: { isPassed: false, text: '' } }), 'Failed');
  assert.equal(wordOf({ isCutShort: true }), 'Cut short');
  assert.equal(wordOf({ isCutShort: true, verdict: { isPassed: false, text: '' } }), 'Failed');
  assert.equal(wordOf({ points: [] }), 'Nothing measured');
});

test('the figures on top are medians of rounds, of the target that the run is about', () => {
  const points = [1000, 3000, 2000].flatMap((objects, i) => [
    aPoint({
      at: { round: i + 1, connections: 4 },
      objects,
      bytes: objects * 16384,
      serverCpuSeconds: objects * 5e-5,
      latencyMs: latency(7, true),
    }),
    aPoint({ target: 'nginx', at: { round: i + 1, connections: 4 }, objects: 9000 }),
  ]);
  const html = renderPage(
    aReport({
      points,
      ratios: [{ contender: 'penstock', peer: 'nginx', measure: 'CPU a request', median: 1.5, best: 1.4 }],
    }),
  );
  const tiles = new Map(
    [...html.matchAll(/<dt>([^<]*)<\/dt><dd><strong>([^<]*)<\/strong>/g)].map(([, label, value]) => [label, value]),
  );
  assert.deepEqual(Object.fromEntries(tiles), {
    Errors: '0',
    'Highest throughput': '2,000',
    'Most bytes': '32.8',
    'Server CPU per object, least': '50',
    'Latency p99 at a set rate': '7',
    'CPU a request': '1.50',
  });
});

test('many ratios are one figure a measure, with their spread', () => {
  const ratios = [1, 2, 4, 8].flatMap((median) =>
    ['rate', 'CPU, µs'].map((name) => ({
      contender: 'a',
      peer: 'b',
      measure: `GET, ${median}: ${name}`,
      median,
      best: 1,
    })),
  );
  const html = renderPage(aReport({ ratios }));
  const tiles = [...html.matchAll(/<dt>([^<]*)<\/dt><dd><strong>([\d.]+)<\/strong> <span>×<\/span><small>([^<]*)</g)];
  const note = 'a / b, median of rounds; 1.00 to 8.00 over 4 settings';
  assert.deepEqual(
    tiles.map(([, ...found]) => found),
    [
      ['Rate', '3.00', note],
      ['CPU', '3.00', note],
    ],
  );
});

test('latency of a closed loop is called that', () => {
  const html = renderPage(aReport({ points: [aPoint({ latencyMs: latency(7, false) })] }));
  assert.match(html, /<dt>Latency p99, closed loop<\/dt>/);
  assert.doesNotMatch(html, /at a set rate/);
});

test('what takes something back stands among the remarks', () => {
  const machine = { ...aReport().machine, loadAverage: 5, commit: 'abc and uncommitted changes' };
  const html = renderPage(
    aReport({ machine, points: [aPoint({ isLoadLimited: true }), aPoint()], remarks: ['Mind the gap.'] }),
  );
  const remarks = [...html.matchAll(/<li( class="warning")?>([^<]*)<\/li>/g)].map(([, kind, sentence]) => [
    kind !== undefined,
    sentence?.slice(0, 14),
  ]);
  assert.deepEqual(remarks.slice(0, 4), [
    [true, 'In 1 of 2 poin'],
    [true, 'The machine wa'],
    [true, 'The build had '],
    [false, 'Mind the gap.'],
  ]);
});

test('the JSON in the page is the report', () => {
  const given = aReport({ remarks: ['</pre><b>&amp;'] });
  const html = renderPage(given);
  const [, encoded = ''] = /href="data:application\/json;base64,([^"]*)" download="s3-get-/.exec(html) ?? [];
  assert.deepEqual(JSON.parse(Buffer.from(encoded, 'base64').toString()), given);
  const [, shown = ''] = /<pre class="json" tabindex="0">([\s\S]*?)<\/pre>/.exec(html) ?? [];
  const plain = shown
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
  assert.deepEqual(JSON.parse(plain), given);
});

test('every point is in the table with its percentiles, as far as a browser can bear it', () => {
  const html = renderPage(
    aReport({
      points: [aPoint({ at: { connections: 4 }, latencyMs: latency(7.25, true), more: { 'memory, bytes': 2 ** 21 } })],
    }),
  );
  for (const cell of ['set rate', '7.250', '2 MiB', 'load CPU, s', 'p99.9, ms'])
    assert.ok(html.includes(`>${cell}<`), cell);
  const many = renderPage(aReport({ points: Array.from({ length: 2003 }, (_, i) => aPoint({ at: { minute: i } })) }));
  assert.match(many, /All points \(2003\)<\/summary>\n<p>The first 2000; the other 3 are in the JSON\./);
});

test('runs of one scenario stand side by side with their ratio, and others do not', () => {
  const [one, two] = [
    aReport({ points: [aPoint({ objects: 500 })] }),
    aReport({ points: [aPoint({ objects: 600, errors: NO_ERRORS })] }),
  ];
  const html = renderPages([one, two, aReport({ scenario: 'soak' })]);
  assert.match(html, /<caption>s3-get: objects a second<\/caption>/);
  assert.match(html, />500<\/td><td class="figure">600 \(1\.20 ×\)</);
  assert.doesNotMatch(html, /<caption>soak:/);
  assert.match(html, /href="#run-3">3\. soak</);
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
});
