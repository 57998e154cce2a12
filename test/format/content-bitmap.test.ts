/** PNM, BMP and TIFF without compression. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTENT_CLASS, type PixelLayout } from '../../src/format/content.ts';
import { detectContent } from '../../src/format/content-detect.ts';

const USUAL = { samples: 1, isPlanar: false, isSigned: false, isFloat: false, isBigEndian: false } as const;

function picture(bytes: Buffer): PixelLayout | undefined {
  const content = detectContent(bytes);
  assert.equal(content.class, CONTENT_CLASS.image);
  assert.equal(content.isCompressed, false);
  return content.pixels;
}

test('PNM of bytes and of words, grey and in colour, with comments', () => {
  const cases: readonly (readonly [string, number, Partial<PixelLayout>])[] = [
    ['P5 5 4 255\n', 20, {}],
    ['P5\n# a comment\n5\n4 # another\n255\n', 20, {}],
    ['P5\t5\r\n4\n4095 ', 40, { bytesPerSample: 2, isBigEndian: true }],
    ['P6\n5 4\n255\n', 60, { samples: 3 }],
    ['P6\n5 4\n65535\n', 120, { samples: 3, bytesPerSample: 2, isBigEndian: true }],
  ];
  for (const [header, dataBytes, fields] of cases) {
    const place = { offset: header.length, width: 5, height: 4, frames: 1, bytesPerSample: 1 };
    const bytes = Buffer.concat([Buffer.from(header), Buffer.alloc(dataBytes, 0x30)]);
    assert.deepEqual(picture(bytes), { ...USUAL, ...place, ...fields }, header);
  }
});

test('text that begins like PNM is text', () => {
  for (const header of [
    'P5 is a road',
    'P5 5 4 0\n',
    'P5 5 4 65536\n',
    'P5 5 4 255',
    'P5 5 4',
    `P5 #${'x'.repeat(20_000)}`,
  ]) {
    const content = detectContent(Buffer.from(header));
    assert.deepEqual([content.class, content.pixels], [CONTENT_CLASS.other, undefined], header);
  }
});

interface Bmp {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly compression?: number;
}

function bmp({ width, height, bits, compression = 0 }: Bmp): Buffer {
  const lineBytes = Math.ceil((Math.abs(width) * bits) / 32) * 4;
  const bytes = Buffer.alloc(54 + lineBytes * Math.abs(height));
  bytes.write('BM');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(bits, 28);
  bytes.writeUInt32LE(compression, 30);
  return bytes;
}

test('BMP: lines of bytes with their padding, lines of colours without', () => {
  const place = { ...USUAL, offset: 54, height: 4, frames: 1, bytesPerSample: 1 };
  assert.deepEqual(picture(bmp({ width: 5, height: 4, bits: 8 })), { ...place, width: 8 });
  assert.deepEqual(picture(bmp({ width: 8, height: 4, bits: 24 })), { ...place, width: 8, samples: 3 });
  assert.deepEqual(picture(bmp({ width: 8, height: -4, bits: 24 })), { ...place, width: 8, samples: 3 });
  const odd: readonly Bmp[] = [
    { width: 5, height: 4, bits: 24 },
    { width: 8, height: 4, bits: 32 },
    { width: 8, height: 4, bits: 1 },
    { width: -8, height: 4, bits: 8 },
    { width: 8, height: 0, bits: 8 },
    { width: 8, height: 4, bits: 8, compression: 1 },
  ];
  for (const fields of odd) assert.equal(picture(bmp({ ...fields })), undefined, JSON.stringify(fields));
});

type Field = readonly [tag: number, values: readonly number[]];

/** A TIFF file: head, samples, long value lists, directory. Numbers are LONG. */
function tiff(isBigEndian: boolean, dataBytes: number, fields: readonly Field[]): Buffer {
  const lists: number[] = [];
  const entriesAt =
    8 + dataBytes + 4 * fields.reduce((sum, [, values]) => sum + (values.length > 1 ? values.length : 0), 0);
  const bytes = Buffer.alloc(entriesAt + 2 + fields.length * 12 + 4);
  const u16 = (value: number, at: number) =>
    isBigEndian ? bytes.writeUInt16BE(value, at) : bytes.writeUInt16LE(value, at);
  const u32 = (value: number, at: number) =>
    isBigEndian ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  bytes.write(isBigEndian ? 'MM\0*' : 'II*\0', 'latin1');
  u32(entriesAt, 4);
  u16(fields.length, entriesAt);
  fields.forEach(([tag, values], index) => {
    const at = entriesAt + 2 + index * 12;
    u16(tag, at);
    u16(4, at + 2);
    u32(values.length, at + 4);
    u32(values.length > 1 ? 8 + dataBytes + 4 * lists.length : (values[0] as number), at + 8);
    if (values.length > 1) lists.push(...values);
  });
  lists.forEach((value, index) => {
    u32(value, 8 + dataBytes + 4 * index);
  });
  return bytes;
}

