/**
 * Bars in groups as an SVG file that stands alone: no script in it, a ground of its own, so that it reads the same on light and dark pages.
 * Every bar carries its value and, in a browser, its name when it is touched; who cannot see it hears all values. Pure.
 */
import { type Markup, markup, px } from '../draw/markup.ts';
import { linearScale, type Scale } from '../draw/scale.ts';

export interface BarGroup {
  readonly name: string;
  /** A second line, smaller. */
  readonly note: string;
  /** One a series. */
  readonly values: readonly number[];
}

export interface BarChart {
  readonly title: string;
  readonly subtitle: string;
  /** Where the figures come from: command and date. Broken into two lines, and cut where it is longer than these. */
  readonly source?: string;
  readonly series: readonly string[];
  readonly groups: readonly BarGroup[];
}

const WIDTH = 860;
const LEFT = 190;
const RIGHT = 70;
/** Of the bars, below one line of the source. */
const TOP = 130;
const SOURCE_LINE = 15;
const SOURCE_CHARS_MAX = 120;
const SOURCE_LINES_MAX = 2;
const BAR = 13;
const BAR_GAP = 2;
const GROUP_GAP = 18;
/** Told apart by how dark they are, too; 3 to 1 at least against the ground. */
const COLOURS = ['#174f78', '#4592c8', '#8a929c', '#b0721a'];
const GROUND = '#ffffff';
const EDGE = '#8593a8';
const INK = '#1d2733';
const FAINT = '#5a6572';
const GRID = '#e3e8ec';

type Look = Readonly<Record<string, string | number>>;

function words(x: number, y: number, text: string, look: Look): Markup {
  const attributes = Object.entries(look).map(([name, value]) => markup` ${name}="${value}"`);
  return markup`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${attributes}>${text}</text>\n`;
}

/** At spaces where there are some. */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > SOURCE_CHARS_MAX && lines.length < SOURCE_LINES_MAX - 1) {
    const space = rest.lastIndexOf(' ', SOURCE_CHARS_MAX);
    const at = space > SOURCE_CHARS_MAX / 2 ? space : SOURCE_CHARS_MAX;
    lines.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return [...lines, rest.length > SOURCE_CHARS_MAX ? `${rest.slice(0, SOURCE_CHARS_MAX - 1)}…` : rest];
}

const toX = (scale: Scale, value: number): number => LEFT + scale.at(value) * (WIDTH - LEFT - RIGHT);

function gridOf(scale: Scale, top: number, bottom: number): Markup[] {
  return scale.ticks.map(({ value, text }) => {
    const x = toX(scale, value);
    const look = { fill: FAINT, 'font-size': 11, 'text-anchor': 'middle' };
    return markup`<line x1="${px(x)}" y1="${top - 6}" x2="${px(x)}" y2="${bottom}" stroke="${GRID}"/>\n${words(x, bottom + 16, text, look)}`;
  });
}

function legendOf(series: readonly string[], top: number): Markup[] {
  let x = LEFT;
  return series.map((name, i) => {
    const at = x;
    x += 30 + name.length * 7.2;
    const swatch = markup`<rect x="${px(at)}" y="${top - 38}" width="12" height="12" rx="2" fill="${colourOf(i)}"/>\n`;
    return markup`${swatch}${words(at + 18, top - 28, name, { fill: INK, 'font-size': 12 })}`;
  });
}

function colourOf(series: number): string {
  return COLOURS[series % COLOURS.length] as string;
}

function groupOf({ name, note, values }: BarGroup, series: readonly string[], top: number, scale: Scale): Markup {
  const middle = top + (values.length * (BAR + BAR_GAP) - BAR_GAP) / 2;
  const bars = values.map((value, i) => {
    const y = top + i * (BAR + BAR_GAP);
    const width = Math.max(1, toX(scale, value) - LEFT);
    const text = value.toFixed(2);
    const look = { fill: INK, 'font-size': 11, ...(i === 0 ? { 'font-weight': 600 } : {}) };
    const bar = markup`<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${colourOf(i)}"/>`;
    return markup`<g><title>${name}, ${series[i]}: ${text}</title>${bar}${words(LEFT + width + 6, y + BAR - 3, text, look)}</g>\n`;
  });
  const side = { 'text-anchor': 'end' };
  return markup`${words(LEFT - 12, middle - 1, name, { fill: INK, 'font-size': 13, 'font-weight': 600, ...side })}${words(LEFT - 12, middle + 14, note, { fill: FAINT, 'font-size': 11, ...side })}${bars}`;
}

export function barChartSvg({ title, subtitle, source = '', series, groups }: BarChart): string {
  const groupHeight = series.length * (BAR + BAR_GAP) - BAR_GAP + GROUP_GAP;
  const from = linesOf(source);
  const top = TOP + (from.length - 1) * SOURCE_LINE;
  const bottom = top + groups.length * groupHeight;
  const height = bottom + 34;
  const max = Math.max(1, ...groups.flatMap(({ values }) => values));
  const scale = linearScale(0, max, { steps: 8 });
  const spoken = groups.map(
    ({ name, values }) => `${name}: ${values.map((value, i) => `${series[i]} ${value.toFixed(2)}`).join(', ')}`,
  );
  return markup`<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img"
 font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif" aria-labelledby="title values">
<title id="title">${title}</title>
<desc id="values">${spoken.join('; ')}</desc>
<rect x="1" y="1" width="${WIDTH - 2}" height="${height - 2}" rx="14" fill="${GROUND}" stroke="${EDGE}" stroke-width="2"/>
${words(24, 34, title, { fill: INK, 'font-size': 18, 'font-weight': 600 })}${words(24, 55, subtitle, { fill: FAINT, 'font-size': 12 })}${from.map((line, i) => words(24, 73 + SOURCE_LINE * i, line, { fill: FAINT, 'font-size': 11 }))}${legendOf(series, top)}${gridOf(scale, top, bottom)}${groups.map((group, i) => groupOf(group, series, top + GROUP_GAP / 2 + i * groupHeight, scale))}</svg>
`.toString();
}
