/** Arrays of numpy and volumes of NIfTI: where their samples lie, and what is none of theirs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTENT_CLASS, type PixelLayout } from '../../src/format/content.ts';
import { detectBeginning, detectContent } from '../../src/format/content-detect.ts';

const USUAL = { samples: 1, isPlanar: false, isSigned: false, isFloat: false, isBigEndian: false } as const;

interface Npy {
  readonly descr: string;
  readonly shape: string;
  readonly order?: 'True' | 'False';
  readonly version?: 1 | 2 | 3;
}

/** The header as numpy writes it: a dictionary of Python, blanks and a newline up to a multiple of 64. */
function npyHeader({ descr, shape, order = 'False', version = 1 }: Npy): Buffer {
  const before = version === 1 ? 10 : 12;
  const text = `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': (${shape}), }`;
  const length = Math.ceil((before + text.length + 1) / 64) * 64 - before;
  const bytes = Buffer.alloc(before + length, ' ');
  bytes.write('\x93NUMPY', 'latin1');
  bytes[6] = version;
  bytes[7] = 0;
  if (version === 1) bytes.writeUInt16LE(length, 8);
  else bytes.writeUInt32LE(length, 8);
  bytes.write(text, before);
  bytes[bytes.length - 1] = 0x0a;
  return bytes;
}

function npyPixels(npy: Npy, dataBytes: number): PixelLayout | undefined {
  const header = npyHeader(npy);
  const { pixels } = detectContent(Buffer.concat([header, Buffer.alloc(dataBytes)]));
  if (pixels !== undefined) assert.equal(pixels.offset, header.length);
  return pixels && { ...pixels, offset: 0 };
}

test('an array of two or three axes is frames of lines, in every version of the format', () => {
  for (const version of [1, 2, 3] as const) {
    const plane = { ...USUAL, offset: 0, width: 5, height: 4, frames: 1, bytesPerSample: 2 };
    assert.deepEqual(npyPixels({ descr: "'<u2'", shape: '4, 5', version }, 40), plane);
    assert.deepEqual(npyPixels({ descr: "'<u2'", shape: '3, 4, 5', version }, 120), { ...plane, frames: 3 });
    assert.deepEqual(npyPixels({ descr: "'<u2'", shape: '2, 3, 4, 5', version }, 240), { ...plane, frames: 6 });
  }
});

test('numbers of every kind and order', () => {
  const cases: Record<string, Partial<PixelLayout>> = {
    '|u1': { bytesPerSample: 1 },
    '|b1': { bytesPerSample: 1 },
    '|i1': { bytesPerSample: 1, isSigned: true },
    '<u2': { bytesPerSample: 2 },
    '<i2': { bytesPerSample: 2, isSigned: true },
    '>u2': { bytesPerSample: 2, isBigEndian: true },
    '<i4': { bytesPerSample: 4, isSigned: true },
    '<u8': { bytesPerSample: 8 },
    '<f2': { bytesPerSample: 2, isFloat: true },
    '<f4': { bytesPerSample: 4, isFloat: true },
    '>f8': { bytesPerSample: 8, isFloat: true, isBigEndian: true },
    '<c8': { bytesPerSample: 4, isFloat: true, width: 10 },
  };
  for (const [descr, fields] of Object.entries(cases)) {
    const expected = { ...USUAL, offset: 0, width: 5, height: 4, frames: 1, ...fields };
    assert.deepEqual(npyPixels({ descr: `'${descr}'`, shape: '4, 5' }, 320), expected, descr);
  }
});

test('channels that come last are colours, or part of the line', () => {
  const rgb = { ...USUAL, offset: 0, width: 5, height: 4, frames: 1, bytesPerSample: 1, samples: 3 };
  assert.deepEqual(npyPixels({ descr: "'|u1'", shape: '4, 5, 3' }, 60), rgb);
  assert.deepEqual(npyPixels({ descr: "'|u1'", shape: '7, 4, 5, 3' }, 420), { ...rgb, frames: 7 });
  assert.deepEqual(npyPixels({ descr: "'<u2'", shape: '4, 5, 3' }, 120), { ...rgb, bytesPerSample: 2 });
  assert.deepEqual(npyPixels({ descr: "'|u1'", shape: '4, 5, 4' }, 80), { ...rgb, samples: 1, width: 20 });
  assert.deepEqual(npyPixels({ descr: "'|u1'", shape: '4, 5, 1' }, 20), { ...rgb, samples: 1 });
  const floats = { ...rgb, samples: 1, width: 15, bytesPerSample: 4, isFloat: true };
  assert.deepEqual(npyPixels({ descr: "'<f4'", shape: '4, 5, 3' }, 240), floats);
});

