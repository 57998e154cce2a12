/** Lines over two axes, linear or logarithmic, with a mark and a hover title at every point as long as they are few. Pure. */
import { type Markup, markup, px } from '../../bench/draw/markup.ts';
import { linearScale, logScale, quantity, type Scale, type Tick } from '../../bench/draw/scale.ts';
import { DIGIT, type Drawing, type DrawnLine, markAt, shortened, unitOf, WIDTH, words } from './plot-parts.ts';
import type { Axis, Line, Plot } from './run-report.ts';

const TOP = 12;
const HEIGHT = 250;
const BOTTOM = HEIGHT - 46;
const RIGHT = WIDTH - 18;
/** More points than this are a line without marks. */
const MARKED_MAX = 48;
/** More points than this are thinned to the least and greatest of each stretch. */
const DRAWN_MAX = 800;

type Place = Line['points'][number];

interface Frame {
  readonly left: number;
  readonly x: Scale;
  readonly y: Scale;
}

export function drawLines(plot: Plot, given: readonly DrawnLine[]): Drawing {
  const lines = given.map((line) => ({ ...line, points: visible(line.points, plot) }));
  const frame = frameOf(plot, lines);
  const parts = [
    ...gridOf(plot, frame, lines),
    ...lines.map((line) => lineOf(line, frame)),
    ...lines.flatMap((line) => marksOf(line, frame, plot)),
    ...thresholdOf(plot, frame, lines),
  ];
  return { height: HEIGHT, parts };
}

function visible(points: readonly Place[], plot: Plot): Place[] {
  const fits = (value: number, { scale }: Axis): boolean => Number.isFinite(value) && (scale === 'linear' || value > 0);
  return points.filter(({ x, y }) => fits(x, plot.x) && fits(y, plot.y)).sort((a, b) => a.x - b.x);
}

function extentOf(values: readonly number[]): { readonly min: number; readonly max: number } {
  return values.reduce(({ min, max }, value) => ({ min: Math.min(min, value), max: Math.max(max, value) }), {
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
  });
}

function frameOf({ x, y, threshold }: Plot, lines: readonly Line[]): Frame {
  const ys = lines.flatMap(({ points }) => points.map((point) => point.y));
  if (threshold !== undefined && (y.scale === 'linear' || threshold.y > 0)) ys.push(threshold.y);
  const { min, max } = extentOf(ys);
  const unit = unitOf(y.label);
  const yScale = y.scale === 'log' ? logScale(min, max, unit) : linearScale(min, max, { unit });
  const longest = Math.max(...yScale.ticks.map(({ text }) => text.length));
  return { left: Math.max(30, longest * DIGIT + 12), x: scaleOfX(x, lines), y: yScale };
}

/** A few values that were varied are the ticks themselves; so are labels. */
function scaleOfX({ label, scale }: Axis, lines: readonly Line[]): Scale {
  const points = lines.flatMap((line) => line.points);
  const places = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const [min, max] = [places[0] as number, places.at(-1) as number];
  const unit = unitOf(label);
  const names = new Map(points.flatMap(({ x, label: name }) => (name === undefined ? [] : [[x, name] as const])));
  if (names.size > 0) {
    const { at } = scale === 'log' ? logScale(min, max) : linearScale(min, max, { isTight: true });
    return { at: inset(at), ticks: [...names].map(([value, text]) => ({ value, text: shortened(text, 14) })) };
  }
  if (scale === 'log') {
    const log = logScale(min, max, unit, places.length <= 12 ? places : undefined);
    return { ticks: log.ticks, at: inset(log.at) };
  }
  const isWhole = places.every(Number.isInteger);
  if (min < 0 || min > max / 3) {
    const tight = linearScale(min, max, { isWhole, unit, isTight: true });
    return { ticks: tight.ticks, at: inset(tight.at) };
  }
  return linearScale(0, max, { isWhole, unit, steps: 6 });
}

/** Leaves room at both ends, so that no mark lies on the frame. */
function inset(at: (value: number) => number): (value: number) => number {
  return (value) => 0.03 + 0.94 * at(value);
}

const toX = ({ left, x }: Frame, value: number): number => left + x.at(value) * (RIGHT - left);
const toY = ({ y }: Frame, value: number): number => BOTTOM - y.at(value) * (BOTTOM - TOP);

