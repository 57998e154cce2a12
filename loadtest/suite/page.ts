/**
 * A report as one HTML file that can be sent to a colleague: no script, nothing from the network, light and dark, paper and phone.
 * Hardest decision: nothing in it runs. What opens and closes is `<details>`, hover titles are SVG's, the JSON is a link with its
 * content in it; so the page can forbid scripts altogether, and a hostile name in a report stays a name whatever happens.
 */
import { type Markup, markup } from '../../bench/draw/markup.ts';
import { comparisonOf } from './page-comparison.ts';
import { PAGE_STYLE } from './page-style.ts';
import { aboutOf, factsOf, keyFiguresOf, remarksOf, verdictOf } from './page-summary.ts';
import { pointsOf, ratiosOf, tableOf } from './page-tables.ts';
import { drawPlot } from './plot.ts';
import type { Plot, RunReport } from './run-report.ts';
import { standardPlots } from './standard-plots.ts';

export function renderPage(report: RunReport): string {
  return renderPages([report]);
}

/** Several runs, in the order given; those of one scenario are also put side by side. @throws RangeError for none */
export function renderPages(reports: readonly RunReport[]): string {
  const [first] = reports;
  if (first === undefined) throw new RangeError('a page of no reports');
  const title = reports.length === 1 ? `${first.scenario}, ${dayOf(first)}` : `${reports.length} runs`;
  const body =
    reports.length === 1
      ? runOf(first, 'run')
      : markup`${overviewOf(reports)}${comparisonOf(reports)}${reports.map((report, i) => runOf(report, `run-${i + 1}`))}`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${title} · Penstock load test</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
${body}</main>
</body>
</html>
`.toString();
}

function dayOf({ startedAt }: RunReport): string {
  return startedAt.slice(0, 10);
}

function overviewOf(reports: readonly RunReport[]): Markup {
  const rows = reports.map((report, i) => {
    const verdict = verdictOf(report);
    return markup`<li><a href="#run-${i + 1}">${i + 1}. ${report.scenario}</a> <span class="chip ${verdict.kind}">${verdict.word}</span> <span class="faint">${report.startedAt.slice(0, 16).replace('T', ' ')}, commit ${report.machine.commit}</span></li>\n`;
  });
  return markup`<header><p class="kicker">Penstock load test</p><h1>${reports.length} runs</h1></header>
<ol class="runs">${rows}</ol>
`;
}

function runOf(report: RunReport, id: string): Markup {
  const { plots, more } = plotsOf(report);
  const draw = (list: readonly Plot[], kind: string): Markup =>
    markup`<div class="plots">${list.map((plot, i) => drawPlot(plot, `${id}-${kind}-${i + 1}`))}</div>`;
  return markup`<article id="${id}">
<header><p class="kicker">Penstock load test</p><h1>${report.scenario}</h1>${aboutOf(report)}${verdictBanner(report)}</header>
${keyFiguresOf(report)}
${remarksOf(report)}
${plots.length > 0 && markup`<section><h2>Plots</h2>${draw(plots, 'plot')}</section>`}
${more.length > 0 && markup`<section><details class="block"><summary>More plots, from the points (${more.length})</summary>${draw(more, 'more')}</details></section>`}
${ratiosOf(report.ratios)}
${report.tables.length > 0 && markup`<section><h2>Tables</h2>${report.tables.map(tableOf)}</section>`}
<section class="where"><h2>Where and how</h2>${factsOf(report)}</section>
<section><h2>Everything that was measured</h2>${pointsOf(report.points)}${jsonOf(report)}</section>
</article>
`;
}

/** The scenario's own first; those that any report has stand behind them, or alone. */
function plotsOf(report: RunReport): { readonly plots: readonly Plot[]; readonly more: readonly Plot[] } {
  const standard = standardPlots(report.points);
  if (report.plots.length === 0) return { plots: standard, more: [] };
  const known = new Set(report.plots.map(({ title }) => title));
  return { plots: report.plots, more: standard.filter(({ title }) => !known.has(title)) };
}

function verdictBanner(report: RunReport): Markup {
  const { kind, word, text } = verdictOf(report);
  return markup`<p class="verdict ${kind}" role="status"><strong>${word}</strong> <span>${text}</span></p>`;
}

/** For download as a file, and to be selected with one click. */
function jsonOf(report: RunReport): Markup {
  const text = JSON.stringify(report, undefined, 1);
  const name = `${report.scenario}-${report.startedAt}`.replace(/[^\w.-]+/g, '-').slice(0, 120);
  const link = `data:application/json;base64,${Buffer.from(text).toString('base64')}`;
  return markup`<details class="block"><summary>The report as JSON</summary>
<p><a href="${link}" download="${name}.json">Download ${name}.json</a>, or click into the text and copy it.</p>
<pre class="json" tabindex="0">${text}</pre></details>`;
}
