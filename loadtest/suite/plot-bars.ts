/**
 * Bars in groups, lying: names of loads are long, and so they stand above their group and are never cut or turned on a phone. Every bar
 * carries its value. Pure.
 */
import { type Markup, markup, px } from '../../bench/draw/markup.ts';
import { linearScale, logScale, quantity, type Scale } from '../../bench/draw/scale.ts';
import { DIGIT, type Drawing, type DrawnLine, shortened, unitOf, WIDTH, words } from './plot-parts.ts';
import type { Plot } from './run-report.ts';

const TOP = 10;
const LEFT = 8;
const BAR = 16;
const BAR_GAP = 3;
const NAME = 20;
const GROUP_GAP = 12;
/** More groups than this are left to the table. */
const GROUPS_MAX = 40;
/** Room above the bars for what a threshold is called. */
const THRESHOLD = 18;

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
  const [bars, names]: [Markup[], Markup[]] = [[], []];
  let top = plot.threshold === undefined ? TOP : TOP + THRESHOLD;
  for (const group of shown) {
    bars.push(...barsOf(group, top, frame, plot));
    names.push(...namesOf(group, top, frame, plot));
    top += heightOf(group) + GROUP_GAP;
  }
  const bottom = top - GROUP_GAP / 2;
  const left = groups.length - shown.length;
  const note = left > 0 ? [words(LEFT, bottom + 38, `${left} more are in the table.`, 'tick')] : [];
  return {
    height: bottom + 26 + 18 * note.length,
    // What can be read is never crossed by the threshold, which crosses the bars.
    parts: [...gridOf(frame, bottom), ...bars, ...thresholdOf(plot, frame, bottom), ...names, ...note],
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

function gridOf(frame: Frame, bottom: number): Markup[] {
  let last = Number.NEGATIVE_INFINITY;
  const lines = frame.scale.ticks.map(({ value, text }) => {
    const at = toX(frame, frame.scale.at(value));
    const isFree = at - last > text.length * DIGIT + 10;
    if (isFree) last = at;
    const word = isFree && words(Math.max(at, (text.length * DIGIT) / 2), bottom + 18, text, 'tick middle');
    return markup`<line class="grid" x1="${px(at)}" y1="${TOP - 8}" x2="${px(at)}" y2="${px(bottom)}"/>${word}\n`;
  });
  return lines;
}

/** From where to where, and at which height. */
function placesOf({ bars }: Group, top: number, frame: Frame) {
  return bars.map(({ line, value }, i) => {
    const [a, b] = [toX(frame, frame.base), toX(frame, frame.scale.at(value))];
    return { line, value, y: top + NAME + i * (BAR + BAR_GAP), from: Math.min(a, b), to: Math.max(a, b) };
  });
}

function barsOf(group: Group, top: number, frame: Frame, plot: Plot): Markup[] {
  return placesOf(group, top, frame).map(({ line, value, y, from, to }) => {
    const names = [group.name, line.name].filter((part) => part !== '').join(', ');
    const title = `${names}: ${quantity(value, unitOf(plot.y.label))}`;
    return markup`<g class="point"><title>${title}</title><rect class="s${line.hue}" x="${px(from)}" y="${px(y)}" width="${px(Math.max(1.5, to - from))}" height="${BAR}" rx="2"/></g>\n`;
  });
}

function namesOf(group: Group, top: number, frame: Frame, plot: Plot): Markup[] {
  const values = placesOf(group, top, frame).map(({ value, y, to }) =>
    words(to + 6, y + BAR - 3.5, quantity(value, unitOf(plot.y.label)), 'value'),
  );
  return [words(LEFT, top + NAME - 7, shortened(group.name, 50), 'group'), ...values, markup`\n`];
}

function thresholdOf({ threshold }: Plot, frame: Frame, bottom: number): Markup[] {
  if (threshold === undefined || !Number.isFinite(frame.scale.at(threshold.y))) return [];
  const at = toX(frame, frame.scale.at(threshold.y));
  const isRight = at > WIDTH / 2;
  return [
    markup`<line class="threshold" x1="${px(at)}" y1="2" x2="${px(at)}" y2="${px(bottom)}"/>`,
    words(
      at + (isRight ? -5 : 5),
      14,
      shortened(threshold.label, 30),
      isRight ? 'threshold-label end' : 'threshold-label',
    ),
  ];
}
