/**
 * A plot as a figure of a page: caption, legend, SVG, and its values as a table for who cannot see it or wants the numbers.
 * Hardest decision: drawn once, 460 units wide, with text large enough that a phone can shrink it and two fit beside each other on
 * a desk; colours are variables of the page (`--line-0` …), so that one drawing serves light, dark and paper. Pure.
 */
import { type Markup, markup, px } from '../../bench/draw/markup.ts';
import { quantity, type Unit } from '../../bench/draw/scale.ts';
import { drawBars } from './plot-bars.ts';
import { drawLines } from './plot-lines.ts';
import { type Drawing, type DrawnLine, markAt, type Style, shortened, stylesOf, unitOf, WIDTH } from './plot-parts.ts';
import type { Line, Plot } from './run-report.ts';

/** As many as there are colours: bars have no dash to be told by. */
const BAR_HUES = 7;

/** @param id unique in the page, of letters, digits and dashes */
export function drawPlot(plot: Plot, id: string): Markup {
  const isShown = (line: Line): boolean =>
    line.points.some(
      ({ x, y }) => canShow(x, plot.kind === 'bars' ? 'linear' : plot.x.scale) && canShow(y, plot.y.scale),
    );
  const shown = plot.lines.filter(isShown);
  const styles =
    plot.kind === 'bars'
      ? shown.map((_, i) => ({ hue: i % BAR_HUES, dash: 0 }))
      : stylesOf(shown.map(({ name }) => name));
  const lines = shown.map((line, i): DrawnLine => ({ ...line, ...(styles[i] as Style) }));
  const drawing =
    lines.length === 0 ? undefined : plot.kind === 'bars' ? drawBars(plot, lines) : drawLines(plot, lines);
  return markup`<figure class="plot">
<figcaption id="${id}-caption">${plot.title}</figcaption>
${legendOf(plot, lines)}
${drawing !== undefined && markup`<p class="unit" aria-hidden="true">${plot.y.label}${plot.y.scale === 'log' && ' (log)'}</p>`}
${drawing === undefined ? markup`<p class="none">Nothing to draw.</p>` : svgOf(drawing, plot, id)}
${tableOf(plot)}
</figure>
`;
}

function canShow(value: number, scale: 'linear' | 'log'): boolean {
  return Number.isFinite(value) && (scale === 'linear' || value > 0);
}

function svgOf({ height, parts }: Drawing, plot: Plot, id: string): Markup {
  const across = plot.kind === 'bars' ? plot.x.label : `${plot.y.label} against ${plot.x.label}`;
  const names = plot.lines.map(({ name }) => name).filter((name) => name !== '');
  const description = `${plot.kind === 'bars' ? `Bars: ${plot.y.label} by ${across}` : across}. ${names.join('; ')}`;
  return markup`<svg viewBox="0 0 ${WIDTH} ${px(height)}" role="img" aria-labelledby="${id}-caption ${id}-about">
<desc id="${id}-about">${description}</desc>
${parts}
</svg>`;
}

/** In the order of the lines, each with what tells it from the others without its colour. */
function legendOf(plot: Plot, lines: readonly DrawnLine[]): Markup {
  const named = lines.filter(({ name }) => name !== '');
  if (named.length === 0 || (lines.length === 1 && plot.title.includes(named[0]?.name ?? ''))) return markup``;
  const items = named.map((line) => {
    const { name, hue, dash } = line;
    const swatch =
      plot.kind === 'bars'
        ? markup`<rect class="s${hue}" x="4" y="2" width="14" height="10" rx="2"/>`
        : markup`<line class="line s${hue} d${dash}" x1="0" y1="7" x2="28" y2="7"/>${markAt(line, 14, 7)}`;
    const width = plot.kind === 'bars' ? 22 : 28;
    return markup`<li><svg viewBox="0 0 ${width} 14" width="${width}" height="14" aria-hidden="true">${swatch}</svg> ${shortened(name, 80)}</li>`;
  });
  return markup`<ul class="legend">${items}</ul>`;
}

/** One row a place on the x axis, one column a line. */
function tableOf({ title, x, y, lines }: Plot): Markup {
  const rows = new Map<string, Map<number, number>>();
  const [xUnit, yUnit] = [unitOf(x.label), unitOf(y.label)];
  const sorted = lines.flatMap((line, column) => line.points.map((point) => ({ ...point, column })));
  for (const { x: place, y: value, label, column } of sorted.sort((a, b) => a.x - b.x)) {
    const name = label ?? exactly(place, xUnit);
    const row = rows.get(name) ?? new Map<number, number>();
    rows.set(name, row.set(column, value));
  }
  const heads = lines.map(({ name }) => markup`<th scope="col" class="figure">${name === '' ? y.label : name}</th>`);
  const body = [...rows].map(([name, row]) => {
    const cells = lines.map((_, column) => {
      const value = row.get(column);
      return markup`<td class="figure">${value === undefined ? '' : quantity(value, yUnit)}</td>`;
    });
    return markup`<tr><th scope="row">${name}</th>${cells}</tr>\n`;
  });
  return markup`<details><summary>Figures</summary>
<div class="wide" tabindex="0" role="region" aria-label="Figures of: ${title}"><table>
<caption>${y.label}</caption>
<thead><tr><th scope="col">${x.label}</th>${heads}</tr></thead>
<tbody>
${body}</tbody></table></div></details>`;
}

function exactly(value: number, unit: Unit): string {
  return unit === 'bytes' ? quantity(value, unit) : value.toLocaleString('en-US', { maximumSignificantDigits: 8 });
}
