/**
 * From values to places on an axis, with ticks at round values and words for them. Hardest decision: a linear axis of values that are
 * not negative begins at 0, always, so that a small difference looks small. Pure.
 */
export interface Scale {
  readonly ticks: readonly Tick[];
  /** 0 at the start of the axis, 1 at its end. */
  at(value: number): number;
}

export interface Tick {
  readonly value: number;
  readonly text: string;
}

/** How figures are written: `bytes` in KiB, MiB, … */
export type Unit = 'plain' | 'bytes';

/** Beyond these a power of ten is 0 or infinite. */
const LOG_MIN = 1e-300;
const LOG_MAX = 1e300;
const FACTORS = [1, 2, 2.5, 5, 10];
const PLAIN = [
  { size: 1e12, name: ' T' },
  { size: 1e9, name: ' G' },
  { size: 1e6, name: ' M' },
  { size: 1e3, name: ' k' },
];
const BYTES = [
  { size: 2 ** 40, name: ' TiB' },
  { size: 2 ** 30, name: ' GiB' },
  { size: 2 ** 20, name: ' MiB' },
  { size: 2 ** 10, name: ' KiB' },
];

function unitAt(value: number, unit: Unit): { readonly size: number; readonly name: string } {
  const found = (unit === 'bytes' ? BYTES : PLAIN).find(
    ({ size }) => Math.abs(value) >= size * (unit === 'bytes' ? 1 : 10),
  );
  return found ?? { size: 1, name: unit === 'bytes' && value !== 0 ? ' B' : '' };
}

/** Without an exponent, and without the dust of binary fractions. */
function plainly(value: number): string {
  return Number(value.toPrecision(10)).toLocaleString('en-US', { maximumSignificantDigits: 10 });
}

function textsOf(values: readonly number[], unit: Unit): Tick[] {
  const greatest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const { size, name } = unitAt(greatest, unit);
  return values.map((value) => ({ value, text: value === 0 ? '0' : plainly(value / size) + name }));
}

/** One value, to three significant figures: `12.3 k`, `1.5 MiB`, `0.042`. */
export function quantity(value: number, unit: Unit = 'plain'): string {
  if (!Number.isFinite(value)) return '–';
  const { size, name } = unitAt(value, unit);
  const scaled = value / size;
  if (size === 1 && Math.abs(scaled) >= 1000) return Math.round(scaled).toLocaleString('en-US') + name;
  return plainly(Number(scaled.toPrecision(3))) + name;
}

/** The round step that gives at most `steps` of them. */
function stepOf(range: number, steps: number): number {
  const power = 10 ** Math.floor(Math.log10(range / steps));
  return FACTORS.map((factor) => factor * power).find((step) => range / step <= steps * (1 + 1e-9)) ?? power * 10;
}

export interface LinearOptions {
  /** Steps between ticks at most. */
  readonly steps?: number;
  /** Ticks only at whole values, as of rounds. */
  readonly isWhole?: boolean;
  /** The axis ends where the values end, and not at the next tick: for what is counted off, as time. */
  readonly isTight?: boolean;
  readonly unit?: Unit;
}

/** @param min of all values; what is above 0 makes no difference unless `isTight` */
export function linearScale(min: number, max: number, options: LinearOptions = {}): Scale {
  const { steps = 5, isWhole = false, isTight = false, unit = 'plain' } = options;
  const low = isTight ? min : Math.min(0, min);
  const high = Math.max(isTight ? low : 0, max);
  const range = high > low ? high - low : 1;
  const { size } = unitAt(Math.max(Math.abs(low), Math.abs(high)), unit);
  const nice = stepOf(range / size, steps) * size;
  const step = isWhole ? Math.max(1, nice === 2.5 ? 5 : Math.round(nice)) : nice;
  const first = isTight ? Math.ceil(low / step - 1e-9) : Math.floor(low / step + 1e-9);
  const last = isTight ? Math.floor((low + range) / step + 1e-9) : Math.ceil((low + range) / step - 1e-9);
  // Of values at the ends of what a number can be there is no round step.
  const count = Number.isFinite(last - first) ? Math.min(50, Math.max(0, last - first)) : 0;
  const values = Array.from({ length: count + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  const [from, to] = isTight ? [low, low + range] : [first * step, last * step];
  return { ticks: textsOf(values, unit), at: (value) => (value - from) / (to - from) };
}

/** Of values above 0. @param places ticks at these and nowhere else, as of the few values that were varied */
export function logScale(least: number, most: number, unit: Unit = 'plain', places?: readonly number[]): Scale {
  const min = Math.max(LOG_MIN, least);
  const max = Math.max(min, Math.min(LOG_MAX, most));
  const values = places ?? logTicks(min, max);
  const isInside = places !== undefined;
  const from = Math.log10(isInside ? min : Math.min(min, values[0] ?? min));
  const to = Math.log10(isInside ? max : Math.max(max, values.at(-1) ?? max));
  const range = to > from ? to - from : 1;
  const ticks = values.map((value) => ({ value, text: value === 0 ? '0' : quantity(value, unit) }));
  return { ticks, at: (value) => (to > from ? (Math.log10(value) - from) / range : 0.5) };
}

/** From the one at or below `min` to the one at or above `max`: 1, 2, 5 within few decades, else their powers. */
function logTicks(min: number, max: number): number[] {
  const decades = Math.log10(max) - Math.log10(min);
  const factors = decades <= 1.6 ? [1, 2, 5] : decades <= 3 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / 7));
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)) + every; power += every)
    for (const factor of factors) all.push(Number((factor * 10 ** power).toPrecision(6)));
  const first = all.findLastIndex((value) => value <= min * (1 + 1e-9));
  const last = all.findIndex((value) => value >= max * (1 - 1e-9));
  return all.slice(Math.max(0, first), last + 1);
}