test('an array in the order of Fortran is its own transpose', () => {
  const transposed = npyPixels({ descr: "'<u2'", shape: '40, 50, 6', order: 'True' }, 24_000);
  assert.deepEqual(transposed, { ...USUAL, offset: 0, width: 40, height: 50, frames: 6, bytesPerSample: 2 });
});

test('a list of numbers has samples and is no image', () => {
  const content = detectContent(Buffer.concat([npyHeader({ descr: "'<f4'", shape: '9,' }), Buffer.alloc(36)]));
  assert.equal(content.class, CONTENT_CLASS.other);
  assert.deepEqual([content.pixels?.width, content.pixels?.height, content.pixels?.frames], [9, 1, 1]);
});

test('an array that ends early has fewer frames or lines', () => {
  const npy = { descr: "'<u2'", shape: '3, 4, 5' };
  assert.equal(npyPixels(npy, 119)?.frames, 2);
  assert.deepEqual([npyPixels(npy, 39)?.frames, npyPixels(npy, 39)?.height], [1, 3]);
  assert.equal(npyPixels(npy, 9), undefined);
  assert.equal(npyPixels(npy, 130)?.frames, 3);
});

test('what is no array of numbers has no pixels', () => {
  const numbers = { descr: "'<u2'", shape: '4, 5' };
  const cases: readonly Npy[] = [
    { ...numbers, descr: "'<U10'" },
    { ...numbers, descr: "'|O'" },
    { ...numbers, descr: "'<f16'" },
    { ...numbers, descr: "'<u3'" },
    { ...numbers, descr: "[('r', '<u2'), ('g', '<u2')]" },
    { ...numbers, shape: '' },
    { ...numbers, shape: '0, 5' },
    { ...numbers, shape: '4, -5' },
    { ...numbers, shape: `${'9'.repeat(400)}, 5` },
  ];
  for (const npy of cases) assert.equal(npyPixels(npy, 100), undefined, JSON.stringify(npy));
  const long = npyHeader({ ...numbers, version: 2 });
  long.writeUInt32LE(0xffff_fff0, 8);
  assert.equal(detectContent(long).class, CONTENT_CLASS.other);
  // A header that is cut, though its dictionary is there; and one that is longer than numpy itself would read.
  assert.equal(detectBeginning(npyHeader(numbers).subarray(0, -1), 1000).pixels, undefined);
  const blank = npyHeader({ ...numbers, shape: `4, 5${' '.repeat(10_000)}` });
  assert.equal(detectContent(Buffer.concat([blank, Buffer.alloc(40)])).pixels, undefined);
});

interface Nifti {
  readonly datatype: number;
  readonly dimensions: readonly number[];
  readonly isBigEndian?: boolean;
  readonly offset?: number;
  readonly magic?: string;
}

function nifti1({ datatype, dimensions, isBigEndian = false, offset = 352, magic = 'n+1\0' }: Nifti): Buffer {
  const bytes = Buffer.alloc(Math.max(352, Math.min(offset, 4096)));
  const short = (value: number, at: number) =>
    isBigEndian ? bytes.writeInt16BE(value, at) : bytes.writeInt16LE(value, at);
  isBigEndian ? bytes.writeInt32BE(348, 0) : bytes.writeInt32LE(348, 0);
  dimensions.forEach((value, index) => {
    short(value, 40 + 2 * index);
  });
  short(datatype, 70);
  isBigEndian ? bytes.writeFloatBE(offset, 108) : bytes.writeFloatLE(offset, 108);
  bytes.write(magic, 344, 'latin1');
  return bytes;
}

