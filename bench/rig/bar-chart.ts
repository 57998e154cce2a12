/** Bars in groups as SVG text: no library, no script in it, readable on a light ground in a page or alone. Pure. */

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
  /** Where the figures come from: command and date. Cut where it is longer than the chart is wide. */
  readonly source?: string;
  readonly series: readonly string[];
  readonly groups: readonly BarGroup[];
}

const WIDTH = 860;
const LEFT = 190;
const RIGHT = 70;
const TOP = 130;
const SOURCE_CHARS_MAX = 120;
const BAR = 13;
const BAR_GAP = 2;
const GROUP_GAP = 18;
const COLOURS = ['#1f5f8b', '#5fa8d3', '#b8c4ce', '#d9a441'];
const INK = '#1d2733';
const FAINT = '#66717d';
const GRID = '#e3e8ec';

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function label(x: number, y: number, text: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(text)}</text>`;
}

/** A round step that divides the axis into four to eight. */
function stepFor(max: number): number {
  const power = 10 ** Math.floor(Math.log10(max / 4));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => max / step <= 8) ?? power * 10;
}

function grid(max: number, step: number, bottom: number, scale: number): string[] {
  const lines: string[] = [];
  for (let value = 0; value <= max + step / 1000; value += step) {
    const x = LEFT + value * scale;
    lines.push(`<line x1="${x}" y1="${TOP - 6}" x2="${x}" y2="${bottom}" stroke="${GRID}"/>`);
    lines.push(
      label(x, bottom + 16, String(Number(value.toFixed(6))), `fill="${FAINT}" font-size="11" text-anchor="middle"`),
    );
  }
  return lines;
}

function legend(series: readonly string[]): string[] {
  let x = LEFT;
  return series.flatMap((name, i) => {
    const at = x;
    x += 30 + name.length * 7.2;
    return [
      `<rect x="${at}" y="${TOP - 38}" width="12" height="12" rx="2" fill="${COLOURS[i % COLOURS.length]}"/>`,
      label(at + 18, TOP - 28, name, `fill="${INK}" font-size="12"`),
    ];
  });
}

function groupBars(group: BarGroup, top: number, scale: number): string[] {
  const height = group.values.length * (BAR + BAR_GAP) - BAR_GAP;
  const middle = top + height / 2;
  const bars = group.values.flatMap((value, i) => {
    const y = top + i * (BAR + BAR_GAP);
    const width = Math.max(1, value * scale);
    const weight = i === 0 ? 'font-weight="600"' : '';
    return [
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${COLOURS[i % COLOURS.length]}"/>`,
      label(LEFT + width + 6, y + BAR - 3, value.toFixed(2), `fill="${INK}" font-size="11" ${weight}`),
    ];
  });
  return [
    label(LEFT - 12, middle - 1, group.name, `fill="${INK}" font-size="13" font-weight="600" text-anchor="end"`),
    label(LEFT - 12, middle + 14, group.note, `fill="${FAINT}" font-size="11" text-anchor="end"`),
    ...bars,
  ];
}

export function barChartSvg({ title, subtitle, source = '', series, groups }: BarChart): string {
  const groupHeight = series.length * (BAR + BAR_GAP) - BAR_GAP + GROUP_GAP;
  const bottom = TOP + groups.length * groupHeight;
  const height = bottom + 32;
  const from = source.length > SOURCE_CHARS_MAX ? `${source.slice(0, SOURCE_CHARS_MAX - 1)}…` : source;
  const max = Math.max(1, ...groups.flatMap(({ values }) => values));
  const step = stepFor(max);
  const scale = (WIDTH - LEFT - RIGHT) / max;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img"`,
    ` font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    label(24, 34, title, `fill="${INK}" font-size="18" font-weight="600"`),
    label(24, 55, subtitle, `fill="${FAINT}" font-size="12"`),
    label(24, 73, from, `fill="${FAINT}" font-size="11"`),
    ...legend(series),
    ...grid(max, step, bottom, scale),
    ...groups.flatMap((group, i) => groupBars(group, TOP + GROUP_GAP / 2 + i * groupHeight, scale)),
    '</svg>',
    '',
  ].join('\n');
}