function gridOf(plot: Plot, frame: Frame, lines: readonly Line[]): Markup[] {
  const { left, x, y } = frame;
  const across = y.ticks.map(({ value, text }) => {
    const at = toY(frame, value);
    return markup`<line class="grid" x1="${px(left)}" y1="${px(at)}" x2="${RIGHT}" y2="${px(at)}"/>${words(left - 7, at + 4.5, text, 'tick end')}\n`;
  });
  const down = spaced(x.ticks, frame).map(({ value, text }) => {
    const at = toX(frame, value);
    return markup`<line class="axis" x1="${px(at)}" y1="${BOTTOM}" x2="${px(at)}" y2="${BOTTOM + 5}"/>${words(at, BOTTOM + 20, text, 'tick middle')}\n`;
  });
  const hasNames = lines.some(({ points }) => points.some(({ label }) => label !== undefined));
  const note = plot.x.scale === 'log' && !hasNames ? ' (log)' : '';
  return [
    ...across,
    ...down,
    markup`<line class="axis" x1="${px(left)}" y1="${BOTTOM}" x2="${RIGHT}" y2="${BOTTOM}"/>`,
    words(RIGHT, HEIGHT - 6, shortened(plot.x.label, 54) + note, 'label end'),
  ];
}

/** Without those that would run into the one before; the last is kept, since it says how far the axis goes. */
function spaced(ticks: readonly Tick[], frame: Frame): Tick[] {
  const half = ({ text }: Tick): number => (text.length * DIGIT) / 2 + 4;
  const kept: Tick[] = [];
  for (const tick of [...ticks].reverse()) {
    const next = kept.at(-1);
    const room = next === undefined ? Number.POSITIVE_INFINITY : toX(frame, next.value) - toX(frame, tick.value);
    if (next === undefined || room >= half(tick) + half(next)) kept.push(tick);
  }
  return kept.reverse();
}

function lineOf({ points, hue, dash }: DrawnLine, frame: Frame): Markup {
  const path = thinned(points).map(({ x, y }) => `${px(toX(frame, x))} ${px(toY(frame, y))}`);
  return markup`<path class="line s${hue} d${dash}" d="M${path.join('L')}"/>\n`;
}

function thinned(points: readonly Place[]): readonly Place[] {
  if (points.length <= DRAWN_MAX) return points;
  const stretch = Math.ceil(points.length / (DRAWN_MAX / 2));
  const kept: Place[] = [];
  for (let i = 0; i < points.length; i += stretch) {
    const some = points.slice(i, i + stretch).sort((a, b) => a.y - b.y);
    kept.push(...[some[0] as Place, some.at(-1) as Place].sort((a, b) => a.x - b.x));
  }
  return kept;
}

function marksOf(line: DrawnLine, frame: Frame, plot: Plot): Markup[] {
  const { name, points } = line;
  if (points.length > MARKED_MAX) return [];
  return points.map(({ x, y, label }) => {
    const [at, height] = [toX(frame, x), toY(frame, y)];
    const place = label ?? `${quantity(x, unitOf(plot.x.label))} (${plot.x.label})`;
    const title = `${name === '' ? plot.y.label : name}: ${quantity(y, unitOf(plot.y.label))} at ${place}`;
    return markup`<g class="point"><title>${title}</title><circle class="touch" cx="${px(at)}" cy="${px(height)}" r="11"/>${markAt(line, at, height)}</g>\n`;
  });
}

function thresholdOf({ y, threshold }: Plot, frame: Frame, lines: readonly Line[]): Markup[] {
  if (threshold === undefined || !Number.isFinite(threshold.y) || (y.scale === 'log' && threshold.y <= 0)) return [];
  const at = toY(frame, threshold.y);
  const text = shortened(threshold.label, 40);
  const place = freestOf(frame, lines, at, text.length * DIGIT);
  return [
    markup`<line class="threshold" x1="${px(frame.left)}" y1="${px(at)}" x2="${RIGHT}" y2="${px(at)}"/>`,
    words(place.x, place.y, text, `threshold-label${place.isEnd ? ' end' : ''}`),
  ];
}

/** Of the four places beside the threshold, the one with the least of the lines in it. */
function freestOf(frame: Frame, lines: readonly Line[], at: number, width: number) {
  const drawn = lines.flatMap(({ points }) =>
    betweenOf(points.map(({ x, y }) => [toX(frame, x), toY(frame, y)] as const)),
  );
  const places = [false, true].flatMap((isEnd) =>
    [at - 7, at + 16].map((y) => ({ isEnd, y, x: isEnd ? RIGHT - 4 : frame.left + 6 })),
  );
  const costOf = ({ x, y, isEnd }: (typeof places)[number]): number => {
    if (y < TOP - 2 || y > BOTTOM - 2) return Number.POSITIVE_INFINITY;
    const [from, to] = isEnd ? [x - width, x] : [x, x + width];
    return drawn.filter(([a, b]) => a > from - 6 && a < to + 6 && b > y - 16 && b < y + 8).length;
  };
  return places.reduce((best, place) => (costOf(place) < costOf(best) ? place : best));
}

/** The points and some places on the way between them. */
function betweenOf(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  return points.flatMap(([x, y], i) => {
    const [toX, toY] = points[i + 1] ?? [x, y];
    return [0, 0.2, 0.4, 0.6, 0.8].map((share) => [x + share * (toX - x), y + share * (toY - y)] as const);
  });
}
