/** The page of a report: what stands on it, and what is drawn where a scenario drew nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderPage, renderPages } from '../../loadtest/suite/page.ts';
import { NO_ERRORS, type RunReport } from '../../loadtest/suite/run-report.ts';
import { aPoint, aReport, latency } from './report-samples.ts';

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
