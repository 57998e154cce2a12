/** Colours of the page can be seen against their ground, and told apart by who does not see all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_STYLE } from '../../loadtest/suite/page-style.ts';

type Triple = readonly [number, number, number];

/** What is left of linear red, green and blue (Machado, Oliveira and Fernandes 2009, full severity). */
const BLINDNESS: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  none: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protan: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deutan: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritan: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function times(rows: readonly [Triple, Triple, Triple], [r, g, b]: Triple): Triple {
  const [x, y, z] = rows.map((row) => row[0] * r + row[1] * g + row[2] * b);
  return [x as number, y as number, z as number];
}

function linear(hex: string): Triple {
  const full = hex.length === 4 ? hex.replace(/[^#]/g, '$&$&') : hex;
  const [r, g, b] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(full.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return [r as number, g as number, b as number];
}

/** Of WCAG 2. */
function contrast(a: string, b: string): number {
  const of = (hex: string): number => {
    const [red, green, blue] = linear(hex);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  };
  return Math.max(of(a), of(b)) / Math.min(of(a), of(b));
}

/** CIE 1976. */
function lab(rgb: Triple): Triple {
  const xyz = times(
    [
      [0.4339, 0.3762, 0.1899],
      [0.2126, 0.7152, 0.0722],
      [0.0177, 0.1095, 0.8728],
    ],
    rgb,
  );
  const [x, y, z] = xyz.map((share) => (share > 0.008856 ? Math.cbrt(share) : 7.787 * share + 16 / 116)) as [
    number,
    number,
    number,
  ];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const themes = ['light', 'dark'].map((name, i) => {
  const blocks = [...PAGE_STYLE.toString().matchAll(/:root\{([^}]*)\}/g)];
  const colours = new Map([...(blocks[i]?.[1] ?? '').matchAll(/--([\w-]+):(#\w+)/g)].map(([, key, hex]) => [key, hex]));
  return { name, of: (key: string): string => colours.get(key) ?? assert.fail(`no --${key}`) };
});
const LINES = [0, 1, 2, 3, 4, 5, 6].map((i) => `line-${i}`);

test('lines have a contrast of 3 against their card, words 4.5 against their ground', () => {
  for (const { name, of } of themes) {
    for (const line of LINES) assert.ok(contrast(of(line), of('card')) >= 3, `${name} ${line}`);
    for (const [word, ground] of [
      ['ink', 'ground'],
      ['ink', 'good-ground'],
      ['ink', 'bad-ground'],
      ['ink', 'unsure-ground'],
      ['faint', 'ground'],
      ['faint', 'card'],
      ['faint', 'bad-ground'],
      ['good', 'good-ground'],
      ['bad', 'bad-ground'],
      ['bad', 'card'],
      ['unsure', 'unsure-ground'],
      ['unsure', 'card'],
      ['accent', 'card'],
      ['accent', 'ground'],
    ] as const)
      assert.ok(contrast(of(word), of(ground)) >= 4.5, `${name} ${word} on ${ground}`);
  }
});

test('no two lines look alike, to the colour-blind neither', () => {
  for (const { name, of } of themes) {
    for (const [blindness, rows] of Object.entries(BLINDNESS)) {
      const seen = LINES.map((line) => lab(times(rows, linear(of(line)))));
      for (const [i, a] of seen.entries())
        for (const [j, b] of seen.entries()) {
          if (j >= i) continue;
          const distance = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
          assert.ok(distance > 10, `${name}, ${blindness}: lines ${j} and ${i} are ${distance.toFixed(1)} apart`);
        }
    }
  }
});