function tiffFields(changes: readonly Field[] = []): Field[] {
  const fields = new Map<number, readonly number[]>([
    [256, [5]],
    [257, [4]],
    [258, [16]],
    [259, [1]],
    [273, [8]],
    [277, [1]],
    [278, [4]],
  ]);
  for (const [tag, values] of changes) fields.set(tag, values);
  return [...fields];
}

test('TIFF in both byte orders, in one strip or several that follow each other', () => {
  const place = { ...USUAL, offset: 8, width: 5, height: 4, frames: 1, bytesPerSample: 2 };
  for (const isBigEndian of [false, true]) {
    const cases: readonly (readonly [readonly Field[], Partial<PixelLayout>])[] = [
      [[], {}],
      [
        [
          [273, [8, 28]],
          [278, [2]],
        ],
        {},
      ],
      [
        [
          [273, [8, 38]],
          [278, [3]],
        ],
        {},
      ],
      [
        [
          [258, [32]],
          [339, [3]],
        ],
        { bytesPerSample: 4, isFloat: true },
      ],
      [[[339, [2]]], { isSigned: true }],
      [
        [
          [277, [3]],
          [258, [8, 8, 8]],
        ],
        { bytesPerSample: 1, samples: 3 },
      ],
    ];
    for (const [changes, fields] of cases) {
      const pixels = picture(tiff(isBigEndian, 80, tiffFields(changes)));
      assert.deepEqual(pixels, { ...place, isBigEndian, ...fields }, JSON.stringify(changes));
    }
  }
});

test('TIFF that is not one block of samples has no layout', () => {
  const cases: readonly (readonly Field[])[] = [
    [
      [273, [8, 29]],
      [278, [2]],
    ],
    [[278, [2]]],
    [[278, [0]]],
    [[258, [12]]],
    [[277, [4]]],
    [
      [277, [3]],
      [284, [2]],
    ],
    [[259, [32_773]]],
    [[257, [0]]],
    [
      [257, [0xffff_ffff]],
      [278, [1]],
    ],
    [[273, [0xffff_ffff]]],
  ];
  for (const changes of cases)
    assert.equal(picture(tiff(false, 80, tiffFields(changes))), undefined, JSON.stringify(changes));
  const outside = tiff(false, 80, [...tiffFields([[278, [2]]]).filter(([tag]) => tag !== 273), [273, [8, 28]]]);
  outside.writeUInt32LE(outside.length - 7, outside.length - 8);
  assert.equal(picture(outside), undefined);
  const whole = tiff(false, 80, tiffFields());
  assert.equal(picture(whole.subarray(0, -10)), undefined);
});

test('compressed TIFF is compressed', () => {
  for (const compression of [5, 7, 8, 32_946, 33_003]) {
    const content = detectContent(tiff(false, 80, tiffFields([[259, [compression]]])));
    assert.deepEqual([content.class, content.isCompressed], [CONTENT_CLASS.compressed, true]);
  }
});
