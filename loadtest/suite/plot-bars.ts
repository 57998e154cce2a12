/**
 * Bars in groups, lying: names of loads are long, and so they stand above their group and are never cut or turned on a phone. Every bar
 * carries its value. Pure.
 */
import { type Markup, markup, px } from '../../bench/draw/markup.ts';
import { linearScale, logScale, quantity, type Scale } from '../../bench/draw/scale.ts';
import { DIGIT, type Drawing, type DrawnLine, shortened, unitOf, WIDTH, words } from './plot-parts.ts';
import type { Plot } from './run-report.ts';

const TOP = 36;
const LEFT = 8;
const BAR = 16;
const BAR_GAP = 3;
const NAME = 20;
const GROUP_GAP = 12;
/** More groups than this are left to the table. */
const GROUPS_MAX = 40;

interface Group {
  readonly name: string;
  readonly bars: readonly { readonly line: DrawnLine; readonly value: number }[];
}

interface Frame {
  readonly scale: Scale;
  /** Where the bars begin: 0, or the low end of a logarithmic axis. */
  readonly base: number;
  readonly right: number;
}

export function drawBars(plot: Plot, lines: readonly DrawnLine[]): Drawing {
  const groups = groupsOf(lines, plot);
  const shown = groups.slice(0, GROUPS_MAX);
  const frame = frameOf(plot, shown);
  const parts: Markup[] = [];
  let top = TOP;
  for (const group of shown) {
    parts.push(groupOf(group, top, frame, plot));
    top += heightOf(group) + GROUP_GAP;
  }
  const bottom = top - GROUP_GAP / 2;
  const left = groups.length - shown.length;
  const note = left > 0 ? [words(LEFT, bottom + 38, `${left} more are in the table.`, 'tick')] : [];
  return {
    height: bottom + 26 + 18 * note.length,
    parts: [...gridOf(plot, frame, bottom), ...parts, ...thresholdOf(plot, frame, bottom), ...note],
  };
}

function groupsOf(lines: readonly DrawnLine[], { y }: Plot): Group[] {
  const groups = new Map<number, { name: string; bars: { line: DrawnLine; value: number }[] }>();
  for (const line of lines) {
    for (const { x, y: value, label } of line.points) {
      if (!Number.isFinite(value) || (y.scale === 'log' && value <= 0)) continue;
      const group = groups.get(x) ?? { name: label ?? quantity(x), bars: [] };
      group.bars.push({ line, value });
      groups.set(x, group);
    }
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
}

const heightOf = ({ bars }: Group): number => NAME + bars.length * (BAR + BAR_GAP) - BAR_GAP;

function frameOf({ y, threshold }: Plot, groups: readonly Group[]): Frame {
  const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value));
  const unit = unitOf(y.label);
  const longest = Math.max(...values.map((value) => quantity(value, unit).length));
  if (threshold !== undefined && (y.scale === 'linear' || threshold.y > 0)) values.push(threshold.y);
  const [min, max] = [Math.min(...values), Math.max(...values)];
  // A bar of a logarithmic axis begins below the least value, or that would have none.
  const scale = y.scale === 'log' ? logScale(min / 2, max, unit) : linearScale(min, max, { unit });
  return { scale, base: y.scale === 'log' ? 0 : scale.at(0), right: WIDTH - longest * DIGIT - 14 };
}

const toX = ({ right }: Frame, share: number): number => LEFT + share * (right - LEFT);

function gridOf({ y }: Plot, frame: Frame, bottom: number): Markup[] {
  let last = Number.NEGATIVE_INFINITY;
  const lines = frame.scale.ticks.map(({ value, text }) => {
    const at = toX(frame, frame.scale.at(value));
    const isFree = at - last > text.length * DIGIT + 10;
    if (isFree) last = at;
    const word = isFree && words(Math.max(at, (text.length * DIGIT) / 2), bottom + 18, text, 'tick middle');
    return markup`<line class="grid" x1="${px(at)}" y1="${TOP - 8}" x2="${px(at)}" y2="${px(bottom)}"/>${word}\n`;
  });
  const note = y.scale === 'log' ? ' (log)' : '';
  return [...lines, words(4, 16, shortened(y.label, 54) + note, 'label')];
}

function groupOf({ name, bars }: Group, top: number, frame: Frame, plot: Plot): Markup {
  const unit = unitOf(plot.y.label);
  const drawn = bars.map(({ line, value }, i) => {
    const y = top + NAME + i * (BAR + BAR_GAP);
    const [a, b] = [toX(frame, frame.base), toX(frame, frame.scale.at(value))];
    const width = Math.max(1.5, Math.abs(b - a));
    const text = quantity(value, unit);
    const title = `${[name, line.name].filter((part) => part !== '').join(', ')}: ${text}`;
    return markup`<g class="point"><title>${title}</title><rect class="s${line.hue}" x="${px(Math.min(a, b))}" y="${px(y)}" width="${px(width)}" height="${BAR}" rx="2"/>${words(Math.max(a, b) + 6, y + BAR - 3.5, text, 'value')}</g>\n`;
  });
  return markup`${words(LEFT, top + NAME - 7, shortened(name, 50), 'group')}${drawn}`;
}

function thresholdOf({ threshold }: Plot, frame: Frame, bottom: number): Markup[] {
  if (threshold === undefined || !Number.isFinite(frame.scale.at(threshold.y))) return [];
  const at = toX(frame, frame.scale.at(threshold.y));
  const isRight = at > WIDTH / 2;
  return [
    markup`<line class="threshold" x1="${px(at)}" y1="${TOP - 10}" x2="${px(at)}" y2="${px(bottom)}"/>`,
    words(
      at + (isRight ? -5 : 5),
      TOP - 1,
      shortened(threshold.label, 30),
      isRight ? 'threshold-label end' : 'threshold-label',
    ),
  ];
}
