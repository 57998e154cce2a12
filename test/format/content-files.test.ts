/** Real files: the samples of the project, and a larger collection beside the repository where it is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { CONTENT_CLASS, type Content, type ContentClass } from '../../src/format/content.ts';
import { detectContent } from '../../src/format/content-detect.ts';
import { magicClass } from '../../src/format/content-magic.ts';

const root = path.join(import.meta.dirname, '../..');
const collection = path.join(root, '../shared/fixtures/images');
const { ct, mr, pt, us, image, compressed, other } = CONTENT_CLASS;

/** By folder where one folder is of one kind. */
const FOLDERS: Record<string, ContentClass> = {
  blood: compressed,
  xray: compressed,
  ct,
  mr,
  pet: pt,
  pt,
  bccd_jpeg: compressed,
  cxr_png: compressed,
  cr_npy: image,
  ct_chest_lidc: ct,
  mr_ge_epi: mr,
  mr_siemens_mosaic: mr,
  mr_t1_7t: mr,
  mr_uih: mr,
};

/** Class, and frames, lines, samples of a line, bytes and samples of a pixel. */
const FILES: Record<string, readonly [ContentClass, string]> = {
  'CT_small.dcm': [ct, '1x128x128 i2'],
  'MR_small.dcm': [mr, '1x64x64 i2'],
  'MR_small_bigendian.dcm': [mr, '1x64x64 i2 big'],
  // Its last line has three samples less.
  'MR_truncated.dcm': [mr, '1x63x64 i2'],
  'ExplVR_BigEnd.dcm': [us, '1x60x80 u1 big rgb planar'],
  'emri_small.dcm': [mr, '10x64x64 u2'],
  'emri_small_big_endian.dcm': [mr, '10x64x64 u2 big'],
  'examples_palette.dcm': [us, '1x350x800 u1'],
  'examples_rgb_color.dcm': [us, '1x240x320 u1 rgb'],
  'rtdose.dcm': [image, '15x10x10 u4'],
  'OBXXXX1A.dcm': [us, '1x600x800 u1'],
  'SC_rgb_16bit.dcm': [image, '1x100x100 u2 rgb'],
  'SC_rgb_expb_16bit.dcm': [image, '1x100x100 u2 big rgb'],
  'US1_UNCI.dcm': [us, '1x480x640 u1 rgb'],
  'color-pl.dcm': [us, '1x120x256 u1 rgb planar'],
  'color-px.dcm': [us, '1x120x256 u1 rgb'],
  'parametric_map_float.dcm': [image, '1x128x128 f4'],
  // One bit a pixel.
  'liver.dcm': [image, ''],
  'liver_nonbyte_aligned.dcm': [image, ''],
  'rtplan.dcm': [other, ''],
  'reportsi.dcm': [other, ''],
  // Its first byte is a stray blank.
  'no_meta.dcm': [other, ''],
  'anatomical.nii': [image, '25x41x33 i2 big'],
  'functional.nii': [image, '60x21x17 i2'],
  'DCM2NIIX_regression_test_4.nii': [image, '150x64x64 i2'],
  'DCM2NIIX_regression_test_5.nii': [image, '150x64x64 i2'],
};

function describe({ pixels }: Content): string {
  if (pixels === undefined) return '';
  const { frames, height, width, bytesPerSample, samples, isFloat, isSigned, isBigEndian, isPlanar } = pixels;
  const kind = isFloat ? 'f' : isSigned ? 'i' : 'u';
  const words = [`${frames}x${height}x${width} ${kind}${bytesPerSample}`];
  if (isBigEndian) words.push('big');
  if (samples === 3) words.push('rgb');
  if (isPlanar) words.push('planar');
  return words.join(' ');
}

function assertFile(folder: string, name: string): void {
  const bytes = readFileSync(path.join(folder, name));
  const content = detectContent(bytes);
  const [folderName = '', fileName = ''] = name.split('/');
  const expected = FOLDERS[folderName];
  if (expected !== undefined) {
    assert.equal(content.class, expected, name);
    assert.equal(content.pixels === undefined, expected === compressed, name);
    assert.equal(magicClass(bytes.subarray(0, 132)) === compressed, expected === compressed, name);
  } else {
    const [contentClass, layout] = FILES[fileName] ?? [compressed, ''];
    assert.deepEqual([content.class, describe(content)], [contentClass, layout], name);
  }
  // A header and a series where there is DICOM that is not deflated.
  if (!name.endsWith('.dcm') || fileName === 'image_dfl.dcm' || fileName === 'no_meta.dcm') return;
  assert.ok(content.headerLength > 500, name);
  assert.ok(/^[\d.]{5,64}$/.test(content.series ?? '') || fileName === 'HTJ2K_08_RGB.dcm', name);
  if (content.pixels !== undefined) assert.equal(content.pixels.offset, content.headerLength, name);
}

function filesOf(folder: string): string[] {
  const [, ...lines] = readFileSync(path.join(folder, 'manifest.tsv'), 'utf8').trim().split('\n');
  return lines.map((line) => line.split('\t')[0] as string);
}

test('the samples are what they are', () => {
  const names = filesOf(path.join(root, 'samples'));
  assert.ok(names.length > 30);
  for (const name of names) assertFile(path.join(root, 'samples'), name);
});

test('a larger collection is what it is', { skip: !existsSync(collection) && 'it is not here' }, () => {
  const names = filesOf(collection);
  assert.ok(names.length > 100);
  for (const name of names) assertFile(collection, name);
});
