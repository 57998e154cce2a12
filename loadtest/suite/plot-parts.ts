/** What lines and bars are drawn with: sizes, marks, words. Sizes in units of the drawing, of which a page shows about 1.2 pixels each. */
import { type Markup, markup, px } from '../../bench/draw/markup.ts';
import type { Unit } from '../../bench/draw/scale.ts';
import type { Line } from './run-report.ts';

export const WIDTH = 460;
/** Colours before they come again with another dash. */
const HUES = 7;
const DASHES = 3;
/** Of one digit of a tick, for want of a font to measure: what is drawn is never wider. */
export const DIGIT = 7.4;

export interface Drawing {
  readonly height: number;
  readonly parts: readonly Markup[];
}

/** What tells a line from the others: colour and mark by `hue`, dash and a hollow mark by `dash`. */
export interface Style {
  readonly hue: number;
  readonly dash: number;
}

export interface DrawnLine extends Line, Style {}

/**
 * Names like `ours, GET`, `ours, PUT`, `theirs, GET`, `theirs, PUT` are two things at once: the one with fewer values is told by the
 * dash, the other by the colour. Others are coloured in their order.
 */
export function stylesOf(names: readonly string[]): Style[] {
  const splits = [(name: string) => name.indexOf(', '), (name: string) => name.lastIndexOf(', ')];
  for (const split of splits) {
    const pairs = names.map((name) => [name.slice(0, Math.max(0, split(name))), name.slice(split(name) + 2)] as const);
    const [heads, tails] = [[...new Set(pairs.map(([head]) => head))], [...new Set(pairs.map(([, tail]) => tail))]];
    const [few, many] = [Math.min(heads.length, tails.length), Math.max(heads.length, tails.length)];
    const isComplete = new Set(names).size === names.length && names.length === heads.length * tails.length;
    if (!isComplete || few < 2 || few > DASHES || many > HUES) continue;
    return pairs.map(([head, tail]) => {
      const [a, b] = [heads.indexOf(head), tails.indexOf(tail)];
      return heads.length <= tails.length ? { dash: a, hue: b } : { dash: b, hue: a };
    });
  }
  return names.map((_, i) => ({ hue: i % HUES, dash: Math.floor(i / HUES) % DASHES }));
}

/** Figures whose axis speaks of bytes are written in KiB and MiB; units stand in the names. */
export function unitOf(label: string): Unit {
  return /\bbytes\b/i.test(label) ? 'bytes' : 'plain';
}

type Mark = 'circle' | 'square' | 'triangle' | 'diamond' | 'turned' | 'cross' | 'bar';
const MARKS: readonly Mark[] = ['circle', 'square', 'triangle', 'diamond', 'turned', 'cross', 'bar'];

export function markAt({ hue, dash }: Style, x: number, y: number): Markup {
  const path = markPath(MARKS[hue % MARKS.length] as Mark, x, y);
  return markup`<path class="mark s${hue}${dash > 0 && ' hollow'}" d="${path}"/>`;
}

function markPath(mark: Mark, x: number, y: number): string {
  const at = `M${px(x)} ${px(y)}`;
  switch (mark) {
    case 'circle':
      return `${at}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`;
    case 'square':
      return `${at}m-3.6 -3.6h7.2v7.2h-7.2z`;
    case 'triangle':
      return `${at}m0 -5l4.8 8.4h-9.6z`;
    case 'diamond':
      return `${at}m0 -5.2l5.2 5.2l-5.2 5.2l-5.2 -5.2z`;
    case 'turned':
      return `${at}m0 5l4.8 -8.4h-9.6z`;
    case 'cross':
      return `${at}m-1.5 -4.6h3v3.1h3.1v3h-3.1v3.1h-3v-3.1h-3.1v-3h3.1z`;
    case 'bar':
      return `${at}m-5 -2.2h10v4.4h-10z`;
  }
}

export function words(x: number, y: number, text: string, classes: string): Markup {
  return markup`<text class="${classes}" x="${px(x)}" y="${px(y)}">${text}</text>`;
}

/** Cut in the middle where it is too long to stand: ends tell names apart as much as beginnings do. */
export function shortened(text: string, characters: number): string {
  const all = [...text];
  if (all.length <= characters) return text;
  const head = Math.ceil((characters - 1) / 2);
  return `${all.slice(0, head).join('')}…${all.slice(all.length - (characters - 1 - head)).join('')}`;
}