function nifti2({ datatype, dimensions, isBigEndian = false, offset = 544 }: Nifti): Buffer {
  const bytes = Buffer.alloc(offset);
  const long = (value: number, at: number) =>
    isBigEndian ? bytes.writeBigInt64BE(BigInt(value), at) : bytes.writeBigInt64LE(BigInt(value), at);
  isBigEndian ? bytes.writeInt32BE(540, 0) : bytes.writeInt32LE(540, 0);
  bytes.write('n+2\0\r\n\x1a\n', 4, 'latin1');
  isBigEndian ? bytes.writeInt16BE(datatype, 12) : bytes.writeInt16LE(datatype, 12);
  dimensions.forEach((value, index) => {
    long(value, 16 + 8 * index);
  });
  long(offset, 168);
  return bytes;
}

test('both versions of NIfTI in both byte orders, behind an extension or not', () => {
  const voxels = { datatype: 4, dimensions: [4, 5, 4, 3, 2] };
  for (const isBigEndian of [false, true]) {
    for (const header of [
      nifti1({ ...voxels, isBigEndian }),
      nifti1({ ...voxels, isBigEndian, offset: 1024 }),
      nifti2({ ...voxels, isBigEndian }),
      nifti2({ ...voxels, isBigEndian, offset: 1024 }),
    ]) {
      const content = detectContent(Buffer.concat([header, Buffer.alloc(240)]));
      const place = { offset: header.length, width: 5, height: 4, frames: 6, bytesPerSample: 2 };
      const pixels = { ...USUAL, ...place, isSigned: true, isBigEndian };
      const expected = { class: CONTENT_CLASS.image, headerLength: 0, series: undefined, pixels, isCompressed: false };
      assert.deepEqual(content, expected);
    }
  }
});

test('voxels of every data type', () => {
  const cases: Record<number, Partial<PixelLayout> | undefined> = {
    1: undefined,
    2: { bytesPerSample: 1 },
    4: { bytesPerSample: 2, isSigned: true },
    8: { bytesPerSample: 4, isSigned: true },
    16: { bytesPerSample: 4, isFloat: true },
    32: { bytesPerSample: 4, isFloat: true, width: 10 },
    64: { bytesPerSample: 8, isFloat: true },
    128: { bytesPerSample: 1, samples: 3 },
    256: { bytesPerSample: 1, isSigned: true },
    512: { bytesPerSample: 2 },
    768: { bytesPerSample: 4 },
    1024: { bytesPerSample: 8, isSigned: true },
    1280: { bytesPerSample: 8 },
    1536: undefined,
    1792: { bytesPerSample: 8, isFloat: true, width: 10 },
    2304: undefined,
  };
  for (const [datatype, fields] of Object.entries(cases)) {
    const header = nifti1({ datatype: Number(datatype), dimensions: [2, 5, 4] });
    const { pixels } = detectContent(Buffer.concat([header, Buffer.alloc(320)]));
    const expected = fields && { ...USUAL, offset: 352, width: 5, height: 4, frames: 1, ...fields };
    assert.deepEqual(pixels, expected, datatype);
  }
});

test('a volume whose numbers are impossible has no pixels', () => {
  const voxels = { datatype: 4, dimensions: [3, 5, 4, 3] };
  const cases: readonly Nifti[] = [
    { ...voxels, dimensions: [0, 5, 4, 3] },
    { ...voxels, dimensions: [8, 5, 4, 3, 1, 1, 1, 1] },
    { ...voxels, dimensions: [3, -5, 4, 3] },
    { ...voxels, dimensions: [3, 5, 0, 3] },
    { ...voxels, dimensions: [5, 5, 4, 3, -1, -1] },
    { ...voxels, offset: Number.NaN },
    { ...voxels, offset: Number.POSITIVE_INFINITY },
    { ...voxels, offset: 0 },
    { ...voxels, offset: 352.5 },
    { ...voxels, offset: 1e20 },
  ];
  for (const nifti of cases) {
    const header = nifti1({ ...nifti, offset: 352 });
    header.writeFloatLE(nifti.offset ?? 352, 108);
    assert.equal(detectContent(Buffer.concat([header, Buffer.alloc(999)])).pixels, undefined, JSON.stringify(nifti));
  }
});

test('a header whose voxels are in another file is just bytes', () => {
  const header = nifti1({ datatype: 4, dimensions: [3, 5, 4, 3], magic: 'ni1\0' });
  assert.equal(detectContent(Buffer.concat([header, Buffer.alloc(120)])).class, CONTENT_CLASS.other);
});
